"""Counts, weighs and times online training by every method."""

import dataclasses
import functools
import math
import time
from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np
import optax
from jax import lax
from jax import numpy as jnp

import nnfun as nf
from experiments import progress, settings, sweeps
from experiments.rtrl_vs_tbptt.cost import operations, readings
from nnfun import base

_NUM_INPUTS, _NUM_OUTPUTS = 2, 2
_TURN_SECONDS = 0.02  # A short run is repeated for so long in each round.


@dataclasses.dataclass(frozen=True)
class Config(settings.Config):
  """Networks and streams."""

  num_units: settings.Count = 128  # n; also counted at n / 2 and n / 4.
  # T of the streams whose memory is read, at n / 4, steps: two, ascending.
  lengths: tuple[settings.Count, ...] = (1024, 16384)
  truncation: settings.Count = 16  # K of truncated BPTT, steps.
  num_rounds: settings.Count = 5  # How often each is timed; the best counts.
  seed: settings.Seed = 0  # Of weights and inputs.

  def __post_init__(self) -> None:
    """Refuses streams that segments do not divide."""
    super().__post_init__()
    settings.require(
      self.num_units % 8 == 0, "num_units % 8 == 0", num_units=self.num_units
    )
    segments = self.units[0], self.truncation
    settings.require(
      len(self.lengths) == 2
      and self.lengths[0] < self.lengths[1]
      and not any(T % k or T == k for T in self.lengths for k in segments),
      f"two ascending lengths, multiples of {segments}, twice or more",
      lengths=self.lengths,
    )

  @property
  def units(self) -> tuple[int, ...]:
    """A quarter of n, half of it, and n."""
    return self.num_units // 4, self.num_units // 2, self.num_units


class Results(NamedTuple):
  """What is kept, by the names of the methods."""

  units: np.ndarray  # n: a quarter, a half, all  [3]
  lengths: np.ndarray  # T  [2]
  truncation: np.ndarray  # K  []
  methods: dict[str, "Cost"]  # In the order of `readings.NAMES`.


class Cost(NamedTuple):
  """What one method costs."""

  num_parameters: np.ndarray  # P of the cell  [3]
  operations: np.ndarray  # Of a step, the mean over a period  [3]
  numbers: np.ndarray  # Kept from one update to the next  [3]
  microseconds: np.ndarray  # Of a step, at the largest n  []
  # What the program of a stream needs beside arguments and results  [2]
  stream_bytes: np.ndarray


class Method(NamedTuple):
  """How a gradient is found."""

  cell: Callable[[int], base.Cell]  # From n.
  estimator: Callable[..., base.GradientEstimator]
  segment: Callable[[int, int, int], int]  # Steps of an update, from n, T, K.
  period: Callable[[int, int], int]  # T after which costs repeat, from n, K.


def _dense_cell(num_units):
  return nf.cells.vanilla(num_inputs=_NUM_INPUTS, num_units=num_units)


def _diagonal_cell(num_units):
  return nf.cells.indrnn(
    num_inputs=_NUM_INPUTS, num_units=num_units, activation=jnp.tanh
  )


