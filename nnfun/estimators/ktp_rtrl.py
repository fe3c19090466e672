"""Real-time recurrent learning with Kronecker triple products."""

import functools
from typing import NamedTuple

import jax
from jax import lax
from jax import numpy as jnp

from nnfun import base
from nnfun.estimators import dense_influence, kronecker, low_rank


class KTPFactors(NamedTuple):
  """J ~ (L^T R) (x) u, for a matrix W [R, Z]."""

  left: jax.Array  # L  [r, S]
  middle: jax.Array  # R  [r, R]
  right: jax.Array  # u  [Z]


def ktp_rtrl(
  cell: base.AffineCell,
  loss_fn: base.LossFn,
  *,
  rank: int,
  precision: str | None = "highest",
) -> base.GradientEstimator:
  """Carries the influence as L^T R (x) u with L, R of `rank` rows; unbiased.

    A = L^T R <- reduce(Phi A / p_1 + c D O O^T / p_2),  u <- p_1 u + c p_2 z,
    p_1 = sqrt(|Phi A| / |u|),  p_2 = sqrt(|D| / |z|),  D = d s_t / d a_t

  It is `kf_rtrl` with its matrix A [S, R] in two factors. D, which is sparse
  but of full rank, is first sketched by O [R, r], a random sign in one column
  of each row, with E[O O^T] = identity; `low_rank.reduce_rank` then makes the
  2 r products of rows r again. Both are exact for r >= R, where it has the
  numbers of `kf_rtrl`.

  A matrix has r (S + R) + Z numbers of state. A step costs 2 r S^2 + 4 r S R
  flops for products, about 36 r^2 (S + R) for orthonormal rows and 800 r^3, in
  some 20 r small turns of a loop, for singular values: O(r n^2) for r << n, and
  O(r n) of memory that is kept. During a step there are Phi and D too,
  S (S + R) numbers. More rows than R are not kept.

  The sketch alone adds |D|^2 |z|^2 (R / r - 1) to the variance of J at a step.
  With small r, and several gates a unit, R = 4 n, `uoro` may have less.

  Args:
    cell: an `AffineCell` (vanilla, linear, gru, lstm, mgu).
    loss_fn: the loss of one step.
    rank: r, how many rows stand for A.
    precision: of products, see `rtrl`.

  Returns:
    The estimator; its key is in its state. Within a segment the gradient is
    that of back-propagation; the influence goes step by step in any case. In
    derivatives of estimates the influence counts as a constant.

  Raises:
    ValueError: if the cell is of another kind, or `rank` is not a positive
      integer.

  References:
    Benzing, Gauy, Mujika, Martinsson, Steger, Optimal Kronecker-sum
    approximation of real time recurrent learning, 2019,
    https://arxiv.org/abs/1902.03993 (the algorithm is named in the code of its
    authors, github.com/marcelomatheusgauy/optimal_kronecker_approximation;
    the sketch of D is a choice made here)
  """
  base.check_count("rank", rank)
  zeros = functools.partial(_zeros, rank=rank)
  factors = kronecker.Factors(zeros, _step, _pull)
  return kronecker.from_factors(
    "ktp_rtrl", cell, loss_fn, factors, precision=precision
  )


def _zeros(matrix, num_states, *, rank):
  num_rows, num_features = matrix.shape
  rank = min(rank, num_rows)
  return KTPFactors(
    jnp.zeros((rank, num_states), matrix.dtype),
    jnp.zeros((rank, num_rows), matrix.dtype),
    jnp.zeros(num_features, matrix.dtype),
  )


def _step(key, factors, transition, delta, z):
  left, middle, right = factors
  rank, dtype = len(left), delta.dtype
  sign = jax.random.rademacher(key, (), dtype)
  key_sketch, key_reduce = jax.random.split(jax.random.fold_in(key, 1))
  moved = left @ transition.T
  sketch = _sketch(key_sketch, delta, rank)
  # By the norm of the product itself: that of its factors would under- or
  # overflow where the product does not.
  p_1, inverse_1 = low_rank.balance(right, moved.T @ middle)
  p_2, inverse_2 = low_rank.balance(z, delta)
  lefts = [inverse_1 * moved, sign * inverse_2 * (delta @ sketch).T]
  left, middle = low_rank.reduce_rank(
    key_reduce,
    jnp.concatenate(lefts).astype(dtype),
    jnp.concatenate([middle, sketch.T]),
    rank,
  )
  right = (p_1 * right + sign * p_2 * z).astype(dtype)
  # No derivative of one factor without those of the others.
  return KTPFactors(left, middle, lax.stop_gradient(right))


def _sketch(key, delta, rank):
  """O [R, r]: the rows are dealt out to the columns one by one."""
  num_rows = delta.shape[1]
  signs = jax.random.rademacher(key, (num_rows, 1), delta.dtype)
  column = jnp.arange(num_rows, dtype=jnp.int32)[:, None] % rank
  columns = jnp.arange(rank, dtype=jnp.int32)[None]
  return jnp.where(column == columns, signs, 0)


def _pull(cotangent, factors):
  (weights,) = dense_influence.multiply(cotangent, [factors.left.T])
  (rows,) = dense_influence.multiply(weights, [factors.middle])
  return kronecker.weigh(rows[None], factors.right[None])
