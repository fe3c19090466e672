"""The three kinds of tape, from the cell whose structure saves most.

An `AffineCell` keeps Jacobians [S, S] and the factors of I_u, a cell whose
input is known in advance what is needed to run its step again, and any other
cell both Jacobians.
"""

from typing import NamedTuple

import jax
import optax
from jax import flatten_util, lax
from jax import numpy as jnp

from nnfun import base
from nnfun.influence import tape as tape_lib

# Entries gone through in one turn of a loop, where a step is one small product:
# a turn costs as much, and the slices of one turn are fetched side by side. 8
# is faster than 4 or 16 at n = 64 and 128 on a CPU.
_UNROLL = 8


def blank(
  cell: base.Cell, params: base.Params, num_entries: int
) -> tape_lib.Memory:
  """Returns room for a tape: zeros, leaves [F, ...].

  Args:
    cell: any cell.
    params: its parameters.
    num_entries: F.

  Returns:
    The tape. For an `AffineCell` the Jacobian of each step and the two factors
    of its immediate influence, S^2 + R + Z numbers an entry, and the input if
    it is gone back by W. For a cell with an `input_spec` the parameters, state
    and input of each step, P + S + I numbers. For any other cell the Jacobians
    themselves, S (S + P) numbers.
  """
  state = base.initial_state(cell, params)
  dtype = base.params_dtype(params)
  num_states = flatten_util.ravel_pytree(state)[0].size
  transition = jnp.zeros((num_states, num_states), dtype)
  x = jax.tree.map(lambda s: _zeros_like_input(s, dtype), cell.input_spec)
  by_matrix = _goes_by_matrix(cell, params, num_states)
  if isinstance(cell, base.AffineCell):
    matrices = jax.tree.leaves(params)
    entry = AffineEntry(
      transition,
      [jnp.zeros(w.shape[0], w.dtype) for w in matrices],
      state,
      [jnp.zeros(w.shape[1], w.dtype) for w in matrices],
      x if by_matrix else None,
    )
  elif cell.input_spec is not None:
    entry = ReplayEntry(params, state, x)
  else:
    entry = JacobianEntry(
      transition, tape_lib.zero_influence(params, num_states)
    )
  entries = jax.tree.map(
    lambda leaf: jnp.zeros((num_entries, *leaf.shape), leaf.dtype), entry
  )
  return tape_lib.blank(entries, params if by_matrix else None)


def for_cell(
  cell: base.Cell, state_0: base.State, xs: base.PyTree, *, stored: bool
) -> tape_lib.Tape:
  """Returns the cheapest tape for a cell.

  Args:
    cell: any cell.
    state_0: a state, for its structure.
    xs: inputs, leaves [K, ...], for their structure.
    stored: whether the entries go into the room which `blank` made. If not,
      inputs can be kept also where their shapes were not known in advance.

  Returns:
    The tape's functions.
  """
  if isinstance(cell, base.AffineCell):
    return _affine(cell, state_0, xs)
  if cell.input_spec is not None or not stored:
    return _replay(cell)
  return _jacobians(cell)


def _goes_by_matrix(cell, params, num_states):
  """Whether going back by W is faster than by the Jacobians S x S made of it.

  It is where a unit has one pre-activation, so that little is computed beside
  the product, and W is no more than twice as large, one copy of it against a
  Jacobian for each step. An input has to be kept for it.
  """
  if not isinstance(cell, base.AffineCell) or cell.input_spec is None:
    return False
  matrices = jax.tree.leaves(params)
  num_rows = sum(w.shape[0] for w in matrices)
  num_params = sum(w.size for w in matrices)
  return num_rows <= num_states and num_params <= 2 * num_states**2


def _zeros_like_input(spec, dtype):
  """Floating inputs take the dtype of the network, others keep theirs."""
  floating = jnp.issubdtype(spec.dtype, jnp.floating)
  return jnp.zeros(spec.shape, dtype if floating else spec.dtype)


def _starts(cell, params, state_0, xs):
  """Returns s_0 ... s_{K-1}, the states from which the steps start."""

  def advance(state_tm1, x_t):
    return base.step(cell, params, state_tm1, x_t), state_tm1

  return lax.scan(advance, state_0, xs)[1]


class AffineEntry(NamedTuple):
  """One step of an affine cell."""

  transition: jax.Array  # Phi_u  [S, S]
  preactivation: list[jax.Array]  # a_u, leaves [R_k]
  state_tm1: base.State  # s_{u-1}
  features: list[jax.Array]  # z_u, leaves [Z_k]
  x_t: base.PyTree  # the input, if it is gone back by W


