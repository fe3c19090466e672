"""Names of methods, and what the claims and the figure both read off."""

import numpy as np

RTRL = "RTRL"


def bptt(window: int) -> str:
  """Names truncated BPTT by its window."""
  return f"BPTT({window}, {window})"


def succeeds(shares: np.ndarray) -> np.ndarray:
  """Returns whether all sequences are right at the end [S], of [S, N, T]."""
  return (shares[:, -1] == 1).all(axis=1)
