"""How likely a ReLU network is born dead: constant, whatever comes in.

Weights are symmetric about 0 and biases are 0, so each unit is active for a
given input with probability 1/2, independently of the others. A network is dead
once all units of a hidden layer are inactive for all inputs.

References:
  Lu, Shin, Su, Karniadakis, Dying ReLU and initialization: theory and numerical
  examples, 2019, https://arxiv.org/abs/1903.06733
"""

import math
from collections.abc import Sequence


def dead_for_one_input(widths: Sequence[int]) -> float:
  """Returns the probability that one given input does not get through.

    1 - prod_l (1 - 2^{-n_l}).

  It is an upper bound of the probability to be dead for a set of inputs.

  Args:
    widths: n_1 ... n_{L-1} of the hidden layers, so L - 1 equal ones for a
      network of L layers.

  Returns:
    The probability.

  Raises:
    ValueError: if a width is not positive.

  >>> print(f"{dead_for_one_input([3] * 9):.3f}")
  0.699
  """
  if any(n < 1 for n in widths):
    raise ValueError(f"expected positive widths, got {widths}")
  return -math.expm1(sum(math.log1p(-(2.0**-n)) for n in widths))


def dead_for_scalar_inputs(widths: Sequence[int]) -> tuple[float, float]:
  """Returns bounds of the probability to be dead, inputs being numbers.

  Behind the first layer there are two rays, of the positive and of the negative
  inputs; one of them is missing with probability 2^{1 - n_1}. Each dies in the
  layers after with probability D, and in any layer both at once at least as
  often as if they did so independently, for between vectors without negative
  entries the angle is at most pi / 2. Hence

    2^{1 - n_1} D + (1 - 2^{1 - n_1}) D^2 <= P <= 1 - prod_l (1 - 2^{-n_l}).

  Args:
    widths: n_1 ... n_{L-1} of the hidden layers.

  Returns:
    The lower and the upper bound.

  Raises:
    ValueError: if there is no hidden layer, or a width is not positive.
  """
  if not widths:
    raise ValueError("expected one or more hidden layers, got none")
  upper = dead_for_one_input(widths)
  one_sided = 2.0 ** (1 - widths[0])
  later = dead_for_one_input(widths[1:])
  return one_sided * later + (1 - one_sided) * later**2, upper
