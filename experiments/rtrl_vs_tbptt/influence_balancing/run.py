"""Measures stationary gradients, and trains with every method."""

import dataclasses
import functools
from collections.abc import Callable, Iterator
from typing import NamedTuple

import jax
import numpy as np
import optax
from jax import lax
from jax import numpy as jnp

import nnfun as nf
from experiments import progress, settings, sweeps
from experiments.rtrl_vs_tbptt.influence_balancing import theory

_START = 0.5  # The published theta.


_TEXTBOOK = functools.partial(nf.estimators.rtrl, flush_every=1)


@dataclasses.dataclass(frozen=True)
class Config(settings.Config):
  """The published setting, and which truncations are trained."""

  num_units: settings.Count = 23  # Length of the chain.
  # Units at the near end, which theta pushes up.
  num_positive: settings.Count = 10
  # Of SGD; the first is the published one.
  learning_rates: tuple[settings.Positive, ...] = (1e-4, 1e-6)
  # Starts of theta: the published one, others drawn from U(-1, 1).
  num_starts: settings.Count = 2
  # Updates of theta, one for each segment.
  num_updates: settings.at_least(100) = 3000
  # Longest truncation in the sweep of signs, steps.
  max_truncation: settings.Count = 200
  # k of BPTT(1, k) to train with; the two at the threshold are added.
  windows: tuple[settings.Count, ...] = (10,)
  # K of BPTT(K, K), in the same way.
  segments: tuple[settings.Count, ...] = (10,)
  # Of SGD with UORO, the published one.
  uoro_learning_rate: settings.Positive = 1e-5
  # Updates by UORO; in the published 3,000 RTRL goes two thirds of the way.
  num_uoro_updates: settings.at_least(100) = 20_000
  num_keys: settings.Several = 24  # Runs with UORO, each with other signs.
  seed: settings.Seed = 0  # Of the starts, and of UORO.

  def rules(self) -> Iterator[tuple[bool, str]]:
    """Asks for chains and truncations with a threshold to show."""
    yield self.num_positive < self.num_units / 2, "num_positive < num_units / 2"
    is_seen = self.max_truncation > self.expected.mean_lag
    yield is_seen, "max_truncation > mean lag of the influence"
    is_short = max(self.windows + self.segments) <= self.max_truncation
    yield is_short, "windows and segments <= max_truncation"

  @property
  def expected(self) -> theory.Theory:
    """What the closed forms say of this chain."""
    return theory.predict(
      self.num_units, self.num_positive, self.max_truncation
    )


class Truncated(NamedTuple):
  """What a truncated gradient credits, and how theta fares by it."""

  credits: np.ndarray  # d s_1 / d theta in the stationary state, k = 1 ...  [M]
  truncations: np.ndarray  # Trained with  [W]
  theta: np.ndarray  # By start, truncation, rate and time  [S, W, L, N]


class Results(NamedTuple):
  """What is kept."""

  chain: np.ndarray  # Number of units and of those pushed up  [2]
  learning_rates: np.ndarray  # [L]
  updates: np.ndarray  # When theta was recorded  [N]
  rtrl_credit: np.ndarray  # d s_1 / d theta in the stationary state  []
  rtrl: np.ndarray  # Theta  [S, L, N]
  lazy: np.ndarray  # [S, L, N]
  windows: Truncated  # BPTT(1, k)
  segments: Truncated  # BPTT(K, K)
  uoro: np.ndarray  # Theta by UORO, a hundred times along  [R, 101]
  uoro_training: np.ndarray  # Its learning rate and number of updates  [2]


