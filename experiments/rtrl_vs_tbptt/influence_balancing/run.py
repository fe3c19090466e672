"""Measures stationary gradients, and trains with every method."""

import dataclasses
from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np
import optax
from jax import lax
from jax import numpy as jnp

import nnfun as nf
from experiments import progress, settings
from experiments.rtrl_vs_tbptt.influence_balancing import theory


@dataclasses.dataclass(frozen=True)
class Config(settings.Config):
  """The published setting, and which truncations are trained."""

  num_units: settings.Count = 23  # Length of the chain.
  num_positive: settings.Count = (
    10  # Units at the near end, which theta pushes up.
  )
  # Of SGD; the first is the published one.
  learning_rates: tuple[settings.Positive, ...] = (1e-4, 1e-6)
  start: settings.Finite = 0.5  # The published theta at the start.
  num_starts: settings.Count = (
    2  # Starts; those after the first are drawn from U(-1, 1).
  )
  num_updates: settings.Count = 3000  # Updates of theta, one for each segment.
  max_truncation: settings.Count = (
    200  # Longest truncation in the sweep of signs, steps.
  )
  # Windows k of BPTT(1, k) to train with, steps; the two on either side of the
  # threshold are added.
  windows: tuple[settings.Count, ...] = (10,)
  # Segments K of BPTT(K, K) to train with, steps; the two on either side of
  # each threshold are added.
  segments: tuple[settings.Count, ...] = (1, 10, 100)
  flush_every: settings.Count = 12  # Steps between two flushes of lazy RTRL.
  seed: settings.Seed = 0  # Of the starts.

  def __post_init__(self) -> None:
    """Refuses chains and truncations with no threshold to show."""
    super().__post_init__()
    settings.require(
      self.num_positive < self.num_units / 2,
      "num_positive < num_units / 2, so that near and far influence disagree",
      num_positive=self.num_positive,
      num_units=self.num_units,
    )
    settings.require(
      self.num_updates >= 100,
      "num_updates >= 100",
      num_updates=self.num_updates,
    )
    lag = self.expected.mean_lag
    settings.require(
      not np.isnan(self.expected.segment),
      f"max_truncation beyond the threshold, near {lag:.0f} steps",
      max_truncation=self.max_truncation,
    )
    settings.require(
      max(self.windows + self.segments) <= self.max_truncation,
      f"windows and segments up to max_truncation = {self.max_truncation}",
      windows=self.windows,
      segments=self.segments,
    )

  @property
  def expected(self) -> theory.Theory:
    """What the closed forms say of this chain."""
    return theory.predict(
      self.num_units, self.num_positive, self.max_truncation
    )

  @property
  def stride(self) -> int:
    """Updates from one record of theta to the next."""
    return max(1, self.num_updates // 300)


class Trained(NamedTuple):
  """Theta during training, for truncations on both sides of a threshold."""

  truncations: np.ndarray  # [W]
  theta: np.ndarray  # By start, truncation, rate and time  [S, W, L, N]


class Credits(NamedTuple):
  """The influence d s_1 / d theta that is credited in the stationary state."""

  rtrl: np.ndarray  # []
  windows: np.ndarray  # BPTT(1, k), k = 1 ...  [M]
  segments: np.ndarray  # BPTT(K, K), K = 1 ...  [M]


class Results(NamedTuple):
  """What is kept."""

  num_units: np.ndarray  # []
  num_positive: np.ndarray  # []
  learning_rates: np.ndarray  # [L]
  stride: np.ndarray  # Updates from one record to the next  []
  credits: Credits
  rtrl: np.ndarray  # Theta  [S, L, N]
  lazy: np.ndarray  # [S, L, N]
  windows: Trained  # BPTT(1, k)
  segments: Trained  # BPTT(K, K)
  last_losses: Trained  # BPTT(K, K), the last loss of each segment only


def run(config: Config) -> Results:
  """Measures what gradients credit, and how theta fares under each."""
  expected = config.expected
  near = {int(expected.window) - 1, int(expected.window)}
  windows = sorted(near | {*config.windows})
  near |= {int(expected.segment) - 1, int(expected.segment)}
  segments = sorted(near | {*config.segments})
  rtrl = nf.estimators.rtrl
  with jax.enable_x64(True):
    by_window = [
      train(config, nf.estimators.rolling_bptt, window=k)[:, 0]
      for k in progress.track(windows, "windows")
    ]
    by_segment = [
      train(config, nf.estimators.truncated_bptt, segment=k)
      for k in progress.track(segments, "segments")
    ]
    every, last = np.moveaxis(np.stack(by_segment, 1), 2, 0)
    return Results(
      num_units=np.array(config.num_units),
      num_positive=np.array(config.num_positive),
      learning_rates=np.array(config.learning_rates),
      stride=np.array(config.stride),
      credits=sweep(config),
      rtrl=train(config, rtrl)[:, 0],
      lazy=train(config, rtrl, flush_every=config.flush_every)[:, 0],
      windows=Trained(np.array(windows), np.stack(by_window, 1)),
      segments=Trained(np.array(segments), every),
      last_losses=Trained(np.array(segments), last),
    )


def _problem(config, num_steps):
  cell = nf.tasks.influence_balancing_cell(
    num_units=config.num_units, num_positive=config.num_positive
  )
  task = nf.tasks.influence_balancing(num_steps=num_steps)
  return cell, *task.sample(jax.random.key(config.seed))


def _loss(params, s_t, y_t):
  del params
  return 0.5 * y_t.weight * (s_t[0] - y_t.value) ** 2


def sweep(config: Config) -> Credits:
  """Returns gradient / (s_1 - 1) at fixed theta, after s has settled.

  The k-th loss of a segment reaches back k steps. Alone it is what BPTT(1, k)
  sees in the stationary state, the first K together are those of BPTT(K, K).
  """
  size = config.max_truncation
  cell, xs, ys = _problem(config, size)
  params = {"cell": jnp.asarray(config.start, float), "readout": ()}
  means = np.tril(np.ones((size, size))) / np.arange(1, size + 1)[:, None]
  losses = jnp.concatenate([jnp.eye(size), means])

  def credit(make, weights):
    estimator = make(cell, _loss)
    state = estimator.init(params, jax.random.key(config.seed))
    # A^j v is below rounding after ten times the chain's length.
    _, past, targets = _problem(config, 10 * config.num_units)
    state, _ = estimator.update(
      params, state, past, nf.Target(targets, targets)
    )

    def one(weight):
      y = nf.Target(ys, weight)
      return estimator.update(params, state, xs, y)[1].grads["cell"]

    return jax.vmap(one)(weights) / (state.cell[0] - 1)

  measure = jax.jit(credit, static_argnums=0)
  truncated = measure(nf.estimators.truncated_bptt, losses)
  first = measure(nf.estimators.rtrl, losses[:1])
  windows, segments = np.split(np.asarray(truncated), 2)
  return Credits(np.asarray(first)[0], windows, segments)


def train(
  config: Config,
  make: Callable[..., nf.base.GradientEstimator],
  segment: int = 1,
  **options: int,
) -> np.ndarray:
  """Returns theta by start, weights, rate and time [S, 2, L, N]."""
  cell, xs, ys = _problem(config, segment)
  estimator = make(cell, _loss, **options)

  def one(weight, learning_rate, start):
    optimizer = optax.sgd(learning_rate)

    def update(state, _):
      after, _ = nf.training.train_stream(
        estimator, optimizer, state, xs, nf.Target(ys, weight), segment=segment
      )
      return after, state.params["cell"]

    params = {"cell": start, "readout": ()}
    key = jax.random.key(config.seed)
    state = nf.training.stream_init(estimator, optimizer, params, key)
    last, thetas = lax.scan(update, state, None, length=config.num_updates)
    return jnp.append(thetas, last.params["cell"])[:: config.stride]

  for axes in ((None, None, 0), (None, 0, None), (0, None, None)):
    one = jax.vmap(one, axes)
  starts = np.random.default_rng(config.seed).uniform(-1, 1, config.num_starts)
  starts[0] = config.start
  rates = jnp.array(config.learning_rates)
  weights = theory.loss_weights(segment)
  thetas = np.asarray(jax.jit(one)(weights, rates, starts))
  return np.moveaxis(thetas, 2, 0)
