"""Which estimators give the exact gradient of a recurrent network?

The exercise asks for the bracket in

  grad F = sum_n dF_n/dh_n dh_n/dtheta,  dh_n/dtheta = [ ... ].

Completed, it is dh_n/dh_{n-1} dh_{n-1}/dtheta + dh_n/dtheta_n: carry the
influence forward, add what theta does now. This study measures that completion
against `jax.grad` through the whole sequence. What a student should take from
it:

- RTRL is not an approximation. Textbook, lazy or diagonal, in segments of any
  length, it gives the gradient of backpropagation through time to the last
  digits of the number format, and it gives each step's own gradient at that
  step, before the sequence has ended.
- The first term of the bracket is not a detail: without it (the immediate
  gradient, BPTT(1, 1)) a third of the gradient is missing here. Truncating
  later lessens the error, to zero only when nothing is cut off. A window that
  rolls with the steps, BPTT(1, k), loses what is older than k, which fades
  geometrically; segments, BPTT(K, K), lose it like 1 / K, for the first losses
  of every segment stay short-sighted.
- Online, parameters change while the influence is carried along. Then RTRL is
  still exact, but for another question: it is the derivative with respect to a
  common shift of all the parameters used so far. From the gradient at the
  present parameters it differs in first order of the learning rate: ten times
  smaller steps, ten times less stale.

The LSTM compared here is the one of the textbook: its six equations are run
beside it, and the shape that is printed for their input matrices is tried.

  python -m experiments.rtrl_vs_tbptt.exactness --config.cells=lstm,elstm

takes 25 seconds (--full, every estimator, segment length and number format on
every cell: 5 minutes). Numbers to expect: errors near 1e-15 in float64 and 1e-7
in float32 for exact methods (up to 1e-5 for the LRU, whose phases add up); 0.25
to 0.45 for the immediate gradient; staleness of slope 1.
"""

import dataclasses
from typing import Any, NamedTuple

import jax
import numpy as np
from jax import numpy as jnp

import nnfun as nf
from experiments import cli, progress, study
from experiments.rtrl_vs_tbptt import (
  exactness_claims,
  exactness_figure,
  exactness_lstm,
)
from experiments.rtrl_vs_tbptt import exactness_reference as reference

_NUM_INPUTS, _NUM_OUTPUTS = 4, 2


@dataclasses.dataclass(frozen=True)
class Config:
  """Networks, sequences, and what is compared on which."""

  # The first cell is compared at every length and number format; the others
  # with one exact estimator each, unless `exhaustive`.
  cells: tuple[str, ...] = ("vanilla", "lstm", "gru", "lru", "elstm", "stack")
  num_units: int = 8  # Of each layer.
  gain: float = 0.9  # Singular values of the vanilla cell's recurrent matrix.
  num_steps: int = 32  # T.
  # Segments K or windows k in steps, ascending; each divides num_steps, which
  # is the last.
  lengths: tuple[int, ...] = (1, 2, 4, 8, 16, 32)
  exact_lengths: tuple[int, ...] = (1, 4)  # Segments of exact estimators.
  flush_every: int = 6  # Steps between two flushes of lazy RTRL.
  # Of SGD at every step, for the staleness; 0 is added.
  learning_rates: tuple[float, ...] = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1)
  num_seeds: int = 8  # Networks and sequences for each comparison.
  exhaustive: bool = False  # Every estimator and length on every cell.
  seed: int = 0  # Of parameters, inputs and targets.


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
# name -> estimator(cell, loss, length, config); the length is a window for
# rolling BPTT and the segment for all others.
ESTIMATORS = {
  "truncated BPTT": lambda cell, loss, length, config: (
    nf.estimators.truncated_bptt(cell, loss)
  ),
  "rolling BPTT": lambda cell, loss, length, config: nf.estimators.rolling_bptt(
    cell, loss, window=length
  ),
  "RTRL": lambda cell, loss, length, config: nf.estimators.rtrl(cell, loss),
  "lazy RTRL": lambda cell, loss, length, config: nf.estimators.rtrl(
    cell, loss, flush_every=config.flush_every
  ),
  "diagonal RTRL": lambda cell, loss, length, config: (
    nf.estimators.diagonal_rtrl(cell, loss)
  ),
}
TRUNCATED = ("truncated BPTT", "rolling BPTT")
_QUICK = {  # What is compared on a cell that is not the first.
  "vanilla": "RTRL",
  "lstm": "lazy RTRL",
  "gru": "RTRL",
  "lru": "diagonal RTRL",
  "elstm": "diagonal RTRL",
  "stack": "RTRL",
}


class Case(NamedTuple):
  """One estimator on one cell."""

  estimator: str
  length: int  # Segment or window, steps.
  dtype: str


