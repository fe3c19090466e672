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


class SharedFn(Protocol):
  """Picks what successive entries may have in common."""

  def __call__(self, entries: base.PyTree) -> base.PyTree:
    """Returns leaves of the entries, [F, ...] or [K, ...] as they have."""
    ...


class Memory(NamedTuple):
  """A tape, and how many of its newest entries have in common what they may.

  Through these there is a shorter way back, with that one in cache.
  """

  entries: base.PyTree  # leaves [F, ...]
  num_alike: jax.Array | None  # None if they may have nothing  []


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
      cotangents: one or several d loss / d s after the newest entry, flat
        [..., S].

    Returns:
      Those before the oldest entry [..., S], and what `contract` makes the
      gradients from.
    """
    ...


class ContractFn(Protocol):
  """Turns deltas into gradients."""

  def __call__(
    self, entries: base.PyTree, deltas: base.PyTree
  ) -> list[jax.Array]:
    """Returns sum_u lambda_u^T I_u, a leaf [..., ...] for each parameter."""
    ...


class Tape(NamedTuple):
  """What can be done with the remembered steps of one kind of cell."""

  record: RecordFn
  shared: SharedFn | None  # None if there is no such thing
  backpropagate: BackpropagateFn
  contract: ContractFn


def write(
  tape: Tape, memory: Memory, new: base.PyTree, start: base.Array | int
) -> tuple[Memory, Memory]:
  """Writes new entries from index `start` on.

  Args:
    tape: what can be done with the entries.
    memory: the entries so far.
    new: entries, leaves [K, ...].
    start: where the first of them goes, at most F - K.

  Returns:
    The memory for what is older than the new entries (they lie in its buffers
    already), and the memory to carry on with.

  Raises:
    ValueError: if an entry is not of the shape or the kind there is room for,
      as where an input is not what the `input_spec` of its cell promised.
  """

  def write_leaf(e, n):
    _check_entry(e, n)
    return lax.dynamic_update_slice_in_dim(e, n.astype(e.dtype), start, 0)

  entries = jax.tree.map(write_leaf, memory.entries, new)
  if tape.shared is None:
    memory = Memory(entries, None)
    return memory, memory
  room, steps = tape.shared(entries), tape.shared(new)
  num_entries, num_steps = (len(jax.tree.leaves(s)[0]) for s in (room, steps))
  joined = _alike(entry_at(room, start - 1), entry_at(steps, 0))
  num_older = jnp.where(joined, memory.num_alike, 0)
  # At most F, so that an endless stream does not overflow the counter.
  num_alike = jnp.minimum(num_older + num_steps, num_entries)
  if num_steps > 1:
    later = jax.tree.map(lambda s: s[1:], steps)
    earlier = jax.tree.map(lambda s: s[:-1], steps)
    num_alike = jnp.where(_alike(later, earlier), num_alike, 0)
  return Memory(entries, num_older), Memory(entries, num_alike)


def entry_at(entries: base.PyTree, u: jax.Array | int) -> base.PyTree:
  """Returns one entry.

  Args:
    entries: leaves [F, ...].
    u: its index, from -F to F - 1.

  Returns:
    Leaves [...].
  """
  return jax.tree.map(
    lambda leaf: lax.dynamic_index_in_dim(leaf, u, keepdims=False), entries
  )


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


def _alike(one, other):
  """Whether one may stand for the other."""
  return _alike_leaves(*jax.tree.leaves((one, other)))


@jax.custom_jvp
def _alike_leaves(*leaves):
  """Returns whether the first half of the leaves equals the second."""
  return _equal(*leaves)


@_alike_leaves.defjvp
def _alike_jvp(primals, tangents):
  """What is equal is not alike if it will differ in a moment."""
  alike = _alike_leaves(*primals) & _alike_leaves(*tangents)
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
  example which is not alike sends all of them the long way.
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
  flat, deltas = tape.backpropagate(memory, last, count, flat)
  return flat, tape.contract(memory.entries, deltas)


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

  # From a start that is computed: a constant one would have to be copied first.
  return lax.fori_loop(jnp.where(condition, 0, 1), 1, turn, carry)


def go_back(
  entries: base.PyTree,
  last: jax.Array | int,
  start: jax.Array | int,
  stop: jax.Array | int,
  carry: base.PyTree,
  body: Callable[[base.PyTree, jax.Array, base.PyTree], base.PyTree],
) -> base.PyTree:
  """Goes through entries, the newest first, one a turn.

  Unrolled it would be slower on a CPU: a body of at most eight kernels XLA runs
  in order, a longer one through a queue, of which other threads take a part
  that then has to be waited for.

  Args:
    entries: of a tape, leaves [F, ...].
    last: index of the newest entry, at most F - 1; older ones precede it,
      cyclically.
    start: how many of the newest are left out.
    stop: after how many of the newest to end, at most F.
    carry: what the first call of the body gets.
    body: (carry, index u, entry u) -> carry; u from 1 - F to F - 1.

  Returns:
    The last carry.
  """

  def turn(i, carry):
    return body(carry, last - i, entry_at(entries, last - i))

  return lax.fori_loop(start, stop, turn, carry)
