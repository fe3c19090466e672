"""Recomputes what the lecture notes on XOR print, and trains."""

import dataclasses
from typing import NamedTuple

import jax
import numpy as np

from experiments import progress, settings
from experiments.textbook.xor import formulas, training


@dataclasses.dataclass(frozen=True)
class Config(settings.Config):
  """How many networks are trained, and how long."""

  num_seeds: settings.Several = 500  # Random starts of each kind of network.
  num_epochs: settings.at_least(20) = 6_000  # Of random starts; one step each.
  # Of random starts; ten times smaller ones need ten times the epochs and end
  # in the same places.
  learning_rate: settings.Positive = 0.1
  seed: settings.Seed = 0  # Of all random weights.


class Results(NamedTuple):
  """What is kept; S random starts of each kind of network."""

  tables: dict[str, np.ndarray]  # h_0, h_1, y for each pattern  [4, 3]
  # How far equations are from what holds, as printed and as corrected.
  misprints: dict[str, np.ndarray]  # [2]
  update_error: np.ndarray  # Largest of equations 1.15 to 1.24  []
  reached: training.Reached
  starts: dict[str, training.Starts]


def run(config: Config) -> Results:
  """Recomputes the table and the formulas, and trains."""
  sizes = config.num_seeds, config.learning_rate, config.num_epochs
  starts = {
    kind: training.train_starts(kind, config.seed, *sizes)
    for kind in progress.track(training.KINDS, "xor")
  }
  with jax.enable_x64(True):
    misprints = formulas.misprints(config.seed)
    return Results(
      formulas.tables(),
      misprints,
      misprints[formulas.UPDATES[0]][1],
      training.train_printed(),
      starts,
    )
