"""What the claims and the figure both read off."""

import numpy as np

BPTT = "BPTT"
TRUNCATED = "truncated BPTT"
TEXTBOOK = "textbook RTRL"
BLOCK = "block RTRL"
LAZY = "lazy RTRL"
DIAGONAL = "RTRL, diagonal cell"
SNAP = "SnAp-1"
NAMES = (BPTT, TRUNCATED, TEXTBOOK, BLOCK, LAZY, DIAGONAL, SNAP)


def exponent(values: np.ndarray) -> float:
  """Returns e of values ~ n^e at large n, from values at n / 4, n / 2, n [3].

  What is left out falls as 1 / n: half of it is gone from one doubling to the
  next, and twice the second less the first is free of it.
  """
  first, second = np.diff(np.log2(values))
  return float(2 * second - first)


def growth(lengths: np.ndarray, values: np.ndarray) -> float:
  """Returns e of values ~ T^e from two lengths [2]."""
  return float(np.diff(np.log(values))[0] / np.diff(np.log(lengths))[0])
