"""What a sweep will cost: its jobs, their memory and their time."""

import math
import pathlib
import time
from typing import Any, NamedTuple

import jax
import numpy as np
from rich import box, markup
from rich import console as rich_console
from rich import table as rich_table

from experiments import progress, records
from experiments import study as study_lib
from experiments import trial as trial_lib
from experiments.report import text
from launch import plan as plan_lib
from launch import pool, states, status


class Cost(NamedTuple):
  """Of one job; NaN where it is not known."""

  num_bytes: float  # Of its state; each of three checkpoints takes as much.
  seconds: float  # If it runs alone.


_UNKNOWN = Cost(math.nan, math.nan)


def show(sweep: pathlib.Path, plan: plan_lib.Plan) -> None:
  """Prints the plan, and what it will cost.

  Of each kind of job of a trial the first two pieces are run and timed. Of a
  study its last run with the default settings says how long one takes.

  Args:
    sweep: The sweep's folder, in which nothing is changed.
    plan: What would be run.
  """
  subject = plan_lib.subject(plan.study)
  measured: dict[Any, Cost] = {}
  rows, due = [], []
  for job in progress.track(plan.jobs, "measuring"):
    state = states.state_of(sweep, plan, job)
    cells = [state.word, "", ""]
    if state.word is not states.Word.DONE:
      if subject.trial is None:
        cost = _of_study(subject.study, sweep)
      else:
        static = trial_lib.untraced(subject.trial, job.configs[0])
        kind = static, len(job.configs)
        if kind not in measured:
          measured[kind] = _of_trials(subject.trial, job.configs)
        cost = measured[kind]
      due.append(cost)
      cells[1:] = _memory(cost.num_bytes), _duration(cost.seconds)
    rows.append((job, cells))
  progress.close()
  title = f"{plan.study} in {sweep}"
  table = rich_table.Table(box=box.SIMPLE_HEAD, title=title)
  columns = "job", "runs", "settings", "state", "size of state", "time alone"
  for column in columns:
    table.add_column(column)
  for job, cells in rows:
    settings = markup.escape(status.describe(plan, job))
    table.add_row(job.name, str(len(job.configs)), settings, *cells)
  rich_console.Console().print(table)
  print(
    f"{plan.num_runs} runs in {len(plan.jobs)} jobs, {len(due)} to be run: "
    f"{_duration(sum(c.seconds for c in due))} one after another; this machine "
    f"has {pool.num_cpus()} cores."
  )


def _of_trials(trial, configs):
  """Runs two pieces: the first is compiled too."""
  program = trial_lib.prepare(trial, configs)
  times = [time.monotonic()]
  state = jax.block_until_ready(program.start())
  num_bytes = sum(leaf.nbytes for leaf in jax.tree.leaves(state))
  for _ in range(2):
    state = jax.block_until_ready(program.work(state))
    times.append(time.monotonic())
  first, second = np.diff(times)
  rest = trial.num_pieces(configs[0]) - 1
  return Cost(num_bytes, first + rest * second)


def _of_study(study, sweep):
  """Reads how long the study took here with its default settings."""
  runs_dir = sweep.parents[3]  # Of runs/sweeps/question/study/name.
  folder = study_lib.folder_of(study, study.Config(), runs_dir)
  mark = records.read_json(folder / "RUN") or {}
  return _UNKNOWN._replace(seconds=mark.get("seconds", math.nan))


def _duration(seconds):
  return "unknown" if math.isnan(seconds) else text.format_duration(seconds)


def _memory(num_bytes):
  return "unknown" if math.isnan(num_bytes) else f"{num_bytes / 2**20:.1f} MiB"
