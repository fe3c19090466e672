"""How far does a short sum get?

`python -m tests.experiments.dummy_study` takes no time; of its four claims one
fails, and one is not run.
"""

import dataclasses
import pathlib
from typing import NamedTuple

import numpy as np

from experiments import claims as claims_lib
from experiments import cli, measure, settings, study, style


@dataclasses.dataclass(frozen=True)
class Config(settings.Config):
  """The settings of the sum."""

  num_terms: settings.Count = 4  # Terms of the sum.
  # Factor of every term,
  # dimensionless.
  scale: float = 1.0
  windows: tuple[int, ...] = (1, 2)  # Not used.
  names: tuple[str, ...] = ("a",)
  shapes: tuple[tuple[int, ...], ...] = ((1,), (2, 3))  # Not used.
  is_plain: bool = True  # Not used.
  log: str = ""  # File that gets a line for every run.
  seed: settings.Seed = 0  # Of nothing.


class Results(NamedTuple):
  """What is kept."""

  terms: np.ndarray  # [N]


def run(config):
  if config.log:
    with pathlib.Path(config.log).open("a") as file:
      file.write("run\n")
  match config.num_terms:
    case 13:
      return Results(np.array(int("thirteen")))  # A bug, not a validation.
    case 14:
      raise ValueError("expected less than 14, found out while running")
    case 15:
      raise KeyboardInterrupt
    case 16:
      return Results(np.zeros((2**40, 2**20)))
  return Results(config.scale * np.arange(config.num_terms))


def claims(results):
  total = results.terms.sum()
  source = claims_lib.Source("D1", "nielsen2015", "chapter <1>")
  ours = claims_lib.conjecture("D2", "we hope & `expect` so")
  return [
    source.equal(
      "six", "The sum is six & `exact`.", 6.0, total, tolerance=0, quantity="x"
    ),
    ours.at_least(
      "large",
      "Sums are large.",
      5.0,
      measure.Measured(total, 0.1),
      quantity="sum",
    ),
    ours.between(
      "small",
      "Sums are < 1.",
      (0, 1),
      total,
      quantity="sum",
      note="They grow.",
    ),
    source.not_run(
      "infinite", "Sums diverge.", np.inf, quantity="sum", note="For ever."
    ),
  ]


def plot(results):
  fig, axes = style.figure()
  axes.plot(results.terms, label="$x^2$")
  axes.legend()
  return fig


STUDY = study.Study(
  name="dummy/sum",
  question="How far does a short sum get?",
  answer="Six.",
  equation=r"\sum_{n < N} n",
  caption="The terms by their number.",
  Config=Config,
  Results=Results,
  run=run,
  claims=claims,
  plot=plot,
  full=Config(num_terms=10),
)

if __name__ == "__main__":
  cli.main(STUDY)
