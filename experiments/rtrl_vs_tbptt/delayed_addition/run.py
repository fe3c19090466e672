"""Trains with every method and measures what was learned."""

import dataclasses
import functools
import math
from typing import NamedTuple

import jax
import numpy as np
import optax
from jax import lax
from jax import numpy as jnp

import nnfun as nf
from experiments import progress, settings
from experiments.rtrl_vs_tbptt.delayed_addition import theory

_NUM_BLOCKS = 50  # Points of a learning curve.
_WARM_UP = 50  # Steps of the held-out stream which only fill the state.
# Compiles in two thirds of the time, and runs as fast.
_QUICKLY = {"xla_backend_optimization_level": 1}


@dataclasses.dataclass(frozen=True)
class Config(settings.Config):
  """The network, its training, and the truncations."""

  num_units: settings.Count = 32  # n.
  num_steps: settings.Count = 18_000  # Length of the training stream.
  # Of SGD, per step of the stream; claims on truncation are about the last.
  learning_rates: tuple[settings.Positive, ...] = (0.03,)
  # t1, t2 of each task in turn, steps.
  delays: tuple[settings.Count, ...] = (4, 6)
  windows: tuple[settings.Count, ...] = (1, 3, 5)  # k of BPTT(1, k), steps.
  segments: tuple[settings.Count, ...] = (5,)  # K of BPTT(K, K), steps.
  num_seeds: settings.Count = 6  # Networks, each with a stream of its own.
  # Length of the held-out stream of each network.
  num_test_steps: settings.Count = 2000
  seed: settings.Seed = 0  # Of networks and streams.

  def __post_init__(self) -> None:
    """Refuses what cannot be cut into tasks, blocks and segments."""
    super().__post_init__()
    t1, t2 = self.delays[::2], self.delays[1::2]
    settings.require(
      len(t1) == len(t2) and all(a < b for a, b in zip(t1, t2, strict=True)),
      "delays in pairs t1 < t2",
      delays=self.delays,
    )
    settings.require(
      self.num_seeds >= 2, "num_seeds >= 2", num_seeds=self.num_seeds
    )
    unit = _NUM_BLOCKS * math.lcm(*self.segments)
    settings.require(
      self.num_steps % unit == 0,
      f"num_steps to be a multiple of {unit}, {_NUM_BLOCKS} blocks of whole "
      f"segments {self.segments}",
      num_steps=self.num_steps,
    )
    shortest = _WARM_UP + max(self.delays) + 100
    settings.require(
      self.num_test_steps >= shortest,
      f"num_test_steps >= {shortest}",
      num_test_steps=self.num_test_steps,
    )


class Learned(NamedTuple):
  """One method on D tasks, with L learning rates and S seeds.

  A loss is the mean excess over the entropy of the target, plus the floor of
  who knows both: the same expectation as the cross-entropy with less noise.
  """

  curves: np.ndarray  # Training loss in B blocks, nats  [S, D, L, B]
  losses: np.ndarray  # Held out, parameters fixed, nats  [S, D, L]
  # Of each dependency, how much the predictions hold  [S, D, L, 2]
  shares: np.ndarray


class Results(NamedTuple):
  """What is kept."""

  frozen: Learned  # Only the readout learns.
  windows: dict[str, Learned]  # BPTT(1, k) by k.
  segments: dict[str, Learned]  # BPTT(K, K) by K.
  rtrl: Learned
  # Cross-entropy of the best tables on the training streams of the first task:
  # of who knows nothing, x_{t - t1}, x_{t - t2}, both  [S, 4]
  sampled_floors: np.ndarray
  delays: np.ndarray  # [D, 2]
  learning_rates: np.ndarray  # [L]
  num_steps: np.ndarray  # []


class _Method(NamedTuple):
  """How the gradient is found."""

  estimator: nf.base.GradientEstimator
  segment: int = 1  # Steps between two updates.
  learns: bool = True  # Whether the recurrence is trained.


