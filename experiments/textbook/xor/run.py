"""Recomputes what the lecture notes on XOR print, and trains."""

import dataclasses
from typing import NamedTuple

import jax
import numpy as np

import nnfun as nf
from experiments import progress, settings
from experiments.textbook.xor import formulas, readings, training

_act = nf.activations


@dataclasses.dataclass(frozen=True)
class Config(settings.Config):
  """How many networks are trained, and how long."""

  num_seeds: settings.Count = 500  # Random starts of each kind of network.
  # Of random starts; an epoch is one step.
  num_epochs: settings.Count = 6_000
  # Of random starts; claims look at the first. Ten times smaller ones need ten
  # times the epochs and end in the same places.
  learning_rates: tuple[settings.Positive, ...] = (0.1, 1.0)
  num_epochs_printed: settings.Count = 30_000  # From the printed start.
  # From the printed start: 0.01 gives the printed trained weights.
  learning_rate_printed: settings.Positive = 0.01
  num_records: settings.Count = 20  # How often the random starts are judged.
  # Random networks for the update formulas and their misprints.
  num_update_checks: settings.Count = 50
  seed: settings.Seed = 0  # Of all random weights.

  def __post_init__(self) -> None:
    """Refuses epochs that cannot be recorded, and a single start."""
    super().__post_init__()
    settings.require(
      self.num_epochs % self.num_records == 0,
      "num_epochs, a multiple of num_records",
      num_epochs=self.num_epochs,
      num_records=self.num_records,
    )
    settings.require(
      self.num_seeds >= 2, "num_seeds >= 2", num_seeds=self.num_seeds
    )


class Tables(NamedTuple):
  """h_0, h_1, y of a network for each pattern, as in the notes' table."""

  signed: np.ndarray  # Of the sigmoid network with the table's signs  [4, 3]
  # Of all choices of signs, the printed ones first, ReLU and sigmoid.
  signs: np.ndarray  # [2, 512, 4, 3]
  trained: np.ndarray  # Of the printed trained weights, ReLU  [4, 3]


class Reached(NamedTuple):
  """The printed ReLU network after training, with the config's rate and 1."""

  hidden: np.ndarray  # W  [2, 2, 3]
  output: np.ndarray  # U  [2, 3]
  y: np.ndarray  # For each pattern  [2, 4]


class Results(NamedTuple):
  """What is kept; S random starts of each kind of network."""

  tables: Tables
  update_error: np.ndarray  # Largest of equations 1.15 to 1.24  []
  misprints: dict[str, formulas.Misprint]
  reached: Reached
  starts: dict[str, training.Starts]
  epochs: np.ndarray  # When the starts were judged  [records + 1]
  learning_rates: np.ndarray  # Of the starts  [rates]
  learning_rate_printed: np.ndarray  # []


def run(config: Config) -> Results:
  """Recomputes the table and the formulas, and trains."""
  keys = jax.random.split(jax.random.key(config.seed), config.num_seeds)
  starts = {
    kind: training.train_starts(
      kind,
      config.learning_rates,
      keys,
      num_epochs=config.num_epochs,
      num_records=config.num_records,
    )
    for kind in progress.track(training.KINDS, "xor")
  }
  checks = config.seed, config.num_update_checks
  with jax.enable_x64(True):
    return Results(
      _tables(),
      np.asarray(formulas.update_error(*checks)),
      formulas.misprints(*checks),
      _reached(config),
      starts,
      np.linspace(0, config.num_epochs, config.num_records + 1),
      np.array(config.learning_rates),
      np.array(config.learning_rate_printed),
    )


def _tables():
  choices = readings.sign_choices()
  signs = [formulas.tables(choices, f) for f in (_act.relu, _act.sigmoid)]
  others = zip(readings.SIGNED, readings.TRAINED, strict=True)
  others = readings.Weights(*map(np.stack, others))
  return Tables(
    formulas.tables(others, _act.sigmoid)[0],
    np.stack(signs),
    formulas.tables(others, _act.relu)[1],
  )


def _reached(config):
  rates = config.learning_rate_printed, 1.0
  weights = training.train_printed(rates, config.num_epochs_printed)
  return Reached(*weights, formulas.tables(weights, _act.relu)[..., 2])
