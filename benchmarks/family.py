"""Estimators that are not exact, beside back-propagation of the same sequence.

A gradient at every step of a sequence of 100, parameters fixed. Evolution
strategies are compared with the forward passes which they cannot do without.
"""

import functools
from collections.abc import Iterator

import jax
from jax import numpy as jnp

import nnfun as nf
from benchmarks import problems, programs, timing

REGIME = "approximate"
SNAP_1, SNAP_2, UORO, KF = "SnAp-1", "SnAp-2", "UORO", "KF-RTRL"
RFLO, EPROP, SKETCHED = "RFLO", "e-prop", "sketched RTRL(16)"
NUM_PAIRS = 64
PES, FORWARD = f"PES({NUM_PAIRS})", f"{2 * NUM_PAIRS} forward passes"

_ANY = {
  SNAP_1: functools.partial(nf.estimators.snap, order=1),
  UORO: functools.partial(nf.estimators.uoro, rank=1),
}
_AFFINE = {
  RFLO: nf.estimators.rflo,
  EPROP: nf.estimators.eprop,
  KF: nf.estimators.kf_rtrl,
}


def family(problem: problems.Problem) -> Iterator[programs.Program]:
  """Yields the estimators that are defined for a cell, and what limits them.

  Args:
    problem: the network and its stream.

  Yields:
    Programs.
  """
  cell, loss_fn = problem.cell, problems.loss_fn
  yield programs.of_estimator(
    programs.BPTT,
    nf.estimators.truncated_bptt(cell, loss_fn),
    problem,
    "sequence",
  )._replace(check_steps=programs.SEQUENCE_STEPS)
  makes = dict(_ANY)
  if isinstance(cell, nf.AffineCell):
    makes |= _AFFINE
  if problem.cell_name == "sparse":
    # Of dense weights SnAp-2 keeps all of J.
    makes[SNAP_2] = functools.partial(nf.estimators.snap, order=2)
    yield programs.of_estimator(
      programs.LAZY, nf.estimators.rtrl(cell, loss_fn), problem, REGIME
    )
  elif problem.batch_size == 1:
    makes[SKETCHED] = functools.partial(nf.estimators.sketched_rtrl, rank=16)
  for name, make in makes.items():
    estimator = make(cell, loss_fn)
    program = programs.of_estimator(name, estimator, problem, REGIME)
    yield program._replace(is_exact=False)
  if problem.batch_size == 1:
    estimator = nf.estimators.pes(
      cell, loss_fn, num_pairs=NUM_PAIRS, sigma=0.01
    )
    # In one segment, as the forward passes are.
    program = programs.of_estimator(PES, estimator, problem, "sequence")
    yield program._replace(is_exact=False)
    yield programs.Program(FORWARD, _start_forward(problem))


def _start_forward(problem):
  """The losses of as many networks as there are particles."""

  def perturbed(key):
    leaves, structure = jax.tree.flatten(problem.params)
    keys = jax.random.split(key, len(leaves))
    return structure.unflatten(
      [
        w + 0.01 * jax.random.normal(k, w.shape)
        for k, w in zip(keys, leaves, strict=True)
      ]
    )

  def loss(params, xs, ys):
    def body(state, step):
      x_t, y_t = step
      state = problem.cell.step(params["cell"], state, x_t)
      return state, problems.loss_fn(params, state, y_t)

    start = nf.base.initial_state(problem.cell, params["cell"])
    return jnp.sum(jax.lax.scan(body, start, (xs, ys))[1])

  def start(num_steps):
    keys = jax.random.split(jax.random.key(1), 2 * NUM_PAIRS)
    many = jax.vmap(perturbed)(keys)
    args = many, problem.xs[:num_steps], problem.ys[:num_steps]
    function, seconds = timing.compiled(jax.vmap(loss, (0, None, None)), *args)

    def run():
      return jax.block_until_ready(function(*args))

    return programs.Started(run, seconds)

  return start
