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
import numpy as np
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


class Memory(NamedTuple):
  """A tape, and how many of its steps were taken under the same parameters.

  Of these a kind of tape may know a shorter way back than by their entries.
  """

  entries: base.PyTree  # leaves [F, ...]
  params: base.Params | None  # those of the newest entry, if it matters
  num_alike: jax.Array | None  # newest entries recorded under them  []


class BackpropagateFn(Protocol):
  """Goes back through the tape."""

  def __call__(
    self,
    memory: Memory,
    last: jax.Array | int,
    count: jax.Array | int,
    cotangents: jax.Array,
  ) -> tuple[jax.Array, base.PyTree]:
    """Returns the cotangents before the oldest entry, and the deltas.

    Args:
      memory: the tape.
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


def blank(entries: base.PyTree, params: base.Params | None = None) -> Memory:
  """Returns a tape of which nothing is in use.

  Args:
    entries: room for its entries, leaves [F, ...].
    params: the parameters of the cell, for their shapes, if it matters which
      entries were recorded under the same ones.

  Returns:
    The tape.
  """
  if params is None:
    return Memory(entries, None, None)
  zeros = jax.tree.map(jnp.zeros_like, params)
  return Memory(entries, zeros, jnp.zeros([], jnp.int32))


def write(
  memory: Memory, params: base.Params, new: base.PyTree, start: base.Array | int
) -> tuple[Memory, Memory]:
  """Writes new entries from index `start` on.

  Args:
    memory: the tape.
    params: the parameters under which the new entries were recorded.
    new: entries, leaves [K, ...].
    start: where the first of them goes, at most F - K.

  Returns:
    The tape for what is older than the new entries (they lie in its buffers
    already), and the tape to carry on with.

  Raises:
    ValueError: if an entry is not of the shape or the kind there is room for,
      as where an input is not what the `input_spec` of its cell promised.
  """

  def write_leaf(e, n):
    _check_entry(e, n)
    return lax.dynamic_update_slice_in_dim(e, n.astype(e.dtype), start, 0)

  entries = jax.tree.map(write_leaf, memory.entries, new)
  if memory.num_alike is None:
    memory = memory._replace(entries=entries)
    return memory, memory
  moved = ~_alike(*jax.tree.leaves((memory.params, params)))
  before = Memory(
    entries,
    params=when(moved, lambda _: params, memory.params),
    num_alike=jnp.where(moved, 0, memory.num_alike),
  )
  num_entries, num_new = (
    jax.tree.leaves(e)[0].shape[0] for e in (entries, new)
  )
  # At most F, so that an endless stream does not overflow the counter.
  num_alike = jnp.minimum(before.num_alike + num_new, num_entries)
  return before, before._replace(num_alike=num_alike)


def _check_entry(room, new):
  """Checks the leaves of a tape [F, ...] and of new entries [K, ...]."""
  inexact = jnp.issubdtype(room.dtype, jnp.inexact)
  kept = inexact or not jnp.issubdtype(new.dtype, jnp.inexact)
  if room.shape[1:] != new.shape[1:] or not kept:
    raise ValueError(
      "expected states and inputs as the cell declares them, "
      f"{room.dtype}{list(room.shape[1:])}, got "
      f"{new.dtype}{list(new.shape[1:])}"
    )


@jax.custom_jvp
def _alike(*leaves):
  """Returns whether the first half of the leaves may stand for the second."""
  return _equal(*leaves)


@_alike.defjvp
def _alike_jvp(primals, tangents):
  """Equal parameters are not alike if they will differ in a moment."""
  alike = _alike(*primals) & _alike(*tangents)
  return alike, np.zeros(alike.shape, jax.dtypes.float0)


@jax.custom_batching.custom_vmap
def _equal(*leaves):
  half = len(leaves) // 2

  # By columns first: XLA then compares by vectors, else number by number.
  def equal(a, b):
    columns = jnp.all(a == b, axis=tuple(range(a.ndim - 1)))
    return jnp.all(lax.optimization_barrier(columns))

  pairs = zip(leaves[:half], leaves[half:], strict=True)
  return jnp.all(jnp.stack([equal(a, b) for a, b in pairs]))


@_equal.def_vmap
def _equal_in_batch(axis_size, in_batched, *leaves):
  """One answer for a batch, whose examples go through one loop together.

  An answer each would make every loop copy what it carries. The price: one
  example whose parameters move sends all of them the long way.
  """
  del axis_size
  leaves = [
    leaf if batched else leaf[None]
    for leaf, batched in zip(leaves, in_batched, strict=True)
  ]
  return _equal(*leaves), False


def check_room(memory: Memory | None, num_entries: int, name: str) -> None:
  """Checks that a tape has the room which its user was made for.

  Args:
    memory: the tape, or None.
    num_entries: F.
    name: the argument which decided on F.

  Raises:
    ValueError: if the tape comes from an estimator made with another F.
  """
  leaves = [] if memory is None else jax.tree.leaves(memory.entries)
  room = leaves[0].shape[0] if leaves else 1
  if room != num_entries:
    raise ValueError(
      f"expected a state made by an estimator of the same {name}, with room "
      f"for {num_entries} steps, got room for {room}"
    )


def pull_through(
  tape: Tape,
  memory: Memory,
  last: jax.Array | int,
  count: jax.Array | int,
  cotangent: base.State,
) -> tuple[jax.Array, list[jax.Array]]:
  """Returns lambda_s and sum_u lambda_u^T I_u for one cotangent.

  Args:
    tape: what can be done with the entries.
    memory: the entries.
    last: index of the newest entry to use.
    count: how many entries to use.
    cotangent: d loss / d state after the newest entry.

  Returns:
    d loss / d s before the oldest entry, flat [S], and the gradient, a leaf
    for each of the params.
  """
  flat = flatten_util.ravel_pytree(cotangent)[0]
  rows, deltas = tape.backpropagate(memory, last, count, flat[None])
  return rows[0], [g[0] for g in tape.contract(memory.entries, deltas)]


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


def when(
  condition: jax.Array,
  function: Callable[[base.PyTree], base.PyTree],
  carry: base.PyTree,
) -> base.PyTree:
  """Returns function(carry) if the condition holds, else the carry.

  A loop of one or no turns in place of a `lax.cond`: batched, a cond runs both
  branches at every step, a loop as long as any example needs it. The barrier
  keeps XLA from computing outside, at every step, what depends on the carry.

  Args:
    condition: [].
    function: carry -> carry.
    carry: any pytree.

  Returns:
    The carry.
  """

  def turn(_, carry):
    return function(lax.optimization_barrier(carry))

  return lax.fori_loop(0, jnp.where(condition, 1, 0), turn, carry)


BodyFn = Callable[[base.PyTree, jax.Array, base.PyTree], base.PyTree]


def go_back(
  memory: Memory,
  last: jax.Array | int,
  count: jax.Array | int,
  carry: base.PyTree,
  body: BodyFn,
  alike_body: BodyFn | None = None,
  unroll: int = 1,
) -> base.PyTree:
  """Goes through entries, the newest first.

  Args:
    memory: the entries.
    last: index of the newest entry; older ones precede it, cyclically.
    count: how many entries.
    carry: what the first call of a body gets.
    body: (carry, index u, entry u) -> carry.
    alike_body: the same for entries recorded under `memory.params`, if there is
      a shorter way.
    unroll: how many entries one turn of a loop takes.

  Returns:
    The last carry.
  """
  num_entries = jax.tree.leaves(memory.entries)[0].shape[0]

  def go(body, start, stop, carry):
    def back(i, carry):
      u = (last - i) % num_entries
      entry = jax.tree.map(
        lambda leaf: lax.dynamic_index_in_dim(leaf, u, keepdims=False),
        memory.entries,
      )
      return body(carry, u, entry)

    first = start + (stop - start) % unroll

    def back_several(turn, carry):
      for j in range(unroll):
        carry = back(first + turn * unroll + j, carry)
      return carry

    carry = lax.fori_loop(start, first, back, carry)
    return lax.fori_loop(0, (stop - first) // unroll, back_several, carry)

  if alike_body is None or memory.num_alike is None:
    return go(body, 0, count, carry)
  num_alike = jnp.minimum(memory.num_alike, count)
  carry = go(alike_body, 0, num_alike, carry)
  return go(body, num_alike, count, carry)
