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


def snap(order: int) -> str:
  """Names SnAp by its order."""
  return f"SnAp-{order}"


def sparse_goal(lengths: dict[str, np.ndarray]) -> int:
  """Returns the longest T always reached by a method at one of its rates."""
  found = max(a.max(axis=2).min(axis=0).max() for a in lengths.values())
  return max(2, int(found))  # All begin with 1.


def at_best(
  length: int, lengths: np.ndarray, num_steps: int
) -> tuple[int, np.ndarray, np.ndarray]:
  """Returns the rate's index of fewest steps, and `steps_to` there.

  T is [S, R, U], with R rates of learning.
  """
  found = [steps_to(length, a, num_steps) for a in lengths.swapaxes(0, 1)]
  best = int(np.argmin([np.log(steps).mean() for steps, _ in found]))
  return best, *found[best]
