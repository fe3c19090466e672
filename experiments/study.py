"""The records of a study: what it asks, what it runs, what it claims.

A study runs once (`run`) and stores arrays. Its claims and its figure are
functions of those arrays alone, so they can be judged and drawn again without
running anything.
"""

import dataclasses
import inspect
import os
import pathlib
import types
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from matplotlib import figure as mpl_figure

from experiments import records
from experiments.verdict import Claim

Results = Any  # The NamedTuple of arrays that a study's `run` returns.


class RunFn(Protocol):
  """Does the work of a study."""

  def __call__(self, config: Any) -> Results:
    """Runs the study.

    Args:
      config: An instance of the study's `Config`.

    Returns:
      Named arrays; everything the claims and the figure need.

    Raises:
      ValueError: If the configuration cannot be run, as one sentence with
        expected and actual. The user sees only that sentence.
    """


class ClaimsFn(Protocol):
  """Judges stored results."""

  def __call__(self, results: Results) -> list[Claim]:
    """Compares the results with the sources.

    Args:
      results: What `run` returned, read back from the disk.

    Returns:
      The claims, those that fail included.
    """


class PlotFn(Protocol):
  """Draws stored results."""

  def __call__(self, results: Results) -> mpl_figure.Figure:
    """Draws the study's one figure.

    Args:
      results: What `run` returned, read back from the disk.

    Returns:
      A figure made with `experiments.style.figure`.
    """


class Study(NamedTuple):
  """One question, and how it is answered."""

  name: str  # The package's path in experiments/: "rtrl_vs_tbptt/exactness".
  question: str  # One sentence.
  answer: str  # One sentence, for a reader who stops there.
  equation: str  # What it is about, in LaTeX.
  caption: str  # What is seen in the figure, panel by panel.
  Config: Callable[..., Any]  # Frozen dataclass; its defaults are quick.
  Results: Any  # The NamedTuple that `run` returns.
  run: RunFn
  claims: ClaimsFn
  plot: PlotFn
  full: Any  # The Config with the published sizes.
  exclusive: bool = False  # Measures time: nothing else may run beside it.


def define(
  package: str,
  parts: tuple[types.ModuleType, types.ModuleType, types.ModuleType],
  *,
  question: str,
  answer: str,
  equation: str,
  caption: str,
  full: Any,
  exclusive: bool = False,
) -> Study:
  """Returns the study which is a package of experiments.

  Args:
    package: its name, "experiments.<question>.<study>".
    parts: its modules `run`, with Config, Results and run, `claims` and
      `figure`, with a function plot.
    question: the package's docstring, of which this is the first paragraph.
    answer: one sentence, for a reader who stops there.
    equation: what it is about, in LaTeX.
    caption: what is seen in the figure, panel by panel.
    full: the Config with the published sizes.
    exclusive: whether it measures time, so that nothing else may run beside it.
  """
  run, claims, figure = parts
  return Study(
    name=package.partition(".")[2].replace(".", "/"),
    question=inspect.cleandoc(question).partition("\n\n")[0],
    answer=answer,
    equation=equation,
    caption=caption,
    Config=run.Config,
    Results=run.Results,
    run=run.run,
    claims=claims.claims,
    plot=figure.plot,
    full=full,
    exclusive=exclusive,
  )


def folder_of(
  study: Study, config: Any, runs_dir: str | os.PathLike[str]
) -> pathlib.Path:
  """Returns where a run is kept: runs_dir / study / configuration."""
  if config == study.Config():
    label = "quick"
  elif config == study.full:
    label = "full"
  else:
    fields = records.dump_json(dataclasses.asdict(config))
    label = records.digest(fields.encode())[:10]
  return pathlib.Path(runs_dir) / study.name / label
