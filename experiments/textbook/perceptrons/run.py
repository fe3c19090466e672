"""Scales, fits, separates and trains."""

import dataclasses
from collections.abc import Iterator
from typing import NamedTuple

import jax
import numpy as np

from experiments import progress, settings
from experiments.textbook.perceptrons import boundaries, fits, thresholds


@dataclasses.dataclass(frozen=True)
class Config(settings.Config):
  """Sizes of the random and of the trained networks."""

  # Inputs and units of each layer of the random networks; all 2^inputs binary
  # inputs are tried.
  sizes: tuple[settings.Count, ...] = (8, 6, 5, 3)
  num_networks: settings.Count = 50  # Random networks.
  num_hidden: settings.at_least(3) = 4  # Neurons that tell circles apart.
  num_starts: settings.Several = 10  # Of each trained network.
  num_epochs: settings.Count = 400  # Of the networks on two circles.
  seed: settings.Seed = 0  # Of everything drawn.

  def rules(self) -> Iterator[tuple[bool, str]]:
    """Refuses a single layer, and more inputs than can be tried."""
    is_small = len(self.sizes) >= 3 and 2 <= self.sizes[0] <= 12
    yield is_small, "sizes of two or more layers on 2 to 12 inputs"


class Results(NamedTuple):
  """What is kept."""

  scaling: thresholds.Scaling
  limit: thresholds.Limit
  on_threshold: np.ndarray  # Neurons at z = 0: sigmoid, perceptron  [2, 4, 2]
  # Whether steps of 1e-2 and 1e-9 change the error rate of perceptrons.
  cost_changes: np.ndarray  # [2, K]
  regressions: dict[str, np.ndarray]  # Largest gaps to independent fits  [sets]
  computed: np.ndarray  # Functions of two bits that a perceptron does  [16]
  points: boundaries.Points  # On two circles, to learn from.
  line_is_right: np.ndarray  # Which new points the best line has right  [N]
  boundaries: dict[str, boundaries.Boundary]
  xor: boundaries.Boundary


def run(config: Config) -> Results:
  """Scales, fits, separates and trains."""
  networks = config.seed, config.sizes, config.num_networks
  points, new = data = boundaries.circles(config.seed)
  examples = points.xs[:50], points.ys[:50]
  with jax.enable_x64(True), progress.parts("perceptrons", 9) as done:
    return Results(
      done(thresholds.scale(*networks)),
      done(thresholds.limit(*networks)),
      done(thresholds.on_threshold()),
      done(thresholds.cost_changes(config.seed, *examples)),
      done(fits.regressions(config.seed)),
      done(fits.computed(num_inputs=2)),
      points,
      done(boundaries.best_line(*new)),
      done(boundaries.tell_circles_apart(config, data)),
      done(boundaries.do_xor(config)),
    )
