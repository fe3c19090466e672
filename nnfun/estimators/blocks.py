"""A sparse influence in blocks: rows of one kind by columns of one kind.

Of J = d s / d params the entries in a pattern are kept, column by column: those
parameters that follow one another and reach the same M rows of the state make a
block. With rows (s_1 ... s_M) and columns (p_1 ... p_Q) a block goes on by

    J'[s_i, p] = sum_j Phi[s_i, s_j] J[s_j, p] + I[s_i, p],

in which what is not kept counts as zero. The pattern is known before anything
runs, so that a block is a dense array and nothing else is computed.
"""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import numpy as np
from jax import numpy as jnp
from scipy import sparse

_NONE = -1  # In place of a row or a column: padding.


class Blocks(NamedTuple):
  """Blocks of one size, of one leaf of the parameters. Known, not traced."""

  leaf: int  # which leaf
  rows: np.ndarray  # of the state  [G, M]
  columns: np.ndarray  # of the leaf's elements, flat  [G, Q]


def layout(
  patterns: Sequence[sparse.csr_array], shapes: Sequence[tuple[int, ...]]
) -> list[Blocks]:
  """Cuts patterns into blocks.

  Args:
    patterns: which entries are kept, booleans [S, P_k] for each leaf.
    shapes: of the leaves; a block has columns of one row of a matrix only.

  Returns:
    Blocks whose rows and columns are padded to a common size.
  """
  result = []
  for leaf, (pattern, shape) in enumerate(zip(patterns, shapes, strict=True)):
    orders = [np.arange(pattern.shape[1])]
    if len(shape) == 2:  # Whichever way the matrix is written.
      orders.append(orders[0].reshape(shape).T.ravel())
    breaks = [shape[-1] if len(shape) > 1 else None]
    breaks.append(shape[0] if len(shape) == 2 else None)
    runs = min(
      (
        _runs(pattern, order, length)
        for order, length in zip(orders, breaks, strict=False)
      ),
      key=len,
    )
    sizes = {}
    for rows, columns in runs:
      sizes.setdefault(_rounded(len(rows)), []).append((rows, columns))
    for num_rows, members in sorted(sizes.items()):
      num_columns = max(len(columns) for _, columns in members)
      result.append(
        Blocks(
          leaf,
          np.stack([_padded(rows, num_rows) for rows, _ in members]),
          np.stack([_padded(columns, num_columns) for _, columns in members]),
        )
      )
  return result


def _runs(pattern, order, length):
  """(rows, columns) of columns that follow one another and reach alike."""
  by_column = pattern.tocsc()
  by_column.sort_indices()
  # Columns are compared by a sum of random numbers of their rows.
  numbers = np.random.default_rng(0).integers(1, 2**62, pattern.shape[0])
  sums = by_column.T.astype(np.int64) @ numbers
  places = np.arange(len(order))
  is_kept = np.diff(by_column.indptr)[order] > 0
  columns, places = order[is_kept], places[is_kept]
  if not len(columns):
    return []
  lines = places // length if length else 0 * places
  is_new = (np.diff(sums[columns]) != 0) | (np.diff(lines) != 0)
  runs = np.split(columns, np.flatnonzero(is_new) + 1)

  def rows(column):
    return by_column.indices[slice(*by_column.indptr[column : column + 2])]

  return [(rows(run[0]), run) for run in runs]


def _rounded(size):
  """The next power of two: few sizes, few operations."""
  return 1 << (size - 1).bit_length()


def _padded(indices, size):
  return np.array([*indices, *[_NONE] * (size - len(indices))])


def take(array: jax.Array, indices: np.ndarray) -> jax.Array:
  """Returns array[indices] along the last axis, by a slice where one will do.

  Args:
    array: [..., N].
    indices: known, [...]; `_NONE` gives any element.

  Returns:
    [..., *indices.shape].
  """
  flat = indices.ravel()
  steps = np.unique(np.diff(flat)) if len(flat) > 1 else np.ones(1, int)
  if len(steps) == 1 and steps[0] > 0 and flat[0] >= 0:
    values = array[..., flat[0] : flat[-1] + 1 : int(steps[0])]
  else:
    values = jnp.take(array, np.maximum(flat, 0), axis=-1, mode="clip")
  return values.reshape(*array.shape[:-1], *indices.shape)


def advance(
  blocks: jax.Array, transition: jax.Array, immediate: jax.Array
) -> jax.Array:
  """Returns the blocks after a step.

  Args:
    blocks: J before it [G, M, Q].
    transition: Phi between the rows of a block [G, M, M], or [M, M] where all
      blocks have the same rows.
    immediate: I [G, M, Q], or what broadcasts to it.

  Returns:
    Phi J + I [G, M, Q].
  """
  num_rows = blocks.shape[1]
  if num_rows > 4:
    return transition @ blocks + immediate
  # Each product with all Q columns at once; XLA's small products are slow.
  transition = transition[None] if transition.ndim == 2 else transition
  terms = [
    transition[..., :, j, None] * blocks[:, j, None, :] for j in range(num_rows)
  ]
  return sum(terms[1:], terms[0]) + immediate


def pull(
  layout: Sequence[Blocks],
  influence: Sequence[jax.Array],
  cotangent: jax.Array,
  leaves: Sequence[jax.Array],
) -> list[jax.Array]:
  """Returns lambda^T J; what a zero multiplies is not read if it is infinite.

  Args:
    layout: the blocks.
    influence: J, an array [G, M, Q] for each.
    cotangent: lambda [S].
    leaves: the parameters, for their shapes.

  Returns:
    An array like each leaf.
  """
  grads = [jnp.zeros_like(leaf) for leaf in leaves]
  for blocks, values in zip(layout, influence, strict=True):
    of_rows = jnp.where(blocks.rows < 0, 0, take(cotangent, blocks.rows))
    terms = [
      _times(of_rows[:, i, None], values[:, i, :])
      for i in range(blocks.rows.shape[1])
    ]
    sums = sum(terms[1:], terms[0])
    leaf = grads[blocks.leaf]
    flat = blocks.columns.ravel()
    if len(flat) == leaf.size and (flat == np.arange(leaf.size)).all():
      # An axis of length 1 is taken, for which an explicit mesh has no reshape.
      sums = sums[0] if len(sums) == 1 else sums
      grads[blocks.leaf] = sums.reshape(leaf.shape)
    else:
      flat = np.where(flat < 0, leaf.size, flat)
      grads[blocks.leaf] = (
        leaf.ravel().at[flat].add(sums.ravel(), mode="drop").reshape(leaf.shape)
      )
  return grads


def _times(row, trace):
  return jnp.where((row == 0) & ~jnp.isfinite(trace), 0, row * trace)
