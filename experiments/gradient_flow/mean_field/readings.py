"""What the claims and the figure both read off."""

import numpy as np

from experiments import measure, study

VARIANCE_B = 0.05  # For the depth scales, and in training.
# sigma_w^2 and sigma_b^2 in the sources, first for the fixed points, then for
# the depth scales; the critical variance lies between 1.7 and 2.
SETTINGS = (
  (1.3**2, 0.3**2),
  (2.5**2, 0.3**2),
  (4.0**2, 0.3**2),
  *((variance_w, VARIANCE_B) for variance_w in (1.3, 1.5, 1.7, 2.0, 2.5, 4.0)),
)
POINTS, SCALES = range(3), range(3, len(SETTINGS))


def growth(results: study.Results) -> np.ndarray:
  """Returns each network's growth of squared tangents per layer [R, S]."""
  return results.growth[..., results.growth.shape[-1] // 4 :].mean(axis=-1)


def decay_rate(
  results: study.Results, setting: int, unit: float = 1.0
) -> measure.Measured:
  """Returns log(d_0 / d_l) / l / unit, the inverse of the depth scale.

  d is the distance of two groups of inputs, averaged over networks, and l one
  depth scale, where it stands out of the noise of finite width. In the ordered
  phase it is that of the group near c* = 1 from 1, and l the last layer.
  """
  near, far = np.moveaxis(results.distance[:, setting], -1, 0)
  is_ordered = results.theory.c[setting] == 1
  last = near.shape[1] - 1
  if not is_ordered:
    last = int(np.clip(round(results.theory.xi_c[setting]), 1, last))
  difference = near if is_ordered else near - far

  def rate(samples):
    first, end = np.abs(samples.mean(axis=0))
    return float(np.log(first / end) / last / unit)

  return measure.jackknife(rate, difference[:, [0, last]])
