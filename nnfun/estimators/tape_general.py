"""Tapes of cells of which nothing is known but the step.

If the input is known in advance, what is needed to run a step again is kept;
if not, both Jacobians are. `blank` and `for_cell` choose among all kinds.
"""

from typing import NamedTuple

import jax
import optax
from jax import flatten_util
from jax import numpy as jnp

from nnfun import base, numerics
from nnfun.estimators import tape as tape_lib
from nnfun.estimators import tape_affine, tape_memory


def blank(
  cell: base.Cell, params: base.Params, num_entries: int
) -> tape_memory.Memory:
  """Returns an empty tape.

  Args:
    cell: any cell.
    params: its parameters.
    num_entries: F.

  Returns:
    The tape. For an `AffineCell` a Jacobian, the state and the two factors of
    the immediate influence, min(R, S) S + S + R + Z numbers an entry. For a
    cell with an `input_spec` the parameters, state and input of each step,
    P + S + I numbers. For any other cell the Jacobians themselves, S (S + P)
    numbers.
  """
  state = base.initial_state(cell, params)
  flat = flatten_util.ravel_pytree(state)[0]
  shares = False
  if isinstance(cell, base.AffineCell):
    entry = tape_affine.blank_entry(cell, params, state)
    shares = tape_affine.by_rows(params, flat.size)
  elif cell.input_spec is not None:
    x = tape_lib.widened_input_spec(cell, params)
    entry = ReplayEntry(jax.tree.leaves(params), state, x)
  else:
    transition = jnp.zeros((flat.size, flat.size), flat.dtype)
    entry = JacobianEntry(
      transition, tape_lib.zero_influence(params, flat.size)
    )
  return tape_memory.empty(entry, num_entries, shares=shares)


def for_cell(
  cell: base.Cell,
  params: base.Params,
  states: base.State,
  xs: base.PyTree,
  *,
  stored: bool,
) -> tape_lib.Tape:
  """Returns the cheapest tape for a cell.

  Args:
    cell: any cell.
    params: its parameters, for their shapes.
    states: leaves [K, ...], for their structure.
    xs: inputs, leaves [K, ...], for their structure and dtypes.
    stored: whether the entries go into the room which `blank` made. If not,
      inputs can be kept also where their shapes were not known in advance.

  Returns:
    The tape's functions.
  """
  if isinstance(cell, base.AffineCell):
    return tape_affine.affine(cell, params, states, xs)
  if cell.input_spec is not None or not stored:
    return _replay(cell, params, xs)
  return _jacobians(cell, params)


class ReplayEntry(NamedTuple):
  """Where one step started and what it saw; the step is run again."""

  params: list[jax.Array]
  state_tm1: base.State
  x_t: base.PyTree


def _replay(cell, params, xs):
  """Deltas are the gradient itself, summed on the way back."""
  structure = jax.tree.structure(params)

  def record(params, states, xs):
    num_steps = jax.tree.leaves(xs)[0].shape[0]
    repeated = [
      jnp.broadcast_to(leaf, (num_steps, *leaf.shape))
      for leaf in jax.tree.leaves(params)
    ]
    return ReplayEntry(repeated, states, xs)

  def backpropagate(memory, cotangents):
    def body(carry, u, entry):
      del u
      cotangents, grads = carry
      step_fn, _ = base.flat_step(cell, entry.state_tm1)
      flat_tm1 = flatten_util.ravel_pytree(entry.state_tm1)[0]
      # The room may be wider than an input; what it does depends on its dtype.
      x_t = jax.tree.map(lambda x, like: x.astype(like.dtype), entry.x_t, xs)
      _, pull = jax.vjp(
        lambda leaves, s: step_fn(structure.unflatten(leaves), s, x_t),
        entry.params,
        flat_tm1,
      )
      new, cotangents = tape_lib.of_each(pull, cotangents)
      return cotangents, jax.tree.map(jnp.add, grads, new)

    carry = cotangents, _no_gradients(params, cotangents)
    return tape_lib.go_back(memory, 0, memory.count, carry, body)

  return tape_lib.Tape(record, None, backpropagate, _summed(params))


class JacobianEntry(NamedTuple):
  """The two Jacobians of one step."""

  transition: jax.Array  # Phi_u  [S, S]
  immediate: list[jax.Array]  # I_u, arrays [S, ...]


def _jacobians(cell, params):
  """Nothing is known but the step; deltas are the gradient itself."""
  leaves, structure = jax.tree.flatten(params)

  def record_step(leaves, state_tm1, x_t):
    step_fn, _ = base.flat_step(cell, state_tm1)
    flat_tm1 = flatten_util.ravel_pytree(state_tm1)[0]
    immediate, transition = jax.jacrev(
      lambda leaves, s: step_fn(structure.unflatten(leaves), s, x_t), (0, 1)
    )(leaves, flat_tm1)
    return JacobianEntry(transition, immediate)

  def record(params, states, xs):
    leaves = jax.tree.leaves(params)
    return jax.vmap(record_step, in_axes=(None, 0, 0))(leaves, states, xs)

  def backpropagate(memory, cotangents):
    def body(carry, u, entry):
      del u
      cotangents, grads = carry
      new = [jnp.tensordot(cotangents, i, 1) for i in entry.immediate]
      grads = jax.tree.map(jnp.add, grads, new)
      return cotangents @ entry.transition, grads

    carry = cotangents, _no_gradients(leaves, cotangents)
    return tape_lib.go_back(memory, 0, memory.count, carry, body)

  return tape_lib.Tape(record, None, backpropagate, _summed(params))


def _no_gradients(params, cotangents):
  """Zeros, wide arrays [..., ...] for each leaf [...] of the params."""
  lead = cotangents.shape[:-1]
  return [
    jnp.zeros_like(numerics.widen(leaf), shape=(*lead, *leaf.shape))
    for leaf in jax.tree.leaves(params)
  ]


def _summed(params):
  """What has been summed on the way, in the dtypes of the params."""

  def contract(entries, deltas):
    del entries
    return optax.tree.cast_like(deltas, jax.tree.leaves(params))

  return contract
