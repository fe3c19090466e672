"""The influence of a diagonal recurrence: each unit's on itself."""

import jax
from jax import flatten_util
from jax import numpy as jnp

from nnfun import base, loops


def influence(cell: base.DiagonalCell) -> base.Influence:
  """Returns the influence with one row E[i] for each unit.

    E_t[i] = (d u_t[i] / d u_tm1[i]) E_tm1[i] + d u_t[i] / d theta[i]

  Args:
    cell: the cell.

  Returns:
    The influence; it carries arrays [N, D, ...] for the units' leaves [N, ...].
  """

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
