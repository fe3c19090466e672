"""Makes one table, a figure and a page of a sweep.

`python -m launch.collect --sweep=FOLDER` writes table.csv (a line for each
run), curves.npz (all curves, with the settings of each), figure.svg and
index.html into the sweep's folder, and says which setting is best, with its
interval.
"""

import csv
import dataclasses
import difflib
import io
import pathlib
from collections.abc import Sequence

import jinja2
import numpy as np
from absl import app, flags, logging

from experiments import errors, records, style
from launch import commands, figures, tables

_TEMPLATE = pathlib.Path(__file__).parent / "sweep.html.jinja"


def main() -> None:
  """Does what the command line asks."""
  sweep = flags.DEFINE_string("sweep", "", "A sweep's folder; else the newest.")
  runs_dir = flags.DEFINE_string("runs_dir", "runs", "Where run folders are.")
  quantity = flags.DEFINE_string(
    "quantity", "", "By which settings are ranked, if there are several."
  )
  best = flags.DEFINE_enum("best", "min", ["min", "max"], "Which is the best.")

  def run(argv: Sequence[str]) -> None:
    del argv
    logging.set_verbosity(logging.WARNING)
    with errors.one_sentence():
      folder = commands.sweep_folder(sweep.value, runs_dir.value)
      collect(folder, quantity=quantity.value, best=best.value)

  app.run(run, flags_parser=commands.parser(__doc__, __name__))


def collect(
  sweep: pathlib.Path, *, quantity: str = "", best: str = "min"
) -> None:
  """Writes table, curves, figure and page, and prints the best settings.

  Args:
    sweep: The sweep's folder.
    quantity: By which settings are ranked. Empty for the one there is; of
      several the first is shown, and nothing is called best.
    best: "min" or "max".

  Raises:
    ValueError: if nothing is done, or there is no such quantity.
  """
  table = tables.read(sweep)
  is_ranked = bool(quantity) or len(table.curves) == 1
  quantity = quantity or next(iter(table.curves))
  if quantity not in table.curves:
    near = difflib.get_close_matches(quantity, table.curves, n=1, cutoff=0)
    raise ValueError(
      f"expected a quantity of this sweep, got {quantity!r}; did you mean "
      f"{near[0]!r}?"
    )
  rows = tables.ranked(table, quantity, best=best)
  if is_ranked:
    sentence = verdict(table, rows, best=best)
  else:
    sentence = (
      f"Shown is {quantity}; --quantity and --best of launch.collect rank by "
      f"another: {', '.join(table.curves)}."
    )
  records.write(sweep / "table.csv", _csv(table))
  records.write(sweep / "curves.npz", _npz(table))
  svg = style.save_svg(figures.draw(table.plan.fields, rows, quantity))
  records.write(sweep / "figure.svg", svg)
  page = _page(table, rows, quantity, sentence, svg)
  records.write(sweep / "index.html", page)
  print(sentence)
  print(f"Page: {sweep / 'index.html'}")


def verdict(
  table: tables.Table, rows: Sequence[tables.Row], *, best: str
) -> str:
  """Returns in words which setting is best, and how sure that is.

  Args:
    table: What was run.
    rows: What `tables.ranked` returns.
    best: "min" or "max", as there.
  """
  names, first = table.plan.fields, rows[0]
  said = f"Best: {label(names, first.setting)}, {interval(first)}"
  if first.num_diverged:
    said = "Every setting has runs that diverged"
  elif len(rows) > 1:
    alike = tables.not_told_apart(list(rows), best=best)
    num_diverged = sum(bool(row.num_diverged) for row in rows)
    if num_diverged == len(rows) - 1:
      said += "; in every other setting runs diverged"
    elif not alike:
      said += "; better than every other, by pairs that share a seed"
      said += " (settings that diverged left out)" * bool(num_diverged)
    elif len(alike) < len(rows) - 1 - num_diverged:
      said += f"; settings that cannot be told from it: {len(alike)}"
    else:
      said += "; none of the others can be told from it"
  if table.num_earlier:
    said += f". Runs by earlier code: {table.num_earlier}"
  if table.num_missing:
    said += f". Runs that are not done: {table.num_missing}"
  return said + "."


def label(names: Sequence[str], setting: Sequence) -> str:
  """Returns a setting in words: "learning_rate=0.01, num_units=32"."""
  pairs = zip(names, setting, strict=True)
  return ", ".join(f"{name}={value}" for name, value in pairs) or "default"


def interval(row: tables.Row) -> str:
  """Returns the mean over seeds with its limits."""
  if row.num_diverged:
    return f"{row.num_diverged} of {len(row.finals)} runs diverged"
  if row.limits is None:
    return f"{row.value:.4g} (one seed)"
  low, high = row.limits
  return f"{row.value:.4g} ({low:.4g} to {high:.4g})"


def _csv(table):
  """A line for each run: every setting, and where each curve ends."""
  text = io.StringIO()
  out = csv.writer(text, lineterminator="\n")
  names = [field.name for field in dataclasses.fields(table.configs[0])]
  out.writerow([*names, *table.curves])
  ends = [tables.finals(curves) for curves in table.curves.values()]
  for index, config in enumerate(table.configs):
    settings = [getattr(config, name) for name in names]
    out.writerow([*settings, *(float(end[index]) for end in ends)])
  return text.getvalue()


def _npz(table):
  """Curves [N, B] by quantity, and the settings [N] by name."""
  names = [field.name for field in dataclasses.fields(table.configs[0])]
  settings = {
    f"setting/{name}": np.array([str(getattr(c, name)) for c in table.configs])
    if isinstance(getattr(table.configs[0], name), tuple)
    else np.array([getattr(c, name) for c in table.configs])
    for name in names
  }
  curves = {
    f"curve/{name.replace('/', ' by ')}": values
    for name, values in table.curves.items()
  }
  buffer = io.BytesIO()
  np.savez_compressed(buffer, allow_pickle=False, **settings, **curves)
  return buffer.getvalue()


def _page(table, rows, quantity, sentence, svg):
  environment = jinja2.Environment(autoescape=True, trim_blocks=True)
  template = environment.from_string(_TEMPLATE.read_text())
  return template.render(
    study=table.plan.study,
    num_runs=len(table.configs),
    quantity=quantity,
    sentence=sentence,
    svg=svg[svg.index("<svg") :],
    fields=table.plan.fields,
    rows=[(row.setting, interval(row), len(row.finals)) for row in rows],
  )


if __name__ == "__main__":
  main()
