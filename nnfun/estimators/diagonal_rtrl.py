"""Real-time recurrent learning of diagonal recurrences."""

import jax
from jax import flatten_util
from jax import numpy as jnp

from nnfun import base, loops
from nnfun.estimators import segment


def diagonal_rtrl(
  cell: base.DiagonalCell,
  loss_fn: base.LossFn,
  *,
  precision: str | None = "highest",
) -> base.GradientEstimator:
  """Carries one row of influence for each unit: exact, at O(P) a step.

    E_t[i] = (d u_t[i] / d u_tm1[i]) E_tm1[i] + d u_t[i] / d theta[i]

  with D numbers of state for each of N units: D times the memory of the
  parameters, and D^2 times as many products a step. Exact, because the other
  entries of J are zero.

  Args:
    cell: a `DiagonalCell` (lru, elstm, indrnn).
    loss_fn: the loss of one step.
    precision: of products, see `rtrl`.

  Returns:
    The estimator.

  Raises:
    ValueError: if the cell is of another kind.

  References:
    Mozer, A focused backpropagation algorithm for temporal pattern recognition,
    1989; Irie, Gopalakrishnan, Schmidhuber, Exploring the promise and limits of
    real-time recurrent learning, 2024, https://arxiv.org/abs/2305.19044
  """
  if not isinstance(cell, base.DiagonalCell):
    raise ValueError(
      "expected a DiagonalCell, whose units do not read each other's state "
      f"(lru, elstm, indrnn), got a {type(cell).__name__}; its recurrence is "
      "dense, or not known to be diagonal: use rtrl"
    )
  influence = _diagonal_influence(cell)
  return segment.from_influence(cell, loss_fn, influence, precision=precision)


def _diagonal_influence(cell):
  """Carries d u[i] / d theta[i], arrays [N, D, ...] for the units' leaves."""

  def init(params, key):
    del key
    theta, units = cell.split(params, base.initial_state(cell, params))
    num_numbers = _flat_units(units).shape[1]
    return [
      jnp.zeros((p.shape[0], num_numbers, *p.shape[1:]), p.dtype)
      for p in jax.tree.leaves(theta)
    ]

  def advance(params, traces_0, states, xs, resets):
    def units_of(state):
      return cell.split(params, state)[1]

    state_0 = jax.tree.map(lambda s: s[0], states)
    theta, units_0 = cell.split(params, state_0)
    leaves, structure = jax.tree.flatten(theta)
    _, unravel = flatten_util.ravel_pytree(
      jax.tree.map(lambda u: u[0], units_0)
    )

    def unit_step(leaves_i, flat, x_t):
      theta_i = structure.unflatten(leaves_i)
      unit_t = cell.unit_step(theta_i, unravel(flat), x_t)
      return flatten_util.ravel_pytree(unit_t)[0].astype(flat.dtype)

    def step_traces(traces, leaves_i, flat, x_t):
      immediate, transition = jax.jacrev(unit_step, (0, 1))(leaves_i, flat, x_t)
      return [
        jax.vmap(_times, (0, None))(transition, e) + i
        for e, i in zip(traces, immediate, strict=True)
      ]

    def body(traces, step):
      state_tm1, x_t, reset_t = step
      if reset_t is not None:
        traces = [jnp.where(reset_t, 0, e) for e in traces]
      flat = _flat_units(units_of(state_tm1))
      return jax.vmap(step_traces, (0, 0, 0, None))(
        traces, leaves, flat, x_t
      ), None

    traces, _ = loops.scan(body, traces_0, (states, xs, resets))

    def pull(cotangent):
      units_bar = _flat_units(units_of(cotangent))
      theta_bar = [jax.vmap(_times)(units_bar, e) for e in traces_0]
      # From the units' parameters back to the cell's: split, transposed.
      transpose = jax.linear_transpose(
        lambda p: cell.split(p, state_0)[0], params
      )
      return transpose(structure.unflatten(theta_bar))[0]

    return traces, pull

  return base.Influence(init, advance)


def _flat_units(units):
  """[N, D] from leaves [N, ...]."""
  return jax.vmap(lambda u: flatten_util.ravel_pytree(u)[0])(units)


def _times(row, trace):
  """sum_d row[d] trace[d, ...]; what a zero multiplies may be infinite."""
  is_null = (row == 0).reshape(row.shape + (1,) * (trace.ndim - 1))
  lost = is_null & ~jnp.isfinite(trace)
  return jnp.tensordot(row, jnp.where(lost, 0, trace), 1)
