"""SnAp-1 with a sketch of low rank of what it leaves out, and a bound."""

from typing import NamedTuple

import jax
import numpy as np
import optax
from jax import flatten_util, lax
from jax import numpy as jnp

from nnfun import base, loops, numerics, vectors
from nnfun.estimators import (
  affine_step,
  checks,
  sparse_influence,
  step_derivatives,
  stepwise,
)


class Sketch(NamedTuple):
  """J ~ blocks + left @ right, with norm(J - that) <= bound."""

  blocks: list[jax.Array]  # what SnAp-1 keeps, arrays [G, M, Q]
  left: jax.Array  # orthonormal columns, or zeros  [S, r]
  right: list[jax.Array]  # for each leaf  [r, P_k]
  bound: jax.Array  # Frobenius norm  []


def sketched_rtrl(
  cell: base.Cell,
  loss_fn: base.LossFn,
  *,
  rank: int,
  precision: str | None = "highest",
) -> base.GradientEstimator:
  """Keeps SnAp-1, and of the rest what a matrix of rank r can hold.

    J_t ~ B_t + U_t V_t,  B_t = M * (Phi_t B_{t-1}) + I_t,
    U_t V_t = best approximation of rank r of
              Phi_t U_{t-1} V_{t-1} + (1 - M) * (Phi_t B_{t-1})

  with M the pattern of I. A column of B has few rows, so what is new in a step
  has as many terms as blocks have rows (the units of a vanilla cell), and the
  best approximation comes from an S x S matrix of products (Eckart, Young).
  What is thrown away, d_t in the Frobenius norm, gives

    norm(J_t - B_t - U_t V_t) <= b_t = norm_2(Phi_t) b_{t-1} + d_t,

  and the error of a gradient is at most norm(lambda_t) b_t. The bound is in the
  state, `state.influence.bound`, rounding included. With rank >= S it is RTRL.

  A step costs 2 r^2 P flops for the sketch, 2 r P for reading it and some
  20 S^3 for eigenvalues, O(S^3 + r^2 P) to the textbook's 2 S^2 P, and takes
  (r + m) P numbers of memory for columns of m.

  Args:
    cell: any cell with an `input_spec`.
    loss_fn: the loss of one step.
    rank: r.
    precision: of products, see `rtrl`.

  Returns:
    The estimator. A segment is its steps, with a gradient for each.

  Raises:
    ValueError: if `rank` is not a positive integer, or the cell has no
      `input_spec`.

  References:
    Menick et al., Practical real time recurrent learning with a sparse
    approximation, 2021, https://arxiv.org/abs/2006.07232 (what is kept);
    Eckart, Young, The approximation of one matrix by another of lower rank,
    1936, https://doi.org/10.1007/BF02288367 (what is sketched)
  """
  base.check_count("rank", rank)
  checks.check_is_cell(cell)
  if cell.input_spec is None:
    raise ValueError(
      "sketched_rtrl is defined for cells with an input_spec, from which it "
      "knows in advance what SnAp-1 keeps; give the cell one"
    )
  influence = _sketched_influence(cell, rank)
  return stepwise.from_step_influence(
    cell, loss_fn, influence, precision=precision
  )


def _sketched_influence(cell, rank):
  derivatives_fn = step_derivatives.of_step(cell)
  snap_1 = sparse_influence.influence(cell, derivatives_fn, _immediate)

  def init(params, key):
    state, dtype = base.initial_state(cell, params), base.params_dtype(params)
    num_states = flatten_util.ravel_pytree(state)[0].size
    num_kept = min(rank, num_states)
    return Sketch(
      snap_1.init(params, key),
      jnp.zeros((num_states, num_kept), dtype),
      [jnp.zeros((num_kept, w.size), dtype) for w in jax.tree.leaves(params)],
      jnp.zeros([], dtype),
    )

  def advance(params, before, state_tm1, x_t):
    kept, pull_kept = snap_1.advance(params, before.blocks, state_tm1, x_t)
    layout = sparse_influence.layout(
      params, derivatives_fn(params, state_tm1, x_t), _immediate
    )
    transition = _transition(cell, params, state_tm1, x_t)
    left, right, lost = _compressed(transition, layout, before)
    bound = numerics.widen(before.bound) * _norm(transition) + lost
    after = optax.tree.cast_like(Sketch(kept, left, right, bound), before)

    def pull(cotangent):
      flat = flatten_util.ravel_pytree(cotangent)[0]
      leaves, structure = jax.tree.flatten(params)
      # No cotangent, no gradient, whatever has overflowed.
      some = jnp.any(flat != 0)
      rest = [
        jnp.where(some, (flat @ after.left) @ r, 0).reshape(leaf.shape)
        for r, leaf in zip(after.right, leaves, strict=True)
      ]
      return jax.tree.map(
        jnp.add, pull_kept(cotangent), structure.unflatten(rest)
      )

    return after, pull

  return stepwise.StepInfluence(init, advance)


