"""What the claims and the figure both read off."""

from typing import Any

import numpy as np

BITS = np.array([[d >> place & 1 for place in range(4)] for d in range(10)])
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


def at_best_rate(trained: Any, values: np.ndarray) -> np.ndarray:
  """Returns values [S, sizes, rates] at the best rate of each size, [S, sizes].

  The rate is the best by the mean accuracy on the validation images; for the
  designed layer that of the ten outputs which it reads.
  """
  rates = np.argmax(trained.validation.mean(axis=0), axis=1)
  return values[:, np.arange(len(rates)), rates].astype(float)


def lost(results: Any) -> dict[str, np.ndarray]:
  """Returns the accuracy lost by four outputs, by network [S, sizes].

  Against ten outputs from the same seed and the designed layer.
  """
  designed = at_best_rate(results.ten, results.ten.designed)
  return {
    name: designed - at_best_rate(four, four.test)
    for name, four in results.four.items()
  }
