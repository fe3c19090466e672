"""The tape of an affine cell, a_t = W z_t: Jacobians and factors are kept."""

import functools
from typing import NamedTuple

import jax
from jax import flatten_util, lax
from jax import numpy as jnp

from nnfun import base, loops
from nnfun.estimators import tape as tape_lib
from nnfun.estimators import tape_memory


class AffineEntry(NamedTuple):
  """One step of an affine cell; a and z as wide as they are."""

  jacobian: base.PyTree  # Phi_u [S, S], or d a_u / d s_{u-1}, leaves [R_k, S]
  preactivation: list[jax.Array]  # a_u, leaves [R_k]
  state_tm1: base.State  # s_{u-1}
  features: list[jax.Array]  # z_u, leaves [Z_k]


def by_rows(params: base.Params, num_states: int) -> bool:
  """Returns whether d a / d s_tm1 [R, S] is kept, not Phi = d s / d s_tm1.

  Where a unit has one pre-activation it is no larger, and under one W the same
  for all steps, if the features are a constant matrix times the state, and what
  does not depend on it.

  Args:
    params: W of an affine cell, leaves [R_k, Z_k].
    num_states: S.

  Returns:
    Whether R <= S.
  """
  return sum(w.shape[0] for w in jax.tree.leaves(params)) <= num_states


def blank_entry(
  cell: base.AffineCell, params: base.Params, state: base.State
) -> AffineEntry:
  """Returns an entry of zeros.

  Args:
    cell: the cell; features take the dtype which its `input_spec` makes them,
      or that of the params.
    params: W of the cell, leaves [R_k, Z_k].
    state: a state, for its shapes.

  Returns:
    The entry.
  """
  matrices = jax.tree.leaves(params)
  flat = flatten_util.ravel_pytree(state)[0]
  dtypes = [w.dtype for w in matrices]
  if cell.input_spec is not None:
    x = tape_lib.widened_input_spec(cell, params)
    z = jax.tree.leaves(jax.eval_shape(cell.features, state, x))
    dtypes = [jnp.promote_types(v.dtype, flat.dtype) for v in z]
  if by_rows(params, flat.size):
    jacobian = [jnp.zeros((w.shape[0], flat.size), w.dtype) for w in matrices]
  else:
    jacobian = jnp.zeros((flat.size, flat.size), flat.dtype)
  pairs = list(zip(matrices, dtypes, strict=True))
  return AffineEntry(
    jacobian,
    [jnp.zeros(w.shape[0], dtype) for w, dtype in pairs],
    state,
    [jnp.zeros(w.shape[1], dtype) for w, dtype in pairs],
  )


