"""How far does a short sum get?

`python -m tests.experiments.dummy_study` takes no time and holds two of three
claims.
"""

import dataclasses
import pathlib

import numpy as np

from experiments import cli, study, style


@dataclasses.dataclass(frozen=True)
class Config:
  """The settings of the sum."""

  num_terms: int = 4  # Terms of the sum.
  # Factor of every term,
  # dimensionless.
  scale: float = 1.0
  windows: tuple[int, ...] = (1, 2)  # Not used.
  names: tuple[str, ...] = ("a",)
  shapes: tuple[tuple[int, ...], ...] = ((1,), (2, 3))  # Not used.
  is_plain: bool = True  # Not used.
  log: str = ""  # File that gets a line for every run.
  seed: int = 0  # Of nothing.


def run(config):
  if config.num_terms < 1:
    raise ValueError(f"num_terms must be positive, got {config.num_terms}.")
  if config.log:
    with pathlib.Path(config.log).open("a") as file:
      file.write("run\n")
  if config.num_terms == 13:
    return {"sum": np.array(int("thirteen"))}  # A bug, not a validation.
  return {"terms": config.scale * np.arange(config.num_terms)}


def claims(results):
  total = results["terms"].sum()
  return [
    study.Claim("D1", "The sum is six & `exact`.", "Gauss, 1787", 6.0, total),
    study.Claim("D2", "It is large.", "Gauss", (5.0, np.inf), total, 0.1),
    study.Claim("D3", "It is < 1.", "Nobody", (0, 1), total, note="It grows."),
  ]


def plot(results):
  fig, axes = style.figure()
  axes.plot(results["terms"], label="$x^2$")
  axes.legend()
  return fig


STUDY = study.Study(
  name="dummy/sum",
  question="How far does a short sum get?",
  Config=Config,
  run=run,
  claims=claims,
  plot=plot,
  full=Config(num_terms=10),
)

if __name__ == "__main__":
  cli.main(STUDY)
