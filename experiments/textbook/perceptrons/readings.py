"""What the claims and the figure both read off."""

import numpy as np

from experiments import study

EXTENT = 2.6  # The figure shows the square from -EXTENT to EXTENT.


def log_errors(limit: study.Results) -> np.ndarray:
  """Returns the log of each network's worst neuron, by time [M, T]."""
  # An error of 0 would be rounding: it is below the least that is seen.
  return np.log(np.maximum(limit.worst, 1e-17))
