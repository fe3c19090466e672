"""What the claims and the figure both read off."""

import numpy as np

from experiments import measure, study


def relative_variances(spectra: study.Results) -> np.ndarray:
  """Returns each network's variance of squared singular values / mean^2."""
  square, fourth = (
    np.asarray(v, np.float64) for v in (spectra.mean, spectra.mean_square)
  )
  # Dead networks stretch nothing, all directions alike.
  return (
    np.divide(fourth, square**2, np.ones_like(fourth), where=square > 0) - 1
  )


def sums(norms: study.Results) -> np.ndarray:
  """Returns the sum of 1 / width of each shape [S]."""
  return np.sum(1 / np.where(norms.shapes > 0, norms.shapes, np.inf), axis=1)


def log_variance(log_norms: np.ndarray, unit: float = 1.0) -> measure.Measured:
  """Returns the variance of log norms [R] of living networks, over `unit`."""
  alive = log_norms[np.isfinite(log_norms)].astype(np.float64)
  bias = len(alive) / (len(alive) - 1)
  return measure.mean(bias * (alive - alive.mean()) ** 2 / unit)


def log_second_moment(
  log_norms: np.ndarray, unit: float = 1.0
) -> measure.Measured:
  """Returns log of E|J v|^4 / (E|J v|^2)^2, of log |J v|^2 [R], over `unit`."""
  square = np.exp(log_norms.astype(np.float64))
  mean, fourth = square.mean(), np.mean(square**2)
  # The error of a smooth function of means is that of its linear part.
  linear = square**2 / fourth - 2 * square / mean
  value = np.log(fourth / mean**2)
  return measure.mean((value + linear - linear.mean()) / unit)
