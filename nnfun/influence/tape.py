"""Tapes: steps remembered so that they can be back-propagated through later.

A tape is a pytree of entries with a leading axis of length F; entry u stands
for one time step, linearised at the parameters which that step used. Writing
s_u for the flat state [S], an entry answers two questions about
Phi_u = d s_u / d s_{u-1} and I_u = d s_u / d params: what is lambda^T Phi_u,
and what is lambda^T I_u? Cells differ in how little has to be kept for that.
"""

from collections.abc import Callable
from typing import NamedTuple, Protocol

import jax
from jax import flatten_util, lax
from jax import numpy as jnp

from nnfun import base


class RecordFn(Protocol):
  """Linearises the steps of a segment."""

  def __call__(
    self, params: base.Params, state_0: base.State, xs: base.PyTree
  ) -> base.PyTree:
    """Returns the entries of the K steps, leaves [K, ...]."""
    ...


class BackpropagateFn(Protocol):
  """Goes back through the tape."""

  def __call__(
    self,
    entries: base.PyTree,
    last: jax.Array | int,
    count: jax.Array | int,
    cotangents: jax.Array,
  ) -> tuple[jax.Array, base.PyTree]:
    """Returns the cotangents before the oldest entry, and the deltas.

    Args:
      entries: the tape, leaves [F, ...].
      last: index of the newest entry to use; older ones precede it, cyclically.
      count: how many entries to use, at most F.
      cotangents: N of d loss / d s after the newest entry, flat [N, S].

    Returns:
      Those of d loss / d s before the oldest entry [N, S], and what `contract`
      makes the gradients from.
    """
    ...


class ContractFn(Protocol):
  """Turns deltas into gradients."""

  def __call__(
    self, entries: base.PyTree, deltas: base.PyTree
  ) -> list[jax.Array]:
    """Returns sum_u lambda_u^T I_u, a leaf [N, ...] for each of the params."""
    ...


class Tape(NamedTuple):
  """What can be done with the remembered steps of one kind of cell."""

  record: RecordFn
  backpropagate: BackpropagateFn
  contract: ContractFn


def write(
  entries: base.PyTree, new: base.PyTree, start: base.Array | int
) -> base.PyTree:
  """Returns a tape with new entries written from index `start` on.

  Args:
    entries: the tape, leaves [F, ...].
    new: entries, leaves [K, ...].
    start: where the first of them goes, at most F - K.

  Returns:
    The tape.
  """

  def write_leaf(e, n):
    return lax.dynamic_update_slice_in_dim(e, n.astype(e.dtype), start, 0)

  return jax.tree.map(write_leaf, entries, new)


def check_room(entries: base.PyTree, num_entries: int, name: str) -> None:
  """Checks that a tape has the room which its user was made for.

  Args:
    entries: the tape, or None.
    num_entries: F.
    name: the argument which decided on F.

  Raises:
    ValueError: if the tape comes from an estimator made with another F.
  """
  leaves = jax.tree.leaves(entries)
  room = leaves[0].shape[0] if leaves else 1
  if room != num_entries:
    raise ValueError(
      f"expected a state made by an estimator of the same {name}, with room "
      f"for {num_entries} steps, got room for {room}"
    )


def pull_through(
  tape: Tape,
  entries: base.PyTree,
  last: jax.Array | int,
  count: jax.Array | int,
  cotangent: base.State,
) -> tuple[jax.Array, list[jax.Array]]:
  """Returns lambda_s and sum_u lambda_u^T I_u for one cotangent.

  Args:
    tape: what can be done with the entries.
    entries: leaves [F, ...].
    last: index of the newest entry to use.
    count: how many entries to use.
    cotangent: d loss / d state after the newest entry.

  Returns:
    d loss / d s before the oldest entry, flat [S], and the gradient, a leaf
    for each of the params.
  """
  flat = flatten_util.ravel_pytree(cotangent)[0]
  rows, deltas = tape.backpropagate(entries, last, count, flat[None])
  return rows[0], [g[0] for g in tape.contract(entries, deltas)]


def zero_influence(params: base.Params, num_states: int) -> base.PyTree:
  """Returns d s / d params = 0.

  Args:
    params: the parameters of a cell.
    num_states: S.

  Returns:
    Zeros, a leaf [S, ...] for each leaf [...] of the params.
  """
  return jax.tree.map(
    lambda leaf: jnp.zeros((num_states, *leaf.shape), leaf.dtype), params
  )


def multiply(cotangents: jax.Array, influence: base.PyTree) -> base.PyTree:
  """Returns lambda^T J for one vector or several.

  Args:
    cotangents: lambda [..., S].
    influence: J, leaves [S, ...].

  Returns:
    Leaves [..., ...].
  """
  return jax.tree.map(lambda j: jnp.tensordot(cotangents, j, 1), influence)


def go_back(
  entries: base.PyTree,
  last: jax.Array | int,
  count: jax.Array | int,
  carry: base.PyTree,
  body: Callable[[base.PyTree, jax.Array, base.PyTree], base.PyTree],
  unroll: int = 1,
) -> base.PyTree:
  """Goes through entries, the newest first.

  Args:
    entries: leaves [F, ...].
    last: index of the newest entry; older ones precede it, cyclically.
    count: how many entries.
    carry: what the first call of the body gets.
    body: (carry, index u, entry u) -> carry.
    unroll: how many entries one turn of the loop takes.

  Returns:
    The last carry.
  """
  num_entries = jax.tree.leaves(entries)[0].shape[0]

  def back(i, carry):
    u = (last - i) % num_entries
    entry = jax.tree.map(
      lambda leaf: lax.dynamic_index_in_dim(leaf, u, keepdims=False), entries
    )
    return body(carry, u, entry)

  def back_several(turn, carry):
    for j in range(unroll):
      carry = back(count % unroll + turn * unroll + j, carry)
    return carry

  if unroll > 1:
    carry = lax.fori_loop(0, count % unroll, back, carry)
  return lax.fori_loop(0, count // unroll, back_several, carry)
