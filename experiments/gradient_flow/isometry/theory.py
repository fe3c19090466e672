"""What theory says of the networks of the study, at infinite width."""

import math

import numpy as np

from experiments import study

Q = 0.5  # Variance of the pre-activations.
UNITS = ("linear", "ReLU", "hard tanh", "erf")  # Rows of the paper's table.
WEIGHTS = ("Gaussian", "orthogonal")
# Units and weights (0 Gaussian, 1 orthogonal) whose spectrum is shown.
PANELS = (("erf", 0), ("erf", 1), ("ReLU", 0))
X = np.geomspace(1e-4, 60, 100)  # Squared singular values for their densities.
# Widths of ReLU networks; and of some with small sums of 1 / width, where
# moments can be measured by many networks.
SHAPES = (24,) * 4, (16, 24) * 3, (24,) * 12, (12, 24) * 6, (12,) * 12
NARROW_SHAPES = (16,), (8,), (8, 16)


def table(unit: str, orthogonal: bool, depth: int) -> float:
  """Returns Pennington et al.'s variance of squared singular values / mean^2.

  L (mu_2 / mu_1^2 - 1 - s_1),  s_1 = 0 if orthogonal, -1 if Gaussian.
  """
  ratio = {
    "linear": 1.0,
    "ReLU": 2.0,
    "hard tanh": 1 / math.erf(1 / math.sqrt(2 * Q)),
    "erf": (1 + math.pi * Q) / math.sqrt(1 + 2 * math.pi * Q),
  }[unit]
  return depth * (ratio - 1 + (0 if orthogonal else 1))


def distribution(results: study.Results, panel: int) -> np.ndarray:
  """Returns P(s^2 < x) of a panel at X [P]."""
  # Integrated from above, where the density has no singularity.
  mass = X * results.density[panel]
  pieces = np.diff(np.log(X)) * (mass[1:] + mass[:-1]) / 2
  return 1 - np.append(np.cumsum(pieces[::-1])[::-1], 0)


def sums(shapes: tuple[tuple[int, ...], ...]) -> np.ndarray:
  """Returns the sum of 1 / width of each shape [S]."""
  return np.array([sum(1 / n for n in shape) for shape in shapes])
