"""Measures the identities in float64, and trains on digits in float32."""

import dataclasses
from typing import NamedTuple

import jax
import numpy as np

from experiments import images, progress, settings
from experiments.textbook.backpropagation import (
  descent,
  grid,
  identities,
  misprints,
  training,
)


@dataclasses.dataclass(frozen=True)
class Config(settings.Config):
  """How many networks, and what is trained."""

  num_networks: settings.Count = 4  # Of each kind, for the identities.
  num_directions: settings.Count = 4096  # Random ones, against the gradient.
  # Units of every layer where operations are counted, ascending.
  widths: tuple[settings.Count, ...] = (16, 32, 64, 128, 256)
  num_layers: settings.Count = 4  # Of the networks of which they are counted.
  num_hidden: settings.Count = 16  # Units of the one hidden layer, tanh.
  num_seeds: settings.Count = 5  # Starts and shuffles for all that is trained.
  batch_size: settings.Count = 32  # Digits, for optimisers and losses.
  num_epochs: settings.Count = 6  # Of the same.
  # Of every optimiser at the start, ascending; they fall to 0.
  learning_rates: tuple[settings.Positive, ...] = (
    *(3.16e-3, 0.01, 0.0316, 0.1, 0.316, 1.0, 3.16),
  )
  num_few: settings.Count = 64  # Digits, few enough to overfit.
  mini_batch: settings.Count = 8  # Digits, between 1 and num_few.
  few_epochs: settings.Count = 150  # Passes through the few digits.
  few_rate: settings.Positive = 0.1  # Learning rate for every batch size.
  noise_epochs: settings.Count = 4096  # Of mini-batches, for the noise.
  seed: settings.Seed = 0  # Of everything.

  def __post_init__(self) -> None:
    """Refuses what has no error or no order."""
    super().__post_init__()
    for name in ("num_seeds", "noise_epochs", "few_epochs"):
      value = getattr(self, name)
      settings.require(value >= 2, f"{name} >= 2", **{name: value})
    for name in ("widths", "learning_rates"):
      values = getattr(self, name)
      is_ascending = list(values) == sorted(set(values))
      settings.require(is_ascending, f"ascending {name}", **{name: values})
    settings.require(
      self.num_few % self.mini_batch == 0,
      "num_few a multiple of mini_batch",
      num_few=self.num_few,
      mini_batch=self.mini_batch,
    )


class Results(NamedTuple):
  """What is kept."""

  identities: identities.Identities
  costs: identities.Costs
  steepest: descent.Steepest
  exercises: misprints.Misprints  # Of S0.
  slides: misprints.Misprints  # Of S2.
  noise: training.Noise
  batch_sizes: training.BatchSizes
  regression: training.Regression
  grid: grid.Grid


def run(config: Config) -> Results:
  """Measures the identities, and trains."""
  rng = np.random.default_rng(config.seed)
  parts, named = (_identities, _batches, _grid), {}
  keys = jax.random.split(jax.random.key(config.seed), len(parts))
  for i, part in progress.track(list(enumerate(parts)), "backpropagation"):
    named |= part(config, rng, keys[i])
  return Results(**named)


def _identities(config, rng, key):
  del key
  with jax.enable_x64(True):
    return {
      "identities": identities.identities(config.num_networks, rng),
      "costs": identities.costs(config.widths, config.num_layers),
      "steepest": descent.steepest(config.num_directions, rng),
      "exercises": misprints.exercises(config.num_layers),
      "slides": misprints.slides(rng),
    }


def _batches(config, rng, key):
  split, num_few = images.load(), config.num_few
  few = images.take(split.train, slice(num_few))
  params = training.starts(config.num_hidden, config.num_seeds, rng)
  one = jax.tree.map(lambda leaf: leaf[0], params)
  key_noise, key_shuffles = jax.random.split(key)
  return {
    "noise": training.noise(
      few,
      one,
      (1, config.mini_batch, num_few // 2),
      config.noise_epochs,
      key_noise,
    ),
    "batch_sizes": training.batch_sizes(
      split._replace(train=few),
      params,
      jax.random.split(key_shuffles, config.num_seeds),
      (1, config.mini_batch, num_few),
      config.few_rate,
      config.few_epochs,
    ),
    "regression": training.regression(
      split, inverse_penalty=0.1, num_steps=1000, key=key_shuffles
    ),
  }


def _grid(config, rng, key):
  found = grid.train(
    images.load(),
    training.starts(config.num_hidden, config.num_seeds, rng),
    jax.random.split(key, config.num_seeds),
    learning_rates=config.learning_rates,
    batch_size=config.batch_size,
    num_epochs=config.num_epochs,
  )
  return {"grid": found}
