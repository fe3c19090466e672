"""The command line of a study: flags from its Config, one run, its claims.

No flag exists at import time, so studies can import one another.
"""

import contextlib
import dataclasses
import difflib
import json
import pathlib
import re
import sys
import textwrap
import typing
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from absl import app, flags, logging
from ml_collections import config_flags
from ml_collections.config_flags import tuple_parser
from rich import box, markup
from rich import console as rich_console
from rich import table as rich_table

from experiments import errors, fields, progress, runs, settings
from experiments import study as study_lib
from experiments.report import render, text


class Options(NamedTuple):
  """What a command line asks for."""

  config: Any
  rerun: bool
  runs_dir: str


class _TupleParser(flags.ArgumentParser):
  """Reads a tuple; no subclass of theirs, whose flags add up when repeated."""

  def parse(self, argument: str | tuple) -> tuple:
    return tuple_parser.TupleParser().parse(argument)


@config_flags.register_flag_parser(parser=_TupleParser())
class _Tuple(tuple):
  """Type of the flags whose last value counts, as it does for numbers."""


def main(study: study_lib.Study) -> None:
  """Runs a study as the command line asks, and prints its claims."""

  def parse(argv: Sequence[str]) -> Options:
    if {"--help", "-help", "-h", "--helpfull", "--helpshort"} & set(argv):
      print(help_text(study))
      sys.exit(0)
    with errors.one_sentence():
      return parse_flags(study, argv)

  app.run(lambda options: run(study, options), flags_parser=parse)


def run(study: study_lib.Study, options: Options) -> None:
  """Brings a run and its page up to date, and prints its claims.

  Args:
    study: The study.
    options: What the command line asks for.

  Raises:
    SystemExit: After an error that the user can do something about.
  """
  logging.set_verbosity(logging.WARNING)  # Not which backends jax lacks.
  with errors.one_sentence(), contextlib.closing(progress):
    outcome = runs.bring_up_to_date(
      study, options.config, options.runs_dir, rerun=options.rerun
    )
    page = render.write_run(study, options.config, options.runs_dir)
  print_claims(study, outcome.folder)
  if not outcome.was_run:
    print("Finished before; --rerun runs it again.")
  print(f"Page: {page}")


def parse_flags(
  study: study_lib.Study,
  argv: Sequence[str],
  flag_values: flags.FlagValues = flags.FLAGS,
) -> Options:
  """Reads a command line.

  Args:
    study: Whose Config gives the flags `--config.FIELD=value`.
    argv: The program's name and its arguments.
    flag_values: Where the flags are defined.

  Returns:
    The options; the configuration starts from the quick one, or with `--full`
    from the published one, and is then changed field by field. Of a repeated
    flag the last one counts.

  Raises:
    flags.Error: If a flag is unknown or has a value of the wrong type, with a
      message of one line.
  """
  flags.DEFINE_bool(
    "full", False, "Run the published sizes.", flag_values=flag_values
  )
  flags.DEFINE_bool(
    "rerun", False, "Run even if finished.", flag_values=flag_values
  )
  flags.DEFINE_string(
    "runs_dir", "runs", "Where run folders are.", flag_values=flag_values
  )
  # Overrides are taken from argv where the flag is defined, so what they
  # change must be known before the others are parsed.
  base = study.full if _is_full(argv) else study.Config()
  config = read_config(base, argv, flag_values, ("full", "rerun", "runs_dir"))
  return Options(
    config,
    flag_values["rerun"].value,
    flag_values["runs_dir"].value,
  )


def read_config(
  base: Any,
  argv: Sequence[str],
  flag_values: flags.FlagValues,
  others: Sequence[str],
) -> Any:
  """Reads a command line with the fields of a dataclass as flags.

  Args:
    base: The configuration to start from; `--config.FIELD=value` changes it.
    argv: The program's name and its arguments.
    flag_values: Where the flags are defined, the other ones by now.
    others: The names of those.

  Returns:
    The configuration; of a repeated flag the last one counts.

  Raises:
    flags.Error: If a flag is unknown or has a value of the wrong type, with a
      message of one line.
  """
  argv = list(argv)
  types = typing.get_type_hints(type(base))  # Of Annotated the plain ones.
  known = [*(f"config.{name}" for name in types), *others]
  _check_fields(argv, types, known)
  # config_flags assigns to fields: give it a twin that is not frozen.
  fields = [
    (
      name,
      _Tuple if typing.get_origin(kind) is tuple else kind,
      dataclasses.field(default=getattr(base, name)),
    )
    for name, kind in types.items()
  ]
  twin = dataclasses.make_dataclass("Config", fields)
  config_flags.DEFINE_config_dataclass(
    "config", twin(), flag_values=flag_values, sys_argv=argv
  )
  try:
    extra = flag_values(argv)[1:]
  except flags.UnrecognizedFlagError as error:
    raise flags.Error(_unknown_flag(error.flagname, known)) from error
  except flags.IllegalFlagValueError as error:
    raise flags.Error(_wrong_type(str(error), types)) from error
  if extra:
    raise flags.Error(f"Unexpected argument {extra[0]!r}.")
  values = vars(flag_values["config"].value)
  return type(base)(
    **{name: _as_type(name, values[name], types[name]) for name in types}
  )


