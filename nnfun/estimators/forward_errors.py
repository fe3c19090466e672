"""Errors carried forward in time: backpropagation run the other way round."""

from typing import NamedTuple

import jax
import optax
from jax import flatten_util
from jax import numpy as jnp

from nnfun import base, loops, numerics, vectors
from nnfun.estimators import checks, segment


class ForwardErrorsState(NamedTuple):
  """Where a stream stands between two segments."""

  cell: base.State


class _Step(NamedTuple):
  """One step with its derivatives; u is what the next step reads, [N, D]."""

  state: base.State  # s_t
  loss: base.Array
  direct: base.Params  # d loss_t / d params with s_t fixed
  pull: base.PyTree  # of the step: d / d s_t to d / d (theta, s_tm1)
  slope: base.State  # d loss_t / d s_t
  back: base.Array  # d loss_t / d u_tm1  [N, D]
  transition: base.Array  # Phi_t, of each unit  [N, D, D]


def forward_errors(
  cell: base.Cell,
  loss_fn: base.LossFn,
  *,
  precision: str | None = "highest",
) -> base.GradientEstimator:
  """Propagates errors forward through time, twice over each segment.

  With e_t the derivative of the losses after step t by s_t, as a row, and b_t
  that of loss_t by s_tm1, backpropagation is e_{t-1} = b_t + e_t Phi_t. Hence

    e_t = (e_{t-1} - b_t) Phi_t^-1,  e_0 = sum_t b_t Phi_{t-1} ... Phi_1,
    d L / d theta = sum_t (d loss_t / d s_t + e_t) I_t + direct part,

  where a first pass finds e_0 and a second one everything else. It is exact in
  exact arithmetic, for a segment that is an episode; what lies before the
  segment is not seen, as in `truncated_bptt`. In floating point an error eps of
  e_0 becomes eps / r^K where Phi shrinks by r a step: it is for networks that
  hardly forget, and useless in float32 after a handful of steps of a GRU or an
  LSTM as they start. Where Phi has no inverse there is no result (NaN).

  No state is stored: the memory is that of two matrices Phi and the gradient,
  whatever K. If resets are given there are K S numbers more, for each episode
  in the segment starts with an e of its own. A step costs S pulls through the
  cell for Phi twice, 2 S^3 for the product and 2/3 S^3 to solve. A
  `DiagonalCell` has N blocks of D numbers instead: N D^2 in memory and N D^3
  for S^2 and S^3, which is O(N). For a stack it is the dense matrix of all.

  Args:
    cell: any cell whose Phi can be inverted.
    loss_fn: the loss of one step.
    precision: of products, see `rtrl`.

  Returns:
    The estimator.

  References:
    Zucchet, Pourcel, Ernoult, Forward propagation of errors through time, 2026,
    https://nicolaszucchet.github.io/Forward-propagation-errors-through-time
    (their delta_t is d loss_t / d s_t + e_t; their e_0 comes from a first pass
    of the same recursion, with the sign of delta_0 to be turned; the sum here
    is the same number, without inverses)
  """
  checks.check_is_cell(cell)

  def init(params, key):
    del key
    return ForwardErrorsState(base.initial_state(cell, params["cell"]))

  def update(params, state, xs, ys, resets):
    theta, steps = params["cell"], (xs, ys, resets)
    start = None if resets is None else base.initial_state(cell, theta)
    units = _units(cell, theta, state.cell)
    eye = jnp.broadcast_to(
      jnp.eye(units.shape[1], dtype=units.dtype), (*units.shape, units.shape[1])
    )

    def enter(reset_t, new, old):
      if reset_t is None:
        return old
      return jax.tree.map(lambda n, o: jnp.where(reset_t, n, o), new, old)

    def warm_up(carry, step):
      x_t, y_t, reset_t = step
      begin = start, eye, jnp.zeros_like(units)
      state_tm1, product, total = enter(reset_t, begin, carry)
      now = _linearise(cell, loss_fn, params, state_tm1, x_t, y_t)
      total += jnp.einsum("nd,nde->ne", now.back, product)
      product = jnp.einsum("ncd,nde->nce", now.transition, product)
      kept = None if reset_t is None else total
      return (now.state, product, total), kept

    def follow(carry, indexed):
      (x_t, y_t, reset_t), first = indexed
      state_tm1, error, grads = carry
      state_tm1, error = enter(reset_t, (start, first), (state_tm1, error))
      now = _linearise(cell, loss_fn, params, state_tm1, x_t, y_t)
      error = _solve(now.transition, error - now.back)
      cotangent = jax.tree.map(
        jnp.add, now.slope, _embed(cell, theta, now.state, error)
      )
      through = now.pull(cotangent)[0]
      through = jax.tree.map(jnp.add, now.direct["cell"], through)
      grads = jax.tree.map(jnp.add, grads, {**now.direct, "cell": through})
      return (now.state, error, grads), numerics.widen(now.loss)

    begin = state.cell, eye, jnp.zeros_like(units)
    (_, _, error), totals = loops.scan(warm_up, begin, steps)
    firsts = None
    if resets is not None:
      firsts = _of_episodes(totals, resets)
      error = firsts[0]
    zeros = jax.tree.map(lambda p: jnp.zeros_like(numerics.widen(p)), params)
    (state_k, _, grads), losses = loops.scan(
      follow, (state.cell, error, zeros), (steps, firsts)
    )
    grads = optax.tree.cast_like(grads, params)
    return ForwardErrorsState(state_k), base.Estimate(jnp.sum(losses), grads)

  return segment.estimator(init, update, precision=precision)


