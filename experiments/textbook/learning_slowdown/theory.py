"""One sigmoid neuron with x = 1 and y = 0, learning in small steps.

Weight and bias both go down the gradient, so that z = w + b obeys

  dz / dt = -2 eta dC / dz,  da / dt = -2 eta a (1 - a) dC / dz,

t in epochs, with dC / dz = a^2 (1 - a) for the quadratic cost and a for the
cross-entropy.
"""

import numpy as np

# dC / dz at the output a, by cost.
SLOPES = {
  "quadratic": lambda a: a**2 * (1 - a),
  "cross-entropy": lambda a: a,
}
# The integral of 1 / (a (1 - a) dC / dz) over a.
_INTEGRALS = {
  "quadratic": lambda a: (
    -0.5 / a**2 - 2 / a + 3 * np.log(a / (1 - a)) + 1 / (1 - a)
  ),
  "cross-entropy": lambda a: -1 / a + np.log(a / (1 - a)),
}


def time(cost: str, start: float, end: float, learning_rate: float) -> float:
  """Epochs in which the output falls from start to end, in (0, 1)."""
  f = _INTEGRALS[cost]
  return (f(start) - f(end)) / (2 * learning_rate)
