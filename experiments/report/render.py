"""Writes the page and the list of all claims from finished run folders."""

import dataclasses
import datetime
import json
import os
import pathlib
import re
import sys
from collections.abc import Sequence
from typing import Any, NamedTuple

import jinja2

from experiments import bibliography, claims, fields, records
from experiments import study as study_lib
from experiments.report import svg, text

_HERE = pathlib.Path(__file__).parent
KINDS = tuple(str(kind) for kind in claims.Kind)
VERDICTS = ("holds", "fails", "undecided", "not run here")
# What each folder of studies asks.
GROUPS = {
  "textbook": "What do the textbook's statements look like when they run?",
  "softmax_temperature": "What becomes of a softmax as its temperature falls?",
  "gradient_flow": "Why do gradients vanish and explode?",
  "rtrl_vs_tbptt": "What does the exact online gradient cost, and give?",
}


class Section(NamedTuple):
  """What the page says about one run of a study."""

  name: str  # The study's name.
  study: study_lib.Study | None  # None if it cannot be imported.
  config: Any  # What is shown of its run; None without a study.
  docstring: str  # Of the study's package.
  command: str  # Runs the study again.
  folder: pathlib.Path  # The finished run; not read if there is an error.
  error: str = ""  # The end of the log, if the study crashed.


class Totals(NamedTuple):
  """What came out, over all studies."""

  by_kind: dict[str, dict[str, int]]  # Kind -> verdict -> number of claims.
  chance: float  # That a true claim is among the failed.
  num_crashed: int

  def num(self, verdict: str) -> int:
    """How many claims of all kinds have this verdict."""
    return sum(row[verdict] for row in self.by_kind.values())

  def __str__(self) -> str:
    """The closing line of a command."""
    parts = [
      f"{sum(row.values())} {kind} ({_counts(row)})"
      for kind, row in self.by_kind.items()
      if kind != claims.Kind.NOT_RUN and any(row.values())
    ]
    return (
      f"{self.num('holds')} claims hold, {self.num('fails')} fail, "
      f"{self.num('undecided')} undecided, {self.num('not run here')} not run "
      f"here: {'; '.join(parts)}. If everything were true, the chance of a "
      f"failure would be {100 * self.chance:.1g} %."
    )


def write_report(
  folder: pathlib.Path,
  sections: Sequence[Section],
  *,
  sizes: str,
  seconds: float,
) -> Totals:
  """Writes index.html and claims.json.

  Args:
    folder: Where to; made if missing.
    sections: The studies in the order of the page.
    sizes: "quick", "full", or what else was set.
    seconds: How long it took to bring all results up to date.

  Returns:
    The number of claims and crashes.
  """
  page, found, totals = _page(sections, sizes, seconds)
  folder.mkdir(parents=True, exist_ok=True)
  records.write(folder / "index.html", page)
  listed = [{k: v for k, v in c.items() if k != "anchor"} for c in found]
  records.write_json(folder / "claims.json", listed)
  return totals


def write_run(
  study: study_lib.Study, config: Any, runs_dir: str | os.PathLike[str]
) -> pathlib.Path:
  """Writes a page about one run; what was changed beside the default's run.

  Args:
    study: The study.
    config: Of the run, which is finished.
    runs_dir: Where run folders are.

  Returns:
    The page, in the run's folder.
  """
  shown = [config]
  default = study.Config()
  if config != default and records.is_finished(
    study_lib.folder_of(study, default, runs_dir)
  ):
    shown.append(default)
  package = sys.modules[study.run.__module__].__package__
  module = f"experiments.{study.name.replace('/', '.')}"
  sections = []
  for one in shown:
    flags = [f["flag"] for f in _flags(study, one) if f["changed"]]
    sections.append(
      Section(
        name=study.name if one == default else f"{study.name} (changed)",
        study=study,
        config=one,
        docstring=(package and sys.modules[package].__doc__) or "",
        command=" ".join(["python -m", module, *flags]),
        folder=study_lib.folder_of(study, one, runs_dir),
      )
    )
  page = study_lib.folder_of(study, config, runs_dir) / "index.html"
  seconds = json.loads((page.parent / "RUN").read_text())["seconds"]
  records.write(page, _page(sections, page.parent.name, seconds)[0])
  return page


