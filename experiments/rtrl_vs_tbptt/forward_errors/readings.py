"""Published figures, read off, and what claims and figure both read off."""

import numpy as np

PUBLISHED = {  # Cosine by T and r_min, float64, mean of ten networks.
  (100, 0.36): 0.0,
  (100, 0.68): 0.86,
  (100, 0.84): 1.0,
  (300, 0.84): 0.0,
  (300, 0.92): 1.0,
  (1000, 0.92): 0.0,
  (1000, 0.98): 1.0,
}


def half(cosine: np.ndarray, growth: np.ndarray) -> np.ndarray:
  """Returns where the cosine passes 1/2, coming from 1.

  Args:
    cosine: by seed and point [S, R].
    growth: log of how far rounding has grown at each point, ascending [R].

  Returns:
    The growth at that place [S]; infinite if it does not pass.
  """
  below = cosine < 0.5
  i = np.argmax(below, axis=1)
  passes = below.any(axis=1) & (i > 0)
  rows, i = np.arange(len(cosine)), np.maximum(i, 1)
  before, after = cosine[rows, i - 1], cosine[rows, i]
  share = (before - 0.5) / np.where(passes, before - after, 1)
  found = growth[i - 1] + share * (growth[i] - growth[i - 1])
  return np.where(passes, found, np.inf)
