"""What is read off the stored arrays of the study of gradients by lag.

The arrays are described at `recurrent.run`.
"""

import numpy as np

from experiments import study


def of(results: study.Results, array: str, name: str) -> np.ndarray:
  """Returns one network's part of an array [..., V, S, T or P]."""
  index = [str(n) for n in results["names"]].index(name)
  return results[array][..., index, :, :]


def pause(results: study.Results) -> tuple[int, int]:
  """Returns the first and last lag within the blanks of the copy task."""
  length, delay = int(results["copy_length"]), int(results["copy_delay"])
  return length, length + delay - 1


def tightness(results: study.Results) -> np.ndarray:
  """Returns g_k over its bound (lambda_1 gamma)^k g_0, like `bound_lags`."""
  lags = results["bound_lags"]
  gains = results["gains"][:, np.newaxis, np.newaxis, np.newaxis, np.newaxis]
  return lags / (lags[..., :1] * gains ** np.arange(lags.shape[-1]))


def first_solved(results: study.Results) -> np.ndarray:
  """Returns updates until at most 1 % errors [M, S], infinite if never."""
  solved = results["order_errors"] <= 0.01
  first = results["order_checks"][np.argmax(solved, axis=-1)]
  return np.where(solved.any(axis=-1), first, np.inf)


def mean_and_error(values: np.ndarray) -> tuple[float, float]:
  """Returns the mean over the seeds [S], at least 2, and its standard error."""
  error = np.std(values, ddof=1) / np.sqrt(len(values))
  return float(np.mean(values)), float(error)
