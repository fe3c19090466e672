"""Compares estimators with `jax.grad` through whole sequences."""

import dataclasses
from typing import NamedTuple

import jax
import numpy as np
from jax import numpy as jnp

import nnfun as nf
from experiments import progress, settings, sweeps
from experiments.rtrl_vs_tbptt.exactness import lstm, readings, reference

_NUM_INPUTS, _NUM_OUTPUTS = 4, 2


@dataclasses.dataclass(frozen=True)
class Config(settings.Config):
  """Networks, sequences, and what is compared on which."""

  # The first cell is compared at every length and number format; the others
  # with one exact estimator each, unless `exhaustive`.
  cells: tuple[str, ...] = ("vanilla", "lstm", "gru", "lru", "elstm", "stack")
  num_units: settings.Count = 8  # Of each layer.
  # Singular values of the vanilla cell's recurrent matrix.
  gain: settings.Positive = 0.9
  num_steps: settings.Count = 32  # T.
  # Segments K or windows k, ascending from 1 to T, which each divides, steps.
  lengths: tuple[settings.Count, ...] = (1, 2, 4, 8, 16, 32)
  # Segments of exact estimators, steps.
  exact_lengths: tuple[settings.Count, ...] = (1, 4)
  flush_every: settings.Count = 6  # Steps between two flushes of lazy RTRL.
  # Of SGD at every step, for the staleness, ascending; 0 is added.
  learning_rates: tuple[settings.Positive, ...] = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1)
  num_seeds: settings.Count = 8  # Networks and sequences for each comparison.
  exhaustive: bool = False  # Every estimator and length on every cell.
  seed: settings.Seed = 0  # Of parameters, inputs and targets.

  def __post_init__(self) -> None:
    """Refuses cells that are not there, and lengths that do not fit."""
    super().__post_init__()
    settings.require(
      set(self.cells) <= set(CELLS),
      f"cells from {list(CELLS)}",
      cells=self.cells,
    )
    settings.require(
      not any(self.num_steps % n for n in self.lengths + self.exact_lengths),
      "lengths and exact_lengths which divide num_steps",
      lengths=self.lengths,
      exact_lengths=self.exact_lengths,
      num_steps=self.num_steps,
    )
    settings.require(
      list(self.lengths) == sorted(set(self.lengths))
      and len(self.lengths) >= 3
      and (self.lengths[0], self.lengths[-1]) == (1, self.num_steps),
      f"three or more lengths, ascending from 1 to {self.num_steps}",
      lengths=self.lengths,
    )
    rates = self.learning_rates
    settings.require(
      len(rates) >= 3 and list(rates) == sorted(set(rates)),
      "three or more learning_rates, ascending",
      learning_rates=rates,
    )
    settings.require(
      self.num_seeds >= 2, "num_seeds >= 2", num_seeds=self.num_seeds
    )


class Comparisons(NamedTuple):
  """Estimates of the gradient, one row each."""

  cell: np.ndarray  # [M]
  estimator: np.ndarray  # [M]
  length: np.ndarray  # Segment, or window of rolling BPTT  [M]
  dtype: np.ndarray  # [M]
  error: np.ndarray  # Relative, to the gradient of the whole sequence  [S, M]
  own_error: np.ndarray  # To that through the steps it is to see  [S, M]


class Online(NamedTuple):
  """The last of T steps of RTRL with an update at every step."""

  learning_rates: np.ndarray  # [L]
  # Relative, to the gradient at the present parameters  [S, L]
  stale_error: np.ndarray
  # To the derivative by a common shift of all parameters used  [S, L]
  shift_error: np.ndarray


class Results(NamedTuple):
  """What is kept; errors are relative."""

  num_steps: np.ndarray  # T  []
  gain: np.ndarray  # []
  comparisons: Comparisons
  step_error: np.ndarray  # Of each step's own gradient by RTRL  [S, T]
  online: Online
  lstm: lstm.Differences


def _vanilla(config):
  return nf.cells.vanilla(
    num_inputs=_NUM_INPUTS,
    num_units=config.num_units,
    recurrent_init=jax.nn.initializers.orthogonal(config.gain),
  )


def _stack(config):
  above = nf.cells.vanilla(
    num_inputs=config.num_units, num_units=config.num_units
  )
  return nf.cells.stack([_sized(nf.cells.gru)(config), above])


def _sized(make):
  return lambda config: make(num_inputs=_NUM_INPUTS, num_units=config.num_units)


CELLS = {
  "vanilla": _vanilla,
  "lstm": _sized(nf.cells.lstm),
  "gru": _sized(nf.cells.gru),
  "lru": _sized(nf.cells.lru),
  "elstm": _sized(nf.cells.elstm),
  "stack": _stack,
}
DIAGONAL_CELLS = ("lru", "elstm")
# (cell, loss, length, config); the length is a window for rolling BPTT and
# the segment for all others.
ESTIMATORS = {
  readings.TRUNCATED: lambda cell, loss, length, config: (
    nf.estimators.truncated_bptt(cell, loss)
  ),
  readings.ROLLING: lambda cell, loss, length, config: (
    nf.estimators.rolling_bptt(cell, loss, window=length)
  ),
  readings.RTRL: lambda cell, loss, length, config: nf.estimators.rtrl(
    cell, loss
  ),
  readings.LAZY: lambda cell, loss, length, config: nf.estimators.rtrl(
    cell, loss, flush_every=config.flush_every
  ),
  readings.DIAGONAL: lambda cell, loss, length, config: (
    nf.estimators.diagonal_rtrl(cell, loss)
  ),
}
_QUICK = {  # What is compared on a cell that is not the first.
  "vanilla": readings.RTRL,
  "lstm": readings.LAZY,
  "gru": readings.RTRL,
  "lru": readings.DIAGONAL,
  "elstm": readings.DIAGONAL,
  "stack": readings.RTRL,
}


