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

_act = nf.activations
RIGHT, WRONG = 0.99, 0.01  # What the outputs of the third layer reach.
_ORDERS = (constructions.ZERO_FIRST, constructions.ZERO_LAST)
# Of the weights in the solution to problem 3 of S1, from least to most
# significant bit, digits 0 to 9.
TABLE = np.array(
  [
    [-1, 1, -1, 1, -1, 1, -1, 1, -1, 1],
    [-1, -1, 1, 1, -1, -1, 1, 1, -1, -1],
    [-1, -1, -1, -1, 1, 1, 1, 1, -1, -1],
    [-1, -1, -1, -1, -1, -1, -1, -1, 1, 1],
  ]
)


class Layer(NamedTuple):
  """What the layer does, over all inputs that the exercise admits."""

  # The least of z where a bit is set and of -z elsewhere, by weights.
  margins: dict[str, np.ndarray]  # [10, 4]
  gains: np.ndarray  # c, by which weights are multiplied  [C]
  output_errors: np.ndarray  # Worst of abs(sigma(c z) - bit)  [C]
  nine: np.ndarray  # What 9 is read as where its bit 1 has weight +1  []


def measure() -> Layer:
  """Evaluates the layer on all corners of what the exercise admits.

  The sums z are linear in the activations, so over all admissible ones, a box,
  each is largest and smallest at a corner.
  """
  printed = TABLE.copy()
  printed[1, 9] = 1  # S0: bit 1 "must be a 1 for the digits 2, 3, 6, 7, 9".
  gains = np.array([1.0, 3.0, 10.0, 30.0])  # At 30 three digits are left.

  # As arguments: the compiler would evaluate all that is constant.
  @sweeps.quick_jit
  def compute(first, last):
    margins = {
      "zero first": _margins(constructions.one_hot_to_bits(_ORDERS[0]), first),
      "zero last": _margins(constructions.one_hot_to_bits(_ORDERS[1]), last),
      "table": _margins(_layer(TABLE), first),
      "text": _margins(_layer(np.maximum(TABLE, 0)), first),
    }
    errors = jnp.stack([_output_error(gain, first) for gain in gains])
    nine = nf.mlp.apply(_layer(printed), np.eye(10)[9], (_act.threshold,))
    return Layer(margins, gains, errors, nine @ 2 ** np.arange(4))

  return jax.device_get(compute(*map(_corners, _ORDERS)))


def _layer(weights):
  return ({"w": jnp.asarray(weights, float), "b": jnp.zeros(len(weights))},)


def _corners(order):
  """Returns all corners of the admissible activations, [10, 2^10, 10]."""
  place = np.array(list(itertools.product([False, True], repeat=10)))
  is_right = np.equal.outer(np.arange(10), order)[:, None]
  return np.where(
    is_right, np.where(place, 1.0, RIGHT), np.where(place, WRONG, 0.0)
  )


def _at_corners(params, corners, activation):
  """Returns the outputs for each digit, [10, 2^10, 4], and its bits."""
  one = jax.vmap(lambda x: nf.mlp.apply(params, x, (activation,)))
  return jax.vmap(one)(corners), constructions.bits(np.arange(10))[:, None]


def _margins(params, corners):
  z, bits = _at_corners(params, corners, _act.identity)
  return jnp.min((2 * bits - 1) * z, axis=1)


def _output_error(gain, corners):
  params = constructions.one_hot_to_bits(gain=gain)
  outputs, bits = _at_corners(params, corners, _act.sigmoid)
  return jnp.max(jnp.abs(outputs - bits))


def order_difference(seed: int, images: nf.data.Images) -> np.ndarray:
  """Returns how far gradients are apart with the digits in two orders.

  Of the squared loss of a 32-10 network, rows put in the same order.
  """
  pixels, labels = images.pixels[:100].astype(float), images.labels[:100]
  sizes = [pixels.shape[1], 32, 10]

  def gradient(params, order):
    order, code = np.array(order), constructions.one_hot(labels, order)

    def loss(params):
      one = jax.vmap(lambda x: nf.mlp.apply(params, x, [_act.sigmoid] * 2))
      return jnp.sum((one(pixels) - code) ** 2)

    # The row of each digit is the same in both networks.
    hidden, output = params
    rows = jax.tree.map(lambda leaf: leaf[order], output)
    inner, outer = jax.grad(loss)((hidden, rows))
    return inner, jax.tree.map(lambda leaf: leaf[np.argsort(order)], outer)

  @sweeps.quick_jit
  def largest():
    params = nf.mlp.init(jax.random.key(seed), sizes)
    gaps = jax.tree.map(jnp.subtract, *(gradient(params, o) for o in _ORDERS))
    return jnp.array([jnp.max(jnp.abs(gap)) for gap in jax.tree.leaves(gaps)])

  return np.max(largest())