def cases(config: Config, cell: str) -> list[Case]:
  """Lists what is compared on a cell.

  Args:
    config: the study's.
    cell: a key of `CELLS`.

  Returns:
    The comparisons.
  """
  exact = [name for name in ESTIMATORS if name not in TRUNCATED]
  if cell not in DIAGONAL_CELLS:
    exact.remove("diagonal RTRL")
  middle = config.exact_lengths[len(config.exact_lengths) // 2]
  if cell != config.cells[0] and not config.exhaustive:
    return [Case(_QUICK[cell], middle, "float64")]
  everywhere = ("float64", "float32") if config.exhaustive else ("float64",)
  found = [
    Case(estimator, length, dtype)
    for dtype in everywhere
    for estimators, lengths in (
      (TRUNCATED, config.lengths),
      (exact, config.exact_lengths),
    )
    for estimator in estimators
    for length in lengths
  ]
  if not config.exhaustive:
    found += [
      Case("RTRL", middle, "float32"),
      Case("truncated BPTT", config.num_steps, "float32"),
    ]
  return found


def run(config: Config) -> dict[str, np.ndarray]:
  """Compares estimators with the gradient through the whole sequence.

  Args:
    config: what is compared.

  Returns:
    For each comparison `cell`, `estimator`, `length`, `dtype` [M], and by seed
    the relative `error` and the `cosine` [M, seeds]; on the first cell
    `step_error` [seeds, T] of each step's own gradient, and after online
    training at `learning_rates` [L] the `stale_error` against the gradient at
    the present parameters and the `shift_error` against the derivative with
    respect to a common shift of all parameters used [L, seeds]; and what
    `exactness_lstm.compare` returns.

  Raises:
    ValueError: if a setting is out of range.
  """
  _check(config)
  rows: dict[str, list[Any]] = {
    name: [] for name in ("cell", *Case._fields, "error", "cosine")
  }
  with jax.enable_x64(True):
    for name in progress.track(config.cells, "exactness"):
      problem = _problem(config, name)
      if name == config.cells[0]:
        online = reference.online_errors(problem, config.learning_rates)
      exact = reference.gradient(problem)
      for case in progress.track(cases(config, name), name):
        estimates = _estimate(config, problem, case)
        row = (name, *case, *reference.compare(estimates, exact))
        for column, value in zip(rows.values(), row, strict=True):
          column.append(value)
  return {
    "num_steps": np.array(config.num_steps),
    "gain": np.array(config.gain),
    "learning_rates": np.array(config.learning_rates),
    **{name: np.array(values) for name, values in rows.items()},
    **online,
    **exactness_lstm.compare(
      config.num_units + 1, config.num_units, config.num_steps, config.seed
    ),
  }


def _check(config):
  unknown = set(config.cells) - set(CELLS)
  if unknown or not config.cells:
    raise ValueError(f"expected cells from {list(CELLS)}, got {config.cells}")
  for name in ("num_units", "num_steps", "num_seeds", "flush_every"):
    if getattr(config, name) < 1:
      raise ValueError(f"expected {name} >= 1, got {getattr(config, name)}")
  for name in ("lengths", "exact_lengths"):
    lengths = getattr(config, name)
    divides = all(n >= 1 and config.num_steps % n == 0 for n in lengths)
    if not lengths or not divides or list(lengths) != sorted(set(lengths)):
      raise ValueError(
        f"expected {name} ascending, each a divisor of the {config.num_steps} "
        f"steps, got {lengths}"
      )
  if config.lengths[-1] != config.num_steps or len(config.lengths) < 3:
    raise ValueError(
      f"expected at least three lengths up to {config.num_steps}, the number "
      f"of steps, got {config.lengths}"
    )
  rates = config.learning_rates
  if len(rates) < 2 or min(rates) <= 0 or list(rates) != sorted(set(rates)):
    raise ValueError(
      f"expected two or more positive learning_rates, ascending, got {rates}"
    )


def _problem(config, name):
  """Draws in float32, so that both number formats start from equal numbers."""
  cell = CELLS[name](config)
  init = jax.jit(cell.init, compiler_options=reference.COMPILER)
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


def _estimate(config, problem, case):
  """Returns the summed gradient of each seed's sequence."""
  estimator = ESTIMATORS[case.estimator](
    problem.cell, problem.loss_fn, case.length, config
  )
  rolling = case.estimator == "rolling BPTT"
  segment = config.num_steps if rolling else case.length

  def one(args):
    return nf.training.episode_gradient(
      estimator, args[0], jax.random.key(0), *args[1:], segment=segment
    ).grads

  batch = _cast((problem.params, problem.xs, problem.ys), case.dtype)
  return reference.for_each(one, batch)


STUDY = study.Study(
  name="rtrl_vs_tbptt/exactness",
  question="Which estimators give the exact gradient of a recurrent network?",
  Config=Config,
  run=run,
  claims=exactness_claims.all_claims,
  plot=exactness_figure.draw,
  full=Config(exact_lengths=(1, 2, 4, 8, 16, 32), exhaustive=True),
)

if __name__ == "__main__":
  cli.main(STUDY)
