"""Collapses, trains and compares linear networks."""

import dataclasses
import functools
from collections.abc import Iterator
from typing import NamedTuple

import jax
import numpy as np
from jax import numpy as jnp

from experiments import progress, settings, sweeps
from experiments.textbook.linear_networks import digits as digits_lib
from experiments.textbook.linear_networks import maps as maps_lib
from experiments.textbook.linear_networks import modes as modes_lib
from experiments.textbook.linear_networks import readings
from nnfun.theory import deep_linear


@dataclasses.dataclass(frozen=True)
class Config(settings.Config):
  """Sizes of the two parts: modes and digits."""

  num_levels: settings.Count = 5  # Of the binary tree of 2^5 patterns.
  num_features: settings.Count = 1000  # Outputs to be learned of each pattern.
  num_hidden: settings.Count = 32  # Units of the hidden layer.
  learning_rate: settings.Positive = 0.5e-3  # 1 / tau, per epoch.
  u_0: settings.Positive = 1e-6  # Strength of every mode at the start.
  num_epochs: settings.Count = 2000  # Passes through all patterns.
  num_starts: settings.Several = 10  # Random small weights.
  num_train: settings.Count = 500  # Digits to learn from.
  num_restarts: settings.Count = 2  # Starts of each of the networks for digits.
  seed: settings.Seed = 0  # Of everything drawn.

  def rules(self) -> Iterator[tuple[bool, str]]:
    """Yields that a network can hold all modes."""
    num_modes = min(self.num_features, self.num_hidden)
    yield (
      2**self.num_levels <= num_modes,
      "2^num_levels <= num_features and num_hidden",
    )


class Modes(NamedTuple):
  """Learning curves; P modes, S starts, E epochs, L shares in `LEARNED`."""

  strengths: np.ndarray  # Singular values s  [P]
  u_0: np.ndarray  # Strength at the start  []
  learning_rate: np.ndarray  # []
  decoupled: np.ndarray  # Strengths from the decoupled start  [E + 1, P]
  small: np.ndarray  # From one random small start  [E + 1, P]
  small_times: np.ndarray  # Half learned, from each of these  [S, P]
  theory: np.ndarray  # Strengths by equation 12  [E + 1, P]
  theory_times: np.ndarray  # When modes are learned, equation 11  [L, P]


class Results(NamedTuple):
  """What is kept."""

  collapse: np.ndarray  # Largest difference of layers from one matrix  []
  reach: np.ndarray  # Relative one of a map of rank 25 from 25 units  []
  modes: Modes
  fits: digits_lib.Fits


def run(config: Config) -> Results:
  """Collapses, trains and compares linear networks."""
  with jax.enable_x64(True), progress.parts("linear networks", 3) as done:
    fits = digits_lib.run(
      digits_lib.load(config.num_train),
      num_restarts=config.num_restarts,
      seed=config.seed,
    )
    done(fits)
    maps = done(maps_lib.measure(config.seed))
    return Results(*maps, done(_modes(config)), fits)


def _modes(config):
  """Trains from a decoupled start and from random small ones."""
  features = modes_lib.hierarchy(
    config.seed, config.num_levels, config.num_features
  )
  _, s, patterns = np.linalg.svd(features, full_matrices=False)
  u_0, rate = config.u_0, config.learning_rate
  train = functools.partial(
    modes_lib.train, s, patterns, rate, config.num_epochs
  )

  @sweeps.quick_jit
  def everything(keys):
    small = jax.vmap(
      lambda key: modes_lib.random_start(key, len(s), u_0, config.num_hidden)
    )
    starts = jax.tree.map(
      lambda one, many: jnp.concatenate([one[None], many]),
      modes_lib.decoupled_start(patterns, u_0, config.num_hidden),
      small(keys),
    )
    epochs = jnp.arange(config.num_epochs + 1.0)[:, None]
    levels = np.outer(readings.LEARNED, s)
    return (
      jax.vmap(train)(starts),
      deep_linear.mode_strength(epochs, s[None], u_0, tau=1 / rate),
      deep_linear.learning_time(levels, s[None], u_0, tau=1 / rate),
    )

  keys = jax.random.split(jax.random.key(config.seed), config.num_starts)
  curves, *theory = map(np.asarray, everything(keys))
  half = s[np.newaxis] / 2
  times = np.concatenate([readings.times(small, half) for small in curves[1:]])
  return Modes(s, np.array(u_0), np.array(rate), *curves[:2], times, *theory)
