"""What does the exact online gradient cost, in time and in memory?

    python -m experiments.rtrl_vs_tbptt.cost --config.units=32,64,128

takes about 40 s (--full: two and a half minutes) and wants the machine for
itself. It trains six methods online along a stream, times a step and reads the
memory of the compiled programs, both against the number of units n and against
the length T, and fits exponents. What leaves the caches costs more: in --full
the diagonal cell of 32,768 units and BPTT over 16,384 steps. Expected, for n
units, P ~ n^2 parameters (the diagonal cell has O(n), inputs being fixed) and
streams of T steps:

                              time per step     memory       gradient every
    BPTT                      n^2               n T          T steps
    truncated BPTT(K, K)      n^2               n K          K steps
    textbook RTRL             n^4               n^3          step
    block RTRL, K = n         n^3               n^3          n steps
    lazy RTRL                 n^3               n^3          step
    RTRL, diagonal cell       P = O(n)          O(n)         step

This is the second half of the exercise that asks for the missing bracket: "What
is the computational and memory complexity of this algorithm, and what are its
advantages and disadvantages versus BPTT?" A student should take from it that
the price is memory first: at O(n^3) a step the exact gradient of a dense
network can be had online, but n^3 numbers have to be kept, whatever T is.
"""

import dataclasses
import math
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import numpy as np
import optax
from jax import numpy as jnp

import nnfun as nf
from experiments import cli, progress, study
from experiments.rtrl_vs_tbptt import cost_claims, cost_figure
from nnfun import base

_NUM_INPUTS, _NUM_OUTPUTS = 2, 2
_TURN_SECONDS = 0.02  # A short run is repeated for so long in each round.


@dataclasses.dataclass(frozen=True)
class Config:
  """What is timed."""

  units: tuple[int, ...] = (32, 64, 128)  # n, ascending, of the dense RTRLs.
  # Times `units`: n of truncated BPTT and of the diagonal cell, which at the
  # sizes above would be timed by what a loop costs that does nothing.
  scale_bptt: int = 8
  scale_diagonal: int = 128
  num_steps: int = 256  # T of the runs against n; 2 n, 3 n ... for every n.
  # T, ascending; a call costs as much as 50 steps of the fastest method.
  lengths: tuple[int, ...] = (1024, 4096, 16384)
  truncation: int = 16  # K of truncated BPTT, in steps.
  num_rounds: int = 5  # How often each is timed; the best counts.
  seed: int = 0  # Of weights and inputs.


class Method(NamedTuple):
  """How a gradient is found."""

  cell: Callable[[int], base.Cell]  # From n.
  estimator: Callable[..., base.GradientEstimator]
  segment: Callable[[int, int, Config], int]  # From n and T.
  scale: Callable[[Config], int] = lambda config: 1  # n over `units`.


def _dense_cell(num_units):
  return nf.cells.vanilla(num_inputs=_NUM_INPUTS, num_units=num_units)


def _diagonal_cell(num_units):
  return nf.cells.indrnn(
    num_inputs=_NUM_INPUTS, num_units=num_units, activation=jnp.tanh
  )


