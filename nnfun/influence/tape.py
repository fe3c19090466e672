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
from nnfun.influence import tape_memory


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
    memory: tape_memory.Memory,
    last: jax.Array | int,
    count: jax.Array | int,
    cotangents: jax.Array,
  ) -> tuple[jax.Array, base.PyTree]:
    """Returns the cotangents before the oldest entry, and the deltas.

    Args:
      memory: the tape.
      last: index of the newest entry to use, at most F - 1; older ones precede
        it, cyclically.
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
  shared: tape_memory.SharedFn | None  # None if entries share nothing
  backpropagate: BackpropagateFn
  contract: ContractFn


def pull_through(
  tape: Tape,
  memory: tape_memory.Memory,
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

  Unrolled it would be slower on a CPU: a body of up to eight kernels is run in
  order by XLA (jaxlib 0.10), a longer one through a queue, of which other
  threads take a part that then has to be waited for.

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
    return body(carry, last - i, tape_memory.entry_at(entries, last - i))

  return lax.fori_loop(start, stop, turn, carry)


def states_before(
  cell: base.Cell, params: base.Params, state_0: base.State, xs: base.PyTree
) -> base.State:
  """Returns s_0 ... s_{K-1}, the states from which the steps start.

  Args:
    cell: any cell.
    params: its parameters.
    state_0: the state at the segment's start.
    xs: inputs, leaves [K, ...].

  Returns:
    The states, leaves [K, ...].
  """

  def advance(state_tm1, x_t):
    return base.step(cell, params, state_tm1, x_t), state_tm1

  return lax.scan(advance, state_0, xs)[1]


def of_each(
  function: Callable[[jax.Array], base.PyTree],
  cotangents: jax.Array,
  ndim: int = 1,
) -> base.PyTree:
  """Returns function(cotangent) of one, or of each of several.

  Args:
    function: of an array with `ndim` axes.
    cotangents: with as many axes, or one more in front [N, ...].
    ndim: of one.

  Returns:
    What the function returns, with the axis in front if there was one.
  """
  if cotangents.ndim > ndim:
    function = jax.vmap(function)
  return function(cotangents)
