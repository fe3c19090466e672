"""What docs/results holds, for the pages."""

import functools
import importlib
import json
import pathlib
from typing import Any

import jinja2

from docs import figures
from experiments import fields, registry
from experiments import study as study_lib
from experiments.report import text

FOLDER = pathlib.Path(__file__).parent / "results"
_REPORT = pathlib.Path(text.__file__).parent


@functools.cache
def studies() -> dict[str, study_lib.Study]:
  """The studies of the registry by name, in its order."""
  found = [importlib.import_module(m).STUDY for m in registry.MODULES]
  return {study.name: study for study in found}


@functools.cache
def claims() -> list[dict[str, Any]]:
  """All claims, each with the place of its row in the page of its study."""
  read = json.loads((FOLDER / "claims.json").read_text())
  return [claim | {"anchor": claim["key"]} for claim in read]


@functools.cache
def made_on() -> dict[str, dict[str, Any]]:
  """By study, sizes, versions and device of its results."""
  return json.loads((FOLDER / "studies.json").read_text())


@functools.cache
def alignment() -> dict[str, Any]:
  """Errors of every estimator along training."""
  return json.loads((FOLDER / "alignment.json").read_text())


def figure(name: str) -> str:
  """The figure of a study as part of a page."""
  return (FOLDER / f"{name}.svg").read_text()


def flags(study: study_lib.Study) -> list[tuple[str, str]]:
  """Every setting of a study as a flag with its default, and its comment."""
  config = study.Config()
  comments = fields.comments(study.Config)
  return [
    (fields.flag(name, getattr(config, name)), comments[name])
    for name in config.__dataclass_fields__
  ]


def render(template: str, **context: Any) -> str:
  """Fills in a template of docs/templates, or of the report's page."""
  return _environment().get_template(template).render(**context)


@functools.cache
def _environment():
  here = pathlib.Path(__file__).parent / "templates"
  environment = jinja2.Environment(
    loader=jinja2.FileSystemLoader([here, _REPORT]),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
  )
  environment.filters |= text.FILTERS
  environment.filters |= {"bias": _bias, "label": figures.label}
  return environment


def _bias(row, index):
  """The bias of a row of alignment.json, with its error where there is one."""
  text_of_bias = f"{row['bias'][index]:.2g}"
  if row["is_random"]:
    text_of_bias += f" ± {row['standard_error'][index]:.2g}"
  return text_of_bias
