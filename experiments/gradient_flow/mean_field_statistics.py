"""Means over seeds with their standard errors, for `mean_field`."""

from collections.abc import Callable

import numpy as np

from experiments import study


def mean_and_error(samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  """Returns the mean over the first axis and its standard error."""
  error = np.std(samples, 0, ddof=1) / len(samples) ** 0.5
  return np.mean(samples, 0), error


def jackknife(
  fn: Callable[[np.ndarray], float], samples: np.ndarray
) -> tuple[float, float]:
  """Returns a function of the mean over seeds, and its standard error.

  Args:
    fn: of a mean over the first axis.
    samples: [seeds, ...].

  Returns:
    The value and its standard error, from leaving out one seed at a time.
  """
  num = len(samples)
  mean = np.mean(samples, 0)
  without = [fn(mean + (mean - s) / (num - 1)) for s in samples]
  return fn(mean), float(np.std(without) * (num - 1) ** 0.5)


def growth_of(results: study.Results, setting: int) -> tuple[float, float]:
  """Returns the mean growth of squared tangents per layer, and its error."""
  settled = slice(results["growth"].shape[1] // 4, None)
  mean, error = mean_and_error(results["growth"][:, settled, setting].mean(1))
  return float(mean), float(error)


def relaxation(
  results: study.Results, name: str, setting: int
) -> tuple[float, float, float]:
  """Returns 1 / depth scale as two trajectories approach each other.

    log(d_0 / d_l) / l,

  d their distance, averaged over seeds; in the ordered phase the distance
  1 - c of the inputs that start near c* = 1 itself. The last layer l is one
  depth scale on, where the distance stands out of the noise of finite width,
  which the ordered phase does not have.

  Args:
    results: of the study.
    name: "q" or "c".
    setting: index of the setting.

  Returns:
    The rate per layer, its standard error, and the rate of the iterated map.
  """
  what = {"q": "relaxing_q", "c": "distance"}[name]
  samples = results[what][:, :, setting]
  theory = results[f"{what}_theory"][:, setting]
  scale = float(results[f"xi_{name}"][setting])
  is_ordered = name == "c" and results["c"][setting] == 1
  end = len(theory) - 1
  last = end if is_ordered else int(np.clip(round(scale), 1, end))

  def rate(mean):
    near, far = np.moveaxis(mean, -1, 0)
    distance = near if is_ordered else np.abs(near - far)
    return float(np.log(distance[0] / distance[last]) / last)

  return *jackknife(rate, samples), rate(theory)
