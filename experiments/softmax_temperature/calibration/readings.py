"""What the claims and the figure both read off, in NumPy alone."""

from typing import NamedTuple

import numpy as np

from experiments import study

# Places along the axes of scores.
BEFORE, AFTER = 0, 1  # T = 1; the fitted T.
VALIDATION, TEST = 0, 1


class Diagram(NamedTuple):
  """A reliability diagram: sums over the examples in each bin."""

  counts: np.ndarray  # [M]
  confidence: np.ndarray  # [M]
  hits: np.ndarray  # [M]


def diagram(
  confidences: np.ndarray, is_correct: np.ndarray, num_bins: int
) -> Diagram:
  """Sorts examples [...] into bins ((m - 1) / M, m / M] of confidence."""
  confidences, is_correct = confidences.ravel(), is_correct.ravel()
  bins = np.maximum(np.ceil(confidences * num_bins).astype(int) - 1, 0)
  weights = (None, confidences, is_correct)
  return Diagram(*(np.bincount(bins, w, num_bins) for w in weights))


def calibration_error(
  confidences: np.ndarray, is_correct: np.ndarray, num_bins: int
) -> float:
  """Returns sum_m |B_m| / N abs(accuracy - confidence), Guo's equation 3."""
  found = diagram(confidences, is_correct, num_bins)
  # |B_m| cancels against the means' denominators.
  return float(np.abs(found.hits - found.confidence).sum() / confidences.size)


def is_correct(results: study.Results) -> np.ndarray:
  """Returns whether each prediction on a test set is right [S, 2, N]."""
  return results.test.predictions == results.test.labels[:, None]


def temperature(c: np.ndarray) -> np.ndarray:
  """Returns 1 / c, infinite where the logits are best forgotten."""
  with np.errstate(divide="ignore"):
    return 1 / c
