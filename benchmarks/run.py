"""Times the library against what it replaces: `make bench`.

For each cell, batch size and regime a table of microseconds a step (of the
whole batch), then ratios taken within rounds. What limits textbook RTRL is a
product of S x S and S x P matrices, what limits lazy RTRL is reading J, S x P,
once. "moving": SGD changes the parameters at every step, in one call or step by
step; "fixed": gradients of every step of an episode, added up; "sequence": one
gradient of 100 steps by back-propagation; "approximate": beside it, of such a
sequence, the estimators that are not exact. "model" is what
`nnfun.theory.costs` predicts. A verdict is given where both quartiles of a
ratio are on one side of its target.

PyTorch and braintrace join where they are installed. By default it takes some
ten minutes on two cores; with all cells, --units=16,32,64,128,256,512 and
--batches=1,16,64 it takes hours, and what it has is kept if it is stopped.
"""

import itertools
import os
import pathlib
import sys
from collections.abc import Callable, Sequence
from typing import Any

import jax
from absl import app, flags
from rich import console as rich_console

from benchmarks import measure, problems, programs, report, seeds, targets

# Of the command line, and among the results.
_FLAGS = (
  "cells",
  "units",
  "batches",
  "regimes",
  "rounds",
  "steps",
  "seeds_epochs",
  "data_dir",
)


def define(values: flags.FlagValues) -> None:
  """Defines the flags.

  Args:
    values: where.
  """
  flags.DEFINE_list(
    "cells",
    ["vanilla", "lstm"],
    f"Which of {', '.join(problems.CELLS)}, with commas between them.",
    flag_values=values,
  )
  flags.DEFINE_list("units", [64, 128], "Which n.", flag_values=values)
  flags.DEFINE_list(
    "batches", [1], "How many streams at a time.", flag_values=values
  )
  flags.DEFINE_list(
    "regimes",
    ["moving", "sequence"],
    "moving: parameters change at every step; fixed: they do not; sequence: "
    f"back-propagation through {programs.SEQUENCE_STEPS} steps; approximate: "
    "those that are not exact, a gradient at each of as many steps.",
    flag_values=values,
  )
  flags.DEFINE_integer(
    "rounds",
    5,
    "How often each is timed.",
    lower_bound=1,
    flag_values=values,
  )
  flags.DEFINE_integer(
    "steps",
    1024,
    "T of a call; where that would take long it is halved.",
    lower_bound=1,
    flag_values=values,
  )
  flags.DEFINE_string(
    "output", "runs/bench.json", "File for all results.", flag_values=values
  )
  flags.DEFINE_integer(
    "seeds_epochs",
    2,
    "Epochs for which ten networks are trained at once; 0: not at all.",
    lower_bound=0,
    flag_values=values,
  )
  flags.DEFINE_string(
    "data_dir",
    "",
    "Folder with MNIST for those ten; else random images.",
    flag_values=values,
  )
  for name, choices in (
    ("cells", problems.CELLS),
    ("regimes", programs.REGIMES),
  ):
    flags.register_validator(name, _among(choices), flag_values=values)
  for name in ("units", "batches"):
    flags.register_validator(name, _counts, flag_values=values)


def run(values: flags.FlagValues, console: rich_console.Console) -> None:
  """Measures all that was asked for; writes and prints as it goes.

  Args:
    values: flags of `define`, parsed.
    console: where tables go.
  """
  path = pathlib.Path(values.output)
  rows, findings = [], []
  extra = {
    "environment": report.environment(),
    "settings": {name: values[name].value for name in _FLAGS},
    "seeds": None,
    "finished": False,
  }

  def write(**news: Any) -> None:
    extra.update(news)
    report.write(path, report.document(rows, findings, **extra))

  write()  # A path that cannot be written is an error before anything else.
  units, batches = ([int(n) for n in v] for v in (values.units, values.batches))
  judged = extra["environment"]["platform"] == "cpu"
  for cell, batch, regime in itertools.product(
    values.cells, batches, values.regimes
  ):
    num_steps = values.steps
    if regime in ("sequence", "approximate"):
      num_steps = min(num_steps, programs.SEQUENCE_STEPS)
    start = len(rows), len(findings)
    with console.status("", refresh_per_second=1) as status:
      for n in units:
        new = measure.measure(
          problems.problem(cell, n, batch, num_steps),
          regime,
          values.rounds,
          _sayer(status, f"{cell}, batch {batch}, {regime}, n = {n}"),
        )
        rows += new
        findings += targets.findings(new, judged=judged)
        write()
        jax.clear_caches()
    for part in report.tables(rows[start[0] :], findings[start[1] :]):
      console.print(part)
  if values.seeds_epochs:
    write(seeds=_time_seeds(values, console))
  write(finished=True)
  console.print(f"All of it is in {path}")


def main(argv: Sequence[str]) -> None:
  """Runs, with what goes wrong for the user in a sentence.

  Args:
    argv: the command line, of which nothing is left after the flags.
  """
  del argv
  console, path = rich_console.Console(), flags.FLAGS.output
  try:
    run(flags.FLAGS, console)
  except KeyboardInterrupt:
    sys.exit(f"interrupted; what was finished before is in {path}")
  except OSError as error:
    sys.exit(f"{error.strerror}: {error.filename or path}")


def parse(argv: Sequence[str]) -> list[str]:
  """Reads the command line; ends with one sentence where it cannot.

  Args:
    argv: the command line.

  Returns:
    The name of the program alone.
  """
  if {"--help", "-help", "-h"} & set(argv):
    print(f"{__doc__}\n{flags.FLAGS.module_help(sys.modules[__name__])}")
    sys.exit(0)
  try:
    rest = flags.FLAGS(argv)
    if rest[1:]:
      raise flags.Error(f"Unexpected argument {rest[1]!r}.")
  except flags.Error as error:
    print(error, file=sys.stderr)
    sys.exit(2)
  return rest


def _sayer(status: Any, place: str) -> Callable[[str], None]:
  return lambda text: status.update(f"{place}: {text}")


def _among(choices):
  """A check of a list of words."""

  def check(words):
    return _check(words, choices.__contains__, ", ".join(choices))

  return check


def _counts(words):
  """Checks a list of positive integers."""

  def is_count(word):
    return str(word).isdecimal() and int(word) > 0

  return _check(words, is_count, "positive integers")


def _check(words, is_right, expected):
  got = [repr(w) for w in words if not is_right(w)] or ["nothing"]
  if not words or got != ["nothing"]:
    raise flags.ValidationError(f"expected {expected}, got {got[0]}")
  return True


def _time_seeds(values, console):
  """Times the training of many networks, prints, and returns the seconds."""
  num_epochs = values.seeds_epochs
  with console.status(f"training for {num_epochs} epochs"):
    best = seeds.compare(values.data_dir, num_epochs)
  console.print(seeds.table(best))
  ratio = best["float64"].wall / best["together"].wall
  images = "MNIST" if values.data_dir else "random images"
  console.print(
    f"Trained for {num_epochs} epochs on {images}, {os.cpu_count()} cores. "
    f"Nielsen's loop over ours, by the clock, the best of each: {ratio:.1f} "
    f"(target >= {seeds.TARGET:g})"
  )
  return {name: times._asdict() for name, times in best.items()}


if __name__ == "__main__":
  define(flags.FLAGS)
  app.run(main, flags_parser=parse)