def _lazy(cell, loss_fn):
  size = cell.initial_state().size
  return nf.estimators.rtrl(cell, loss_fn, flush_every=size // 2)


def _one(n, T, K):
  del n, T, K
  return 1


def _some(n, K):
  del n
  return 16 * K


_BPTT, _RTRL = nf.estimators.truncated_bptt, nf.estimators.rtrl
_DIAGONAL = nf.estimators.diagonal_rtrl
METHODS = {
  readings.BPTT: Method(_dense_cell, _BPTT, lambda n, T, K: T, _some),
  readings.TRUNCATED: Method(_dense_cell, _BPTT, lambda n, T, K: K, _some),
  readings.TEXTBOOK: Method(_dense_cell, _RTRL, _one, lambda n, K: 8),
  readings.BLOCK: Method(
    _dense_cell, _RTRL, lambda n, T, K: n, lambda n, K: 2 * n
  ),
  readings.LAZY: Method(_dense_cell, _lazy, _one, lambda n, K: n),
  readings.DIAGONAL: Method(_diagonal_cell, _DIAGONAL, _one, _some),
}


class Program(NamedTuple):
  """Online training along a stream."""

  init: Callable[[base.Params], nf.training.StreamState]
  # (state, xs, ys) -> state. Of the past, the state holds the influence: what
  # the compiled function needs besides is the method's own.
  train: Callable[..., nf.training.StreamState]
  params: base.Params
  data: tuple[np.ndarray, np.ndarray]  # xs, ys  [T, ...]


def program(
  method: Method, num_units: int, num_steps: int, config: Config
) -> Program:
  """Returns training of one network by one method."""
  cell = method.cell(num_units)
  rng = np.random.default_rng(config.seed)

  def draw(*shape, scale=1.0):
    return scale * rng.normal(size=shape).astype(np.float32)

  theta = jax.tree.map(
    lambda leaf: draw(*leaf.shape, scale=num_units**-0.5),
    jax.eval_shape(cell.init, jax.random.key(0)),
  )
  readout = draw(_NUM_OUTPUTS, num_units, scale=num_units**-0.5)
  data = draw(num_steps, _NUM_INPUTS), draw(num_steps, _NUM_OUTPUTS)

  def loss_fn(params, h_t, y_t):
    return 0.5 * jnp.sum((params["readout"] @ h_t - y_t) ** 2)

  estimator, optimizer = method.estimator(cell, loss_fn), optax.sgd(1e-3)
  segment = method.segment(num_units, num_steps, config.truncation)

  def init(params):
    key = jax.random.key(0)  # None of the estimators is random.
    return nf.training.stream_init(estimator, optimizer, params, key)

  def train(state, xs, ys):
    return nf.training.train_stream(
      estimator, optimizer, state, xs, ys, segment=segment
    )[0]

  return Program(init, train, {"cell": theta, "readout": readout}, data)


def run(config: Config) -> Results:
  """Counts operations and numbers, reads memory, and takes the time."""
  costs, timed = {}, {}
  for name, method in progress.track(METHODS.items(), "methods"):
    periods = [_period(method, n, config) for n in config.units]
    costs[name] = Cost(
      num_parameters=np.array([p.num_parameters for p in periods]),
      operations=np.array([p.operations for p in periods]),
      numbers=np.array([p.numbers for p in periods]),
      microseconds=np.array(np.nan),
      stream_bytes=np.array(
        [_stream_bytes(method, T, config) for T in config.lengths]
      ),
    )
    timed[name] = periods[-1]
  for name, microseconds in _microseconds(timed, config).items():
    costs[name] = costs[name]._replace(microseconds=np.array(microseconds))
  return Results(
    np.array(config.units),
    np.array(config.lengths),
    np.array(config.truncation),
    costs,
  )


class _Period(NamedTuple):
  num_steps: int
  num_parameters: int
  numbers: int
  operations: float  # Of a step.
  made: Program
  state: nf.training.StreamState  # After two periods.


def _period(method, num_units, config):
  """Counts the second period: in the first, influences begin as zero.

  Until its first flush lazy RTRL has no J to read or to multiply.
  """
  num_steps = method.period(num_units, config.truncation)
  made = program(method, num_units, num_steps, config)
  count = operations.counted(made.train)

  @sweeps.quick_jit
  def twice(params, data):
    def body(state, _):
      return count(state, *data)

    return lax.scan(body, made.init(params), length=2)

  state, (_, num_operations) = twice(made.params, made.data)
  return _Period(
    num_steps,
    _size(state.params["cell"]),
    _size(state.estimator),
    float(num_operations) / num_steps,
    made,
    state,
  )


def _size(tree):
  return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(tree))


def _stream_bytes(method, num_steps, config):
  made = program(method, config.units[0], num_steps, config)
  state = jax.eval_shape(made.init, made.params)
  compiled = sweeps.quick_jit(made.train).lower(state, *made.data).compile()
  return compiled.memory_analysis().temp_size_in_bytes


def _microseconds(periods, config):
  """Takes turns, so that a busy machine slows all of them."""
  best = dict.fromkeys(periods, math.inf)
  calls = {
    name: functools.partial(jax.jit(p.made.train), p.state, *p.made.data)
    for name, p in periods.items()
  }
  for call in calls.values():
    jax.block_until_ready(call())
  for _ in progress.track(range(config.num_rounds), "rounds"):
    for name, call in calls.items():
      end = time.perf_counter() + _TURN_SECONDS
      while True:
        begin = time.perf_counter()
        jax.block_until_ready(call())
        now = time.perf_counter()
        best[name] = min(best[name], now - begin)
        if now > end:
          break
  return {name: 1e6 * best[name] / p.num_steps for name, p in periods.items()}
