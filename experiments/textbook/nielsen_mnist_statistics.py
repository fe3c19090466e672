"""Accuracies of Nielsen's networks over seeds: what they are compared by.

Everything is in per cent of images, differences in points; the stored arrays
are described at `nielsen_mnist.run`.
"""

import math

import numpy as np
from scipy import stats

from experiments import study
from experiments.textbook import nielsen_mnist_settings as settings_lib

LEVEL = 0.95  # Of all intervals.


def percent(results: study.Results, name: str, epoch: str) -> np.ndarray:
  """Returns an accuracy of each seed.

  Args:
    results: the stored arrays.
    name: one of SETTINGS.
    epoch: "first", "last", or "peak" for the best epoch of each seed.

  Returns:
    Per cent of the held-out images [S].
  """
  curves = 100 * np.asarray(results[f"held_out_{name}"], np.float64)[:, 1:]
  if epoch == "peak":
    return curves.max(axis=1)
  return curves[:, {"first": 0, "last": -1}[epoch]]


def unstuck(results: study.Results, name: str) -> np.ndarray:
  """Returns which seeds must have learned to answer with every digit.

  A network that never gives one of the digits is wrong on every image of it.

  Args:
    results: the stored arrays.
    name: one of SETTINGS that is judged on the test images.

  Returns:
    Booleans [S].
  """
  most = 100 * (1 - float(results["rarest"]))
  return percent(results, name, "peak") > most


def prediction_interval(
  values: np.ndarray, num_runs: int = 1
) -> tuple[float, float]:
  """Returns where the best of some further runs should be, 19 times in 20.

  For one run this is Student's prediction interval around the mean. The best of
  k lies below x where all do, so its quantile q is the quantile q^(1 / k) of
  one (as if the error of the mean were drawn for each anew: it is small).

  Args:
    values: of the runs at hand [S], normally distributed.
    num_runs: k.

  Returns:
    Low and high; NaN for fewer than three values.
  """
  size = len(values)
  if size < 3:
    return math.nan, math.nan
  spread = float(np.std(values, ddof=1)) * math.sqrt(1 + 1 / size)
  low, high = (
    float(np.mean(values) + spread * stats.t.ppf(q ** (1 / num_runs), size - 1))
    for q in ((1 - LEVEL) / 2, (1 + LEVEL) / 2)
  )
  return low, high


def interval_of(
  results: study.Results, published: settings_lib.Published
) -> tuple[float, float]:
  """Returns the interval that one published number should lie in."""
  values = percent(results, published.setting, published.epoch)
  if published.num_runs > 1:  # The best of them is not a stuck one.
    values = values[unstuck(results, published.setting)]
  return prediction_interval(values, published.num_runs)


def difference(
  results: study.Results, first: str, second: str, epoch: str
) -> tuple[float, float]:
  """Returns the mean difference over seeds and its 95 % half-width.

  Paired: a seed has the same initial weights and the same orders in both.

  Args:
    results: the stored arrays.
    first: one of SETTINGS.
    second: another one, subtracted.
    epoch: as of `percent`.

  Returns:
    Mean and half-width, in points.
  """
  values = percent(results, first, epoch) - percent(results, second, epoch)
  error = np.std(values, ddof=1) / math.sqrt(len(values))
  quantile = stats.t.ppf((1 + LEVEL) / 2, len(values) - 1)
  return float(values.mean()), float(quantile * error)
