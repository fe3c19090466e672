"""Compares estimators with `jax.grad` through whole sequences."""

import dataclasses
import functools
import itertools
from collections.abc import Iterator
from typing import NamedTuple

import jax
import numpy as np
import optax
from jax import lax
from jax import numpy as jnp

import nnfun as nf
from experiments import progress, settings, sweeps
from experiments.rtrl_vs_tbptt.exactness import (
  family,
  lstm,
  readings,
  reference,
)

_NUM_INPUTS, _NUM_OUTPUTS = 4, 2
_LEARNING_RATES = np.array([0, 1e-6, 1e-5, 1e-4])  # Of SGD at every step.


def _stack(num_inputs, num_units):
  below = nf.cells.gru(num_inputs=num_inputs, num_units=num_units)
  above = nf.cells.vanilla(num_inputs=num_units, num_units=num_units)
  return nf.cells.stack([below, above])


CELLS = {
  "vanilla": nf.cells.vanilla,
  "gru": nf.cells.gru,
  "lstm": nf.cells.lstm,
  "ring": family.ring,
  "lru": nf.cells.lru,
  "elstm": nf.cells.elstm,
  "stack": _stack,
}
_DIAGONAL_CELLS = ("lru", "elstm")
ESTIMATORS = {
  readings.TRUNCATED: nf.estimators.truncated_bptt,
  readings.ROLLING: nf.estimators.rolling_bptt,
  readings.RTRL: functools.partial(nf.estimators.rtrl, flush_every=1),
  readings.LAZY: functools.partial(nf.estimators.rtrl, flush_every=6),
  readings.DIAGONAL: nf.estimators.diagonal_rtrl,
}


@dataclasses.dataclass(frozen=True)
class Config(settings.Config):
  """Networks, sequences, and what is compared on which."""

  # The first is compared by every estimator at every length, the others by one
  # exact estimator each.
  cells: tuple[str, ...] = ("vanilla", "lstm", "lru", "elstm", "stack")
  num_units: settings.Count = 8  # Of each layer.
  num_steps: settings.Count = 32  # T, a multiple of K and k.
  # K or k of truncations, from 1, steps.
  lengths: settings.Ascending[settings.Count] = (1, 4, 16, 32)
  exact_lengths: tuple[settings.Count, ...] = (1, 4)  # K of exact estimators.
  num_seeds: settings.Several = 8  # Networks and sequences, of each cell.
  seed: settings.Seed = 0  # Of parameters, inputs and targets.

  def rules(self) -> Iterator[tuple[bool, str]]:
    """Refuses cells that are not there, and lengths that do not fit."""
    yield set(self.cells) <= set(CELLS), f"cells from {list(CELLS)}"
    yield self.lengths[0] == 1, "lengths from 1"
    rests = {self.num_steps % n for n in self.lengths + self.exact_lengths}
    yield rests == {0}, "lengths and exact_lengths which divide num_steps"


class Results(NamedTuple):
  """Comparisons, one row each, and online training; errors are relative."""

  num_steps: np.ndarray  # T  []
  cell: np.ndarray  # [M]
  estimator: np.ndarray  # [M]
  length: np.ndarray  # Segment, or window of rolling BPTT  [M]
  error: np.ndarray  # To the gradient of the whole sequence  [S, M]
  own_error: np.ndarray  # To that through the steps it is to see  [S, M]
  learning_rates: np.ndarray  # Of RTRL at every step, the first is 0  [L]
  # To each loss's derivative by a common shift of all parameters used
  shift_error: np.ndarray  # [S, L, T]
  stale_error: np.ndarray  # To the last's gradient at present ones  [S, L]
  lstm: np.ndarray  # Largest difference from the textbook's equations  []
  family: family.Errors  # Of those that leave something out


