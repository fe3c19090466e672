"""What theory says of the networks of the study, at infinite width."""

import math

import numpy as np

from experiments import study

UNITS = ("linear", "ReLU", "hard tanh", "erf")  # Rows of the paper's table.
WEIGHTS = ("Gaussian", "orthogonal")
# Units and weights (0 Gaussian, 1 orthogonal) whose spectrum is shown.
PANELS = (("erf", 0), ("erf", 1), ("hard tanh", 1), ("ReLU", 0))


def table(unit: str, orthogonal: bool, depth: int, q: float) -> float:
  """Returns Pennington et al.'s variance of squared singular values / mean^2.

  L (mu_2 / mu_1^2 - 1 - s_1),  s_1 = 0 if orthogonal, -1 if Gaussian.
  """
  ratio = {
    "linear": 1.0,
    "ReLU": 2.0,
    "hard tanh": 1 / math.erf(1 / math.sqrt(2 * q)),
    "erf": (1 + math.pi * q) / math.sqrt(1 + 2 * math.pi * q),
  }[unit]
  return depth * (ratio - 1 + (0 if orthogonal else 1))


def distribution(
  results: study.Results, panel: int
) -> tuple[np.ndarray, np.ndarray]:
  """Returns points x and P(s^2 < x) of a panel [P].

  Integrated from above, where the density has no singularity.
  """
  unit, orthogonal = PANELS[panel]
  x, density = results.density_x, results.density[panel]
  pieces = np.diff(np.log(x)) * (x * density)[:-1]
  pieces += np.diff(np.log(x)) * np.diff(x * density) / 2
  above = np.append(np.cumsum(pieces[::-1])[::-1], 0)
  depth = results.whole.mean.shape[1]
  if unit == "hard tanh" and orthogonal:
    # Directions that no layer saturates are stretched by sigma_w^L.
    saturated = math.erfc(1 / math.sqrt(2 * float(results.q)))
    largest = results.variance_w[UNITS.index(unit)] ** depth
    above += max(0.0, 1 - depth * saturated) * (x <= largest)
  return x, 1 - above
