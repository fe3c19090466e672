"""Scales, fits, separates and trains."""

import dataclasses
from typing import Annotated, NamedTuple

import jax
import numpy as np

from experiments import settings
from experiments.textbook.perceptrons import boundaries, fits, thresholds


@dataclasses.dataclass(frozen=True)
class Config(settings.Config):
  """Sizes of the random and of the trained networks."""

  # Inputs and units of each layer of the random networks; all 2^inputs binary
  # inputs are tried.
  sizes: tuple[settings.Count, ...] = (8, 6, 5, 3)
  num_networks: settings.Count = 50  # Random networks.
  # Data sets of each kind for the regressions.
  num_sets: settings.Count = 8
  # Points of the disc and the ring.
  num_points: Annotated[int, settings.Range(low=20)] = 200
  # Hidden neurons that tell them apart.
  num_hidden: Annotated[int, settings.Range(low=3)] = 4
  # Starts of each trained network.
  num_starts: Annotated[int, settings.Range(low=2)] = 10
  num_epochs: settings.Count = 400  # Of the networks on disc and ring.
  # Networks at which the error rate is probed.
  num_cost_points: settings.Count = 10_000
  seed: settings.Seed = 0  # Of everything drawn.

  def __post_init__(self) -> None:
    """Refuses a single layer, and more inputs than can be tried."""
    super().__post_init__()
    settings.require(
      len(self.sizes) >= 3 and 2 <= self.sizes[0] <= 12,
      "sizes of two or more layers on 2 to 12 inputs",
      sizes=self.sizes,
    )


class Results(NamedTuple):
  """What is kept."""

  scaling: thresholds.Scaling
  limit: thresholds.Limit
  on_threshold: thresholds.OnThreshold
  # Whether steps of 1e-2 and 1e-9 change the error rate of perceptrons.
  cost_changes: np.ndarray  # [K, 2]
  regressions: fits.Regressions
  separability: fits.Separability
  xs: np.ndarray  # Points of disc and ring to learn from  [N, 2]
  ys: np.ndarray  # Their classes, 1 in the disc  [N]
  line_is_right: np.ndarray  # Which new points the best line has right  [N]
  boundaries: dict[str, boundaries.Boundary]
  xor: boundaries.Xor


def run(config: Config) -> Results:
  """Scales, fits, separates and trains."""
  networks = config.seed, config.sizes, config.num_networks
  points, new_points = (
    boundaries.rings(config.seed + i, config.num_points) for i in range(2)
  )
  with jax.enable_x64(True):
    return Results(
      thresholds.scale(*networks),
      thresholds.limit(*networks),
      thresholds.on_threshold(),
      thresholds.cost_changes(
        config.seed,
        *boundaries.rings(config.seed, 50),
        num_points=config.num_cost_points,
      ),
      fits.regressions(config.seed, config.num_sets),
      fits.separability(),
      *points,
      boundaries.best_line(*new_points),
      boundaries.train_boundaries(
        config.seed,
        points,
        new_points,
        num_hidden=config.num_hidden,
        num_starts=config.num_starts,
        num_epochs=config.num_epochs,
      ),
      boundaries.train_xor(config.seed, config.num_starts),
    )
