"""The memory of a tape: its entries, and how many of them are alike."""

from typing import NamedTuple, Protocol

import jax
from jax import lax
from jax import numpy as jnp

from nnfun import base


class Memory(NamedTuple):
  """A tape, and how many of its newest entries share what entries may share.

  They share its value: through them there is a shorter way back, which reads
  one such matrix and not one an entry. At least `num_alike` do, since an entry
  that is not like the last before it hides those it may be like.
  """

  entries: base.PyTree  # leaves [F, ...]
  num_alike: jax.Array | None  # None if entries share nothing  []


class SharedFn(Protocol):
  """Picks what successive entries may have in common."""

  def __call__(self, entries: base.PyTree) -> base.PyTree:
    """Returns leaves of the entries, [F, ...] or [K, ...] as they have."""
    ...


def write(
  memory: Memory,
  shared_fn: SharedFn | None,
  new: base.PyTree,
  start: base.Array | int,
) -> tuple[Memory, Memory]:
  """Writes new entries from index `start` on.

  Args:
    memory: the entries so far.
    shared_fn: picks what successive ones may have in common; None if nothing.
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
  if shared_fn is None:
    memory = Memory(entries, None)
    return memory, memory
  room, steps = shared_fn(entries), shared_fn(new)
  num_entries, num_steps = (len(jax.tree.leaves(s)[0]) for s in (room, steps))
  joined = _alike(entry_at(room, start - 1), entry_at(steps, 0))
  older_alike = jnp.where(joined, memory.num_alike, 0)
  # At most F, so that an endless stream does not overflow the counter.
  num_alike = jnp.minimum(older_alike + num_steps, num_entries)
  if num_steps > 1:
    later = jax.tree.map(lambda s: s[1:], steps)
    earlier = jax.tree.map(lambda s: s[:-1], steps)
    num_alike = jnp.where(_alike(later, earlier), num_alike, 0)
  return Memory(entries, older_alike), Memory(entries, num_alike)


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
  """Whether the values are equal; derivatives may differ all the same."""
  return _equal(*jax.tree.leaves(lax.stop_gradient((one, other))))


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
