"""The whole influence matrix: real-time recurrent learning, textbook and lazy.

J_t = Phi_t J_{t-1} + I_t is multiplied out once in `flush_every` steps. Between
two flushes J_t = Phi_{t:s} J_s + sum_u Phi_{t:u} I_u, and lambda^T J_t needs
only lambda back-propagated through the steps since s, kept on a tape.
"""

from typing import NamedTuple

import jax
import optax
from jax import flatten_util
from jax import numpy as jnp

from nnfun import base
from nnfun.influence import tape as tape_lib
from nnfun.influence import tape_kinds, tape_memory


class DenseInfluence(NamedTuple):
  """J at the last flush, and the steps since. If F = 1 there are none: None."""

  jacobian: base.PyTree  # d s / d params, leaves [S, ...]
  memory: tape_memory.Memory | None  # the tape
  count: jax.Array | None  # entries in use, from index 0  []
  flushed: jax.Array | None  # if not, J = 0 and is not read  []


def dense(cell: base.Cell, *, flush_every: int = 1) -> base.Influence:
  """Carries d state / d params as a dense matrix.

  With S states, P = R Z parameters of an affine cell and F = `flush_every`, a
  step of the textbook recursion (F = 1) costs 2 S^2 P flops, S ~ n, P ~ n^2:
  O(n^4). The lazy one costs 2 S^2 P / F for the product, 2 S P for reading J
  and 2 S P for the tape's share of J (each a pass over J), and F S^2 for the
  tape: O(n^3) at F ~ n. Until the first flush J is zero and not touched, so F
  steps in shorter segments never pay for it. The numbers are the same up to
  rounding, also when the parameters change at every step, for each entry is
  linearised at the parameters of its own step. Where a unit has one
  pre-activation, steps often have d a_t / d s_tm1 in common (those of a vanilla
  cell under one W do): the way back through them reads one matrix, which stays
  in cache, where others read one each.

  Args:
    cell: any cell. An `AffineCell` gains most. For a cell without `input_spec`
      putting off saves nothing (its tape would hold an I_u of the size of J
      for each step), and F is taken as 1.
    flush_every: F, how many steps are put off at most.

  Returns:
    The influence; memory S P + F times an entry of `tape_kinds.blank`. While J
    is multiplied by F steps, or by a segment of K >= F, twice S P more and for
    an `AffineCell` F S (S + R) or K S (S + R), or F S R or K S R if R <= S.

  Raises:
    ValueError: if `flush_every` is not a positive integer.

  References:
    Williams, Zipser, A learning algorithm for continually running fully
    recurrent neural networks, 1989, https://doi.org/10.1162/neco.1989.1.2.270
    Schmidhuber, A fixed size storage O(n^3) time complexity learning algorithm
    for fully recurrent continually running networks, 1992,
    https://doi.org/10.1162/neco.1992.4.2.243 (the product once a block, for
    segments of more than one step)
  """
  base.check_count("flush_every", flush_every)
  if not isinstance(cell, base.AffineCell) and cell.input_spec is None:
    flush_every = 1

  def init(params, key):
    del key
    state = base.initial_state(cell, params)
    num_states = flatten_util.ravel_pytree(state)[0].size
    jacobian = tape_lib.zero_influence(params, num_states)
    if flush_every == 1:
      return DenseInfluence(jacobian, None, None, None)
    return DenseInfluence(
      jacobian,
      tape_kinds.blank(cell, params, flush_every),
      jnp.zeros([], jnp.int32),
      jnp.zeros([], bool),
    )

  def advance(params, influence, state_0, xs):
    num_steps = jax.tree.leaves(xs)[0].shape[0]
    tape = tape_kinds.for_cell(
      cell, params, state_0, xs, stored=flush_every > 1
    )
    new = tape_memory.Memory(tape.record(params, state_0, xs), None)
    jacobian, memory, count, flushed = influence
    tape_memory.check_room(memory, flush_every, "flush_every")
    if flush_every == 1:
      after = _absorb(tape, jacobian, new, num_steps)
      return influence._replace(jacobian=after), _pull(jacobian)
    fits = num_steps < flush_every
    full = count + num_steps > flush_every if fits else count > 0

    def flush(influence):
      jacobian = _absorb(tape, *influence)
      return DenseInfluence(
        jacobian,
        influence.memory,
        jnp.zeros_like(count),
        jnp.ones_like(flushed),
      )

    # All of it goes through: of what does not, XLA would compute at every step
    # what the flush makes of it, and the tape could not be written in place.
    jacobian, memory, count, flushed = tape_lib.when(full, flush, influence)
    if fits:
      # Written before it is read: the other order would copy the tape.
      before, memory = tape_memory.write(
        memory, tape.shared, new.entries, count
      )
      pull = _pull_through(tape, before, count, jacobian, flushed)
      count = count + num_steps
    else:
      pull = _pull(jacobian)
      jacobian = _absorb(tape, jacobian, new, num_steps)
      flushed = jnp.ones_like(flushed)
    return DenseInfluence(jacobian, memory, count, flushed), pull

  return base.Influence(init, advance)


def _pull(jacobian):
  """Returns lambda -> lambda^T J."""

  def pull(cotangent):
    flat = flatten_util.ravel_pytree(cotangent)[0]
    return tape_lib.multiply(flat, jacobian)

  return pull


def _pull_through(tape, memory, count, jacobian, flushed):
  """Returns lambda -> lambda^T J through the first `count` entries and J."""

  def pull(cotangent):
    flat, grads = tape_lib.pull_through(
      tape, memory, count - 1, count, cotangent
    )
    grads = jax.tree.structure(jacobian).unflatten(grads)

    def add_rest(carry):
      grads, flat = carry
      return optax.tree.add(grads, tape_lib.multiply(flat, jacobian)), flat

    return tape_lib.when(flushed, add_rest, (grads, flat))[0]

  return pull


def _absorb(tape, jacobian, memory, count, flushed=None):
  """Returns J after the first `count` entries: Phi J + I.

  Args:
    tape: what can be done with the entries.
    jacobian: J before them.
    memory: the entries.
    count: how many of them are in use.
    flushed: whether J may differ from 0, if that is not known before running.

  Returns:
    J after them.
  """
  leaves, structure = jax.tree.flatten(jacobian)
  eye = jnp.eye(leaves[0].shape[0], dtype=base.params_dtype(jacobian))
  transition, deltas = tape.backpropagate(memory, count - 1, count, eye)
  immediate = structure.unflatten(tape.contract(memory.entries, deltas))

  def absorb(jacobian):
    return optax.tree.add(tape_lib.multiply(transition, jacobian), immediate)

  if flushed is None:
    return absorb(jacobian)
  # While J is 0 neither the product nor the sum is needed.
  jacobian = tape_lib.when(flushed, absorb, jacobian)
  return tape_lib.when(~flushed, lambda _: immediate, jacobian)
