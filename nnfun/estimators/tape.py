"""Tapes: steps remembered, so that a cotangent can go back through them later.

With s_u the flat state [S] after step u, an entry keeps Phi_u = d s_u / d s_tm1
[S, S] as it is, and of I_u = d s_u / d params what its kind of cell needs
(`linearisation`), both at the parameters which step u used. Then

    lambda_{u-1} = lambda_u Phi_u    (1)
    lambda_t^T J_t = lambda_s^T J_s + sum_{u = s+1}^{t} lambda_u^T I_u    (2)

is J_t = Phi_t J_{t-1} + I_t unrolled, back to the step s in which the tape
began.
"""

from typing import NamedTuple

import jax
from jax import lax
from jax import numpy as jnp

from nnfun import base, loops
from nnfun.estimators import checks


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
    checks.check_entry(room, leaf)
    leaf = leaf.astype(room.dtype)
    return lax.dynamic_update_slice_in_dim(room, leaf, tape.position, 0)

  num_steps = len(new.transition)
  before = tape._replace(entries=jax.tree.map(write_leaf, tape.entries, new))
  return before, before._replace(
    position=tape.position + num_steps, count=tape.count + num_steps
  )


def forget(tape: Tape, when: jax.Array | bool = True) -> Tape:
  """Returns a tape with no entry in use, or the tape if `when` is false.

  Args:
    tape: the tape.
    when: whether to forget, as where a new episode starts.

  Returns:
    The tape, to be written from its first place on.
  """
  return tape._replace(
    position=jnp.where(when, jnp.zeros_like(tape.position), tape.position),
    count=jnp.where(when, jnp.zeros_like(tape.count), tape.count),
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
  order = places = jnp.arange(len(transitions), dtype=jnp.int32)
  if wraps:
    order, stop = (tape.position + places) % len(places), len(places)
  used = (places >= stop - tape.count) & (places < stop)

  def turn(later, place):
    u, used = place
    earlier = loops.when(
      used, lambda c: c @ transitions[u], later, is_cheap=True
    )
    return earlier, later

  earliest, kept = loops.scan(
    turn, cotangents, (order, used), reverse=True, is_cheap=True
  )
  kept = jnp.where(used.reshape(-1, *(1,) * cotangents.ndim), kept, 0)
  if wraps:
    kept, used = (jnp.roll(x, tape.position, 0) for x in (kept, used))
  return earliest, kept, used
