"""Real-time recurrent learning, textbook and lazy: the exact gradient, online.

J_t = Phi_t J_{t-1} + I_t is multiplied out once in `flush_every` steps. Between
two flushes J_t = Phi_{t:s} J_s + sum_u Phi_{t:u} I_u, and lambda^T J_t needs
only lambda back-propagated through the steps since s, kept on a tape.
"""

from typing import NamedTuple

import jax
from jax import flatten_util
from jax import numpy as jnp

from nnfun import base, loops
from nnfun.estimators import segment, tape_general, tape_memory
from nnfun.estimators import tape as tape_lib


class DenseInfluence(NamedTuple):
  """J at the last flush, and the steps since. If F = 1 there are none: None."""

  jacobian: list[jax.Array]  # d s / d params, an array [S, ...] for each leaf
  memory: tape_memory.Memory | None  # the tape
  flushed: jax.Array | None  # if not, J counts as 0 and is not read  []


def rtrl(
  cell: base.Cell,
  loss_fn: base.LossFn,
  *,
  flush_every: int = 1,
  precision: str | None = "highest",
) -> base.GradientEstimator:
  """Carries the whole influence matrix; exact for every segment length.

  Segments of one step give RTRL, a gradient at every step; segments of K steps
  the block method of Schmidhuber and of Williams and Zipser, O(n^3) a step at
  K ~ n, with a gradient every K steps. `flush_every` > 1 gives lazy RTRL: a
  gradient at every step and O(n^3) a step, the same numbers up to rounding,
  also when the parameters change at every step, for each entry of the tape is
  linearised at the parameters of its own step.

  With S states, P = R Z parameters of an affine cell and F = `flush_every`, a
  step of the textbook recursion (F = 1) costs 2 S^2 P flops, S ~ n, P ~ n^2:
  O(n^4). The lazy one costs 2 S^2 P / F for the product, 2 S P for reading J
  and 2 S P for the tape's share of J (each a pass over J), and F S^2 for the
  tape: O(n^3) at F ~ n. Until the first flush J is zero and not touched, so F
  steps in shorter segments never pay for it. Where a unit has one
  pre-activation, steps often have d a_t / d s_tm1 in common (those of a vanilla
  cell under one W do): the way back through them reads one matrix, which stays
  in cache, where others read one each. A reset makes J zero again: it is not
  read, and what is on the tape is not used.

  The state takes S P + F times an entry of `tape_general.blank`. While J is
  multiplied by F steps, or by a segment of K >= F, twice S P more and for an
  `AffineCell` F S (S + R) or K S (S + R), or F S R or K S R if R <= S.

  Args:
    cell: any cell; an `AffineCell` gains most from F > 1.
    loss_fn: the loss of one step.
    flush_every: F, how many steps the product of n x n and n x P matrices is
      put off at most. 1 is the textbook; about n / 2 is fastest on a CPU for an
      `AffineCell`. For a cell which is neither affine nor has an `input_spec`
      putting off saves nothing (its tape would hold an I_u of the size of J for
      each step), and 1 is taken.
    precision: of every product, those of cell and loss included: a value of
      `jax.default_matmul_precision`, or None for what is set there. "highest"
      makes exact mean exact to the rounding of the dtype on every platform.
      Less matters where a product of float32 numbers may be of shorter ones: in
      the TensorFloat-32 of an Nvidia GPU ("tensorfloat32") gradients are off by
      4e-4 to 7e-4 (H100), and products are up to seven times as fast by the
      data sheet, while reading J costs the same. A CPU has one precision.

  Returns:
    The estimator.

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
  influence = _dense_influence(cell, flush_every)
  return segment.from_influence(cell, loss_fn, influence, precision=precision)


def _dense_influence(cell, flush_every):
  """Carries d state / d params as a dense matrix."""

  def init(params, key):
    del key
    state = base.initial_state(cell, params)
    num_states = flatten_util.ravel_pytree(state)[0].size
    jacobian = tape_lib.zero_influence(params, num_states)
    if flush_every == 1:
      return DenseInfluence(jacobian, None, None)
    memory = tape_general.blank(cell, params, flush_every)
    return DenseInfluence(jacobian, memory, jnp.zeros([], bool))

  def advance(params, influence, states, xs, resets):
    structure = jax.tree.structure(params)
    num_steps = jax.tree.leaves(xs)[0].shape[0]
    tape = tape_general.for_cell(
      cell, params, states, xs, stored=flush_every > 1
    )
    entries = tape.record(params, states, xs)
    # What came before the last reset does not reach the end of the segment.
    goes_on, count = None, num_steps
    if resets is not None:
      goes_on = ~jnp.any(resets)
      if num_steps > 1:
        indices = jnp.arange(num_steps, dtype=jnp.int32)
        count -= jnp.max(jnp.where(resets, indices, 0))
    new = tape_memory.Memory(entries, num_steps, count, None)

    if flush_every == 1:
      jacobian = influence.jacobian
      after = _absorb(tape, jacobian, new, goes_on)
      pull = _pull(jacobian, structure, static=resets is None)
      return influence._replace(jacobian=after), pull

    if resets is not None:
      influence = influence._replace(
        memory=tape_memory.forget(influence.memory, resets[0]),
        flushed=influence.flushed & ~resets[0],
      )
    fits = num_steps < flush_every
    position = influence.memory.position
    full = position + num_steps > flush_every if fits else position > 0

    def flush(influence):
      jacobian, memory, flushed = influence
      jacobian = _absorb(tape, jacobian, memory, flushed)
      nothing = jnp.zeros_like(memory.count)
      memory = memory._replace(position=nothing, count=nothing)
      return DenseInfluence(jacobian, memory, jnp.ones_like(flushed))

    # All of it goes through: of what does not, XLA would compute at every step
    # what the flush makes of it, and the tape could not be written in place.
    jacobian, memory, flushed = loops.when(full, flush, influence)
    if fits:
      # Written before it is read: the other order would copy the tape.
      before, memory = tape_memory.write(memory, tape.shared, entries)
      pull = _pull_through(tape, before, jacobian, flushed, structure)
      if resets is not None:
        count = jnp.where(goes_on, memory.count, count)
        memory, flushed = memory._replace(count=count), flushed & goes_on
    else:
      pull = _pull(jacobian, structure, static=False)
      reads = None if resets is None else flushed & goes_on
      jacobian = _absorb(tape, jacobian, new, reads)
      flushed = jnp.ones_like(flushed)
    return DenseInfluence(jacobian, memory, flushed), pull

  return base.Influence(init, advance)


def _pull(jacobian, structure, *, static):
  """Returns lambda -> lambda^T J; J made by loops of static length or not."""

  def pull(cotangent):
    flat = flatten_util.ravel_pytree(cotangent)[0]
    grads = tape_lib.multiply(flat, jacobian)
    return structure.unflatten(grads if static else loops.forward_only(grads))

  return pull


def _pull_through(tape, memory, jacobian, flushed, structure):
  """Returns lambda -> lambda^T J through the entries in use and J."""

  def pull(cotangent):
    flat, grads = tape_lib.pull_through(tape, memory, cotangent)

    def add_rest(carry):
      grads, flat = carry
      rest = tape_lib.multiply(flat, jacobian)
      return jax.tree.map(jnp.add, grads, rest), flat

    grads, _ = loops.when(flushed, add_rest, (grads, flat))
    return structure.unflatten(loops.forward_only(grads))

  return pull


def _absorb(tape, jacobian, memory, reads):
  """Returns J after the entries in use: Phi J + I.

  Args:
    tape: what can be done with the entries.
    jacobian: J before them.
    memory: the entries.
    reads: whether J may differ from 0, if that is not known before running;
      else None.

  Returns:
    J after them.
  """
  num_states, dtype = jacobian[0].shape[0], jacobian[0].dtype
  eye = loops.vary(jnp.eye(num_states, dtype=dtype), jacobian)
  transition, deltas = tape.backpropagate(memory, eye)
  immediate = tape.contract(memory.entries, deltas)

  def absorb(jacobian):
    product = tape_lib.multiply(transition, jacobian)
    return jax.tree.map(jnp.add, product, immediate)

  if reads is None:
    return absorb(jacobian)
  # While J is 0 neither the product nor the sum is needed.
  jacobian = loops.when(reads, absorb, jacobian)
  return loops.when(~reads, lambda _: immediate, jacobian)
