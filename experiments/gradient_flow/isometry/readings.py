"""What the claims and the figure both read off."""

import numpy as np

from experiments import measure


def log_variance(log_norms: np.ndarray, unit: float = 1.0) -> measure.Measured:
  """Returns the variance of log norms [R] of living networks, over `unit`."""
  alive = log_norms[np.isfinite(log_norms)].astype(np.float64)
  return measure.mean((alive - alive.mean()) ** 2 / unit)


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
