"""Builds, trains and measures networks that approximate."""

import dataclasses
from collections.abc import Iterator
from typing import NamedTuple

from experiments import progress, settings
from experiments.textbook.universal_approximation import (
  relu,
  sigmoid,
  training,
)


@dataclasses.dataclass(frozen=True)
class Config(settings.Config):
  """Which networks are designed, and which are trained."""

  # Bumps N on [0, 1]; 10 and 50 are those of figure 4.5.
  num_bumps: settings.Ascending[settings.Several] = (10, 50, 200)
  eps: tuple[settings.Positive, ...] = (0.3, 0.1, 0.03)  # Errors to stay below.
  trained_widths: settings.Ascending[settings.Count] = (5, 50)  # ReLUs.
  # Of Adam; the best counts.
  learning_rates: tuple[settings.Positive, ...] = (3e-3, 1e-2)
  num_epochs: settings.Count = 1000  # Passes through the examples.
  num_seeds: settings.Several = 8  # Trained networks of a width and a rate.
  seed: settings.Seed = 0  # Of everything random.

  def rules(self) -> Iterator[tuple[bool, str]]:
    """Refuses parts as narrow as the steps, and widths without comparison."""
    # 500 parts of 20 / w, which steps take, fill [0, 1].
    yield max(self.num_bumps) <= 500, "num_bumps <= 500"
    yield len(self.trained_widths) > 1, "two or more trained_widths"


class Results(NamedTuple):
  """What is kept."""

  steps: sigmoid.Steps
  sums: sigmoid.Sums
  towers: sigmoid.Towers
  sheet: relu.Sheet
  approximations: relu.Approximations
  depth: relu.Depth
  training: training.Training


def run(config: Config) -> Results:
  """Builds, trains and measures the networks."""
  widest = config.trained_widths[-1]
  with progress.parts("universal approximation", 7) as done:
    return Results(
      done(sigmoid.measure_steps()),
      done(sigmoid.measure_sums(config.num_bumps)),
      done(sigmoid.measure_towers(config.seed)),
      done(relu.measure_sheet(config.seed)),
      done(relu.measure_approximations(config.eps, widest, config.seed)),
      done(relu.measure_depth()),
      done(training.measure(config)),
    )
