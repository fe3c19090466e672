"""The designed layer of the study of digit codes, checked at its worst."""

import itertools
from typing import Any

import jax
import numpy as np
from jax import numpy as jnp
from scipy import special

import nnfun as nf
from experiments.textbook import constructions

RIGHT, WRONG = 0.99, 0.01  # What the outputs of the third layer reach.
# The example of problem set 5: its input for the digit 9, and its results.
EXAMPLE = np.array([0.01] * 9 + [0.09])
EXAMPLE_RESULTS = np.array([0.98, -1.0, -1.0, 0.92])
PRINTED_SET = (2, 3, 6, 7, 9)  # Digits said to have bit 1.
_ORDERS = (constructions.ZERO_FIRST, constructions.ZERO_LAST)
_NUM_HIDDEN = 32
_COMPILER = {"xla_backend_optimization_level": 0}  # Each runs once.
_SIGMOID, _IDENTITY = nf.activations.sigmoid, nf.activations.identity


def measure(config: Any, images: nf.data.Images) -> dict[str, np.ndarray]:
  """Evaluates the designed layer; to be called with 64-bit numbers.

  The sums z of the layer are linear in the activations, so over all admissible
  ones, a box, each is largest and smallest at a corner.

  Args:
    config: of the study.
    images: to compare gradients on.

  Returns:
    `margins` [orders, 10, 4], the least of z where the bit of the digit is set
    and of -z where it is not, over all corners, with the digits in two orders;
    `output_errors` [gains], the worst |sigma(c z) - bit|; how the digits are
    read from perfect one-hot codes with bit 1 as printed, `printed_digits`
    [10]; how many digits are read rightly at the worst corners with the weights
    of the table and of the text, `table_right` and `text_right`; z of the
    example as printed and with 0.99 for 0.09, `example_z` and `corrected_z`
    [4]; `code_of_three` [10]; `order_difference`, the largest difference
    between gradients with the digits in two orders; and `num_parameters` [2] of
    a 784-32-10 and a 784-32-4 network.
  """
  return {
    "gains": np.array(config.gains),
    "num_parameters": np.array([_num_parameters(n) for n in (10, 4)]),
    "code_of_three": np.asarray(
      constructions.one_hot(np.array(3), constructions.ZERO_LAST)
    ),
    **_measure_corners(config),
    **_measure_misprints(),
    "order_difference": _order_difference(config, images),
  }


def _outputs(params, xs, activations):
  return jax.vmap(lambda x: nf.mlp.apply(params, x, activations))(xs)


_apply = jax.jit(_outputs, static_argnums=2, compiler_options=_COMPILER)


def _bits():
  return np.asarray(constructions.bits(np.arange(10)))


def _corners(order):
  """Returns all corners of the admissible activations, [10, 2^9 2, 10]."""
  place = np.array(list(itertools.product([False, True], repeat=10)))
  is_right = np.equal.outer(np.arange(10), order)[:, None]
  return np.where(
    is_right, np.where(place, 1.0, RIGHT), np.where(place, WRONG, 0.0)
  )


def _measure_corners(config):
  signs, margins = 2 * _bits()[:, None] - 1, []
  for order in _ORDERS:
    params = constructions.one_hot_to_bits(order)
    z = _apply(params, _corners(order).reshape(-1, 10), (_IDENTITY,))
    margins.append(np.min(signs * np.reshape(z, (10, -1, 4)), axis=1))
  errors = []
  for gain in config.gains:
    params = constructions.one_hot_to_bits(gain=gain)
    z = _apply(params, _corners(_ORDERS[0]).reshape(-1, 10), (_IDENTITY,))
    # The distance of sigma(z) from its bit, which rounds to 0 as 1 - sigma(z).
    error = special.expit(-signs * np.reshape(z, (10, -1, 4)))
    errors.append(np.max(error))
  return {"margins": np.array(margins), "output_errors": np.array(errors)}


def _measure_misprints():
  """What the two documents print, in NumPy: weights [4, 10] without a bias."""
  signs = 2 * _bits().T - 1
  printed = signs.copy()
  printed[1] = np.where(np.isin(np.arange(10), PRINTED_SET), 1, -1)
  corners = _corners(_ORDERS[0])

  def num_right(weights):
    is_right = (corners @ weights.T > 0) == _bits()[:, None]
    return np.sum(np.all(is_right, axis=(1, 2)))

  corrected = np.where(EXAMPLE == 0.09, RIGHT, EXAMPLE)
  return {
    "printed_digits": (printed.T > 0) @ 2 ** np.arange(4),
    "table_right": num_right(signs),
    "text_right": num_right(_bits().T),
    "example_z": signs @ EXAMPLE,
    "corrected_z": signs @ corrected,
  }


def _order_difference(config, images):
  """Returns how far gradients are apart, their rows put in the same order."""
  rng = np.random.default_rng(config.seed)
  pixels, labels = images.pixels[:100].astype(float), images.labels[:100]
  sizes = [pixels.shape[1], config.hidden_sizes[-1], 10]
  hidden, output = (
    {"w": rng.standard_normal((n, m)) / m**0.5, "b": rng.standard_normal(n)}
    for m, n in itertools.pairwise(sizes)
  )

  def loss(params, code):
    outputs = _outputs(params, pixels, (_SIGMOID, _SIGMOID))
    return jnp.sum((outputs - code) ** 2)

  gradient = jax.jit(jax.grad(loss), compiler_options=_COMPILER)
  gradients = []
  for order in map(np.array, _ORDERS):
    code = np.equal.outer(labels, order).astype(float)
    # The row of each digit is the same in both networks.
    rows = {name: leaf[order] for name, leaf in output.items()}
    inner, outer = gradient((hidden, rows), code)
    back = {name: leaf[np.argsort(order)] for name, leaf in outer.items()}
    gradients.append(jax.tree.leaves((inner, back)))
  pairs = zip(*gradients, strict=True)
  return np.max([np.max(np.abs(first - second)) for first, second in pairs])


def _num_parameters(num_outputs):
  """Counts the parameters of a network of problem sheet 4, question 2."""
  params = jax.eval_shape(
    lambda key: nf.mlp.init(key, [784, _NUM_HIDDEN, num_outputs]),
    jax.random.key(0),
  )
  return sum(leaf.size for leaf in jax.tree.leaves(params))