def _lazy(cell, loss_fn):
  size = cell.initial_state().size
  return nf.estimators.rtrl(cell, loss_fn, flush_every=size // 2)


_bptt, _rtrl = nf.estimators.truncated_bptt, nf.estimators.rtrl

# In the order of `cost_claims.NAMES`.
METHODS = dict(
  zip(
    cost_claims.NAMES,
    (
      Method(
        _dense_cell, _bptt, lambda n, T, config: T, lambda c: c.scale_bptt
      ),
      Method(
        _dense_cell,
        _bptt,
        lambda n, T, config: config.truncation,
        lambda c: c.scale_bptt,
      ),
      Method(_dense_cell, _rtrl, lambda n, T, config: 1),
      Method(_dense_cell, _rtrl, lambda n, T, config: n),
      Method(_dense_cell, _lazy, lambda n, T, config: 1),
      Method(
        _diagonal_cell,
        nf.estimators.diagonal_rtrl,
        lambda n, T, config: 1,
        lambda c: c.scale_diagonal,
      ),
    ),
    strict=True,
  )
)


def program(
  method: Method, num_units: int, num_steps: int, config: Config
) -> tuple[Callable, tuple]:
  """Makes online training along a stream.

  Args:
    method: how the gradient is found.
    num_units: n.
    num_steps: T.
    config: the settings.

  Returns:
    (state, xs, ys) -> the state after T steps, and its arguments at the start.
    Of the past, the state holds the influence, and nothing else is returned:
    what the compiled function needs besides is the method's own.
  """
  cell = method.cell(num_units)
  keys = jax.random.split(jax.random.key(config.seed), 4)
  readout = jax.random.normal(keys[0], (_NUM_OUTPUTS, num_units))
  params = {"cell": cell.init(keys[1]), "readout": readout / num_units**0.5}
  xs = jax.random.normal(keys[2], (num_steps, _NUM_INPUTS))
  ys = jax.random.normal(keys[3], (num_steps, _NUM_OUTPUTS))

  def loss_fn(params, h_t, y_t):
    return 0.5 * jnp.sum((params["readout"] @ h_t - y_t) ** 2)

  estimator, optimizer = method.estimator(cell, loss_fn), optax.sgd(1e-3)
  segment = method.segment(num_units, num_steps, config)
  key = jax.random.key(0)  # None of the estimators is random.

  def train(state, xs, ys):
    return nf.training.train_stream(
      estimator, optimizer, state, xs, ys, segment=segment
    )[0]

  state = nf.training.stream_init(estimator, optimizer, params, key)
  return train, (state, xs, ys)


def state_bytes(method: Method, num_units: int, config: Config) -> int:
  """Counts what an estimator carries from one update to the next.

  Args:
    method: how the gradient is found.
    num_units: n.
    config: the settings.

  Returns:
    Bytes.
  """
  function, args = program(method, num_units, config.num_steps, config)
  leaves = jax.tree.leaves(jax.eval_shape(function, *args).estimator)
  return sum(math.prod(leaf.shape) * leaf.dtype.itemsize for leaf in leaves)


def run(config: Config) -> dict[str, np.ndarray]:
  """Times every method and reads what the programs need.

  Args:
    config: what is timed.

  Returns:
    units: n by method [M, S].
    microseconds, state_bytes: of a step and between two updates [M, S].
    lengths: T [L].
    run_microseconds, run_bytes: of a whole stream, by length [M, L]; the bytes
      are those the compiled program needs beside arguments and results.
    length_units: n of the runs against T.

  Raises:
    ValueError: if a setting is out of range.
  """
  _check(config)
  methods, num_lengths = METHODS.values(), len(config.lengths)
  units = np.array(
    [np.multiply(config.units, m.scale(config)) for m in methods]
  )
  cases = [
    (method, int(n), config.num_steps)
    for method, ns in zip(methods, units, strict=True)
    for n in ns
  ]
  num_cases = len(cases)
  for method in methods:
    cases += [(method, config.units[0], T) for T in config.lengths]
  microseconds, memory = _measure(cases, config)
  carried = [state_bytes(m, n, config) for m, n, _ in cases[:num_cases]]
  return {
    "units": units,
    "microseconds": microseconds[:num_cases].reshape(units.shape)
    / config.num_steps,
    "state_bytes": np.reshape(carried, units.shape),
    "lengths": np.array(config.lengths),
    "length_units": np.array(config.units[0]),
    "run_microseconds": microseconds[num_cases:].reshape(-1, num_lengths),
    "run_bytes": memory[num_cases:].reshape(-1, num_lengths),
  }


def _measure(
  cases: Sequence[tuple[Method, int, int]], config: Config
) -> tuple[np.ndarray, np.ndarray]:
  """Returns the microseconds and temporary bytes of each (method, n, T).

  All take turns, so that a busy machine slows all of them. What is timed goes
  on where a first run ended: until its first flush lazy RTRL has no J to read
  or to multiply, and would seem too fast where T is few times F.
  """
  compiled, best = [], np.full(len(cases), np.inf)
  for method, n, T in progress.track(cases, "compiling"):
    function, (state, *episode) = program(method, n, T, config)
    function = jax.jit(function).lower(state, *episode).compile()
    compiled.append((function, (function(state, *episode), *episode)))
    jax.block_until_ready(compiled[-1][1])
  for _ in progress.track(range(config.num_rounds), "rounds"):
    for i, (function, args) in enumerate(compiled):
      end = time.perf_counter() + _TURN_SECONDS
      while True:
        begin = time.perf_counter()
        jax.block_until_ready(function(*args))
        now = time.perf_counter()
        best[i] = min(best[i], now - begin)
        if now > end:
          break
  memory = [
    function.memory_analysis().temp_size_in_bytes for function, _ in compiled
  ]
  return 1e6 * best, np.array(memory)


def _check(config: Config) -> None:
  for name in ("units", "lengths"):
    values = getattr(config, name)
    if len(values) < 2 or list(values) != sorted(set(values)):
      raise ValueError(f"expected at least two ascending {name}, got {values}")
  for n in (*config.units, config.truncation):
    # A single block would not need the influence after it, and XLA knows.
    if n < 2 or config.num_steps % n or config.num_steps == n:
      raise ValueError(
        "expected units and truncation >= 2 of which num_steps = "
        f"{config.num_steps} is a multiple, twice or more, got {n}"
      )
  for T in config.lengths:
    segments = config.units[0], config.truncation
    if any(T % segment or T == segment for segment in segments):
      raise ValueError(
        "expected lengths that are multiples, twice or more, of the smallest "
        f"units and the truncation {segments}, got {T}"
      )
  if min(config.scale_bptt, config.scale_diagonal, config.num_rounds) < 1:
    raise ValueError(
      "expected scale_bptt, scale_diagonal and num_rounds >= 1, got "
      f"{config.scale_bptt}, {config.scale_diagonal} and {config.num_rounds}"
    )


STUDY = study.Study(
  name="rtrl_vs_tbptt/cost",
  question="What does the exact online gradient cost in time and memory, "
  "against backpropagation through time?",
  Config=Config,
  run=run,
  claims=cost_claims.claims,
  plot=cost_figure.plot,
  full=Config(units=(32, 64, 128, 256), num_steps=512, num_rounds=3),
  exclusive=True,
)

if __name__ == "__main__":
  cli.main(STUDY)