def run(config: Config) -> Results:
  """Trains with every method and measures what was learned."""
  cell = nf.cells.vanilla(num_inputs=2, num_units=config.num_units)
  params, train, test = _draw(config, cell)
  truncated = nf.estimators.truncated_bptt(cell, _loss)
  lazy = nf.estimators.rtrl(
    cell, _loss, flush_every=max(1, config.num_units // 2)
  )
  jobs = {
    "frozen": _Method(truncated, learns=False),
    **{f"window {k}": _window(cell, k) for k in config.windows},
    **{f"segment {k}": _Method(truncated, k) for k in config.segments},
    "rtrl": _Method(lazy),
  }
  learn = functools.partial(_learn, config, cell, params, train, test)
  found = {
    name: learn(name, job)
    for name, job in progress.track(jobs.items(), "delayed addition")
  }
  coins, target = (np.asarray(v, float)[:, 0, :, 0] for v in train)
  return Results(
    found["frozen"],
    {str(k): found[f"window {k}"] for k in config.windows},
    {str(k): found[f"segment {k}"] for k in config.segments},
    found["rtrl"],
    theory.sampled_floors(coins, target, config.delays[:2]),
    _pairs(config),
    np.array(config.learning_rates),
    np.array(config.num_steps),
  )


def _pairs(config):
  return np.array(config.delays).reshape(-1, 2)


def _draw(config, cell):
  """Returns parameters [S, ...] and streams [S, D, T, 2] to train and test."""
  size = config.num_units

  def init(key):
    key_cell, key_readout = jax.random.split(key)
    weights = jax.random.normal(key_readout, (2, size)) / math.sqrt(size)
    readout = {"weights": weights, "bias": jnp.zeros(2)}
    return {"cell": cell.init(key_cell), "readout": readout}

  def streams(key, num_steps):
    episodes = []
    for i, (t1, t2) in enumerate(_pairs(config)):
      task = nf.tasks.delayed_addition(
        num_steps=num_steps, delays=(int(t1), int(t2))
      )
      keys = jax.random.split(jax.random.fold_in(key, i), config.num_seeds)
      episodes.append(jax.vmap(task.sample)(keys))
    return jax.tree.map(lambda *leaves: jnp.stack(leaves, 1), *episodes)

  key_init, key_train, key_test = jax.random.split(
    jax.random.key(config.seed), 3
  )
  params = jax.jit(jax.vmap(init))(jax.random.split(key_init, config.num_seeds))
  train = streams(key_train, config.num_steps)
  return params, train, streams(key_test, config.num_test_steps)


def _window(cell, k):
  # One step back is one step: the same gradient, compiled in a third.
  if k == 1:
    return _Method(nf.estimators.truncated_bptt(cell, _loss))
  return _Method(nf.estimators.rolling_bptt(cell, _loss, window=k))


def _logits(params, state):
  return params["readout"]["weights"] @ state + params["readout"]["bias"]


def _loss(params, state_t, y_t):
  return optax.losses.softmax_cross_entropy(_logits(params, state_t), y_t)


def _learn(config, cell, params, train, test, name, method):
  """Trains by one method, for all seeds, tasks and learning rates."""

  def one(params, train, test, rate):
    trained, curve = _fit(name, method, rate, params, train)
    return curve, _log_odds(cell, trained, test)

  over_rates = jax.vmap(one, (None, None, None, 0))
  over_tasks = jax.vmap(over_rates, (None, 0, 0, None))
  over_all = jax.jit(
    jax.vmap(over_tasks, (0, 0, 0, None)), compiler_options=_QUICKLY
  )
  rates = jnp.array(config.learning_rates)
  curves, log_odds = map(np.asarray, over_all(params, train, test, rates))
  entropies = theory.entropy(np.asarray(train.y, float)[..., 0])
  blocks = entropies.reshape(*entropies.shape[:2], 1, _NUM_BLOCKS, -1)
  both = theory.loss_floors()[-1]
  excess, shares = _judge(config, log_odds, test)
  return Learned(both + curves - blocks.mean(axis=-1), both + excess, shares)


def _fit(name, method, rate, params, stream):
  """Returns the parameters at the end, and the loss by block."""
  # The gradient is a mean over the segment and comes once a segment: times K,
  # all methods move equally far per step of the stream.
  frozen = {"cell": not method.learns, "readout": False}
  optimizer = optax.chain(
    optax.sgd(method.segment * rate),
    optax.masked(optax.set_to_zero(), frozen),
  )

  def block(state, numbered):
    index, episode = numbered
    progress.tick(index, _NUM_BLOCKS, name)
    state, losses = nf.training.train_stream(
      method.estimator, optimizer, state, *episode, segment=method.segment
    )
    return state, jnp.mean(losses)

  key = jax.random.key(0)  # The estimators here draw nothing.
  state = nf.training.stream_init(method.estimator, optimizer, params, key)
  blocks = nf.training.cut(stream, stream.x.shape[0] // _NUM_BLOCKS)
  state, curve = lax.scan(block, state, (jnp.arange(_NUM_BLOCKS), blocks))
  return state.params, curve


def _log_odds(cell, params, stream):
  """Returns the log-odds of the first output [T], parameters fixed."""

  def body(state_tm1, x_t):
    state_t = cell.step(params["cell"], state_tm1, x_t)
    first, second = _logits(params, state_t)
    return state_t, first - second

  start = nf.base.initial_state(cell, params["cell"])
  return lax.scan(body, start, stream.x)[1]


def _judge(config, log_odds, stream):
  """Returns the excess loss [S, D, L] and the learned shares [S, D, L, 2].

  On the host, in float64: a sum over the whole stream is long for float32.
  """
  coins, target = (np.asarray(v, float)[..., 0] for v in stream)
  after = slice(_WARM_UP, None)
  excess = theory.excess_loss(log_odds[..., after], target[:, :, None, after])
  shares = [
    [
      theory.learned_shares(odds[d], c[d], tuple(pair), warm_up=_WARM_UP)
      for d, pair in enumerate(_pairs(config))
    ]
    for odds, c in zip(log_odds, coins, strict=True)
  ]
  return excess.mean(axis=-1), np.array(shares)
