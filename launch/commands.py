"""What the command lines of this folder share."""

import pathlib
import sys
from collections.abc import Callable, Sequence

from absl import flags

from experiments import errors


def parser(text: str, module: str) -> Callable[[Sequence[str]], list[str]]:
  """Returns how a command reads its flags.

  Args:
    text: What `--help` says before the flags.
    module: The one that has defined them, by its `__name__`.

  Returns:
    What `app.run` takes as `flags_parser`: an unknown flag or a stray argument
    ends the command with a sentence.
  """

  def parse(argv: Sequence[str]) -> list[str]:
    if {"--help", "-help", "-h"} & set(argv):
      print(f"{text}\n{flags.FLAGS.module_help(sys.modules[module])}")
      sys.exit(0)
    with errors.one_sentence():
      rest = flags.FLAGS(argv)
      if rest[1:]:
        raise flags.Error(f"Unexpected argument {rest[1]!r}.")
      return rest

  return parse


def sweep_folder(sweep: str, runs_dir: str) -> pathlib.Path:
  """Returns the folder of a sweep, by default of the newest.

  Args:
    sweep: The folder; empty for the newest.
    runs_dir: Where run folders are.

  Raises:
    ValueError: if there is none.
  """
  if sweep:
    return pathlib.Path(sweep)
  plans = list(pathlib.Path(runs_dir, "sweeps").glob("*/*/*/plan.json"))
  if not plans:
    raise ValueError(f"expected sweeps in {runs_dir}, got none; name a --sweep")
  return max(plans, key=lambda path: path.stat().st_mtime).parent
