"""The designed layer, at its worst, and what the documents print of it.

All is meant to be called under float64.
"""

import itertools
from typing import NamedTuple

import jax
import numpy as np
from jax import numpy as jnp

import nnfun as nf
from experiments import sweeps
from experiments.textbook import constructions
from experiments.textbook.digit_codes import readings

_act = nf.activations
RIGHT, WRONG = 0.99, 0.01  # What the outputs of the third layer reach.
_GAINS = (1.0, 3.0, 10.0, 30.0)  # At 30 an error has three digits left.
_ORDERS = (constructions.ZERO_FIRST, constructions.ZERO_LAST)
# The example of problem set 5: its input for the digit 9, and its results.
_EXAMPLE = np.array([0.01] * 9 + [0.09])
_EXAMPLE_SUMS = np.array([0.98, -1.0, -1.0, 0.92])


class Misprint(NamedTuple):
  """How many numbers or digits are wrong, of those which are printed."""

  printed: np.ndarray  # []
  corrected: np.ndarray  # []


class Layer(NamedTuple):
  """The least of z where a bit is set and of -z elsewhere, over all inputs."""

  margins: np.ndarray  # With the digits in two orders  [2, 10, 4]
  table_margins: np.ndarray  # Of the weights in S1's table  [10, 4]
  gains: np.ndarray  # c, by which weights are multiplied  [C]
  output_errors: np.ndarray  # Worst of abs(sigma(c z) - bit)  [C]
  nine: np.ndarray  # What 9 is read as where its bit 1 has weight +1  []
  misprints: dict[str, Misprint]  # Of the solution in S1


def measure() -> Layer:
  """Evaluates the layer on all corners of what the exercise admits.

  The sums z are linear in the activations, so over all admissible ones, a box,
  each is largest and smallest at a corner.
  """
  margins = [
    _margins(constructions.one_hot_to_bits(order), order) for order in _ORDERS
  ]
  printed = readings.TABLE.copy()
  printed[1, 9] = 1  # S0: bit 1 "must be a 1 for the digits 2, 3, 6, 7, 9".
  (nine,) = _outputs(_layer(printed), np.eye(10)[9:], _act.threshold)
  return Layer(
    np.array(margins),
    _margins(_layer(readings.TABLE), _ORDERS[0]),
    np.array(_GAINS),
    np.array([_output_error(gain) for gain in _GAINS]),
    nine @ 2 ** np.arange(4),
    {name: Misprint(*map(np.array, m)) for name, m in _misprints().items()},
  )


def order_difference(seed: int, images: nf.data.Images) -> np.ndarray:
  """Returns how far gradients are apart with the digits in two orders.

  Of the squared loss of a 32-10 network, rows put in the same order.
  """
  pixels, labels = images.pixels[:100].astype(float), images.labels[:100]
  sizes = [pixels.shape[1], 32, 10]
  hidden, output = nf.mlp.init(jax.random.key(seed), sizes)

  @sweeps.quick_jit
  def gradient(order):
    code = (labels[:, None] == order[None]).astype(float)

    def loss(params):
      layers = [_act.sigmoid] * 2
      one = jax.vmap(lambda x: nf.mlp.apply(params, x, layers))
      return jnp.sum((one(pixels) - code) ** 2)

    # The row of each digit is the same in both networks.
    rows = {name: leaf[order] for name, leaf in output.items()}
    inner, outer = jax.grad(loss)((hidden, rows))
    return inner, {n: leaf[jnp.argsort(order)] for n, leaf in outer.items()}

  pairs = zip(
    *(jax.tree.leaves(gradient(jnp.array(order))) for order in _ORDERS),
    strict=True,
  )
  return np.max([np.max(np.abs(first - second)) for first, second in pairs])


def _layer(weights):
  return ({"w": jnp.asarray(weights, float), "b": jnp.zeros(len(weights))},)


def _outputs(params, xs, activation):
  one = lambda x: nf.mlp.apply(params, x, (activation,))  # noqa: E731
  return sweeps.sweep(one, xs, quick=True)


def _corners(order):
  """Returns all corners of the admissible activations, [10, 2^9 2, 10]."""
  place = np.array(list(itertools.product([False, True], repeat=10)))
  is_right = np.equal.outer(np.arange(10), order)[:, None]
  return np.where(
    is_right, np.where(place, 1.0, RIGHT), np.where(place, WRONG, 0.0)
  )


def _at_corners(params, order, activation):
  """Returns the outputs for each digit, [10, 2^10, 4]."""
  outputs = _outputs(params, _corners(order).reshape(-1, 10), activation)
  return outputs.reshape(10, -1, 4)


def _margins(params, order):
  z = _at_corners(params, order, _act.identity)
  return np.min((2 * readings.BITS[:, None] - 1) * z, axis=1)


def _output_error(gain):
  params = constructions.one_hot_to_bits(gain=gain)
  outputs = _at_corners(params, _ORDERS[0], _act.sigmoid)
  return np.max(np.abs(outputs - readings.BITS[:, None]))


def _misprints():
  """How much is wrong in what S1 prints, and in the same corrected."""
  nine = readings.BITS[9]
  text = np.where(readings.TABLE == 1, 1, 0)
  corrected = np.where(_EXAMPLE == 0.09, RIGHT, _EXAMPLE)

  def misread(weights):
    right = _margins(_layer(weights), _ORDERS[0]) > 0
    return np.sum(~np.all(right, axis=1))

  def sums_off(x):
    (z,) = _outputs(_layer(readings.TABLE), x[None], _act.identity)
    return np.sum(np.abs(z - _EXAMPLE_SUMS) > 1e-12)

  def bits_off(sums):
    return np.sum((np.asarray(_act.sigmoid(sums)) > 0.5) != nine)

  return {
    "bits that must be 0 use w = 0": (misread(text), misread(readings.TABLE)),
    "0.09 for 0.99": (sums_off(_EXAMPLE), sums_off(corrected)),
    "sigma(0.98) in every row": (
      bits_off(np.full(4, _EXAMPLE_SUMS[0])),
      bits_off(_EXAMPLE_SUMS),
    ),
  }
