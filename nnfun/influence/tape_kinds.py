"""The three kinds of tape, from the cell whose structure saves most.

An `AffineCell` keeps one Jacobian and the factors of I_u, a cell whose input is
known in advance what is needed to run its step again, and any other cell both
Jacobians.
"""

import functools
from typing import NamedTuple

import jax
import optax
from jax import flatten_util, lax
from jax import numpy as jnp

from nnfun import base
from nnfun.influence import tape as tape_lib


def blank(
  cell: base.Cell, params: base.Params, num_entries: int
) -> tape_lib.Memory:
  """Returns room for a tape: zeros, leaves [F, ...].

  Args:
    cell: any cell.
    params: its parameters.
    num_entries: F.

  Returns:
    The tape. For an `AffineCell` a Jacobian of each step and the two factors of
    its immediate influence, min(R, S) S + R + Z numbers an entry. For a cell
    with an `input_spec` the parameters, state and input of each step, P + S + I
    numbers. For any other cell the Jacobians themselves, S (S + P) numbers.
  """
  state = base.initial_state(cell, params)
  dtype = base.params_dtype(params)
  num_states = flatten_util.ravel_pytree(state)[0].size
  transition = jnp.zeros((num_states, num_states), dtype)
  num_alike = None
  if isinstance(cell, base.AffineCell):
    matrices = jax.tree.leaves(params)
    jacobian = transition
    if _by_rows(params, num_states):
      jacobian = [jnp.zeros((w.shape[0], num_states), dtype) for w in matrices]
      num_alike = jnp.zeros([], jnp.int32)
    entry = AffineEntry(
      jacobian,
      [jnp.zeros(w.shape[0], w.dtype) for w in matrices],
      state,
      [jnp.zeros(w.shape[1], w.dtype) for w in matrices],
    )
  elif cell.input_spec is not None:
    x = jax.tree.map(lambda s: _zeros_like_input(s, dtype), cell.input_spec)
    entry = ReplayEntry(params, state, x)
  else:
    entry = JacobianEntry(
      transition, tape_lib.zero_influence(params, num_states)
    )
  entries = jax.tree.map(
    lambda leaf: jnp.zeros((num_entries, *leaf.shape), leaf.dtype), entry
  )
  return tape_lib.Memory(entries, num_alike)


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
    return _affine(cell, params, state_0, xs)
  if cell.input_spec is not None or not stored:
    return _replay(cell)
  return _jacobians(cell)


def _by_rows(params, num_states):
  """Whether d a / d s_tm1 [R, S] is kept in place of Phi = d s / d s_tm1.

  Where a unit has one pre-activation it is no larger, and under one W the same
  for all steps, if the features are linear in the state.
  """
  return sum(w.shape[0] for w in jax.tree.leaves(params)) <= num_states


def _zeros_like_input(spec, dtype):
  """Floating inputs take the dtype of the network, others keep theirs."""
  floating = jnp.issubdtype(spec.dtype, jnp.floating)
  return jnp.zeros(spec.shape, dtype if floating else spec.dtype)


def _each(function, cotangents, ndim=1):
  """Of one cotangent, which has `ndim` axes, or of each of several [N, ...]."""
  if cotangents.ndim > ndim:
    function = jax.vmap(function)
  return function(cotangents)


def _no_gradients(stacked, cotangents):
  """Zeros, leaves [..., ...] for parameters stacked in leaves [F, ...]."""
  return jax.tree.map(
    lambda p: jnp.zeros((*cotangents.shape[:-1], *p.shape[1:]), p.dtype),
    stacked,
  )


def _starts(cell, params, state_0, xs):
  """Returns s_0 ... s_{K-1}, the states from which the steps start."""

  def advance(state_tm1, x_t):
    return base.step(cell, params, state_tm1, x_t), state_tm1

  return lax.scan(advance, state_0, xs)[1]


class AffineEntry(NamedTuple):
  """One step of an affine cell."""

  jacobian: base.PyTree  # Phi_u [S, S], or d a_u / d s_{u-1}, leaves [R_k, S]
  preactivation: list[jax.Array]  # a_u, leaves [R_k]
  state_tm1: base.State  # s_{u-1}
  features: list[jax.Array]  # z_u, leaves [Z_k]


