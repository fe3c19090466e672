"""Times in rounds, and what can be said of their ratios.

In a round everything is run once, one after the other, so that a busy machine
slows both sides of a ratio taken within the round.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

YES, NO, UNDECIDED = "yes", "no", "undecided"


class Spread(NamedTuple):
  """Where numbers lie."""

  best: float
  low: float  # the first quartile
  median: float
  high: float  # the third quartile


def compiled(
  function: Callable[..., Any],
  *args: Any,
  **settings: int,
) -> tuple[Callable[..., Any], float]:
  """Compiles a function.

  Args:
    function: what `jax.jit` takes.
    *args: its arguments.
    **settings: of `jax.jit`.

  Returns:
    The compiled function, and the seconds that took.
  """
  start = time.perf_counter()
  found = jax.jit(function, **settings).lower(*args).compile()
  return found, time.perf_counter() - start


def seconds_of(run: Callable[[], object]) -> float:
  """Returns the seconds that a call takes.

  Args:
    run: returns when all is computed.

  Returns:
    Seconds by the clock.
  """
  start = time.perf_counter()
  run()
  return time.perf_counter() - start


def interleaved(
  runs: Mapping[str, Callable[[], object]], num_rounds: int
) -> Iterator[dict[str, float]]:
  """Yields the seconds that each took, round by round.

  Args:
    runs: by name; each returns when all is computed. None is run beforehand.
    num_rounds: how often each is run.

  Yields:
    Seconds by name, one mapping for each round.
  """
  for _ in range(num_rounds):
    yield {name: seconds_of(run) for name, run in runs.items()}


def spread(values: Sequence[float]) -> Spread:
  """Returns where numbers lie.

  Args:
    values: at least one number.

  Returns:
    The least of them and their quartiles.
  """
  low, median, high = np.quantile(values, (0.25, 0.5, 0.75)).tolist()
  return Spread(float(min(values)), low, median, high)


def paired(over: Sequence[float], under: Sequence[float]) -> list[float]:
  """Returns ratios within rounds.

  Args:
    over: a number for each round.
    under: likewise, of the same rounds.

  Returns:
    A ratio for each round.

  Raises:
    ValueError: if the numbers of rounds differ.
  """
  return [a / b for a, b in zip(over, under, strict=True)]


def verdict(found: Spread, bound: float, *, at_least: bool) -> str:
  """Says whether a target is met.

  Args:
    found: of the ratios.
    bound: the target.
    at_least: whether they are to be at least that, else at most.

  Returns:
    `YES` or `NO` if both quartiles are on one side of the target, else
    `UNDECIDED`.
  """
  low, high = found.low - bound, found.high - bound
  if at_least:
    return YES if low >= 0 else NO if high < 0 else UNDECIDED
  return YES if high <= 0 else NO if low > 0 else UNDECIDED
