"""Names of methods, and what the claims and the figure both read off."""

import numpy as np

RTRL, UORO = "RTRL", "UORO"


def ok(rank: int) -> str:
  """Names OK-RTRL by its rank."""
  return f"OK, rank {rank}"


def bptt(window: int) -> str:
  """Names truncated BPTT by its window."""
  return f"BPTT({window}, {window})"


def goal(lengths: np.ndarray) -> int:
  """Returns the longest T that every network reaches; T of them is [S, U]."""
  return int(lengths.max(axis=1).min())


def steps_to(
  length: int, lengths: np.ndarray, num_steps: int
) -> tuple[np.ndarray, np.ndarray]:
  """Returns the steps until T is `length` [S], or all; and if it ever is."""
  there = lengths >= length
  step = (there.argmax(axis=1) + 1) * (num_steps // lengths.shape[1])
  reached = there.any(axis=1)
  return np.where(reached, step, num_steps), reached
