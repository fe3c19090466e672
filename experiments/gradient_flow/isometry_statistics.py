"""Means over seeds with their standard errors, for `isometry`."""

import numpy as np

from experiments import study


def relative_variances(
  results: study.Results, index: int
) -> tuple[np.ndarray, np.ndarray]:
  """Returns E[s^4] / E[s^2]^2 - 1 after each layer, by unit and weights.

  Args:
    results: of the study.
    index: 0 for width N / 2, 1 for width N.

  Returns:
    The ratio of means over seeds, and its standard error by jackknife
    [L, U, 2].
  """
  square, fourth = results[f"mean_{index}"], results[f"mean_square_{index}"]
  num = len(square)

  def ratio(square, fourth):
    return fourth / square**2 - 1

  totals = square.sum(0), fourth.sum(0)
  without = ratio(
    (totals[0] - square) / (num - 1), (totals[1] - fourth) / (num - 1)
  )
  return ratio(totals[0] / num, totals[1] / num), np.std(without, 0) * (
    num - 1
  ) ** 0.5


def variances(results: study.Results) -> tuple[np.ndarray, np.ndarray]:
  """Returns the variance of log norms of living networks, and its error.

  Args:
    results: of the study.

  Returns:
    By vector (signal, tangent) and shape [2, S].
  """
  alive = np.where(
    np.isfinite(results["log_norms"]), results["log_norms"], np.nan
  )
  squares = (alive - np.nanmean(alive, 0, keepdims=True)) ** 2
  num = np.sum(np.isfinite(squares), 0)
  error = np.nanstd(squares, 0) / num**0.5
  return np.nanmean(squares, 0) * num / (num - 1), error
