"""What the claims and the figure both read off."""

import numpy as np

from experiments import measure, study


def growth(results: study.Results) -> np.ndarray:
  """Returns each network's growth of squared tangents per layer [R, S]."""
  settled = slice(results.growth.shape[1] // 4, None)
  return results.growth[:, settled].mean(axis=1)


def decay_rate(
  results: study.Results, setting: int, unit: float = 1.0
) -> measure.Measured:
  """Returns 1 / depth scale at which differences of correlations decay.

    log(d_0 / d_l) / l / unit,

  d the distance of two groups of inputs, averaged over networks; in the ordered
  phase that of the group near c* = 1 from 1. The last layer l there is the last
  of all; in the chaotic phase it is one depth scale on, where the difference
  stands out of the noise of finite width.
  """
  near, far = np.moveaxis(results.distance[:, :, setting], -1, 0)
  is_ordered = results.theory.c[setting] == 1
  last = near.shape[1] - 1
  if not is_ordered:
    last = int(np.clip(round(results.theory.xi_c[setting]), 1, last))
  difference = near if is_ordered else near - far

  def rate(samples):
    first, end = np.abs(samples.mean(axis=0))
    return float(np.log(first / end) / last / unit)

  return measure.jackknife(rate, difference[:, [0, last]])