def run(config: Config) -> Results:
  """Compares estimators with the gradient through what they should see."""
  rows, errors = [], []
  with jax.enable_x64(True):
    for name in progress.track(config.cells, "exactness"):
      cases = _cases(config, name)
      rows += [(name, *case) for case in cases]
      errors.append(_compare(make_problem(config, name), cases))
    online = _sweep(
      lambda problem: lax.map(
        lambda rate: reference.online_errors(problem, rate), _LEARNING_RATES
      ),
      make_problem(config, config.cells[0]),
    )
    of_family = family.compare(functools.partial(make_problem, config), _sweep)
  return Results(
    np.array(config.num_steps),
    *map(np.array, zip(*rows, strict=True)),
    *(np.concatenate(e, axis=1) for e in zip(*errors, strict=True)),
    _LEARNING_RATES,
    *online,
    lstm.difference(config.num_units, config.num_steps, config.seed),
    of_family,
  )


def _cases(config, cell):
  """Lists which estimators are compared, and with which segment or window."""
  own = readings.DIAGONAL if cell in _DIAGONAL_CELLS else readings.RTRL
  if cell != config.cells[0]:
    # In one segment of all steps no influence would be carried.
    return [(own, config.exact_lengths[len(config.exact_lengths) // 2])]
  truncated = readings.TRUNCATED, readings.ROLLING
  exact = dict.fromkeys((readings.RTRL, readings.LAZY, own))
  return [
    *itertools.product(truncated, config.lengths),
    *itertools.product(exact, config.exact_lengths),
  ]


def _compare(problem, cases):
  """Returns errors [S, M] to the whole gradient, and to what is seen."""
  windows = [_window(*case, problem.xs.shape[1]) for case in cases]

  def one(problem):
    estimates = [_estimate(problem, *case) for case in cases]
    estimates = jax.tree.map(lambda *leaves: jnp.stack(leaves), *estimates)
    exact = lax.map(
      lambda window: reference.windowed(problem, window),
      jnp.array([jnp.ones(windows[0].shape), *windows]),
    )
    whole = jax.tree.map(lambda g: g[:1], exact)
    own = jax.tree.map(lambda g: g[1:], exact)
    return reference.errors(estimates, whole), reference.errors(estimates, own)

  return _sweep(one, problem)


def _window(estimator, length, num_steps):
  """Returns whether loss t may see step u: its last ones, or its segment's."""
  t, u = np.indices((num_steps, num_steps))
  if estimator == readings.TRUNCATED:
    return t // length == u // length
  return t - u < (length if estimator == readings.ROLLING else num_steps)


def _estimate(problem, estimator, length):
  rolls = estimator == readings.ROLLING
  options = {"window": length} if rolls else {}
  make = ESTIMATORS[estimator]
  return nf.training.episode_gradient(
    make(problem.cell, problem.loss_fn, **options),
    problem.params,
    jax.random.key(0),  # The estimators here draw nothing.
    problem.xs,
    problem.ys,
    segment=len(problem.xs) if rolls else length,
  ).grads


def _sweep(one, problem):
  """Maps over the seeds of a problem."""
  make = functools.partial(reference.Problem, *problem[:2])
  return sweeps.sweep(
    lambda *arrays: one(make(*arrays)), *problem[2:], quick=True
  )


def make_problem(config: Config, name: str) -> reference.Problem:
  """Draws a network and a sequence for each seed."""
  cell = CELLS[name](num_inputs=_NUM_INPUTS, num_units=config.num_units)
  rng = np.random.default_rng(config.seed)

  def draw(*shape):
    return rng.normal(size=(config.num_seeds, *shape))

  specs = jax.eval_shape(cell.init, jax.random.key(0))
  theta = jax.tree.map(lambda leaf: draw(*leaf.shape), specs)
  width = jax.eval_shape(lambda: cell.output(cell.initial_state())).size
  params = {"cell": theta, "readout": draw(_NUM_OUTPUTS, width)}
  params = optax.tree.scale(config.num_units**-0.5, params)

  def loss_fn(params, s_t, y_t):
    error = params["readout"] @ cell.output(s_t) - y_t
    return 0.5 * jnp.sum(error**2)

  xs, ys = (draw(config.num_steps, n) for n in (_NUM_INPUTS, _NUM_OUTPUTS))
  return reference.Problem(cell, loss_fn, params, xs, ys)
