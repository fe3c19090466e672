"""Tapes: steps remembered so that they can be back-propagated through later.

A tape is a pytree of entries with a leading axis of length F; entry u stands
for one time step, linearised at the parameters which that step used. Writing
s_u for the flat state [S], an entry answers two questions about
Phi_u = d s_u / d s_{u-1} and I_u = d s_u / d params: what is lambda^T Phi_u,
and what is lambda^T I_u? Cells differ in how little has to be kept for that.
Parameters and influences are lists of leaves here.
"""

from collections.abc import Callable
from typing import NamedTuple, Protocol

import jax
from jax import flatten_util
from jax import numpy as jnp

from nnfun import base, loops
from nnfun.estimators import tape_memory


class RecordFn(Protocol):
  """Linearises the steps of a segment."""

  def __call__(
    self, params: base.Params, states: base.State, xs: base.PyTree
  ) -> base.PyTree:
    """Returns the entries [K, ...] of steps from s_0 ... s_{K-1} [K, ...]."""
    ...


class BackpropagateFn(Protocol):
  """Goes back through the entries in use."""

  def __call__(
    self, memory: tape_memory.Memory, cotangents: jax.Array
  ) -> tuple[jax.Array, base.PyTree]:
    """Returns the cotangents before the oldest entry, and the deltas.

    Args:
      memory: the tape.
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
  tape: Tape, memory: tape_memory.Memory, cotangent: base.State
) -> tuple[jax.Array, list[jax.Array]]:
  """Returns lambda_s and sum_u lambda_u^T I_u for one cotangent.

  Args:
    tape: what can be done with the entries.
    memory: the entries.
    cotangent: d loss / d state after the newest entry.

  Returns:
    d loss / d s before the oldest entry, flat [S], and the gradient, a leaf
    for each of the params.
  """
  flat = flatten_util.ravel_pytree(cotangent)[0]
  flat, deltas = tape.backpropagate(memory, flat)
  return flat, tape.contract(memory.entries, deltas)


def widened_input_spec(cell: base.Cell, params: base.Params) -> base.PyTree:
  """Returns the room for one input: at least as wide as the parameters.

  Args:
    cell: a cell with an `input_spec`.
    params: its parameters.

  Returns:
    The spec, floating leaves of the dtype of the parameters if that is wider.
  """
  dtype = base.params_dtype(params)

  def widen(spec):
    floating = jnp.issubdtype(spec.dtype, jnp.floating)
    wide = jnp.promote_types(spec.dtype, dtype) if floating else spec.dtype
    return jax.ShapeDtypeStruct(spec.shape, wide)

  return jax.tree.map(widen, cell.input_spec)


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


@jax.custom_jvp
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
  products = _product(cotangents, influence)
  # Each row of the product reads all of J: 0 times infinity is NaN.
  rows = [p if cotangents.ndim == 1 else p[0] for p in products]
  is_finite = jnp.stack([jnp.all(jnp.isfinite(_columns(row))) for row in rows])

  columns = jnp.moveaxis(cotangents, -1, 0)

  def add_row(s, sums):
    """Once more, row by row of J."""
    c, rows = tape_memory.entry_at((columns, influence), s)

    def add(total, row):
      c_s = c.reshape(c.shape + (1,) * row.ndim)
      row = row.reshape((1,) * c.ndim + row.shape)
      return jnp.where(s == 0, 0, total) + jnp.where(c_s == 0, 0, c_s * row)

    return jax.tree.map(add, sums, rows)

  num_states = cotangents.shape[-1]
  first = jnp.where(jnp.all(is_finite), num_states, 0)
  return loops.fori(first, num_states, add_row, products)


@multiply.defjvp
def _multiply_jvp(primals, tangents):
  left = _product(tangents[0], primals[1])
  right = _product(primals[0], tangents[1])
  return multiply(*primals), jax.tree.map(jnp.add, left, right)


def _columns(row):
  """Sums over all axes but the last, by a product: XLA's sums are slower."""
  matrix = row.reshape(-1, row.shape[-1] if row.ndim else 1)
  return jnp.ones(len(matrix), row.dtype) @ matrix


def _product(cotangents, influence):
  return [jnp.tensordot(cotangents, j, 1) for j in influence]


def go_back(
  memory: tape_memory.Memory,
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
    memory: the tape.
    start: how many of the newest are left out.
    stop: after how many of the newest to end.
    carry: what the first call of the body gets.
    body: (carry, index u, entry u) -> carry; u from -F to F - 1.

  Returns:
    The last carry.
  """

  def turn(i, carry):
    u = memory.position - 1 - i
    return body(carry, u, tape_memory.entry_at(memory.entries, u))

  return loops.fori(start, stop, turn, carry)


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
