"""Tapes: steps remembered, so that a cotangent can go back through them later.

With s_u the flat state [S] after step u, an entry keeps Phi_u = d s_u / d s_tm1
[S, S] as it is, and of I_u = d s_u / d params what its kind of cell needs
(`linearisation`), both at the parameters which step u used. Then

    lambda_{u-1} = lambda_u Phi_u    (1)
    lambda_t^T J_t = lambda_s^T J_s + sum_{u = s+1}^{t} lambda_u^T I_u    (2)

is J_t = Phi_t J_{t-1} + I_t unrolled, back to the step s in which the tape
began. Parameters and influences are lists of leaves here.
"""

import math
from typing import NamedTuple

import jax
from jax import lax
from jax import numpy as jnp
from jax.sharding import AxisType

from nnfun import base, loops

# Of a longer way back the program would grow, and the time to compile it.
_UNROLLED = 64

# Of as few terms, or of as small factors, a sum costs a CPU less than a look
# whether a product of them is finite.
_FEW, _SMALL = 4, 1024


class Entry(NamedTuple):
  """One step, linearised."""

  transition: jax.Array  # Phi_u  [S, S]
  immediate: base.PyTree  # what I_u is made from


class Tape(NamedTuple):
  """Room for F entries, of which the newest `count` are in use."""

  entries: Entry  # leaves [F, ...]
  position: jax.Array | int  # one more than the index of the newest  []
  count: jax.Array | int  # how many are in use; older ones precede  []


def empty(entry: Entry, num_entries: int) -> Tape:
  """Returns a tape with no entry in use.

  Args:
    entry: arrays, or their shapes, leaves [...].
    num_entries: F.

  Returns:
    The tape.
  """
  entries = jax.tree.map(
    lambda leaf: jnp.zeros((num_entries, *leaf.shape), leaf.dtype), entry
  )
  return Tape(entries, jnp.zeros([], jnp.int32), jnp.zeros([], jnp.int32))


def write(tape: Tape, new: Entry) -> tuple[Tape, Tape]:
  """Writes new entries.

  Args:
    tape: the entries so far; K more have to fit behind them.
    new: entries, leaves [K, ...].

  Returns:
    The tape as it was before them (they lie in its buffers already, so that a
    buffer is written before it is read and need not be copied), and after.

  Raises:
    ValueError: if there is no room for an entry of such a shape or so wide a
      dtype, as where an input is not what the `input_spec` of its cell says.
  """

  def write_leaf(room, leaf):
    _check_entry(room, leaf)
    leaf = leaf.astype(room.dtype)
    return lax.dynamic_update_slice_in_dim(room, leaf, tape.position, 0)

  num_steps = jax.tree.leaves(new)[0].shape[0]
  before = tape._replace(entries=jax.tree.map(write_leaf, tape.entries, new))
  return before, before._replace(
    position=tape.position + num_steps, count=tape.count + num_steps
  )


def forget(tape: Tape, reset: jax.Array) -> Tape:
  """Returns a tape with no entry in use where a new episode starts.

  Args:
    tape: the tape.
    reset: whether one does, a boolean.

  Returns:
    The tape, to be written from its first place on.
  """
  nothing = jnp.zeros_like(tape.position)
  position = jnp.where(reset, nothing, tape.position)
  return tape._replace(
    position=position, count=jnp.where(reset, nothing, tape.count)
  )