def _affine(
  cell: base.AffineCell,
  params: base.Params,
  state_0: base.State,
  xs: base.PyTree,
) -> tape_lib.Tape:
  """I_u = (d s_u / d a_u) (x) z_u: deltas d loss / d a_u, one product last."""
  x_0 = jax.tree.map(lambda x: x[0], xs)
  structure = jax.tree.structure(jax.eval_shape(cell.features, state_0, x_0))
  flat_0, unravel = flatten_util.ravel_pytree(state_0)
  by_rows = _by_rows(params, flat_0.size)

  def activate(flat_tm1, *preactivation):
    state_tm1 = unravel(flat_tm1)
    state_t = cell.activate(structure.unflatten(preactivation), state_tm1)
    return flatten_util.ravel_pytree(state_t)[0].astype(preactivation[0].dtype)

  def record_step(params, state_tm1, x_t):
    def features(flat):
      leaves = jax.tree.leaves(cell.features(unravel(flat), x_t))
      return [z.astype(flat.dtype) for z in leaves]

    flat_tm1 = flatten_util.ravel_pytree(state_tm1)[0]
    z, pull = jax.vjp(features, flat_tm1)
    a = jax.tree.leaves(base.preactivation(params, structure.unflatten(z)))

    # d a / d s = W d z / d s row by row in reverse: z is mostly a selection of
    # s, so this is a slice of W where a product would cost R Z S.
    def row(k, w):
      zeros = [jnp.zeros_like(v) for v in z]
      return pull([*zeros[:k], w, *zeros[k + 1 :]])[0]

    rows = [
      jax.vmap(lambda w, k=k: row(k, w))(matrix)
      for k, matrix in enumerate(jax.tree.leaves(params))
    ]
    if by_rows:
      return AffineEntry(rows, a, state_tm1, z)

    # d s_t / d s column by column forward: no product if activate acts unit by
    # unit.
    def column(direction, *da):
      return jax.jvp(activate, (flat_tm1, *a), (direction, *da))[1]

    eye = jnp.eye(flat_tm1.size, dtype=flat_tm1.dtype)
    transition = jax.vmap(column, in_axes=1, out_axes=1)(eye, *rows)
    return AffineEntry(transition, a, state_tm1, z)

  def record(params, state_0, xs):
    starts = _starts(cell, params, state_0, xs)
    return jax.vmap(record_step, in_axes=(None, 0, 0))(params, starts, xs)

  def activate_vjp(entry, cotangent):
    """lambda_t -> what of lambda_tm1 bypasses a_t, and d loss / d a_t."""
    flat_tm1 = flatten_util.ravel_pytree(entry.state_tm1)[0]
    _, pull = jax.vjp(activate, flat_tm1, *entry.preactivation)
    direct, *deltas = pull(cotangent)
    return direct, deltas

  # Kept as [..., F, R], so that `contract` is a product for each cotangent.
  def room(cotangents, entries):
    return jnp.zeros((*cotangents.shape[:-1], *entries.shape), entries.dtype)

  def keep(kept, new, u):
    return lax.dynamic_update_index_in_dim(kept, new, u, -2)

  def back_by_transitions(memory, last, count, cotangents):
    entries = memory.entries

    def body(carry, u, entry):
      cotangents, kept = carry
      return cotangents @ entry.jacobian, keep(kept, cotangents, u)

    carry = cotangents, room(cotangents, entries.jacobian[:, 0])
    cotangents, kept = tape_lib.go_back(entries, last, 0, count, carry, body)
    each_entry = functools.partial(jax.vmap(activate_vjp), entries)
    _, deltas = _each(each_entry, kept, ndim=2)
    # Also where an entry not in use is no point of differentiability.
    used = jnp.any(kept != 0, -1, keepdims=True)
    return cotangents, [jnp.where(used, d, 0) for d in deltas]

  def shared(entries):
    return entries.jacobian

  def back_by_rows(memory, last, count, cotangents):
    entries, num_alike = memory

    def step_back(carry, u, entry, jacobian):
      cotangents, kept = carry
      pull = functools.partial(activate_vjp, entry)
      direct, deltas = _each(pull, cotangents)
      # Phi = d s_t / d s_tm1 + (d s_t / d a) (d a / d s_tm1).
      products = [d @ j for d, j in zip(deltas, jacobian, strict=True)]
      kept = [keep(k, d, u) for k, d in zip(kept, deltas, strict=True)]
      return sum(products, direct), kept

    def by_own(carry, u, entry):
      return step_back(carry, u, entry, entry.jacobian)

    carry = cotangents, [room(cotangents, a) for a in entries.preactivation]
    if num_alike is None:
      return tape_lib.go_back(entries, last, 0, count, carry, by_own)
    newest = tape_lib.entry_at(entries.jacobian, last)

    def by_newest(carry, u, entry):
      return step_back(carry, u, entry, newest)

    num_alike = jnp.minimum(num_alike, count)
    carry = tape_lib.go_back(entries, last, 0, num_alike, carry, by_newest)
    return tape_lib.go_back(entries, last, num_alike, count, carry, by_own)

  def contract(entries, deltas):
    return [
      jnp.einsum("...ur,uz->...rz", d, z)
      for d, z in zip(deltas, entries.features, strict=True)
    ]

  if by_rows:
    return tape_lib.Tape(record, shared, back_by_rows, contract)
  return tape_lib.Tape(record, None, back_by_transitions, contract)


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
    grads = _no_gradients(memory.entries.params, cotangents)

    def body(carry, u, entry):
      del u
      cotangents, grads = carry
      step_fn, _ = base.flat_step(cell, entry.state_tm1)
      flat_tm1 = flatten_util.ravel_pytree(entry.state_tm1)[0]
      _, pull = jax.vjp(
        lambda params, s: step_fn(params, s, entry.x_t), entry.params, flat_tm1
      )
      new, cotangents = _each(pull, cotangents)
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
    starts = _starts(cell, params, state_0, xs)
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
