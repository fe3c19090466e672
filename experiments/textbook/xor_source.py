"""What the lecture notes on XOR print: matrices, table, update formulas.

A network of two inputs, two hidden units and one output is W [2, 3] and U [3],
the bias of a unit in the last column, as the notes write it.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

import nnfun as nf

# In the order of the table; equation 1.2 gives the targets.
PATTERNS = np.array([[1.0, 0.0], [0.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
TARGETS = np.array([1.0, 0.0, 1.0, 0.0])


class Weights(NamedTuple):
  """A 2-2-1 network in the notation of the notes."""

  hidden: np.ndarray  # W [2, 3]
  output: np.ndarray  # U [3]


# Section 1.4, as printed.
PRINTED = Weights(
  np.array([[3.0, 4.0, 2.0], [2.0, 3.0, 4.0]]), np.array([5.0, 5.0, 2.0])
)
# The signs that reproduce the table.
SIGNED = Weights(
  np.array([[3.0, 4.0, -2.0], [2.0, 3.0, -4.0]]), np.array([5.0, -5.0, -2.0])
)
# Equations 1.26 and 1.27.
TRAINED = Weights(
  np.array(
    [[1.52183263, 1.55282077, -1.55282077], [1.0637993, 1.0637993, 0.39200322]]
  ),
  np.array([-1.31420497, 0.94002694, -0.36849359]),
)
# Columns h_0, h_1, y.
TABLE = np.array(
  [
    [0.731, 0.119, 0.743],
    [0.119, 0.018, 0.183],
    [0.881, 0.269, 0.743],
    [0.993, 0.731, 0.334],
  ]
)
# What stands inside the sigma( ) of the table.
TABLE_PREACTIVATIONS = np.array(
  [
    [1.0, -2.0, 1.060],
    [-2.0, -4.0, -1.495],
    [2.0, -1.0, 1.060],
    [5.0, 1.0, -0.690],
  ]
)


def as_params(weights: Weights) -> nf.base.Params:
  """Returns the weights in the form of `nf.mlp`."""
  hidden, output = weights
  return (
    {"w": hidden[:, :2], "b": hidden[:, 2]},
    {"w": output[None, :2], "b": output[2:]},
  )


def as_weights(params: nf.base.Params) -> Weights:
  """Returns parameters of `nf.mlp`, leaves [..., out, in], as the notes do."""
  columns = [
    np.concatenate([layer["w"], np.asarray(layer["b"])[..., None]], axis=-1)
    for layer in params
  ]
  return Weights(columns[0], columns[1][..., 0, :])


def table(
  weights: Weights, activation: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
  """Computes the table of a network.

  Args:
    weights: W [..., 2, 3] and U [..., 3], any number of networks.
    activation: of both layers, elementwise.

  Returns:
    h_0, h_1, y for each pattern, [..., 4, 3].
  """
  inputs = _with_bias(PATTERNS)
  h = activation(np.einsum("...ij,pj->...pi", weights.hidden, inputs))
  y = activation(np.einsum("...j,...pj->...p", weights.output, _with_bias(h)))
  return np.concatenate([h, y[..., None]], axis=-1)


def sign_choices() -> Weights:
  """Returns the 2^9 networks with the printed magnitudes and any signs."""
  bits = np.arange(2**9)[:, None] >> np.arange(9) & 1
  magnitudes = np.concatenate([PRINTED.hidden.ravel(), PRINTED.output])
  signed = np.where(bits, -1, 1) * magnitudes
  return Weights(signed[:, :6].reshape(-1, 2, 3), signed[:, 6:])


def updated(
  weights: Weights,
  x: np.ndarray,
  t: float,
  activation: Callable[[np.ndarray], np.ndarray],
  slope: Callable[[np.ndarray], np.ndarray],
  *,
  misprint: bool = False,
) -> Weights:
  """Returns the weights after equations 1.15 to 1.24, one pattern at a time.

  Args:
    weights: before the step.
    x: the pattern [2].
    t: its target.
    activation: r, of both layers.
    slope: r'.
    misprint: take x_i for x_j in dh_i / dw_ij = r'(s_hi) x_j, as the line
      after equation 1.14 prints it.

  Returns:
    The weights after a step with learning rate 1.
  """
  (w, u), (x1, x2) = weights, x
  s_h = w[:, 0] * x1 + w[:, 1] * x2 + w[:, 2]
  h = activation(s_h)
  s_y = u[0] * h[0] + u[1] * h[1] + u[2]
  delta = -(t - activation(s_y)) * slope(s_y)
  d1, d2 = delta * u[:2] * slope(s_h)
  x12, x21 = (x1, x2) if misprint else (x2, x1)
  return Weights(
    w - np.array([[d1 * x1, d1 * x12, d1], [d2 * x21, d2 * x2, d2]]),
    u - np.array([delta * h[0], delta * h[1], delta]),
  )


def _with_bias(x):
  return np.concatenate([x, np.ones_like(x[..., :1])], axis=-1)