def affine(
  cell: base.AffineCell,
  params: base.Params,
  states: base.State,
  xs: base.PyTree,
) -> tape_lib.Tape:
  """Returns the tape of an affine cell.

    I_u = (d s_u / d a_u) (x) z_u

  so that deltas are d loss / d a_u, and the gradient is one product at the end.

  Args:
    cell: the cell.
    params: its parameters, for their shapes.
    states: leaves [K, ...], for their structure.
    xs: inputs, leaves [K, ...], for their structure.

  Returns:
    The tape's functions.
  """
  state_0, x_0 = jax.tree.map(lambda leaf: leaf[0], (states, xs))
  structure = jax.tree.structure(jax.eval_shape(cell.features, state_0, x_0))
  flat_0, unravel = flatten_util.ravel_pytree(state_0)
  dtype, rows_kept = flat_0.dtype, by_rows(params, flat_0.size)

  def activate(flat_tm1, *preactivation):
    state_tm1 = unravel(flat_tm1)
    state_t = cell.activate(structure.unflatten(preactivation), state_tm1)
    return flatten_util.ravel_pytree(state_t)[0].astype(dtype)

  def activate_vjp(flat_tm1, preactivation, cotangent):
    """lambda_t -> what of lambda_tm1 bypasses a_t, and d loss / d a_t."""
    _, pull = jax.vjp(activate, flat_tm1, *preactivation)
    direct, *deltas = pull(cotangent)
    return direct, deltas

  def pull_entry(entry, cotangent):
    flat_tm1 = flatten_util.ravel_pytree(entry.state_tm1)[0]
    return activate_vjp(flat_tm1, entry.preactivation, cotangent)

  def back_through(direct, deltas, rows):
    """lambda_tm1 = direct + sum_k (d loss / d a_k) (d a_k / d s_tm1)."""
    products = [d @ row for d, row in zip(deltas, rows, strict=True)]
    return sum(products, direct).astype(dtype)

  def transition(flat_tm1, preactivation, rows):
    """Phi = d s_t / d s_tm1 [S, S]."""
    eye = loops.vary(jnp.eye(flat_tm1.size, dtype=dtype), flat_tm1)

    def column(direction, *da):
      da = [t.astype(a.dtype) for t, a in zip(da, preactivation, strict=True)]
      primals, tangents = (flat_tm1, *preactivation), (direction, *da)
      return jax.jvp(activate, primals, tangents)[1]

    try:
      # Column by column forward: no product if activate acts unit by unit.
      return jax.vmap(column, in_axes=1, out_axes=1)(eye, *rows)
    except TypeError:  # A custom_vjp has no forward derivative.
      pull = functools.partial(activate_vjp, flat_tm1, preactivation)
      return back_through(*jax.vmap(pull)(eye), rows)

  def record_step(params, state_tm1, x_t):
    matrices = jax.tree.leaves(params)

    def features(flat):
      leaves = jax.tree.leaves(cell.features(unravel(flat), x_t))
      wide = [jnp.promote_types(z.dtype, dtype) for z in leaves]
      return [z.astype(d) for z, d in zip(leaves, wide, strict=True)]

    flat_tm1 = flatten_util.ravel_pytree(state_tm1)[0]
    z, pull = jax.vjp(features, flat_tm1)
    a = jax.tree.leaves(base.preactivation(params, structure.unflatten(z)))

    # d a / d s = W d z / d s row by row in reverse: z is mostly a selection of
    # s, so this is a slice of W where a product would cost R Z S.
    def row(k, w):
      cotangents = [jnp.zeros_like(v) for v in z]
      cotangents[k] = w.astype(z[k].dtype)
      return pull(loops.vary(cotangents, z))[0]

    rows = [
      jax.vmap(functools.partial(row, k))(matrix)
      for k, matrix in enumerate(matrices)
    ]
    jacobian = rows if rows_kept else transition(flat_tm1, a, rows)
    return AffineEntry(jacobian, a, state_tm1, z)

  record = jax.vmap(record_step, in_axes=(None, 0, 0))

  # Kept as [..., F, R], so that `contract` is a product for each cotangent.
  def room(cotangents, entries):
    shape = *cotangents.shape[:-1], *entries.shape
    return jnp.zeros(shape, entries.dtype)

  def keep(kept, new, u):
    return lax.dynamic_update_index_in_dim(kept, new, u, -2)

  def back_by_transitions(memory, cotangents):
    entries = memory.entries

    def body(carry, u, entry):
      cotangents, kept = carry
      return cotangents @ entry.jacobian, keep(kept, cotangents, u)

    carry = cotangents, room(cotangents, entries.jacobian[:, 0])
    carry = tape_lib.go_back(memory, 0, memory.count, carry, body)
    cotangents, kept = carry
    each_entry = functools.partial(jax.vmap(pull_entry), entries)
    _, deltas = tape_lib.of_each(each_entry, kept, ndim=2)
    # Zero also where the derivative at an entry not in use would be NaN.
    used = jnp.any(kept != 0, -1, keepdims=True)
    return cotangents, [jnp.where(used, d, 0) for d in deltas]

  def shared(entries):
    return entries.jacobian

  def back_by_rows(memory, cotangents):
    entries, num_alike = memory.entries, memory.num_alike

    def step_back(carry, u, entry, rows):
      cotangents, kept = carry
      pull = functools.partial(pull_entry, entry)
      direct, deltas = tape_lib.of_each(pull, cotangents)
      kept = [keep(k, d, u) for k, d in zip(kept, deltas, strict=True)]
      return back_through(direct, deltas, rows), kept

    def by_own(carry, u, entry):
      return step_back(carry, u, entry, entry.jacobian)

    carry = cotangents, [room(cotangents, a) for a in entries.preactivation]
    if num_alike is None:
      return tape_lib.go_back(memory, 0, memory.count, carry, by_own)
    newest = tape_memory.entry_at(entries.jacobian, memory.position - 1)

    def by_newest(carry, u, entry):
      rows = jax.tree.map(_in_place_of, newest, entry.jacobian)
      return step_back(carry, u, entry, rows)

    num_alike = jnp.minimum(num_alike, memory.count)
    carry = tape_lib.go_back(memory, 0, num_alike, carry, by_newest)
    return tape_lib.go_back(memory, num_alike, memory.count, carry, by_own)

  def contract(entries, deltas):
    def outer(d, z, w):
      # What a zero delta multiplies may be left over from a state that is NaN.
      used = jnp.any(d != 0, axis=(*range(d.ndim - 2), d.ndim - 1))
      z = jnp.where(used[:, None], z, 0)
      return jnp.einsum("...ur,uz->...rz", d, z).astype(w.dtype)

    matrices = jax.tree.leaves(params)
    return list(map(outer, deltas, entries.features, matrices))

  if rows_kept:
    return tape_lib.Tape(record, shared, back_by_rows, contract)
  return tape_lib.Tape(record, None, back_by_transitions, contract)


@jax.custom_jvp
def _in_place_of(equal, own):
  """The value of one array, with the derivative of another of that value."""
  del own
  return equal


@_in_place_of.defjvp
def _in_place_of_jvp(primals, tangents):
  return _in_place_of(*primals), tangents[1]
