"""Shows how far a sweep is: `python -m launch.status --sweep=FOLDER`.

What is done, running, stopped, failed with the last line of its error, waiting.
"""

import collections
import pathlib
import sys
from collections.abc import Sequence

from absl import app, flags, logging
from rich import box, markup
from rich import console as rich_console
from rich import table as rich_table

from experiments import errors
from launch import commands, states
from launch import plan as plan_lib

_COLORS = {
  states.Word.DONE: "green",
  states.Word.EARLIER: "yellow",
  states.Word.RUNNING: "cyan",
  states.Word.FAILED: "bold red",
  states.Word.STOPPED: "yellow",
  states.Word.WAITING: "dim",
}


def main() -> None:
  """Prints the table; the exit status is 1 if a job failed."""
  sweep = flags.DEFINE_string("sweep", "", "A sweep's folder; else the newest.")
  runs_dir = flags.DEFINE_string("runs_dir", "runs", "Where run folders are.")

  def run(argv: Sequence[str]) -> None:
    del argv
    logging.set_verbosity(logging.WARNING)
    with errors.one_sentence():
      folder = commands.sweep_folder(sweep.value, runs_dir.value)
      sys.exit(show(folder))

  app.run(run, flags_parser=commands.parser(__doc__, __name__))


def show(sweep: pathlib.Path) -> int:
  """Prints how far the jobs of a sweep are.

  Args:
    sweep: The sweep's folder.

  Returns:
    The exit status: 1 if a job failed, else 0.

  Raises:
    ValueError: if it is not the folder of a sweep.
  """
  plan = plan_lib.read(sweep)
  table = rich_table.Table(
    box=box.SIMPLE_HEAD, title=f"{plan.study} in {sweep}"
  )
  for column in ("job", "runs", "settings", "state", ""):
    table.add_column(column)
  counts = collections.Counter()
  for job in plan.jobs:
    state = states.state_of(sweep, plan, job)
    counts[state.word] += 1
    color = _COLORS[state.word]
    is_under_way = state.word in (states.Word.RUNNING, states.Word.STOPPED)
    percent = f" {100 * state.fraction:.0f} %" if is_under_way else ""
    table.add_row(
      job.name,
      str(len(job.configs)),
      markup.escape(describe(plan, job)),
      f"[{color}]{state.word}{percent}[/]",
      markup.escape(state.note),
    )
  console = rich_console.Console()
  console.print(table)
  words = ", ".join(f"{counts[w]} {w}" for w in states.Word if counts[w])
  print(f"{len(plan.jobs)} jobs, {plan.num_runs} runs: {words}.")
  return 1 if counts[states.Word.FAILED] else 0


def describe(plan: plan_lib.Plan, job: plan_lib.Job) -> str:
  """Returns the settings of a job in a few words: fields of the grid, seeds."""
  parts = []
  for name in (*plan.fields, "seed"):
    values = list(
      dict.fromkeys(getattr(config, name) for config in job.configs)
    )
    if len(values) > 3:
      parts.append(f"{name} {values[0]}..{values[-1]} ({len(values)})")
    else:
      parts.append(f"{name} {', '.join(map(str, values))}")
  return "; ".join(parts)


if __name__ == "__main__":
  main()
