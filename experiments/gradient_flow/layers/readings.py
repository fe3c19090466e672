"""What the claims and the figure both read off."""

import numpy as np
from scipy import special

from experiments import study

DEPTHS = (2, 3, 4)  # Hidden layers of the networks whose speeds are measured.
WIDTH = 30  # Units of each of them.
WEIGHTS = np.linspace(3.5, 12, 1701)  # |w| of equation 123.
# By hidden layers: the norm of the mean dC / d b of each in the author's raw
# data, and the accuracy in the book after 30 epochs, per cent.
PUBLISHED_SPEEDS = {
  2: (0.0657, 0.3092),
  3: (0.0118, 0.0600, 0.2831),
  4: (0.0030, 0.0171, 0.0695, 0.2851),
}
PUBLISHED_ACCURACY = {1: 96.48, 2: 96.90, 3: 96.57, 4: 96.53}
PUBLISHED_EPOCHS = 30


def growth(speeds: np.ndarray, num_hidden: int) -> np.ndarray:
  """Returns log(speed of layer l + 1 / speed of l)  [..., num_hidden - 1]."""
  logs = np.log(np.asarray(speeds, float)[..., :num_hidden])
  return np.diff(logs, axis=-1)


def first_over_last(results: study.Results) -> dict[int, np.ndarray]:
  """Returns log(first / last hidden layer's speed) by depth  [R, E + 1]."""
  return {
    n: -growth(results.in_training[:, i], n).sum(axis=-1)
    for i, n in enumerate(DEPTHS)
  }


def equation_123(weights: np.ndarray) -> np.ndarray:
  """Returns 2 / |w| ln(|w| (1 + sqrt(1 - 4 / |w|)) / 2 - 1); 0 for |w| < 4."""
  possible = np.maximum(weights, 4.0)
  root = np.sqrt(1 - 4 / possible)
  return 2 / possible * np.log(possible * (1 + root) / 2 - 1)


def interval_width(weights: np.ndarray) -> np.ndarray:
  """Returns how wide the set of a with |w sigma'(w a + b)| >= 1 is  [W]."""
  # sigma' is symmetric and falls from 0 on: z with sigma'(z) = 1 / |w| is found
  # by bisection. The set is 2 z / |w| wide, whatever b is.
  low, high = np.zeros_like(weights), np.full_like(weights, 40.0)
  for _ in range(60):
    middle = (low + high) / 2
    inside = weights * special.expit(middle) * special.expit(-middle) >= 1
    low, high = np.where(inside, middle, low), np.where(inside, high, middle)
  return 2 * low / weights
