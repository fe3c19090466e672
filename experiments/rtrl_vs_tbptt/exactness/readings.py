"""What the claims and the figure both read off."""

import numpy as np

from experiments import study

TRUNCATED, ROLLING = "truncated BPTT", "rolling BPTT"
RTRL, LAZY, DIAGONAL = "RTRL", "lazy RTRL", "diagonal RTRL"
EXACT = (RTRL, LAZY, DIAGONAL)


def by_length(
  results: study.Results, estimator: str
) -> tuple[np.ndarray, np.ndarray]:
  """Returns lengths [N], and errors on the first cell [S, N]."""
  rows = np.flatnonzero(
    (results.estimator == estimator) & (results.cell == results.cell[0])
  )
  return results.length[rows], results.error[:, rows]
