"""What theory says of the networks of `isometry`."""

import math

import jax
import numpy as np

from experiments import study
from experiments.gradient_flow import isometry_networks
from nnfun.theory import finite_width, spectra

# Units and weights (0 Gaussian, 1 orthogonal) whose spectrum is shown.
PANELS = (("erf", 0), ("erf", 1), ("hard tanh", 1), ("ReLU", 0))


def table(unit: str, orthogonal: bool, depth: int, q: float) -> float:
  """Returns an entry of the paper's table.

  Args:
    unit: a key of `isometry_networks.UNITS`.
    orthogonal: whether the weights are, or else Gaussian.
    depth: L.
    q: variance of the pre-activations.

  Returns:
    The variance of squared singular values over their mean^2.
  """
  with jax.enable_x64(True):
    ratio = {
      "linear": 1.0,
      "ReLU": 2.0,
      "hard tanh": spectra.hard_tanh_slope_ratio(q),
      "erf": spectra.erf_slope_ratio(q),
    }[unit]
    return float(spectra.relative_variance(ratio, depth, orthogonal=orthogonal))


def exact(width: int, depth: int, relu: bool, orthogonal: bool) -> np.ndarray:
  """Returns the same for linear units or ReLU at a finite width.

  Args:
    width: N.
    depth: L.
    relu: whether the units are ReLU, or else linear.
    orthogonal: whether the weights are, or else Gaussian.

  Returns:
    After each layer [L].
  """
  layers = range(1, 1 + depth)
  return np.array(
    [
      finite_width.relative_variance(
        width, layer, relu=relu, orthogonal=orthogonal
      )
      for layer in layers
    ]
  )


def residual(
  unit: str, orthogonal: bool, depth: int, widths: np.ndarray
) -> float:
  """Returns the error left in 2 R(N) - R(N / 2) as the limit of R.

  Known for linear units and for ReLU; the latter, with the most unequal slopes,
  stands in for the others.

  Args:
    unit: a key of `isometry_networks.UNITS`.
    orthogonal: whether the weights are, or else Gaussian.
    depth: L.
    widths: N / 2 and N.

  Returns:
    A bound, absolute.
  """
  relu = unit != "linear"
  half, full = (exact(int(n), depth, relu, orthogonal)[-1] for n in widths)
  limit = table("ReLU" if relu else "linear", orthogonal, depth, 1.0)
  return abs(2 * full - half - limit)


def saturated(q: float) -> float:
  """Returns P(|z| > 1) for z ~ N(0, q), a hard tanh unit's slope being 0."""
  return math.erfc(1 / math.sqrt(2 * float(q)))


def distribution(
  results: study.Results, panel: int
) -> tuple[np.ndarray, np.ndarray]:
  """Returns the cumulative distribution of squared singular values.

  Integrated from above, where the density has no singularity.

  Args:
    results: of the study.
    panel: index in `PANELS`.

  Returns:
    Points x and P(s^2 < x) [P].
  """
  unit, orthogonal = PANELS[panel]
  x, density = results["density_x"], results["density"][panel]
  pieces = np.diff(np.log(x)) * (x * density)[:-1]
  pieces += np.diff(np.log(x)) * np.diff(x * density) / 2
  above = np.append(np.cumsum(pieces[::-1])[::-1], 0)
  depth = results["mean_1"].shape[1]
  if unit == "hard tanh" and orthogonal:
    i = list(isometry_networks.UNITS).index(unit)
    atom = max(0.0, 1 - depth * saturated(results["q"]))
    above += atom * (x <= results["variance_w"][i] ** depth)
  return x, 1 - above


def log_norm_laws(
  shapes: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
  """Returns mean and variance of log squared norms, and sum(1 / width).

  Args:
    shapes: widths of ReLU layers, padded with zeros [S, L].

  Returns:
    Three arrays [S].
  """
  rows = [[int(n) for n in shape if n] for shape in shapes]
  means, laws = np.array([finite_width.relu_log_norm(row) for row in rows]).T
  return means, laws, np.array([sum(1 / n for n in row) for row in rows])


def fourth_moments(shapes: np.ndarray) -> np.ndarray:
  """Returns E[|J v|^4] / E[|J v|^2]^2 of ReLU networks.

  Args:
    shapes: widths of the layers, padded with zeros [S, L].

  Returns:
    [S].
  """
  rows = [[int(n) for n in shape if n] for shape in shapes]
  return np.array([finite_width.relu_fourth_moment(row) for row in rows])