def _of_episodes(totals, resets):
  """At each step the sum [N, D] with which its episode, or piece, ends."""

  def turn(end, step):
    is_last, total = step
    end = jnp.where(is_last, total, end)
    return end, end

  is_last = jnp.append(resets[1:], True)
  steps = is_last, totals
  return loops.scan(turn, jnp.zeros_like(totals[0]), steps, reverse=True)[1]


def _linearise(cell, loss_fn, params, state_tm1, x_t, y_t):
  theta = params["cell"]
  state_t, pull = jax.vjp(
    lambda theta, s: base.step(cell, theta, s, x_t), theta, state_tm1
  )
  loss, (direct, slope) = jax.value_and_grad(
    lambda *args: checks.checked_loss(loss_fn, *args, y_t), (0, 1)
  )(params, state_t)
  back = _units(cell, theta, pull(slope)[1])
  transition = _transition(cell, theta, state_tm1, x_t)
  return _Step(state_t, loss, direct, pull, slope, back, transition)


def _units(cell, theta, state):
  """What the next step reads, [N, D]: all of it is one unit if dense."""
  if isinstance(cell, base.DiagonalCell):
    units = cell.split(theta, state)[1]
    return jax.vmap(lambda u: flatten_util.ravel_pytree(u)[0])(units)
  return flatten_util.ravel_pytree(state)[0][None]


def _embed(cell, theta, state, units):
  """A cotangent of the state from one of what the next step reads."""
  transpose = jax.linear_transpose(lambda s: _units(cell, theta, s), state)
  return transpose(units)[0]


def _transition(cell, theta, state_tm1, x_t):
  """Phi_t of each unit, [N, D, D]."""
  if not isinstance(cell, base.DiagonalCell):
    step_fn, _ = vectors.flat_step(cell, state_tm1)
    flat = flatten_util.ravel_pytree(state_tm1)[0]
    return jax.jacrev(step_fn, 1)(theta, flat, x_t)[None]
  theta, units = cell.split(theta, state_tm1)
  _, unravel = flatten_util.ravel_pytree(jax.tree.map(lambda u: u[0], units))

  def of_unit(theta, unit):
    flat = flatten_util.ravel_pytree(unit)[0]

    def step(flat):
      unit_t = cell.unit_step(theta, unravel(flat), x_t)
      return flatten_util.ravel_pytree(unit_t)[0].astype(flat.dtype)

    return jax.jacrev(step)(flat)

  return jax.vmap(of_unit)(theta, units)


def _solve(transition, rows):
  """Returns e [N, D] with e Phi = rows, unit by unit."""
  if rows.shape[1] == 1:
    return rows / transition[:, 0]
  if rows.shape[1] == 2:  # By Cramer's rule.
    (a, b), (c, d) = jnp.moveaxis(transition, 0, 2)
    first, second = rows.T
    solution = [first * d - second * c, a * second - b * first]
    return jnp.stack(solution, 1) / (a * d - b * c)[:, None]
  # There is no LU decomposition of shorter numbers.
  wide = [numerics.widen(x) for x in (transition, rows)]
  return jax.vmap(_solve_one)(*wide).astype(rows.dtype)


@loops.one_by_one
def _solve_one(matrix, row):
  return jnp.linalg.solve(matrix.T, row)
