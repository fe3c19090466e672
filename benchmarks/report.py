"""Rows and findings as tables, and as a file of JSON."""

import datetime
import importlib.metadata
import json
import os
import pathlib
import platform
from collections.abc import Mapping, Sequence
from typing import Any

import jax
from rich import table as rich_table

import nnfun as nf
from benchmarks import measure, others, targets, timing


def environment() -> dict[str, Any]:
  """Returns where and with what it was measured.

  Returns:
    Versions, device, processor, cores and date.
  """
  libraries = ("jax", "jaxlib", "numpy", "optax")
  versions = {name: importlib.metadata.version(name) for name in libraries}
  return {
    "versions": {
      "python": platform.python_version(),
      "nnfun": nf.__version__,
      **versions,
      **others.versions(),
    },
    "device": jax.local_devices()[0].device_kind,
    "platform": jax.default_backend(),
    "processor": _processor(),
    "cores": os.cpu_count(),
    "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
  }


def document(
  rows: Sequence[measure.Row],
  findings: Sequence[targets.Finding],
  **more: Any,
) -> dict[str, Any]:
  """Returns what the file holds.

  Args:
    rows: of all problems.
    findings: likewise.
    **more: what else belongs into it.

  Returns:
    A mapping of what JSON has; a row that was timed has its "median", "best"
    and "quartiles" in microseconds a step.
  """
  return {
    **more,
    "rows": [_row(row) for row in rows],
    "findings": [{**f._asdict(), "value": f.value._asdict()} for f in findings],
  }


def write(path: pathlib.Path, content: Mapping[str, Any]) -> None:
  """Writes the file, as a whole or not at all.

  Args:
    path: where; folders are made.
    content: what `document` returns.
  """
  path.parent.mkdir(parents=True, exist_ok=True)
  new = path.with_name(path.name + ".new")
  new.write_text(json.dumps(content, indent=1) + "\n")
  new.replace(path)


def tables(
  rows: Sequence[measure.Row], findings: Sequence[targets.Finding]
) -> list[rich_table.Table | str]:
  """Words the rows of one cell, batch size and regime.

  Args:
    rows: with any n.
    findings: of the same.

  Returns:
    The times, a line for each reason and note, and the comparisons.
  """
  first = rows[0]
  units = sorted({row.units for row in rows})
  title = f"{first.cell}, batch of {first.batch}, {first.regime}"
  times = _table(f"{title}: microseconds a step", units)
  _fill(times, units, {(r.program, r.units): _time(r) for r in rows})
  lines = dict.fromkeys(
    f"{row.program}: {row.note}" for row in rows if row.note
  )
  skipped = {}
  for row in rows:
    if row.skipped:
      text = f"{row.program}: skipped: {row.skipped}"
      skipped.setdefault(text, []).append(f"n = {row.units}")
  parts = [times, *lines]
  parts += [f"{text} ({', '.join(where)})" for text, where in skipped.items()]
  if findings:
    compared = _table(f"{title}: compared within rounds", units)
    _fill(compared, units, {(f.name, f.units): _compared(f) for f in findings})
    parts.append(compared)
  return parts


def _table(title, units):
  columns = ("", *(f"n = {n}" for n in units))
  return rich_table.Table(*columns, title=title, title_justify="left")


def _fill(table, units, cells):
  for name in dict.fromkeys(name for name, _ in cells):
    table.add_row(name, *(cells.get((name, n), "") for n in units))


def _time(row):
  if row.skipped:
    return "-"
  found = timing.spread(row.microseconds)
  words = [_words(found)]
  if row.flush_every is not None:
    words.append(f"F = {row.flush_every}")
  if row.model_microseconds is not None:
    words.append(f"model {_number(row.model_microseconds)}")
  if row.call_microseconds is not None:
    mean, high, longest = map(_number, row.call_microseconds)
    words.append(f"step by step {mean}, 99th percentile {high},")
    words.append(f"longest of F {longest}")
  words.append(f"T = {row.steps}, first {row.first_seconds:.1f} s")
  return "\n".join(words)


def _words(found):
  low, median, high = map(_number, (found.low, found.median, found.high))
  return f"{median} ({low} to {high})"


def _number(value):
  return f"{value:.3g}" if value < 100 else f"{value:.0f}"


def _compared(finding):
  words = _words(finding.value)
  if not finding.target:
    return words
  return f"{words}\n{finding.target}: {finding.verdict}"


def _row(row):
  content = row._asdict()
  content["microseconds"] = list(row.microseconds)
  if row.microseconds:
    found = timing.spread(row.microseconds)
    content |= {
      "median": found.median,
      "best": found.best,
      "quartiles": [found.low, found.high],
    }
  return content


def _processor():
  cpuinfo = pathlib.Path("/proc/cpuinfo")
  lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
  names = [line.split(":")[1].strip() for line in lines if "model name" in line]
  return names[0] if names else platform.processor()
