"""Trains the networks online, and measures what their states carry along."""

import dataclasses
import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np
import optax
from jax import lax
from jax import numpy as jnp

import nnfun as nf
from experiments import progress, settings, sweeps
from experiments.rtrl_vs_tbptt.long_lag import networks

_NUM_TESTS = 200
_TEXTBOOK = functools.partial(nf.estimators.rtrl, flush_every=1)


@dataclasses.dataclass(frozen=True)
class Config(settings.Config):
  """Lags, learning rates and how many sequences are shown."""

  lag: settings.at_least(2) = 4  # p of the task that the unit can learn.
  long_lag: settings.at_least(2) = 10  # p of the task that it cannot learn.
  # Of SGD at every step by RTRL, with lag p; BPTT(1, 1) has the first.
  learning_rates: tuple[settings.Positive, ...] = (30, 60)
  long_rates: tuple[settings.Positive, ...] = (10,)  # With the long lag.
  memory_rate: settings.Positive = 4  # Of the memory cell with the long lag.
  # Sequences from one of 200 tests to the next, with lag p.
  num_between: settings.Count = 100
  num_long_between: settings.Count = 15  # With the long lag.
  num_trials: settings.Several = 96  # Networks, with sequences of their own.
  seed: settings.Seed = 0  # Of weights and sequences.


class Results(NamedTuple):
  """Largest errors of both sequences at N tests, evenly through training."""

  lags: np.ndarray  # p of both tasks  [2]
  num_sequences: np.ndarray  # In training, of both tasks  [2]
  learning_rates: np.ndarray  # Of RTRL with the short lag  [L]
  long_rates: np.ndarray  # Of RTRL with the long lag  [M]
  rtrl: np.ndarray  # The logistic unit by RTRL, short lag  [S, L, N]
  truncated: np.ndarray  # The same by BPTT(1, 1)  [S, N]
  long_rtrl: np.ndarray  # The same by RTRL, long lag  [S, M, N]
  memory_cell: np.ndarray  # By RTRL, long lag  [S, N]
  # Influence of the first symbol's weights on the state of step t, before
  # training, by that on the first state
  carried: np.ndarray  # Of the logistic unit, long lag  [S, p]
  bound: np.ndarray  # |w| / 4 of it  [S]
  memory_carried: np.ndarray  # Of the memory cell  [S, p]


def run(config: Config) -> Results:
  """Trains, and measures influences before training."""
  short = config.lag, config.num_between
  long = config.long_lag, config.num_long_between
  unit, cell = networks.logistic_unit, networks.memory_cell
  immediate = nf.estimators.truncated_bptt  # In segments of one step.
  trainings = [
    (unit, *short, config.learning_rates, _TEXTBOOK),
    (unit, *short, config.learning_rates[:1], immediate),
    (unit, *long, config.long_rates, _TEXTBOOK),
    (cell, *long, (config.memory_rate,), _TEXTBOOK),
  ]
  rtrl, truncated, long_rtrl, memory = (
    train(config, *training)
    for training in progress.track(trainings, "trainings")
  )
  return Results(
    np.array([config.lag, config.long_lag]),
    _NUM_TESTS * np.array([config.num_between, config.num_long_between]),
    np.array(config.learning_rates, float),
    np.array(config.long_rates, float),
    rtrl,
    truncated[:, 0],
    long_rtrl,
    memory[:, 0],
    *carry(config, unit),
    carry(config, cell)[0],
  )


def train(
  config: Config,
  make_cell: Callable[[int], nf.AffineCell],
  lag: int,
  num_between: int,
  rates: tuple[float, ...],
  make_estimator: Callable[..., nf.base.GradientEstimator],
) -> np.ndarray:
  """Returns the largest errors at each test [S, L, N]."""
  cell = make_cell(lag + 1)
  estimator = make_estimator(cell, networks.loss_fn)
  data = jax.tree.map(jnp.asarray, networks.sequences(lag))
  resets = jnp.tile(jnp.arange(lag) == 0, num_between)

  def start(params, rate):
    key = jax.random.key(0)  # The estimators here draw nothing.
    return nf.training.stream_init(estimator, optax.sgd(rate), params, key)

  def learn(state, shown, rate):
    optimizer = optax.sgd(rate)
    xs, ys = jax.tree.map(lambda s: s[shown].reshape(-1, lag + 1), data)
    return nf.training.train_stream(
      estimator, optimizer, state, xs, ys, segment=1, resets=resets
    )[0]

  def test(state):
    return networks.largest_error(cell, lag, state.params)

  # Drawn here: compiled, the generator would be most of the program.
  rng = np.random.default_rng(config.seed)
  params = networks.draw(cell, lag, rng, config.num_trials)
  rates = np.array(rates, np.float32)
  quick = sweeps.quick_jit
  by_rate = jax.vmap(start, (None, 0))
  state = quick(jax.vmap(by_rate, (0, None)))(params, rates)
  by_rate = jax.vmap(learn, (0, None, 0))
  block = sweeps.brisk_jit(jax.vmap(by_rate, (0, 0, None)), donate_argnums=0)
  tests = quick(jax.vmap(jax.vmap(test)))
  errors = []
  for _ in progress.track(range(_NUM_TESTS), "tests"):
    shown = rng.integers(2, size=(config.num_trials, num_between))
    state = block(state, shown, rates)
    errors.append(tests(state))
  return np.stack(errors, axis=-1)


def carry(
  config: Config, make_cell: Callable[[int], nf.AffineCell]
) -> tuple[np.ndarray, np.ndarray]:
  """Returns what RTRL carries of the first symbol's influence, and |w| / 4."""
  lag = config.long_lag
  cell = make_cell(lag + 1)
  estimator = _TEXTBOOK(cell, networks.loss_fn)
  # The first sequence, in segments of one step. Its symbol has this column.
  steps = jax.tree.map(lambda s: s[0, :, None], networks.sequences(lag))
  column = int(steps[0][0, 0].argmax())

  def one(params):
    def body(state, step):
      state, _ = estimator.update(params, state, *step)
      (jacobian,) = state.influence.jacobian
      # Of the state's first number, which is h or c.
      return state, jnp.linalg.norm(jacobian[0, :, column])

    start = estimator.init(params, jax.random.key(0))
    influence = lax.scan(body, start, steps)[1]
    return influence / influence[0], jnp.abs(params["cell"][0, -1]) / 4

  rng = np.random.default_rng(config.seed)
  with jax.enable_x64(True):
    params = networks.draw(cell, lag, rng, config.num_trials)
    return sweeps.sweep(one, optax.tree.cast(params, float), quick=True)
