"""Pages of the studies' results, and of the textbooks' exercises."""

import collections
import importlib
import inspect

from docs import estimators, findings, readme
from experiments import bibliography
from experiments.report import render, text

# By their keys in bibliography.toml.
DOCUMENTS = ("S0", "S1", "S2", "S3", "S4")


def pages() -> dict[str, str]:
  """Returns the text of each page by its path."""
  found = {f"studies/{name}.md": _page(name) for name in findings.studies()}
  return found | {
    "studies/index.md": _index(),
    "textbook.md": readme.page("docs/pages/textbook.md")
    + findings.render("documents.md.jinja", documents=_documents()),
    "which_estimator.md": readme.page("docs/pages/which_estimator.md")
    + findings.render(
      "measurements.md.jinja",
      ranking=estimators.ranking(),
      made=findings.alignment(),
      claims=_claims_of("rtrl_vs_tbptt/is_rtrl_needed", "rtrl_vs_tbptt/cost"),
    ),
  }


def _page(name):
  study = findings.studies()[name]
  docstring = importlib.import_module(
    study.run.__module__.rpartition(".")[0]
  ).__doc__
  blocks = text.blocks(inspect.cleandoc(docstring))
  return findings.render(
    "study.md.jinja",
    study=study,
    blocks=[b for b in blocks if b != ("text", study.question)],
    svg=findings.figure(name),
    claims=_claims_of(name)[name],
    flags=findings.flags(study),
    made=findings.made_on()[name],
  )


def _index():
  by_group = collections.defaultdict(list)
  for name, study in findings.studies().items():
    verdicts = map(text.verdict, _claims_of(name)[name])
    counts = collections.Counter(verdicts)
    by_group[name.split("/")[0]].append((study, counts))
  return findings.render(
    "studies.md.jinja",
    groups={render.GROUPS[group]: found for group, found in by_group.items()},
    verdicts=render.VERDICTS,
    names=list(findings.studies()),
    failed=[c for c in findings.claims() if c["holds"] is False],
  )


def _claims_of(*names):
  """The claims of each of some studies."""
  return {
    name: [c for c in findings.claims() if c["study"] == name] for name in names
  }


def _documents():
  """For each document its studies, with the claims about it by exercise."""
  found = {}
  for key in DOCUMENTS:
    of_studies = {}
    for name, study in findings.studies().items():
      exercises = collections.defaultdict(list)
      for claim in sorted(_claims_of(name)[name], key=lambda c: c["id"]):
        if claim["id"].startswith(f"{key}-"):
          exercises[claim["id"].removeprefix(f"{key}-")].append(claim)
      if exercises:
        of_studies[name] = (study, findings.flags(study), exercises)
    found[key] = (bibliography.text(key, ""), of_studies)
  return found
