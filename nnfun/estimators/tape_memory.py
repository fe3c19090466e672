"""The memory of a tape: its entries, which are in use, how many are alike."""

from typing import NamedTuple, Protocol

import jax
from jax import lax
from jax import numpy as jnp
from jax.sharding import AxisType

from nnfun import base, loops


class Memory(NamedTuple):
  """A tape: room for F entries, of which the newest `count` are in use.

  Of these the newest `num_alike` share the value of what entries may share:
  through them there is a shorter way back, which reads one such matrix and not
  one an entry. There may be more, since an entry that is not like the last
  before it hides those it may be like.
  """

  entries: base.PyTree  # leaves [F, ...]
  position: jax.Array | int  # one more than the index of the newest  []
  count: jax.Array | int  # how many are in use; older ones precede  []
  num_alike: jax.Array | None  # None if entries share nothing  []


class SharedFn(Protocol):
  """Picks what successive entries may have in common."""

  def __call__(self, entries: base.PyTree) -> base.PyTree:
    """Returns leaves of the entries, [F, ...] or [K, ...] as they have."""
    ...


def empty(entry: base.PyTree, num_entries: int, *, shares: bool) -> Memory:
  """Returns a tape with no entry in use.

  Args:
    entry: arrays, or their shapes, leaves [...].
    num_entries: F.
    shares: whether entries may share something.

  Returns:
    The memory.
  """
  entries = jax.tree.map(
    lambda leaf: jnp.zeros((num_entries, *leaf.shape), leaf.dtype), entry
  )
  position, count, num_alike = (jnp.zeros([], jnp.int32) for _ in range(3))
  return Memory(entries, position, count, num_alike if shares else None)


def write(
  memory: Memory, shared_fn: SharedFn | None, new: base.PyTree
) -> tuple[Memory, Memory]:
  """Writes new entries.

  Args:
    memory: the entries so far; K more have to fit behind them.
    shared_fn: picks what successive ones may have in common; None if nothing.
    new: entries, leaves [K, ...].

  Returns:
    The memory for what is older than the new entries (they lie in its buffers
    already), and the memory to carry on with.

  Raises:
    ValueError: if there is no room for an entry of such a shape or so wide a
      dtype, as where an input is not what the `input_spec` of its cell says.
  """

  def write_leaf(e, n):
    _check_entry(e, n)
    return lax.dynamic_update_slice_in_dim(
      e, n.astype(e.dtype), memory.position, 0
    )

  num_entries, num_steps = (
    jax.tree.leaves(tree)[0].shape[0] for tree in (memory.entries, new)
  )
  entries = jax.tree.map(write_leaf, memory.entries, new)
  before = memory._replace(entries=entries)
  after = before._replace(
    position=memory.position + num_steps, count=memory.count + num_steps
  )
  if shared_fn is None:
    return before, after
  room, steps = shared_fn(entries), shared_fn(new)
  joined = _alike(entry_at(room, memory.position - 1), entry_at(steps, 0))
  older_alike = jnp.where(joined, memory.num_alike, 0)
  # At most F, so that an endless stream does not overflow the counter.
  num_alike = jnp.minimum(older_alike + num_steps, num_entries)
  if num_steps > 1:
    later = jax.tree.map(lambda s: s[1:], steps)
    earlier = jax.tree.map(lambda s: s[:-1], steps)
    num_alike = jnp.where(_alike(later, earlier), num_alike, 0)
  return (
    before._replace(num_alike=older_alike),
    after._replace(num_alike=num_alike),
  )


def forget(memory: Memory, reset: jax.Array) -> Memory:
  """Returns a tape with no entry in use where a new episode starts.

  Args:
    memory: the tape.
    reset: whether one does, a boolean.

  Returns:
    The tape, to be written from its first place on.
  """
  position, count = (
    jnp.where(reset, 0, n) for n in (memory.position, memory.count)
  )
  return memory._replace(position=position, count=count)


def entry_at(entries: base.PyTree, u: jax.Array | int) -> base.PyTree:
  """Returns one entry.

  Args:
    entries: leaves [F, ...].
    u: its index, from -F to F - 1.

  Returns:
    Leaves [...].
  """
  explicit = AxisType.Explicit in jax.sharding.get_abstract_mesh().axis_types

  def pick(leaf):
    if explicit:
      # Where each example of a batch has a u of its own, JAX (to 0.12) finds no
      # sharding for a leaf which they share: make it theirs, at no cost.
      leaf = jnp.where(u == 0, leaf, leaf)
    return lax.dynamic_index_in_dim(leaf, u, keepdims=False)

  return jax.tree.map(pick, entries)


def _check_entry(room, new):
  """Checks the leaves of a tape [F, ...] and of new entries [K, ...]."""
  keeps = jnp.promote_types(room.dtype, new.dtype) == room.dtype
  if jnp.issubdtype(new.dtype, jnp.integer) and keeps:
    # JAX promotes any integer to any floating dtype, whatever is lost.
    is_floating = jnp.issubdtype(room.dtype, jnp.floating)
    info = jnp.iinfo(new.dtype)
    keeps = not is_floating or info.bits <= jnp.finfo(room.dtype).nmant + 1
  if room.shape[1:] != new.shape[1:] or not keeps:
    raise ValueError(
      "expected states and inputs as the cell declares them (its input_spec, "
      "whose dtype must not be narrower than that of the inputs), "
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
  return _equal(*loops.vary(leaves, *leaves)), False