def _page(sections, sizes, seconds):
  """The page, the records of all claims and their totals."""
  studies = [_load(index, section) for index, section in enumerate(sections)]
  found = [claim for study in studies for claim in study["claims"]]
  totals = _totals(found, sum(bool(section.error) for section in sections))
  drawn = [study for study in studies if "svg" in study]
  figures, shapes = svg.share_shapes(study["svg"] for study in drawn)
  for study, figure in zip(drawn, figures, strict=True):
    study["svg"] = figure
  page = _template().render(
    studies=studies,
    shapes=shapes,
    groups=_groups(studies),
    claims=found,
    failed=[c for c in found if c["holds"] is False],
    errata=[c for c in found if _is_erratum(c)],
    texts=_cited(found),
    totals=totals,
    kinds=KINDS,
    verdicts=VERDICTS,
    sizes=sizes,
    duration=text.format_duration(seconds),
    date=datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
  )
  return page, found, totals


def _load(index, section):
  study = section.study
  anchor = re.sub(r"\W+", "-", section.name).strip("-")
  record = {
    "name": section.name,
    "anchor": anchor,
    "group": section.name.split("/")[0],
    "question": study.question if study else "It cannot be imported.",
    "answer": study.answer if study else "",
    "caption": study.caption if study else "",
    "equation": study.equation if study else "",
    "blocks": text.blocks(section.docstring),
    "command": section.command,
    "error": section.error,
    "claims": [],
    "flags": [],
  }
  # The docstring's first line stands above it already.
  record["blocks"] = [
    b for b in record["blocks"] if b != ("text", record["question"])
  ]
  if section.error:
    return record
  read = {
    name: json.loads((section.folder / name).read_text())
    for name in ("env.json", "claims.json", "RUN")
  }
  for claim in read["claims.json"]:
    claim["anchor"] = f"{anchor}--{claim['key']}"
    claim["study"] = section.name
  figure = (section.folder / "figure.svg").read_text()
  label = study.caption or f"Figure of {section.name}"
  return record | {
    "claims": read["claims.json"],
    "flags": _flags(study, section.config),
    "environment": _environment(read["env.json"]),
    "seconds": read["RUN"]["seconds"],
    "svg": svg.inline(figure, f"f{index}-", label),
    "thumbnail": svg.thumbnail(figure, f"f{index}-"),
  }


def _flags(study, config):
  """Every setting as a flag to copy, with its comment; changed ones marked."""
  comments = fields.comments(study.Config)
  default = study.Config()
  return [
    {
      "flag": fields.flag(field.name, getattr(config, field.name)),
      "comment": comments[field.name],
      "changed": getattr(config, field.name) != getattr(default, field.name),
    }
    for field in dataclasses.fields(config)
  ]


def _groups(studies):
  """The studies by the question of their folder."""
  names = dict.fromkeys(study["group"] for study in studies)
  return [
    {
      "title": GROUPS.get(name, name),
      "studies": [study for study in studies if study["group"] == name],
    }
    for name in names
  ]


def _totals(found, num_crashed):
  by_kind = {kind: dict.fromkeys(VERDICTS, 0) for kind in KINDS}
  for claim in found:
    by_kind[claim["kind"]][text.verdict(claim)] += 1
  return Totals(by_kind, claims.family_chance(found), num_crashed)


def _counts(row):
  names = {"holds": "hold", "fails": "fail", "undecided": "undecided"}
  return ", ".join(f"{row[v]} {name}" for v, name in names.items() if row[v])


def _is_erratum(claim):
  return re.search(
    "erratum|errata|misprint",
    f"{claim['key']} {claim['id']} {claim['note']}".lower(),
  )


def _cited(found):
  """The texts that claims cite, with the rows that do."""
  by_url = {}
  for claim in found:
    for key, cited in bibliography.TEXTS.items():
      if claim["source"].startswith(bibliography.text(key, "")):
        by_url.setdefault(key, (cited, set()))[1].add(claim["id"])
  return [
    {**cited._asdict(), "key": key, "ids": sorted(ids)}
    for key, (cited, ids) in sorted(by_url.items())
  ]


def _environment(env: dict[str, Any]) -> dict[str, str]:
  versions = {"python": env["python"], **env["versions"]}
  flags = " ".join(f"{name}={value}" for name, value in env["flags"].items())
  commit = (env["commit"] or "unknown")[:12]
  is_modified = env["commit"] and env["modified"]
  return {
    "versions": ", ".join(f"{k} {v}" for k, v in versions.items() if v),
    "device": f"{env['num_devices']} × {env['platform']} ({env['device']})",
    "host": f"{env['processor']}, {env['num_cpus']} cores",
    "commit": commit + (" with local changes" if is_modified else ""),
    "started": env["started"],
    "started as": env["command"],
    **({"settings": flags} if flags else {}),
  }


def _template() -> jinja2.Template:
  environment = jinja2.Environment(
    loader=jinja2.FileSystemLoader(_HERE),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
  )
  environment.filters |= text.FILTERS
  return environment.get_template("page.html.jinja")
