"""What the lecture notes on XOR print, in section 1.4.

A network of two inputs, two hidden units and one output is W [2, 3] and U [3],
the bias of a unit in the last column, as the notes write it.
"""

from typing import Any, NamedTuple

import numpy as np

# In the order of the table; equation 1.2 gives the targets.
PATTERNS = np.array([[1.0, 0.0], [0.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
TARGETS = np.array([1.0, 0.0, 1.0, 0.0])

# Kinds of networks which are trained.
RELU, LINEAR, LEAKY, SIGMOID = (
  "ReLU (the notes)",
  "ReLU, linear output",
  "leaky ReLU, linear output",
  "sigmoid (their table)",
)


class Weights(NamedTuple):
  """A 2-2-1 network in the notation of the notes."""

  hidden: np.ndarray  # W [..., 2, 3]
  output: np.ndarray  # U [..., 3]


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


def sign_choices() -> Weights:
  """Returns the 2^9 networks with the printed magnitudes and any signs."""
  bits = np.arange(2**9)[:, None] >> np.arange(9) & 1
  magnitudes = np.concatenate([PRINTED.hidden.ravel(), PRINTED.output])
  signed = np.where(bits, -1, 1) * magnitudes
  return Weights(signed[:, :6].reshape(-1, 2, 3), signed[:, 6:])


def solved(starts: Any) -> np.ndarray:
  """Tells which starts do XOR, every error below 0.1, [S, rates, records]."""
  return starts.error < 0.1