def run(config: Config) -> Results:
  """Measures what gradients credit, and how theta fares under each."""
  windows = _with_threshold(config.windows, config.expected.window)
  segments = _with_threshold(config.segments, config.expected.segment)
  with jax.enable_x64(True):
    by_window = [
      train(config, nf.estimators.rolling_bptt, window=k)
      for k in progress.track(windows, "windows")
    ]
    by_segment = [
      train(config, nf.estimators.truncated_bptt, segment=k)
      for k in progress.track(segments, "segments")
    ]
    rtrl_credit, of_windows, of_segments = measure_credits(config)
    return Results(
      np.array([config.num_units, config.num_positive]),
      np.array(config.learning_rates),
      np.arange(0, config.num_updates + 1, config.num_updates // 100),
      rtrl_credit,
      train(config, _TEXTBOOK),
      train(config, nf.estimators.rtrl, flush_every=12),
      Truncated(of_windows, np.array(windows), np.stack(by_window, 1)),
      Truncated(of_segments, np.array(segments), np.stack(by_segment, 1)),
      train_uoro(config),
      np.array([config.uoro_learning_rate, config.num_uoro_updates]),
    )


def _with_threshold(truncations, first_right):
  return sorted({*truncations, int(first_right) - 1, int(first_right)})


def _cell(config):
  return nf.tasks.influence_balancing_cell(
    num_units=config.num_units, num_positive=config.num_positive
  )


def _loss(params, s_t, weight_t):
  del params
  return 0.5 * weight_t * (s_t[0] - 1) ** 2


def _no_inputs(num_steps):
  return jnp.zeros((num_steps, 0), jnp.float32)


def measure_credits(config: Config) -> tuple[np.ndarray, ...]:
  """Returns gradient / (s_1 - 1) at fixed theta, after s has settled.

  The k-th loss of a segment reaches back k steps. Alone it is what BPTT(1, k)
  sees in the stationary state, the first K together are those of BPTT(K, K).
  """
  size = config.max_truncation
  # A^j v is below rounding after ten times the chain's length.
  settling = 10 * config.num_units
  means = np.tril(np.ones((size, size))) / np.arange(1, size + 1)[:, None]

  def credit(make, weights):
    params = {"cell": jnp.asarray(_START, float), "readout": ()}
    estimator = make(_cell(config), _loss)
    state = estimator.init(params, jax.random.key(0))
    state, _ = estimator.update(
      params, state, _no_inputs(settling), jnp.ones(settling)
    )

    def one(weights):
      estimate = estimator.update(params, state, _no_inputs(size), weights)[1]
      return estimate.grads["cell"]

    return jax.vmap(one)(weights) / (state.cell[0] - 1)

  measure = sweeps.quick_jit(credit, static_argnums=0)
  losses = jnp.concatenate([np.eye(size), means])
  truncated = np.asarray(measure(nf.estimators.truncated_bptt, losses))
  rtrl = np.asarray(measure(_TEXTBOOK, losses[:1]))
  return rtrl[0], *np.split(truncated, 2)


def train(
  config: Config,
  make: Callable[..., nf.base.GradientEstimator],
  segment: int = 1,
  **options: int,
) -> np.ndarray:
  """Returns theta by start, rate and time [S, L, N]."""
  estimator = make(_cell(config), _loss, **options)
  xs, ys = _no_inputs(segment), jnp.ones(segment)

  def one(start, learning_rate):
    optimizer = optax.sgd(learning_rate)

    def update(state, _):
      after, _ = nf.training.train_stream(
        estimator, optimizer, state, xs, ys, segment=segment
      )
      return after, state.params["cell"]

    params = {"cell": start, "readout": ()}
    key = jax.random.key(0)
    state = nf.training.stream_init(estimator, optimizer, params, key)
    last, thetas = lax.scan(update, state, None, length=config.num_updates)
    return jnp.append(thetas, last.params["cell"])[:: config.num_updates // 100]

  starts = np.random.default_rng(config.seed).uniform(-1, 1, config.num_starts)
  starts[0] = _START
  members = np.meshgrid(starts, config.learning_rates, indexing="ij")
  return sweeps.sweep(jax.vmap(one), *members, quick=True)


def train_uoro(config: Config) -> np.ndarray:
  """Returns theta by UORO from the published start, by run and time."""
  estimator = nf.estimators.uoro(_cell(config), _loss)
  optimizer = optax.sgd(config.uoro_learning_rate)
  xs, ys = _no_inputs(1), jnp.ones(1)

  def update(state, _):
    return nf.training.train_stream(
      estimator, optimizer, state, xs, ys, segment=1
    )[0], None

  def stretch(state, _):
    length = config.num_uoro_updates // 100
    after, _ = lax.scan(update, state, None, length=length)
    return after, after.params["cell"]

  def one(key):
    params = {"cell": jnp.asarray(_START, float), "readout": ()}
    state = nf.training.stream_init(estimator, optimizer, params, key)
    thetas = lax.scan(stretch, state, None, length=100)[1]
    return jnp.concatenate([params["cell"][None], thetas])

  keys = jax.random.split(jax.random.key(config.seed), config.num_keys)
  return sweeps.sweep(one, keys, quick=True)
