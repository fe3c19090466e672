"""The three kinds of tape, from the cell whose structure saves most.

An `AffineCell` keeps one Jacobian and the factors of I_u, a cell whose input is
known in advance what is needed to run its step again, and any other cell both
Jacobians.
"""

from typing import NamedTuple

import jax
import optax
from jax import flatten_util
from jax import numpy as jnp

from nnfun import base
from nnfun.influence import tape as tape_lib
from nnfun.influence import tape_affine, tape_memory


def blank(
  cell: base.Cell, params: base.Params, num_entries: int
) -> tape_memory.Memory:
  """Returns room for a tape: zeros, leaves [F, ...].

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
  dtype = base.params_dtype(params)
  num_states = flatten_util.ravel_pytree(state)[0].size
  num_alike = None
  if isinstance(cell, base.AffineCell):
    entry = tape_affine.blank_entry(params, state)
    if tape_affine.by_rows(params, num_states):
      num_alike = jnp.zeros([], jnp.int32)
  elif cell.input_spec is not None:
    x = jax.tree.map(lambda s: _zeros_like_input(s, dtype), cell.input_spec)
    entry = ReplayEntry(params, state, x)
  else:
    transition = jnp.zeros((num_states, num_states), dtype)
    entry = JacobianEntry(
      transition, tape_lib.zero_influence(params, num_states)
    )
  entries = jax.tree.map(
    lambda leaf: jnp.zeros((num_entries, *leaf.shape), leaf.dtype), entry
  )
  return tape_memory.Memory(entries, num_alike)


def for_cell(
  cell: base.Cell,
  params: base.Params,
  state_0: base.State,
  xs: base.PyTree,
  *,
  stored: bool,
) -> tape_lib.Tape:
  """Returns the cheapest tape for a cell.

  Args:
    cell: any cell.
    params: its parameters, for their shapes.
    state_0: a state, for its structure.
    xs: inputs, leaves [K, ...], for their structure.
    stored: whether the entries go into the room which `blank` made. If not,
      inputs can be kept also where their shapes were not known in advance.

  Returns:
    The tape's functions.
  """
  if isinstance(cell, base.AffineCell):
    return tape_affine.affine(cell, params, state_0, xs)
  if cell.input_spec is not None or not stored:
    return _replay(cell)
  return _jacobians(cell)


def _zeros_like_input(spec, dtype):
  """Floating inputs take the dtype of the network, others keep theirs."""
  floating = jnp.issubdtype(spec.dtype, jnp.floating)
  return jnp.zeros(spec.shape, dtype if floating else spec.dtype)


def _no_gradients(stacked, cotangents):
  """Zeros, leaves [..., ...] for parameters stacked in leaves [F, ...]."""
  return jax.tree.map(
    lambda p: jnp.zeros((*cotangents.shape[:-1], *p.shape[1:]), p.dtype),
    stacked,
  )


class ReplayEntry(NamedTuple):
  """Where one step started and what it saw; the step is run again."""

  params: base.Params
  state_tm1: base.State
  x_t: base.PyTree


def _replay(cell: base.Cell) -> tape_lib.Tape:
  """Deltas are the gradient itself, summed on the way back."""

  def record(params, state_0, xs):
    num_steps = jax.tree.leaves(xs)[0].shape[0]
    starts = tape_lib.states_before(cell, params, state_0, xs)
    repeated = jax.tree.map(
      lambda leaf: jnp.broadcast_to(leaf, (num_steps, *leaf.shape)), params
    )
    return ReplayEntry(repeated, starts, xs)

  def backpropagate(memory, last, count, cotangents):
    grads = _no_gradients(memory.entries.params, cotangents)

    def body(carry, u, entry):
      del u
      cotangents, grads = carry
      step_fn, _ = base.flat_step(cell, entry.state_tm1)
      flat_tm1 = flatten_util.ravel_pytree(entry.state_tm1)[0]
      _, pull = jax.vjp(
        lambda params, s: step_fn(params, s, entry.x_t), entry.params, flat_tm1
      )
      new, cotangents = tape_lib.of_each(pull, cotangents)
      return cotangents, optax.tree.add(grads, new)

    return tape_lib.go_back(
      memory.entries, last, 0, count, (cotangents, grads), body
    )

  def contract(entries, deltas):
    del entries
    return jax.tree.leaves(deltas)

  return tape_lib.Tape(record, None, backpropagate, contract)


class JacobianEntry(NamedTuple):
  """The two Jacobians of one step."""

  transition: jax.Array  # Phi_u  [S, S]
  immediate: base.PyTree  # I_u, leaves [S, ...]


def _jacobians(cell: base.Cell) -> tape_lib.Tape:
  """Nothing is known but the step; deltas are the gradient itself."""

  def record_step(params, state_tm1, x_t):
    step_fn, _ = base.flat_step(cell, state_tm1)
    flat_tm1 = flatten_util.ravel_pytree(state_tm1)[0]
    immediate, transition = jax.jacrev(step_fn, (0, 1))(params, flat_tm1, x_t)
    return JacobianEntry(transition, immediate)

  def record(params, state_0, xs):
    starts = tape_lib.states_before(cell, params, state_0, xs)
    return jax.vmap(record_step, in_axes=(None, 0, 0))(params, starts, xs)

  def backpropagate(memory, last, count, cotangents):
    rows = jax.tree.map(lambda i: i[0], memory.entries.immediate)
    grads = _no_gradients(rows, cotangents)

    def body(carry, u, entry):
      del u
      cotangents, grads = carry
      grads = optax.tree.add(
        grads, tape_lib.multiply(cotangents, entry.immediate)
      )
      return cotangents @ entry.transition, grads

    return tape_lib.go_back(
      memory.entries, last, 0, count, (cotangents, grads), body
    )

  def contract(entries, deltas):
    del entries
    return jax.tree.leaves(deltas)

  return tape_lib.Tape(record, None, backpropagate, contract)
