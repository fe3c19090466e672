"""What the run, the claims and the figure all read off."""

import numpy as np

TOLERATED = (
  0.25  # Largest error of an output after which a trial has succeeded.
)


def succeeds(errors: np.ndarray) -> np.ndarray:
  """Returns whether trials were ever below the tolerated error [...]."""
  return np.any(errors < TOLERATED, axis=-1)


def shares(errors: np.ndarray) -> np.ndarray:
  """Returns which share of trials has succeeded by each test [..., N]."""
  return np.mean(np.logical_or.accumulate(errors < TOLERATED, axis=-1), axis=0)