def _affine(
  cell: base.AffineCell, state_0: base.State, xs: base.PyTree
) -> tape_lib.Tape:
  """I_u = (d s_u / d a_u) (x) z_u: deltas d loss / d a_u, one product last."""
  x_0 = jax.tree.map(lambda x: x[0], xs)
  structure = jax.tree.structure(jax.eval_shape(cell.features, state_0, x_0))
  unravel = flatten_util.ravel_pytree(state_0)[1]

  def activate(state_tm1, *preactivation):
    state_t = cell.activate(structure.unflatten(preactivation), state_tm1)
    return flatten_util.ravel_pytree(state_t)[0].astype(preactivation[0].dtype)

  def features_vjp(state_tm1, x_t):
    def features(flat):
      leaves = jax.tree.leaves(cell.features(unravel(flat), x_t))
      return [z.astype(flat.dtype) for z in leaves]

    return jax.vjp(features, flatten_util.ravel_pytree(state_tm1)[0])

  def record_step(params, state_tm1, x_t):
    flat_tm1 = flatten_util.ravel_pytree(state_tm1)[0]
    z, pull = features_vjp(state_tm1, x_t)
    matrices = jax.tree.leaves(params)
    a = jax.tree.leaves(base.preactivation(params, structure.unflatten(z)))

    # d a / d s = W d z / d s row by row in reverse: z is mostly a selection of
    # s, so this is a slice of W where a product would cost R Z S.
    def row(k, w):
      zeros = [jnp.zeros_like(v) for v in z]
      return pull([*zeros[:k], w, *zeros[k + 1 :]])[0]

    slopes = [
      jax.vmap(lambda w, k=k: row(k, w))(matrix)
      for k, matrix in enumerate(matrices)
    ]

    # d s_t / d s column by column forward: no product if activate acts unit by
    # unit.
    def column(direction, *da):
      return jax.jvp(activate, (state_tm1, *a), (unravel(direction), *da))[1]

    eye = jnp.eye(flat_tm1.size, dtype=flat_tm1.dtype)
    transition = jax.vmap(column, in_axes=1, out_axes=1)(eye, *slopes)
    by_matrix = _goes_by_matrix(cell, params, flat_tm1.size)
    return AffineEntry(transition, a, state_tm1, z, x_t if by_matrix else None)

  def record(params, state_0, xs):
    starts = _starts(cell, params, state_0, xs)
    return jax.vmap(record_step, in_axes=(None, 0, 0))(params, starts, xs)

  def backpropagate(memory, last, count, cotangents):
    entries, matrices = memory.entries, jax.tree.leaves(memory.params)

    def activate_vjp(entry, cotangents):
      _, pull = jax.vjp(activate, entry.state_tm1, *entry.preactivation)
      direct, *deltas = jax.vmap(pull)(cotangents)
      return jax.vmap(lambda s: flatten_util.ravel_pytree(s)[0])(direct), deltas

    def keep(kept, deltas, u):
      return [
        lax.dynamic_update_index_in_dim(k, d, u, 1)
        for k, d in zip(kept, deltas, strict=True)
      ]

    def body(carry, u, entry):
      cotangents, kept = carry
      _, deltas = activate_vjp(entry, cotangents)
      return cotangents @ entry.transition, keep(kept, deltas, u)

    # The same from W: Phi = d s_t / d s_tm1 + d s_t / d a W d z / d s_tm1.
    def alike_body(carry, u, entry):
      cotangents, kept = carry
      direct, deltas = activate_vjp(entry, cotangents)
      _, pull = features_vjp(entry.state_tm1, entry.x_t)
      dz = [d @ w for d, w in zip(deltas, matrices, strict=True)]
      return direct + jax.vmap(pull)(dz)[0], keep(kept, deltas, u)

    # [N, F, R]: `contract` is then a product for each of the N. Zero where an
    # entry is not in use.
    kept = [
      jnp.zeros((cotangents.shape[0], *a.shape), a.dtype)
      for a in entries.preactivation
    ]
    num_entries = entries.transition.shape[0]
    unroll = _UNROLL if num_entries >= _UNROLL else 1
    return tape_lib.go_back(
      memory, last, count, (cotangents, kept), body, alike_body, unroll
    )

  def contract(entries, deltas):
    return [
      jnp.einsum("nur,uz->nrz", d, z)
      for d, z in zip(deltas, entries.features, strict=True)
    ]

  return tape_lib.Tape(record, backpropagate, contract)


class ReplayEntry(NamedTuple):
  """Where one step started and what it saw; the step is run again."""

  params: base.Params
  state_tm1: base.State
  x_t: base.PyTree


def _replay(cell: base.Cell) -> tape_lib.Tape:
  """Deltas are the gradient itself, summed on the way back."""

  def record(params, state_0, xs):
    num_steps = jax.tree.leaves(xs)[0].shape[0]
    starts = _starts(cell, params, state_0, xs)
    repeated = jax.tree.map(
      lambda leaf: jnp.broadcast_to(leaf, (num_steps, *leaf.shape)), params
    )
    return ReplayEntry(repeated, starts, xs)

  def backpropagate(memory, last, count, cotangents):
    params = jax.tree.map(lambda p: p[0], memory.entries.params)
    grads = tape_lib.zero_influence(params, cotangents.shape[0])

    def body(carry, u, entry):
      del u
      cotangents, grads = carry
      step_fn, _ = base.flat_step(cell, entry.state_tm1)
      flat_tm1 = flatten_util.ravel_pytree(entry.state_tm1)[0]
      _, pull = jax.vjp(
        lambda params, s: step_fn(params, s, entry.x_t), entry.params, flat_tm1
      )
      new, cotangents = jax.vmap(pull)(cotangents)
      return cotangents, optax.tree.add(grads, new)

    return tape_lib.go_back(memory, last, count, (cotangents, grads), body)

  def contract(entries, deltas):
    del entries
    return jax.tree.leaves(deltas)

  return tape_lib.Tape(record, backpropagate, contract)


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
    starts = _starts(cell, params, state_0, xs)
    return jax.vmap(record_step, in_axes=(None, 0, 0))(params, starts, xs)

  def backpropagate(memory, last, count, cotangents):
    params = jax.tree.map(lambda i: i[0, 0], memory.entries.immediate)
    grads = tape_lib.zero_influence(params, cotangents.shape[0])

    def body(carry, u, entry):
      del u
      cotangents, grads = carry
      grads = optax.tree.add(
        grads, tape_lib.multiply(cotangents, entry.immediate)
      )
      return cotangents @ entry.transition, grads

    return tape_lib.go_back(memory, last, count, (cotangents, grads), body)

  def contract(entries, deltas):
    del entries
    return jax.tree.leaves(deltas)

  return tape_lib.Tape(record, backpropagate, contract)
