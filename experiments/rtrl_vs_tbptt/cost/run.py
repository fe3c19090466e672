"""Counts, weighs and times online training by every method."""

import dataclasses
import functools
import math
import time
from collections.abc import Callable, Iterator
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
_NUM_ROUNDS = 5  # How often each is timed; the best counts.


@dataclasses.dataclass(frozen=True)
class Config(settings.Config):
  """The size of the networks."""

  num_units: settings.Count = 128  # n; also counted at n / 2 and n / 4.
  seed: settings.Seed = 0  # Of weights and inputs.

  def rules(self) -> Iterator[tuple[bool, str]]:
    """Refuses a network whose segments do not divide streams."""
    yield self.num_units % 8 == 0, "num_units to be a multiple of 8"


class Cost(NamedTuple):
  """What one method costs."""

  num_parameters: np.ndarray  # P of the cell  [3]
  operations: np.ndarray  # Of a step, the mean over a period  [3]
  numbers: np.ndarray  # Kept from one update to the next  [3]
  # What the program of a stream needs beside arguments and results  [2]
  stream_bytes: np.ndarray


class Results(NamedTuple):
  """What is kept."""

  units: np.ndarray  # n: a quarter, a half, all  [3]
  lengths: np.ndarray  # T  [2]
  methods: dict[str, Cost]  # In the order of `readings.NAMES`.
  seconds: np.ndarray  # Of a step by method, largest n  [M]
  densities: np.ndarray  # Shares of weights that sparse networks keep  [D]
  snap_2: np.ndarray  # Operations of a step of SnAp-2 there, n / 2 units  [D]


class Method(NamedTuple):
  """How a gradient is found."""

  estimator: Callable[..., base.GradientEstimator]  # From cell and loss.
  segment: Callable[[int, int], int]  # Steps of an update, from n and T.
  cell: Callable[..., base.Cell] = nf.cells.vanilla


_BPTT, _RTRL = nf.estimators.truncated_bptt, nf.estimators.rtrl
_TEXTBOOK = functools.partial(_RTRL, flush_every=1)
METHODS = {
  readings.BPTT: Method(_BPTT, lambda n, T: T),
  readings.TRUNCATED: Method(_BPTT, lambda n, T: 16),
  readings.TEXTBOOK: Method(_TEXTBOOK, lambda n, T: 1),
  readings.BLOCK: Method(_TEXTBOOK, lambda n, T: n),
  readings.LAZY: Method(
    lambda cell, loss_fn: _RTRL(
      cell, loss_fn, flush_every=cell.initial_state().size // 2
    ),
    lambda n, T: 1,
  ),
  readings.DIAGONAL: Method(
    nf.estimators.diagonal_rtrl,
    lambda n, T: 1,
    functools.partial(nf.cells.indrnn, activation=jnp.tanh),
  ),
  readings.SNAP: Method(
    functools.partial(nf.estimators.snap, order=1), lambda n, T: 1
  ),
}
_DENSITIES = (1 / 4, 1 / 16)


def _snap_2(density):
  """Returns SnAp-2 of a network that keeps a share of its weights."""

  def cell(num_inputs, num_units):
    dense = nf.cells.vanilla(num_inputs=num_inputs, num_units=num_units)
    shape = num_units, num_units + num_inputs + 1
    mask = np.random.default_rng(0).random(shape) < density
    return nf.cells.sparse(dense, mask)

  make = functools.partial(nf.estimators.snap, order=2)
  return Method(make, lambda n, T: 1, cell)


def _program(method, n, num_steps, seed):
  """Returns init and train, and the parameters and (xs, ys) to call them with.

  Of the past, the state that both return holds the influence: what the compiled
  function needs besides is the method's own.
  """
  cell = method.cell(num_inputs=_NUM_INPUTS, num_units=n)
  rng = np.random.default_rng(seed)

  def draw(*shape):
    return rng.normal(size=shape).astype(np.float32) / np.float32(n**0.5)

  specs = jax.eval_shape(cell.init, jax.random.key(0))
  theta = jax.tree.map(lambda leaf: draw(*leaf.shape), specs)
  params = {"cell": theta, "readout": draw(_NUM_OUTPUTS, n)}

  def loss_fn(params, h_t, y_t):
    return 0.5 * jnp.sum((params["readout"] @ h_t - y_t) ** 2)

  methods = method.estimator(cell, loss_fn), optax.sgd(1e-3)
  segment = method.segment(n, num_steps)

  def init(params):
    key = jax.random.key(0)  # None of the estimators is random.
    return nf.training.stream_init(*methods, params, key)

  def train(*args):
    return nf.training.train_stream(*methods, *args, segment=segment)[0]

  data = draw(num_steps, _NUM_INPUTS), draw(num_steps, _NUM_OUTPUTS)
  return init, train, params, data


def run(config: Config) -> Results:
  """Counts operations and numbers, reads memory, and takes the time."""
  n, seed, costs = config.num_units, config.seed, {}
  units, lengths = (n // 4, n // 2, n), (8 * n, 128 * n)
  for name, method in progress.track(METHODS.items(), "methods"):
    counts = [count(method, size, seed) for size in units]
    stream_bytes = [_stream_bytes(method, units[0], T, seed) for T in lengths]
    columns = (*zip(*counts, strict=True), stream_bytes)
    costs[name] = Cost(*map(np.array, columns))
  sparse = [count(_snap_2(d), units[1], seed)[1] for d in _DENSITIES]
  return Results(
    np.array(units),
    np.array(lengths),
    costs,
    _seconds(n, seed),
    np.array(_DENSITIES),
    np.array(sparse),
  )


def _period(method, n, seed):
  """Returns a program, and for how many steps: after these costs repeat."""
  num_steps = 8 if method is METHODS[readings.TEXTBOOK] else 2 * n
  return _program(method, n, num_steps, seed), num_steps


def count(method: Method, n: int, seed: int) -> tuple[int, float, int]:
  """Returns parameters, operations of a step, and numbers kept.

  Counts the second period: in the first, influences begin as zero. Until its
  first flush lazy RTRL has no J to read or to multiply.
  """
  (init, train, params, data), num_steps = _period(method, n, seed)
  counted = operations.counted(train)

  @sweeps.quick_jit
  def twice(params, data):  # What no count depends on is not compiled.
    start = init(params)
    return lax.scan(lambda s, _: counted(s, *data), start, length=2)[1]

  operations_of_step = float(twice(params, data)[1]) / num_steps
  state = jax.eval_shape(init, params)
  num_parameters, numbers = (
    sum(leaf.size for leaf in jax.tree.leaves(tree))
    for tree in (state.params["cell"], state.estimator)
  )
  return num_parameters, operations_of_step, numbers


def _stream_bytes(*sizes):
  init, train, params, data = _program(*sizes)
  lowered = sweeps.quick_jit(train).lower(jax.eval_shape(init, params), *data)
  return lowered.compile().memory_analysis().temp_size_in_bytes


def _seconds(n, seed):
  """Takes turns, so that a busy machine slows all of them."""
  calls, best = [], np.full(len(METHODS), math.inf)
  for method in progress.track(METHODS.values(), "times"):
    (init, train, params, data), num_steps = _period(method, n, seed)
    state = sweeps.quick_jit(init)(params)
    call = functools.partial(jax.jit(train), state, *data)
    jax.block_until_ready(call())
    calls.append((call, num_steps))
  for _ in range(_NUM_ROUNDS):
    for i, (call, num_steps) in enumerate(calls):
      begin = time.perf_counter()
      jax.block_until_ready(call())
      best[i] = min(best[i], (time.perf_counter() - begin) / num_steps)
  return best
