"""Derivatives of a step, those entries alone that are wanted.

A derivative with few entries in each row comes from a few vector-Jacobian
products, one for all rows that do not get in each other's way (`sparsity`).
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np
from jax import flatten_util
from jax import numpy as jnp
from scipy import sparse

from nnfun import base, loops, sparsity, vectors
from nnfun.estimators import blocks


class Derivatives(NamedTuple):
  """Of one step, or of that part of it which a rule carries on."""

  immediate: list[sparse.csr_array]  # pattern of I, [S, P_k] for each leaf
  transition: sparse.csr_array  # pattern of what stands for Phi  [S, S]
  # (params, state_tm1, x_t, layout) -> (Phi, I) of each of the blocks.
  values: Callable[..., list[tuple[jax.Array, jax.Array]]]


def of_step(cell: base.Cell) -> Callable[..., Derivatives]:
  """Returns the derivatives of the whole step of any cell.

  Args:
    cell: any cell.

  Returns:
    The function; those of an `AffineCell` come from its factors.
  """
  if isinstance(cell, base.AffineCell):
    return lambda *args: _of_affine(cell, *args, through_weights=True)
  return lambda *args: _of_any(cell, *args)


def of_activation(cell: base.AffineCell) -> Callable[..., Derivatives]:
  """Returns those in which the state acts past the parameters only.

    D_t = d activate(a_t, s_tm1) / d s_tm1 with a_t held fixed

  Args:
    cell: an affine cell.

  Returns:
    The function, with D in place of Phi.
  """
  return lambda *args: _of_affine(cell, *args, through_weights=False)


def _of_any(cell, params, state, x):
  """Phi and I of any cell, by the rows of one colour at a time."""
  of_params, transition, _ = sparsity.cached_pattern(
    cell.step, params, state, x
  )
  colors = sparsity.colors(sparse.hstack([of_params, transition]).tocsr())
  immediate = _by_leaf(of_params, params)

  def values(params, state_tm1, x_t, layout):
    step_fn, _ = vectors.flat_step(cell, state_tm1)
    leaves, structure = jax.tree.flatten(params)
    flat_tm1 = flatten_util.ravel_pytree(state_tm1)[0]
    _, pull = jax.vjp(
      lambda leaves, s: step_fn(structure.unflatten(leaves), s, x_t),
      leaves,
      flat_tm1,
    )
    of_leaves, of_state = jax.vmap(pull)(_seeds(colors, flat_tm1))
    of_leaves = [leaf.reshape(len(leaf), -1) for leaf in of_leaves]
    result = []
    for b in layout:
      phi = _entries(of_state, colors, transition, *pairs(b.rows))
      place = b.rows[:, :, None], b.columns[:, None, :]
      immediate_k = immediate[b.leaf]
      result.append(
        (phi, _entries(of_leaves[b.leaf], colors, immediate_k, *place))
      )
    return result

  return Derivatives(immediate, transition, values)


def _of_affine(cell, params, state, x, *, through_weights):
  """I = D_k (x) z_k and Phi = E + sum_k D_k W_k F_k, where they are wanted.

  With D_k = d activate / d a_k, E = d activate / d s, F_k = d z_k / d s.
  """
  matrices = jax.tree.leaves(params)
  features_of, preactivation, activate = vectors.flat_affine(cell, state, x)

  def features(flat_tm1, x_t):
    return jnp.concatenate(features_of(flat_tm1, x_t))

  a = [jax.ShapeDtypeStruct(w.shape[:1], w.dtype) for w in matrices]
  flat = jax.eval_shape(lambda s: flatten_util.ravel_pytree(s)[0], state)
  *of_a, leak = sparsity.jacobian_pattern(
    lambda *args: activate(list(args[:-1]), args[-1]), *a, flat
  )
  colors = sparsity.colors(sparse.hstack([*of_a, leak]).tocsr())
  immediate = [
    sparse.kron(d, np.ones((1, w.shape[1]), bool), format="csr")
    for d, w in zip(of_a, matrices, strict=True)
  ]
  transition = leak
  if through_weights:
    transition = sparsity.cached_pattern(cell.step, params, state, x)[1]

  def values(params, state_tm1, x_t, layout):
    matrices = jax.tree.leaves(params)
    flat_tm1 = flatten_util.ravel_pytree(state_tm1)[0]
    z, pull_z = jax.vjp(lambda s: features(s, x_t), flat_tm1)
    zs = _split(z, matrices)
    a = preactivation(params, zs)
    _, pull = jax.vjp(activate, a, flat_tm1)
    d_a, d_state = jax.vmap(pull)(_seeds(colors, flat_tm1))

    def transition_of(rows):
      phi = _entries(d_state, colors, leak, *pairs(rows))
      if not through_weights:
        return phi
      pattern = sparsity.jacobian_pattern(features, flat_tm1, x_t)[0]
      of_features = _Rows(pattern, pull_z, z)
      return phi + _through(rows, matrices, d_a, colors, of_a, of_features)

    return [
      (transition_of(b.rows), _outer(b, d_a, colors, of_a, zs, matrices))
      for b in layout
    ]

  return Derivatives(immediate, transition, values)


def _split(z, matrices):
  """z_k for each W_k [R_k, Z_k]."""
  stops = np.cumsum([0, *(w.shape[1] for w in matrices)]).tolist()
  return [z[i:j] for i, j in zip(stops, stops[1:], strict=False)]


def _seeds(colors, like):
  """A cotangent for each colour: the sum of its rows  [C, S]."""
  seeds = np.arange(colors.max(initial=0) + 1)[:, None] == colors
  return loops.vary(jnp.asarray(seeds, like.dtype), like)


def pairs(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  """Returns (s_i, s_j) of each block, once if all have the same rows.

  Args:
    rows: [G, M].

  Returns:
    What broadcasts to [G, M, M] or [M, M].
  """
  if (rows == rows[:1]).all():
    rows = rows[0]
  return rows[..., :, None], rows[..., None, :]


def _entries(products, colors, pattern, rows, columns):
  """Entries of a Jacobian from the products [C, N] of its rows by colour."""
  rows, columns = np.broadcast_arrays(rows, columns)
  inside = (rows >= 0) & (columns >= 0)
  at = np.maximum(rows, 0), np.maximum(columns, 0)
  inside &= np.asarray(pattern[at[0].ravel(), at[1].ravel()]).reshape(
    at[0].shape
  )
  values = blocks.take(
    products.ravel(), colors[at[0]] * products.shape[1] + at[1]
  )
  return values if inside.all() else jnp.where(inside, values, 0)


def _outer(b, d_a, colors, of_a, zs, matrices):
  """I of blocks: d s_i / d a_r times z."""
  num_features = matrices[b.leaf].shape[1]
  row, place = np.divmod(b.columns, num_features)
  row = np.where(b.columns < 0, row.max(1, keepdims=True), row)
  d, of_row = d_a[b.leaf], of_a[b.leaf]
  if (row == row[:, :1]).all():
    slopes = [
      _entries(d, colors, of_row, b.rows[:, i], row[:, 0])
      for i in range(b.rows.shape[1])
    ]
    slopes = jnp.stack(slopes, 1)[:, :, None]
  else:
    slopes = _entries(d, colors, of_row, b.rows[:, :, None], row[:, None, :])
  if (place == place[:1]).all():
    place = place[:1]
  features = blocks.take(zs[b.leaf], place)
  if (b.columns < 0).any():
    features = jnp.where(b.columns < 0, 0, features)
  return slopes * features[:, None, :]


class _Rows(NamedTuple):
  """d z / d s: its pattern, and how to have its rows."""

  pattern: sparse.csr_array
  pull: Callable[[jax.Array], tuple[jax.Array]]
  z: jax.Array


def _through(rows, matrices, d_a, colors, of_a, of_features):
  """sum_k D_k W_k F_k at the pairs of rows of blocks."""
  first, second = np.broadcast_arrays(*pairs(rows))
  num_states = len(colors)
  codes = np.where((first < 0) | (second < 0), 0, first * num_states + second)
  codes, places = np.unique(codes, return_inverse=True)
  f_colors = sparsity.colors(of_features.pattern)
  (f_rows,) = jax.vmap(of_features.pull)(_seeds(f_colors, of_features.z))
  by_column = of_features.pattern.tocsc()
  offsets = np.cumsum([0, *(w.shape[1] for w in matrices)])
  total = 0
  for k, (w, d) in enumerate(zip(matrices, of_a, strict=True)):
    terms = []
    for code in codes:
      s, t = divmod(int(code), num_states)
      reached = d.indices[d.indptr[s] : d.indptr[s + 1]]
      seen = by_column.indices[by_column.indptr[t] : by_column.indptr[t + 1]]
      seen = seen[(seen >= offsets[k]) & (seen < offsets[k + 1])]
      terms.append([(s, t, r, z) for r in reached for z in seen])
    most = max(map(len, terms))
    if not most:
      continue
    index = np.full((len(terms), most, 4), -1)
    for i, members in enumerate(terms):
      index[i, : len(members)] = np.reshape(members, (-1, 4))
    inside = index[:, :, 0] >= 0
    s, t, r, z = np.moveaxis(np.maximum(index, 0), -1, 0)
    product = (
      blocks.take(d_a[k].ravel(), colors[s] * w.shape[0] + r)
      * blocks.take(w.ravel(), r * w.shape[1] + np.maximum(z - offsets[k], 0))
      * blocks.take(f_rows.ravel(), f_colors[z] * num_states + t)
    )
    if not inside.all():
      product = jnp.where(inside, product, 0)
    total = total + product.sum(1)
  if isinstance(total, int):
    return 0
  values = blocks.take(total, places.reshape(first.shape))
  outside = (first < 0) | (second < 0)
  return jnp.where(outside, 0, values) if outside.any() else values


def _by_leaf(pattern, params):
  """The columns of each leaf of the parameters."""
  sizes = [leaf.size for leaf in jax.tree.leaves(params)]
  stops = np.cumsum([0, *sizes]).tolist()
  return [
    pattern[:, i:j].tocsr() for i, j in zip(stops, stops[1:], strict=False)
  ]