def go_back(
  tape: Tape, cotangents: jax.Array, *, wraps: bool = False
) -> tuple[jax.Array, jax.Array, jax.Array]:
  """Goes back through the entries in use, equation (1).

  All F places are visited, in an order known when the loop is compiled: how
  many are in use decides what is done in one, not how often the loop turns.

  Args:
    tape: the tape.
    cotangents: one or several lambda_t [..., S].
    wraps: whether the tape is a ring, whose first place follows its last.

  Returns:
    lambda_s before the oldest entry in use [..., S], and lambda_u of every
    entry [F, ..., S], zero for those not in use, and which are [F].
  """
  transitions, stop = tape.entries.transition, tape.position
  order = places = jnp.arange(transitions.shape[0], dtype=jnp.int32)
  if wraps:
    order, stop = (tape.position + places) % len(places), len(places)
  used = (places >= stop - tape.count) & (places < stop)

  def turn(later, place):
    u, used = place
    earlier = loops.when(
      used, lambda c: c @ entry_at(transitions, u), later, is_cheap=True
    )
    return earlier, later

  earliest, kept = loops.scan(
    turn,
    cotangents,
    (order, used),
    reverse=True,
    unroll=min(_UNROLLED, len(places)) if loops.on_accelerator() else 1,
  )
  kept = jnp.where(used.reshape(-1, *(1,) * cotangents.ndim), kept, 0)
  if wraps:
    kept, used = (jnp.roll(x, tape.position, 0) for x in (kept, used))
  return earliest, kept, used


def entry_at(entries: base.PyTree, u: jax.Array | int) -> base.PyTree:
  """Returns one entry.

  Args:
    entries: leaves [F, ...].
    u: its index, from 0 to F - 1.

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


def zero_influence(params: base.Params, num_states: int) -> list[jax.Array]:
  """Returns d s / d params = 0.

  Args:
    params: the parameters of a cell.
    num_states: S.

  Returns:
    Zeros, an array [S, ...] for each leaf [...] of the params.
  """
  return [
    jnp.zeros((num_states, *leaf.shape), leaf.dtype)
    for leaf in jax.tree.leaves(params)
  ]


def multiply(
  cotangents: jax.Array, influence: list[jax.Array]
) -> list[jax.Array]:
  """Returns lambda^T J for one vector or several.

  What a zero multiplies is not read: it stays out where J has overflowed, as
  it would in back-propagation, which never forms J. Derivatives of the product
  do read it: they are NaN then.

  Args:
    cotangents: lambda [..., S].
    influence: J, arrays [S, ...].

  Returns:
    Arrays [..., ...]; not finite where an entry of J that is not is read.
  """

  def masked(cotangents):
    def product(j):
      c = cotangents.reshape(*cotangents.shape, *(1,) * (j.ndim - 1))
      j = j.reshape(*(1,) * (cotangents.ndim - 1), *j.shape)
      # Where J is finite the product has its derivative also at a zero.
      lost = (c == 0) & ~jnp.isfinite(j)
      return jnp.sum(jnp.where(lost, 0, c * j), cotangents.ndim - 1)

    return list(map(product, influence))

  num_terms, num_rows = cotangents.shape[-1], math.prod(cotangents.shape[:-1])
  is_small = num_rows == 1 and all(j.size <= _SMALL for j in influence)
  # One pass over J without a decision; on a CPU long sums are slow.
  is_alone = cotangents.ndim == 1 and loops.on_accelerator()
  if num_terms <= _FEW or is_small or is_alone:
    return masked(cotangents)

  def one_by_one(_):
    if cotangents.ndim == 1:
      return masked(cotangents)
    return loops.scan(lambda _, c: ((), masked(c)), (), cotangents)[1]

  products = [jnp.tensordot(cotangents, j, 1) for j in influence]
  # Each row of the product reads all of J: 0 times infinity is NaN.
  rows = [p if cotangents.ndim == 1 else p[0] for p in products]
  is_finite = jnp.stack([jnp.all(jnp.isfinite(_columns(row))) for row in rows])
  return loops.when(~jnp.all(is_finite), one_by_one, products)


def _columns(row):
  """Sums over all axes but the last, by a product: XLA's sums are slower."""
  matrix = row.reshape(-1, row.shape[-1] if row.ndim and row.size else 1)
  return jnp.ones(len(matrix), row.dtype) @ matrix


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
