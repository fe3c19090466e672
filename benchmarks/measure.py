"""One network in one regime: gradients are compared, then times are.

All programs are ready at the same time and take turns. A program whose gradient
is not that of automatic differentiation is not timed.
"""

import os
from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np

import nnfun as nf
from benchmarks import family, limits, others, problems, programs, timing

MOST_ERROR = 1e-3  # Of a gradient in float32, relative to its largest entry.
_LONG_SECONDS = 10.0  # A call that would take longer gets fewer steps,
_MOST_SECONDS = 20.0  # and if it has as few as it may, it is left out.
_FEWEST_CALLS = 400  # of one step, if there is time for them
_MEMORY_SHARE = 1 / 6  # Of one program; all are in memory together.


class Row(NamedTuple):
  """What became of a program."""

  cell: str
  units: int
  batch: int
  regime: str
  program: str
  skipped: str = ""  # why it has no times, if it has none
  note: str = ""
  steps: int | None = None  # T of a call
  flush_every: int | None = None  # F
  first_seconds: float | None = None  # to trace and compile
  gradient_error: float | None = None  # relative
  model_microseconds: float | None = None  # a step, as the model says
  microseconds: tuple[float, ...] = ()  # a step of the batch, for each round
  # Of calls of one step each, as a stream that arrives has them: their mean,
  # their 99th percentile, and the longest of F calls, with a flush among them.
  call_microseconds: tuple[float, float, float] | None = None


def measure(
  problem: problems.Problem,
  regime: str,
  num_rounds: int,
  say: Callable[[str], None] = lambda text: None,
) -> list[Row]:
  """Compares gradients and times everything there is for a problem.

  Args:
    problem: the network and its stream.
    regime: one of `programs.REGIMES`.
    num_rounds: how often each is timed, after a call that is not counted.
    say: called with what is being done.

  Returns:
    A row for each program, also for those which are left out.
  """
  if regime == family.REGIME:
    candidates = [*family.family(problem)]
  else:
    candidates = [*programs.ours(problem, regime)]
    if regime != "sequence":
      candidates += limits.limits(problem)
    candidates += others.others(problem, regime)
  return measure_programs(problem, regime, candidates, num_rounds, say)


def measure_programs(
  problem: problems.Problem,
  regime: str,
  candidates: list[programs.Program | programs.Skipped],
  num_rounds: int,
  say: Callable[[str], None] = lambda text: None,
) -> list[Row]:
  """Compares gradients and times the programs given.

  Args:
    problem: as of `measure`, likewise the others.
    regime: of the rows.
    candidates: programs, or why there is none.
    num_rounds: how often.
    say: what is called.

  Returns:
    A row for each of them, in their order.
  """
  rows, runs = {}, {}
  for candidate in candidates:
    say(f"{candidate.name} starts")
    row, run = _prepare(problem, regime, candidate)
    rows[row.program] = row
    if run is not None:
      runs[row.program] = run
  say("rounds")
  for i, seconds in enumerate(timing.interleaved(runs, num_rounds)):
    say(f"round {i + 1} of {num_rounds} is over")
    for name, value in seconds.items():
      new = 1e6 * value / rows[name].steps
      old = rows[name].microseconds
      rows[name] = rows[name]._replace(microseconds=(*old, new))
  if regime == "moving":
    for program in candidates:
      # Where now and then a step is much longer than the others: lazy RTRL.
      if program.name in runs and (program.flush_every or 1) > 1:
        say(f"{program.name}, step by step")
        rows[program.name] = _step_by_step(program, rows[program.name])
  return list(rows.values())


def relative_error(found: nf.base.Params, exact: nf.base.Params) -> float:
  """Returns the largest difference over the largest entry, of the worst leaf.

  Args:
    found: a gradient.
    exact: the reference, of the same structure.

  Returns:
    The error; not finite if the gradient is not.
  """

  def of_leaf(a, b):
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    return np.max(np.abs(a - b)) / np.max(np.abs(b))

  errors = jax.tree.leaves(jax.tree.map(of_leaf, found, exact))
  return float(np.max(errors))


def _prepare(problem, regime, candidate):
  """The row of a program before it is timed, and what is to be timed."""
  row = Row(
    problem.cell_name,
    problem.num_units,
    problem.batch_size,
    regime,
    candidate.name,
  )
  if isinstance(candidate, programs.Skipped):
    return row._replace(skipped=candidate.reason), None
  program, model = candidate, candidate.model_seconds
  row = row._replace(
    flush_every=program.flush_every,
    model_microseconds=None if model is None else 1e6 * model,
  )
  num_steps, reason = _plan(program, len(problem.xs))
  if reason:
    return row._replace(skipped=reason), None
  try:
    started = program.start(num_steps)
    row = row._replace(
      note=", ".join(filter(None, (program.note, started.note))),
      steps=num_steps,
      first_seconds=started.first_seconds,
    )
    if program.gradient is not None and program.is_exact:
      # Lazy RTRL has to multiply J at least once; else a call is enough.
      is_lazy = (program.flush_every or 1) > 1
      most_steps = len(problem.xs) if is_lazy else num_steps
      check_steps = min(program.check_steps, most_steps)
      error = relative_error(
        program.gradient(check_steps),
        problems.exact_gradient(problem, check_steps),
      )
      if np.isfinite(error):  # JSON has no other numbers.
        row = row._replace(gradient_error=error)
      if not error <= MOST_ERROR:
        wrong = f"its gradient is off by {error:.1e}, not timed"
        return row._replace(skipped=wrong), None
    started.run()
  except (MemoryError, RuntimeError) as error:  # Also those of JAX and PyTorch.
    return row._replace(skipped=f"failed: {_first_line(error)}"), None
  return row, started.run


def _step_by_step(program, row):
  """The row with times of calls of one step, over whole periods."""
  period = program.flush_every
  in_time = _LONG_SECONDS / max(program.plan_seconds, 1e-9)
  num_periods = max(1, min(-(-_FEWEST_CALLS // period), int(in_time / period)))
  try:
    run = program.start(1).run
    seconds = [timing.seconds_of(run) for _ in range(num_periods * period)]
  except (MemoryError, RuntimeError) as error:
    failed = f"step by step: {_first_line(error)}"
    return row._replace(note=", ".join(filter(None, (row.note, failed))))
  longest = np.reshape(seconds, (num_periods, period)).max(axis=1)
  found = np.mean(seconds), np.quantile(seconds, 0.99), np.median(longest)
  return row._replace(call_microseconds=tuple(1e6 * float(t) for t in found))


def _first_line(error):
  return (str(error).splitlines() or [type(error).__name__])[0]


def _plan(program, num_steps):
  """The steps of a call, and why there is none if there is none."""
  room = _MEMORY_SHARE * _memory_bytes()
  if program.num_bytes > room:
    return 0, (
      f"it takes {program.num_bytes / 1e9:.1f} GB, more than a sixth of "
      "the memory"
    )
  seconds = program.plan_seconds
  while seconds * num_steps > _LONG_SECONDS and (
    num_steps // 2 >= program.least_steps
  ):
    num_steps //= 2
  if seconds * num_steps > _MOST_SECONDS:
    return 0, (
      f"{num_steps} steps would take about {seconds * num_steps:.0f} s"
    )
  return num_steps, ""


def _memory_bytes():
  """Of the device on which JAX computes."""
  stats = jax.local_devices()[0].memory_stats() or {}
  if "bytes_limit" in stats:
    return stats["bytes_limit"]
  return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