class Case(NamedTuple):
  """One estimator on one cell."""

  estimator: str
  length: int  # Segment or window, steps.
  dtype: str


def cases(config: Config, cell: str) -> list[Case]:
  """Lists what is compared on a cell."""
  exact = list(readings.EXACT)
  if cell not in DIAGONAL_CELLS:
    exact.remove(readings.DIAGONAL)
  middle = config.exact_lengths[len(config.exact_lengths) // 2]
  if cell != config.cells[0] and not config.exhaustive:
    return [Case(_QUICK[cell], middle, "float64")]
  found = [
    Case(estimator, length, dtype)
    for dtype in ("float64", "float32")[: 1 + config.exhaustive]
    for estimators, lengths in (
      ((readings.TRUNCATED, readings.ROLLING), config.lengths),
      (exact, config.exact_lengths),
    )
    for estimator in estimators
    for length in lengths
  ]
  if not config.exhaustive:
    found.append(Case(readings.RTRL, middle, "float32"))
  return found


def run(config: Config) -> Results:
  """Compares estimators with the gradient through what they should see."""
  rows = []
  with jax.enable_x64(True):
    for name in progress.track(config.cells, "exactness"):
      problem = make_problem(config, name)
      if name == config.cells[0]:
        online = reference.online_errors(problem, config.learning_rates)
      found = cases(config, name)
      exact = _expected(config, problem, found)
      for case in progress.track(found, name):
        estimates = estimate(config, problem, case)
        errors = [
          reference.errors(estimates, exact[key])
          for key in (None, _sees(config, case))
        ]
        rows.append((name, *case, *errors))
  *columns, error, own_error = zip(*rows, strict=True)
  return Results(
    num_steps=np.array(config.num_steps),
    gain=np.array(config.gain),
    comparisons=Comparisons(
      *map(np.array, columns), np.stack(error, 1), np.stack(own_error, 1)
    ),
    step_error=online.steps,
    online=Online(np.array(config.learning_rates), online.stale, online.shift),
    lstm=lstm.compare(
      config.num_units + 1, config.num_units, config.num_steps, config.seed
    ),
  )


def _sees(config, case):
  """Returns what a truncation sees: (length, whether it rolls); else None."""
  if case.estimator in readings.EXACT or case.length == config.num_steps:
    return None
  return case.length, case.estimator == readings.ROLLING


def _expected(config, problem, found):
  """Returns the gradients by what is seen, leaves [S, ...]."""
  exact = {None: reference.gradient(problem)}
  keys = sorted({_sees(config, case) for case in found} - {None})
  if not keys:
    return exact
  windows = [
    reference.window(length, config.num_steps, rolls=rolls)
    for length, rolls in keys
  ]
  grads = reference.windowed(problem, np.stack(windows))
  return exact | {
    key: jax.tree.map(lambda g, i=i: g[:, i], grads)
    for i, key in enumerate(keys)
  }


def make_problem(config: Config, name: str) -> reference.Problem:
  """Draws in float32, so that both number formats start from equal numbers."""
  cell = CELLS[name](config)
  init = sweeps.quick_jit(cell.init)
  keys = jax.random.split(jax.random.key(config.seed), config.num_seeds)
  thetas = jax.tree.map(lambda *leaves: np.stack(leaves), *map(init, keys))
  width = cell.output(cell.initial_state()).size
  rng = np.random.default_rng(config.seed)
  readout = rng.normal(size=(config.num_seeds, _NUM_OUTPUTS, width))
  params = {"cell": thetas, "readout": readout / width**0.5}
  xs, ys = (
    rng.normal(size=(config.num_seeds, config.num_steps, size))
    for size in (_NUM_INPUTS, _NUM_OUTPUTS)
  )

  def loss_fn(params, s_t, y_t):
    error = params["readout"] @ cell.output(s_t) - y_t
    return 0.5 * jnp.sum(error**2)

  draws = _cast(_cast((params, xs, ys), np.float32), np.float64)
  return reference.Problem(cell, loss_fn, *draws)


def _cast(tree, dtype):
  return jax.tree.map(lambda leaf: np.asarray(leaf, dtype), tree)


def estimate(
  config: Config, problem: reference.Problem, case: Case
) -> nf.base.Params:
  """Returns the summed gradient of each seed's sequence, leaves [S, ...]."""
  estimator = ESTIMATORS[case.estimator](
    problem.cell, problem.loss_fn, case.length, config
  )
  rolls = case.estimator == readings.ROLLING
  segment = config.num_steps if rolls else case.length

  def one(args):
    return nf.training.episode_gradient(
      estimator, args[0], jax.random.key(0), *args[1:], segment=segment
    ).grads

  batch = _cast((problem.params, problem.xs, problem.ys), case.dtype)
  return reference.for_each(one, batch)
