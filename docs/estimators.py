"""A page for each estimator, of what the README, docstrings and results say."""

import inspect

import nnfun as nf
from docs import figures, findings, readme
from experiments.rtrl_vs_tbptt.alignment import methods, readings

NAMES = tuple(readme.facts())

# What the example needs besides: settings, another cell, longer segments.
_SETTINGS = {
  "adaptive_bptt": "tolerance=0.1, max_window=16",
  "artbp": "stop_probability=0.1",
  "eprop": 'feedback="symmetric"',
  "es_single": "num_pairs=100, sigma=1e-2",
  "ktp_rtrl": "rank=4",
  "nres": "num_pairs=100, sigma=1e-2",
  "ok_rtrl": "rank=4",
  "pes": "num_pairs=100, sigma=1e-2",
  "rflo": 'decay=0.5, feedback="symmetric"',
  "rolling_bptt": "window=8",
  "sketched_rtrl": "rank=4",
  "snap": "order=1",
  "truncated_es": "num_pairs=100, sigma=1e-2",
  "uoro": "rank=4",
}
_CELLS = {
  "diagonal_rtrl": "nf.cells.indrnn(num_inputs=2, num_units=8)",
  "layerwise_diagonal_rtrl": "nf.cells.stack(\n"
  "  [\n"
  "    nf.cells.indrnn(num_inputs=2, num_units=8),\n"
  "    nf.cells.indrnn(num_inputs=8, num_units=8),\n"
  "  ]\n"
  ")",
}
_VANILLA = "nf.cells.vanilla(num_inputs=2, num_units=8)"
_SEGMENTS = {"artbp": 20, "forward_errors": 5, "truncated_bptt": 5}
_NUM_STEPS = {"forward_errors": 5}  # Exact in one segment, unstable in long.
# Where the exactness of those stands that are not compared along training.
_STUDIES = {
  "diagonal_rtrl": "rtrl_vs_tbptt/exactness",
  "forward_errors": "rtrl_vs_tbptt/forward_errors",
}


def pages() -> dict[str, str]:
  """Returns the text of each page by its path."""
  found = {f"estimators/{name}.md": _page(name) for name in NAMES}
  index = findings.render(
    "estimators.md.jinja",
    titles={name: _title(name) for name in NAMES},
    facts=readme.facts(),
  )
  return found | {"estimators/index.md": index}


def example(name: str) -> str:
  """Returns a program that compares an estimator with the exact gradient."""
  return findings.render(
    "example.py.jinja",
    name=name,
    cell=_CELLS.get(name, _VANILLA),
    settings=", " + _SETTINGS[name] if name in _SETTINGS else "",
    segment=_SEGMENTS.get(name, 1),
    num_steps=_NUM_STEPS.get(name, 20),
  )


def ranking() -> list[dict]:
  """Returns all compared on the first task, best at the end of training first.

  Each row has the estimator's name in nnfun besides.
  """
  functions = {n: m.make.func.__name__ for n, m in methods.TABLE.items()}
  rows = [
    row | {"function": functions[row["estimator"]]}
    for row in findings.alignment()["rows"]
    if row["task"] == readings.DELAYED
  ]
  return sorted(rows, key=lambda row: -row["cosine_of_one"][-1])


def _page(name):
  rows = _compared(name)
  return findings.render(
    "estimator.md.jinja",
    name=name,
    title=_title(name),
    facts=readme.facts()[name],
    example=example(name),
    rows=rows,
    updates=findings.alignment()["updates"],
    made=findings.alignment(),
    figure=figures.cosines(name, rows, findings.alignment()) if rows else "",
    study=_STUDIES.get(name, ""),
  )


def _title(name):
  """What it does, in one line."""
  return inspect.getdoc(getattr(nf.estimators, name)).partition("\n")[0]


def _compared(name):
  """The rows of the study of alignment that this estimator made."""
  name = "nres" if name == "es_single" else name  # The same by another name.
  make = getattr(nf.estimators, name)
  variants = {n for n, m in methods.TABLE.items() if m.make.func is make}
  rows = findings.alignment()["rows"]
  return [row for row in rows if row["estimator"] in variants]
