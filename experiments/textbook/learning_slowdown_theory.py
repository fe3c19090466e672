"""One sigmoid neuron with x = 1 and y = 0, learning in small steps.

Weight and bias both go down the gradient, so that z = w + b obeys

  dz / dt = -2 eta dC / dz,  da / dt = -2 eta a (1 - a) dC / dz,

t in epochs, with dC / dz = a^2 (1 - a) for the quadratic cost and a for the
cross-entropy.
"""

import numpy as np


def quadratic_time(
  start: float | np.ndarray, end: float | np.ndarray, learning_rate: float
) -> float | np.ndarray:
  """Returns the epochs from one output to another under the quadratic cost.

    t = (F(start) - F(end)) / (2 eta),  F' = 1 / (a^3 (1 - a)^2),
    F = -1 / (2 a^2) - 2 / a + 3 log(a / (1 - a)) + 1 / (1 - a).

  Args:
    start: output at the start, in (0, 1).
    end: output at the end.
    learning_rate: eta.
  """

  def f(a):
    return -0.5 / a**2 - 2 / a + 3 * np.log(a / (1 - a)) + 1 / (1 - a)

  return (f(start) - f(end)) / (2 * learning_rate)


def entropy_time(
  start: float | np.ndarray, end: float | np.ndarray, learning_rate: float
) -> float | np.ndarray:
  """Returns the epochs from one output to another under the cross-entropy.

    t = (G(start) - G(end)) / (2 eta),  G' = 1 / (a^2 (1 - a)),
    G = -1 / a + log(a / (1 - a)).

  Args:
    start: output at the start, in (0, 1).
    end: output at the end.
    learning_rate: eta.
  """

  def g(a):
    return -1 / a + np.log(a / (1 - a))

  return (g(start) - g(end)) / (2 * learning_rate)


def crossing(curve: np.ndarray, level: float) -> float:
  """Returns the epoch at which a falling curve [T + 1] reaches a level.

  Linear between two epochs; NaN if it stays above.
  """
  below = np.flatnonzero(curve <= level)
  if not below.size or below[0] == 0:
    return float("nan") if not below.size else 0.0
  last = below[0]
  above, under = curve[last - 1], curve[last]
  return float(last - 1 + (above - level) / (above - under))