def _immediate(immediate, transition):
  """What SnAp-1 keeps: the pattern of I."""
  del transition
  return immediate


def _transition(cell, params, state_tm1, x_t):
  """All of Phi."""
  if isinstance(cell, base.AffineCell):
    factors = affine_step.factors(cell, params, state_tm1, x_t)
    return numerics.widen(factors.transition)
  step_fn, _ = vectors.flat_step(cell, state_tm1)
  flat_tm1 = flatten_util.ravel_pytree(state_tm1)[0]
  return numerics.widen(jax.jacrev(step_fn, 1)(params, flat_tm1, x_t))


def _compressed(transition, layout, before):
  """U, V of rank r, and the norm of what they leave out."""
  right = [numerics.widen(v) for v in before.right]
  old = transition @ numerics.widen(before.left)
  new = [_left_out(transition, b) for b in layout]
  values = [numerics.widen(j) for j in before.blocks]
  # Products of the rows on the right: V V^T, V B^T and B B^T, block by block.
  of_blocks = [_columns_of(right[b.leaf], b) for b in layout]
  gram = sum(v @ v.T for v in right)
  matrix = old @ gram @ old.T
  for out, b, v in zip(new, values, of_blocks, strict=True):
    mixed = jnp.einsum("sr,rgq,gmq,gtm->st", old, v, b, out)
    own = jnp.einsum("gsm,gmq,gnq,gtn->st", out, b, b, out)
    matrix += mixed + mixed.T + own
  # A constant in derivatives, which eigenvectors need not have.
  eigenvalues, vectors = _eigh(lax.stop_gradient(matrix))
  rank = before.left.shape[1]
  basis = vectors[:, -rank:]
  turned = basis.T @ old
  after = [turned @ v for v in right]
  for out, b, blocks_k in zip(new, values, layout, strict=True):
    part = jnp.einsum("sr,gsm,gmq->rgq", basis, out, b)
    flat = np.where(blocks_k.columns < 0, _FAR, blocks_k.columns).ravel()
    after[blocks_k.leaf] = (
      after[blocks_k.leaf].at[:, flat].add(part.reshape(rank, -1), mode="drop")
    )
  return basis, after, _lost(eigenvalues, rank)


_FAR = np.iinfo(np.int32).max  # A column that is not there.


def _left_out(transition, b):
  """Phi[:, rows of a block], zero in these rows  [G, S, M]."""
  columns = jnp.take(transition, np.maximum(b.rows, 0), axis=1)
  every = np.arange(len(transition))
  is_kept = (b.rows[:, None, :] == every[:, None]).any(2)[:, :, None]
  out = is_kept | (b.rows < 0)[:, None, :]
  return jnp.where(out, 0, jnp.moveaxis(columns, 0, 1))


def _columns_of(right, b):
  """V at the columns of blocks  [r, G, Q]."""
  values = jnp.take(right, np.maximum(b.columns, 0), axis=1)
  return jnp.where(b.columns < 0, 0, values)


def _lost(eigenvalues, rank):
  """The norm of what the smaller eigenvalues hold, rounding included.

  Eigenvalues of a symmetric matrix come within S eps times the largest.
  """
  size, eps = len(eigenvalues), jnp.finfo(eigenvalues.dtype).eps
  largest = jnp.max(eigenvalues[-1:], initial=0)
  if rank == size:
    return size * eps * jnp.sqrt(largest)
  smaller = jnp.sum(jnp.maximum(eigenvalues[: size - rank], 0))
  return jnp.sqrt(smaller + size * eps * largest)


def _norm(matrix):
  """The largest singular value, from above and within a thousandth.

  norm_2(A) <= norm_F((A^T A)^m)^(1 / 2m), with m = 2^10 by squaring; at the
  worst, of an orthogonal matrix, it is too large by S^(1 / 4m).
  """
  eps = jnp.finfo(matrix.dtype).eps

  def normalised(power, log):
    norm = jnp.sqrt(jnp.sum(power**2))
    safe = jnp.where(norm == 0, 1, norm)
    return power / safe, log + jnp.log(safe)

  def square(carry, _):
    power, log = carry
    return normalised(power @ power, 2 * log), None

  scale = jnp.max(jnp.abs(matrix), initial=0)
  unit = matrix / jnp.where(scale == 0, 1, scale)
  start = normalised(unit.T @ unit, jnp.zeros_like(scale))
  (_, log), _ = loops.scan(square, start, length=_SQUARINGS)
  norm = scale * jnp.exp(log / 2 ** (_SQUARINGS + 1))
  return norm * (1 + _SQUARINGS * len(matrix) * eps)


_SQUARINGS = 10


@loops.one_by_one
def _eigh(matrix):
  """Eigenvalues, rising, and eigenvectors."""
  return tuple(jnp.linalg.eigh(matrix))
