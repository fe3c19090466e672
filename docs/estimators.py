"""A page for each estimator, of what the README, docstrings and results say."""

import inspect

import numpy as np

import nnfun as nf
from docs import findings, publish, readme
from experiments import style
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
_LINES = ("-", "--", ":", "-.")


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
    figure=_figure(name, rows) if rows else "",
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


def _figure(name, rows):
  """Its cosines along training, with those of the others in the background."""
  made = findings.alignment()
  tasks = list(dict.fromkeys(row["task"] for row in rows))
  width = 3 * len(tasks) if len(tasks) > 1 else 5
  fig, axes = style.figure(
    1, len(tasks), width=width, height=3, sharey=True, squeeze=False
  )
  for panel, task in zip(axes[0], tasks, strict=True):
    for row in made["rows"]:
      if row["task"] == task and row["cell"] == readings.VANILLA:
        grey = {"color": style.GREY, "alpha": 0.35, "linewidth": 0.8}
        panel.plot(made["updates"], row["cosine_of_one"], **grey)
    for index, row in enumerate(r for r in rows if r["task"] == task):
      panel.plot(
        made["updates"],
        row["cosine_of_one"],
        color=style.PALETTE[index % len(style.PALETTE)],
        linestyle=_LINES[index % len(_LINES)],
        linewidth=2.4,
        label=label(row),
      )
    panel.set(title=task, xlabel="updates", ylim=(-0.1, 1.06))
    panel.set_xticks(made["updates"])
  axes[0, 0].set_ylabel("cosine with the exact gradient")
  handles, labels = axes[0, 0].get_legend_handles_labels()
  fig.legend(handles, labels, loc="outside lower center", ncols=3)
  caption = (
    f"Cosine of one estimate by {name} with the exact gradient along training; "
    "grey: the other estimators."
  )
  return publish.small_figure(style.save_svg(fig), caption)


def label(row: dict) -> str:
  """Returns how a row is called, with its cell where that is not the usual."""
  cell = "" if row["cell"] == readings.VANILLA else f" ({row['cell']})"
  return row["estimator"] + cell


def ranking() -> list[dict]:
  """Returns all compared on the first task, best at the end of training first.

  Each row has the estimators' names in nnfun besides.
  """
  functions = {n: m.make.func.__name__ for n, m in methods.TABLE.items()}
  rows = [
    row | {"function": functions[row["estimator"]], "label": label(row)}
    for row in findings.alignment()["rows"]
    if row["task"] == readings.DELAYED
  ]
  return sorted(rows, key=lambda row: -np.array(row["cosine_of_one"])[-1])
