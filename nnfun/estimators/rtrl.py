"""Real-time recurrent learning, textbook and lazy: the exact gradient, online.

J_t = Phi_t J_{t-1} + I_t is multiplied out once in `flush_every` steps. Between
two flushes J_t = Phi_{t:s} J_s + sum_u Phi_{t:u} I_u, and lambda^T J_t needs
only lambda back-propagated through the steps since s, kept on a tape. A flush
is the same for all rows of J_t, lambda the unit vectors; so is the textbook,
with the steps of the segment alone for a tape.
"""

from typing import NamedTuple

import jax
from jax import flatten_util
from jax import numpy as jnp

from nnfun import base, loops
from nnfun.estimators import dense_influence, linearisation, segment
from nnfun.estimators import tape as tape_lib
from nnfun.theory import costs


class DenseInfluence(NamedTuple):
  """J at the last flush, and the steps since. If F = 1 there are none: None."""

  jacobian: list[jax.Array]  # d s / d params, an array [S, ...] for each leaf
  tape: tape_lib.Tape | None  # the steps since
  flushed: jax.Array | None  # if not, J counts as 0 and is not read  []


def rtrl(
  cell: base.Cell,
  loss_fn: base.LossFn,
  *,
  flush_every: int | None = None,
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
  tape: O(n^3) at F ~ n. Until the first flush J is zero and, on a CPU, not
  touched, so F steps in shorter segments never pay for it. A reset makes J zero
  again: it does not count, nor does what is on the tape.

  The state takes S P + F times an entry of `linearisation.blank`. While J is
  multiplied by F steps, or by a segment of K >= F, twice S P more and for an
  `AffineCell` F S (S + R) or K S (S + R), for others F S^2 or K (S^2 + P).

  Args:
    cell: any cell; an `AffineCell` gains most from F > 1.
    loss_fn: the loss of one step.
    flush_every: F, how many steps the product of n x n and n x P matrices is
      put off at most. 1 is the textbook. None, the default, takes what
      `theory.costs` says to be fastest for this cell, where JAX runs, in a long
      stream with a gradient at every step: 1 for small n, else n / 8 to n / 2
      but at most 256; a state made on a CPU may then not fit a GPU. For a cell
      which is neither affine nor has an `input_spec` putting off saves nothing
      (its tape would hold an I_u of the size of J for each step), and 1 is
      taken.
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
    ValueError: if `flush_every` is neither None nor a positive integer.

  References:
    Williams, Zipser, A learning algorithm for continually running fully
    recurrent neural networks, 1989, https://doi.org/10.1162/neco.1989.1.2.270
    Schmidhuber, A fixed size storage O(n^3) time complexity learning algorithm
    for fully recurrent continually running networks, 1992,
    https://doi.org/10.1162/neco.1992.4.2.243 (the product once a block, for
    segments of more than one step)
  """
  if flush_every is not None:
    base.check_count("flush_every", flush_every)
  influence = _dense_influence(cell, flush_every)
  return segment.from_influence(cell, loss_fn, influence, precision=precision)


def _period(cell, params, num_states, flush_every):
  """F, chosen where the user has not."""
  is_affine = isinstance(cell, base.AffineCell)
  if not is_affine and cell.input_spec is None:
    return 1
  if flush_every is not None:
    return flush_every
  leaves = jax.tree.leaves(params)
  num_params, dtype = sum(leaf.size for leaf in leaves), leaves[0].dtype
  sizes = costs.Sizes(num_states, num_params, is_affine, dtype.itemsize)
  machine = costs.ACCELERATOR if loops.on_accelerator() else costs.CPU
  return costs.best_flush_every(sizes, machine)


def _dense_influence(cell, flush_every):
  """Carries d state / d params as a dense matrix."""

  def init(params, key):
    del key
    state = base.initial_state(cell, params)
    num_states = flatten_util.ravel_pytree(state)[0].size
    jacobian = dense_influence.zero(params, num_states)
    period = _period(cell, params, num_states, flush_every)
    if period == 1:
      return DenseInfluence(jacobian, None, None)
    tape = tape_lib.empty(linearisation.blank(cell, params), period)
    return DenseInfluence(jacobian, tape, jnp.zeros([], bool))

  def advance(params, influence, states, xs, resets):
    jacobian, tape, flushed = influence
    entries, contract = linearisation.linearise(
      cell, params, states, xs, stored=tape is not None
    )
    num_steps = len(entries.transition)
    # What came before the last reset does not reach the end of the segment.
    goes_on, since = True, num_steps
    if resets is not None:
      goes_on = ~jnp.any(resets)
      indices = jnp.arange(num_steps, dtype=jnp.int32)
      since -= jnp.max(jnp.where(resets, indices, 0))

    room = 0 if tape is None else len(tape.entries.transition)
    if tape is not None:
      if resets is not None:
        # J needs no mark here: a reset lets no cotangent through to it.
        tape = tape_lib.forget(tape, resets[0])
      # No room for the segment: J_s moves on to where the tape ends, and the
      # tape begins there anew.
      full = tape.position + min(num_steps, room) > room

      def flush(carry):
        jacobian, tape = carry
        jacobian = _whole(contract, tape, jacobian, flushed)
        return jacobian, tape_lib.forget(tape)

      # All of it goes through, so that the tape can be written in place.
      jacobian, tape = loops.when(full, flush, (jacobian, tape))
      flushed |= full

    if num_steps < room:
      # Lazy: J_s stays, and lambda_t^T J_t is equation (2) of `tape`, which is
      # written before it is read: the other order would copy it.
      before, tape = tape_lib.write(tape, entries)
      count = jnp.where(goes_on, tape.count, since)
      after = DenseInfluence(
        jacobian, tape._replace(count=count), flushed & goes_on
      )

      def product(flat):
        return _through(contract, before, flat, jacobian, flushed)

    else:
      # The textbook, J_t = Phi_t J_{t-1} + I_t, a step or a segment at a time.
      steps = tape_lib.Tape(entries, num_steps, since)
      after = DenseInfluence(
        _whole(contract, steps, jacobian, goes_on),
        tape,
        jax.tree.map(jnp.ones_like, flushed),
      )

      def product(flat):
        return dense_influence.multiply(flat, jacobian)

    def pull(cotangent):
      grads = product(flatten_util.ravel_pytree(cotangent)[0])
      return jax.tree.structure(params).unflatten(grads)

    return after, pull

  return base.Influence(init, advance)


def _through(contract, tape, cotangents, jacobian, reads):
  """Returns lambda_t^T J_t by equation (2) of `tape`.

  Args:
    contract: of the entries.
    tape: the steps from s to t.
    cotangents: one or several lambda_t [..., S].
    jacobian: J_s.
    reads: whether J_s may differ from 0; True where that is known in advance.

  Returns:
    Arrays [..., ...], one for each leaf of the parameters.
  """
  cotangents_s, *path = tape_lib.go_back(tape, cotangents)
  shares = contract(tape.entries, *path)

  def add_rest(shares):
    rest = dense_influence.multiply(cotangents_s, jacobian)
    return jax.tree.map(jnp.add, shares, rest)

  if reads is True:
    return add_rest(shares)
  return loops.when(reads, add_rest, shares, is_cheap=cotangents.ndim == 1)


def _whole(contract, tape, jacobian, reads):
  """Returns J_t = Phi_{t:s} J_s + sum_u Phi_{t:u} I_u: (2) for all its rows."""
  num_states, dtype = jacobian[0].shape[0], jacobian[0].dtype
  eye = loops.vary(jnp.eye(num_states, dtype=dtype), jacobian)
  return _through(contract, tape, eye, jacobian, reads)
