"""Collapses, trains and compares linear networks."""

import dataclasses
from typing import NamedTuple

import jax
import numpy as np
from jax import numpy as jnp

from experiments import settings
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
  flip_probability: settings.Positive = 0.1  # Of a feature along a branch.
  num_hidden: settings.Count = 32  # Units of the hidden layer.
  learning_rate: settings.Positive = 0.5e-3  # 1 / tau, per epoch.
  u_0: settings.Positive = 1e-6  # Strength of every mode at the start.
  num_epochs: settings.Count = 2000  # Passes through all patterns.
  num_starts: settings.Count = 10  # Random small weights.
  num_train: settings.Count = 500  # Digits to learn from.
  # Probability that is spread over all classes.
  label_smoothing: settings.Positive = 0.1
  # Hidden units of the trained networks; 4, 9 and 25 are among them.
  ranks: tuple[settings.Count, ...] = (2, 4, 6, 9, 25)
  num_restarts: settings.Count = 2  # Starts of each of these networks.
  num_segments: settings.Count = 200  # Random, to look for convexity on.
  seed: settings.Seed = 0  # Of everything drawn.

  def __post_init__(self) -> None:
    """Refuses modes that no network could hold, and ranks beyond 25."""
    super().__post_init__()
    num_patterns = 2**self.num_levels
    settings.require(
      num_patterns <= min(self.num_features, self.num_hidden),
      "num_features and num_hidden >= 2^num_levels patterns",
      num_features=self.num_features,
      num_hidden=self.num_hidden,
      num_levels=self.num_levels,
    )
    settings.require(
      self.flip_probability < 1 and self.label_smoothing < 1,
      "flip_probability and label_smoothing < 1",
      flip_probability=self.flip_probability,
      label_smoothing=self.label_smoothing,
    )
    settings.require(
      {4, 9, 25} <= set(self.ranks) and max(self.ranks) <= 25,
      "ranks up to 25, 4, 9 and 25 among them",
      ranks=self.ranks,
    )
    settings.require(
      self.num_starts >= 2, "num_starts >= 2", num_starts=self.num_starts
    )


class Modes(NamedTuple):
  """Learning curves; P modes, S starts, E epochs, L shares in `LEARNED`."""

  strengths: np.ndarray  # Singular values s  [P]
  curves: np.ndarray  # Strengths from one random small start  [E + 1, P]
  theory: np.ndarray  # The same by equation 12  [E + 1, P]
  # When each mode is learned, equation 11  [L, P]
  theory_times: np.ndarray
  # The same, read off the curves of equation 12  [L, P]
  theory_curve_times: np.ndarray
  decoupled_times: np.ndarray  # In training from decoupled weights  [L, P]
  delay: np.ndarray  # How long finite steps take longer, first order  [L, P]
  delay_error: np.ndarray  # The size of the next order, epochs  []
  small_times: np.ndarray  # Half learned, from random small weights  [S, P]
  u_0: np.ndarray  # Strength at the start  []


class Results(NamedTuple):
  """What is kept."""

  maps: maps_lib.Maps
  modes: Modes
  ranks: np.ndarray  # Numbers of hidden units  [R]
  fits: digits_lib.Fits
  segments: digits_lib.Segments


def run(config: Config) -> Results:
  """Collapses, trains and compares linear networks."""
  with jax.enable_x64(True):
    digits = digits_lib.load(config.num_train, config.label_smoothing)
    fits, segments = digits_lib.run(
      digits,
      ranks=config.ranks,
      num_restarts=config.num_restarts,
      num_segments=config.num_segments,
      seed=config.seed,
    )
    return Results(
      maps_lib.measure(config.seed),
      _modes(config),
      np.array(config.ranks),
      fits,
      segments,
    )


def _modes(config):
  """Trains from decoupled and from small random weights."""
  features = modes_lib.hierarchy(
    config.seed,
    num_levels=config.num_levels,
    num_features=config.num_features,
    flip_probability=config.flip_probability,
  )
  data = modes_lib.modes(features)
  s, u_0, rate = data.strengths, config.u_0, config.learning_rate
  curves = _curves(config, data)
  epochs = np.arange(config.num_epochs + 1.0)[:, None]
  theory = np.asarray(deep_linear.mode_strength(epochs, s, u_0, tau=1 / rate))

  def by_share(find):
    return np.stack([np.asarray(find(share)) for share in readings.LEARNED])

  delay = by_share(lambda a: modes_lib.step_delay(s, u_0=u_0, share=a))
  return Modes(
    s,
    curves[1],
    theory,
    by_share(lambda a: deep_linear.learning_time(a * s, s, u_0, tau=1 / rate)),
    by_share(lambda a: modes_lib.times(theory, s, a)),
    by_share(lambda a: modes_lib.times(curves[0], s, a)),
    delay,
    np.max(np.abs(delay) * rate * s),
    modes_lib.times(curves[1:], s, 0.5),
    np.array(u_0),
  )


def _curves(config, data):
  """Returns strengths [1 + S, E + 1, P], the decoupled start first."""
  sizes = {"u_0": config.u_0, "num_hidden": config.num_hidden}

  @jax.jit
  def train_all(keys):
    small = jax.vmap(lambda k: modes_lib.random_start(k, data, **sizes))(keys)
    starts = jax.tree.map(
      lambda one, many: jnp.concatenate([one[None], many]),
      modes_lib.decoupled_start(data, **sizes),
      small,
    )
    return jax.vmap(
      lambda start: modes_lib.train(
        data,
        start,
        learning_rate=config.learning_rate,
        num_epochs=config.num_epochs,
      )
    )(starts)

  keys = jax.random.split(jax.random.key(config.seed), config.num_starts)
  return np.asarray(train_all(keys))
