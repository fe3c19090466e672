"""Names of methods, and what the claims and the figure both read off."""

import numpy as np

RTRL, UORO = "RTRL", "UORO"


def ok(rank: int) -> str:
  """Names OK-RTRL by its rank."""
  return f"OK, rank {rank}"


def bptt(window: int) -> str:
  """Names truncated BPTT by its window."""
  return f"BPTT({window}, {window})"


def goal(lengths: dict[str, np.ndarray], rank: int) -> tuple[str, int]:
  """Returns RTRL, or OK where it was not run, and what T it always reaches."""
  name = RTRL if RTRL in lengths else ok(rank)
  return name, int(lengths[name].max(axis=1).min())


def steps_to(
  length: int, lengths: np.ndarray, num_steps: int
) -> tuple[np.ndarray, np.ndarray]:
  """Returns the steps until T is `length` [S], or all; and if it ever is."""
  there = lengths >= length
  step = (there.argmax(axis=1) + 1) * (num_steps // lengths.shape[1])
  reached = there.any(axis=1)
  return np.where(reached, step, num_steps), reached
