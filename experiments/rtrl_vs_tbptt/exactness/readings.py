"""What the claims and the figure both read off."""

import numpy as np

from experiments import study

TRUNCATED, ROLLING = "truncated BPTT", "rolling BPTT"
RTRL, LAZY, DIAGONAL = "RTRL", "lazy RTRL", "diagonal RTRL"
EXACT = (RTRL, LAZY, DIAGONAL)


def by_length(
  results: study.Results, estimator: str, dtype: str = "float64"
) -> tuple[np.ndarray, np.ndarray]:
  """Returns lengths [N], and errors on the first cell [S, N]."""
  found = results.comparisons
  rows = np.flatnonzero(
    (found.estimator == estimator)
    & (found.cell == found.cell[0])
    & (found.dtype == dtype)
  )
  rows = rows[np.argsort(found.length[rows])]
  return found.length[rows], found.error[:, rows]


def rounding(results: study.Results, dtype: str) -> float:
  """Returns one unit in the last place for each of T steps."""
  return int(results.num_steps) * float(np.finfo(dtype).eps)