def help_text(study: study_lib.Study) -> str:
  """Returns what `--help` prints: the question and every flag."""
  return "\n".join(
    [
      study.question,
      "",
      "Flags:",
      *config_help(study.Config(), study.full),
      "  --full\n      Start from the published sizes; takes longer.",
      "  --rerun\n      Run again although finished.",
      "  --runs_dir=runs\n      Where run folders are kept.",
    ]
  )


def config_help(quick: Any, full: Any) -> list[str]:
  """Returns lines that say what each field of a configuration is.

  Args:
    quick: The defaults.
    full: The values with `--full`; those that differ are said.
  """
  comments = fields.comments(type(quick))
  kinds = typing.get_type_hints(type(quick), include_extras=True)
  lines = []
  for field in dataclasses.fields(quick):
    value, published = (getattr(c, field.name) for c in (quick, full))
    text = comments.get(field.name, "")
    for rule in getattr(kinds[field.name], "__metadata__", ()):
      if isinstance(rule, settings.Names):
        text += f" Is {rule}."
    if value != published:
      text += f" (--full: {published!r})"
    lines.append(f"  --config.{field.name}={value!r}")
    lines += textwrap.wrap(
      text, 76, initial_indent=" " * 6, subsequent_indent=" " * 6
    )
  return lines


def print_claims(study: study_lib.Study, folder: pathlib.Path) -> None:
  """Prints the claims of a finished run as a table."""
  table = rich_table.Table(box=box.SIMPLE_HEAD, title=study.question)
  for column in ("claim", "statement", "expected", "measured", ""):
    table.add_column(column)
  for claim in json.loads((folder / "claims.json").read_text()):
    table.add_row(
      claim["id"],
      markup.escape(claim["statement"]),
      text.format_expected(claim),
      text.format_measured(claim),
      _VERDICTS[text.verdict(claim)],
    )
  console = rich_console.Console()
  console.print(table)
  console.print(f"Written to {folder}", soft_wrap=True, highlight=False)


_VERDICTS = {
  "holds": "[green]holds[/]",
  "fails": "[bold red]fails[/]",
  "undecided": "[yellow]undecided[/]",
  "not run here": "[dim]not run here[/]",
}


def _check_fields(
  argv: Sequence[str], names: Iterable[str], known: Sequence[str]
) -> None:
  for arg in argv[1:]:
    if re.match(r"--?config(=|$)", arg):
      raise flags.Error("Set one field at a time: --config.FIELD=value.")
    field = re.match(r"--?(?:no)?config\.([^=]*)", arg)
    if field and field[1] not in names:
      raise flags.Error(_unknown_flag(f"config.{field[1]}", known))


def _is_full(argv: Sequence[str]) -> bool:
  flag_values = flags.FlagValues()
  flags.DEFINE_bool("full", False, "", flag_values=flag_values)
  flag_values.set_gnu_getopt()  # Values of other flags may stand in between.
  flag_values(argv, known_only=True)
  return flag_values["full"].value


def _unknown_flag(flag: str, known: Sequence[str]) -> str:
  nearest = difflib.get_close_matches(flag, known, n=1, cutoff=0.5)
  hint = f"did you mean --{nearest[0]}?" if nearest else "see --help."
  return f"There is no flag --{flag}; {hint}"


def _wrong_type(message: str, types: dict[str, Any]) -> str:
  found = re.match(r"flag --config\.(\w+)=(.*?): ", message, re.DOTALL)
  if not found or found[1] not in types:
    return message
  return _type_error(found[1], types[found[1]], found[2])


def _type_error(name: str, kind: Any, value: Any) -> str:
  kind = kind.__name__ if isinstance(kind, type) else kind
  return f"--config.{name} must be of type {kind}, got {value!r}."


def _as_type(name: str, value: Any, kind: Any) -> Any:
  if typing.get_origin(kind) is not tuple:
    return float(value) if kind is float else value
  element = typing.get_args(kind)[0]
  if typing.get_origin(element) is tuple:
    if not all(isinstance(v, tuple) for v in value):
      raise flags.Error(_type_error(name, kind, value))
    return tuple(_as_type(name, v, element) for v in value)
  if element is str and len(value) == 1:
    value = tuple(str(value[0]).split(","))
  allowed = (int, float) if element is float else element
  if not all(isinstance(v, allowed) and type(v) is not bool for v in value):
    raise flags.Error(_type_error(name, kind, value))
  return tuple(element(v) for v in value)
