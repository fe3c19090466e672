"""Real-time recurrent learning with optimal Kronecker sums."""

import functools
from typing import NamedTuple

import jax
from jax import numpy as jnp

from nnfun import base
from nnfun.estimators import dense_influence, kronecker, low_rank


class OKFactors(NamedTuple):
  """J ~ sum_i A_i (x) u_i, for a matrix W [R, Z]."""

  lefts: jax.Array  # A  [S, r, R]
  rights: jax.Array  # u  [r, Z]


def ok_rtrl(
  cell: base.AffineCell,
  loss_fn: base.LossFn,
  *,
  rank: int,
  precision: str | None = "highest",
) -> base.GradientEstimator:
  """Carries the influence as a sum of `rank` Kronecker products; unbiased.

    Phi J + D (x) z ~ sum_{i <= r} (Phi A_i) (x) u_i + D (x) z,  D = d s_t / d a

  are r + 1 products, which `low_rank.reduce_rank` makes r again, at random and
  with the least variance of J that a step can add. That is 0 for r >= Z, where
  the estimate is the exact gradient. With r = 1 a step adds no more to the
  variance of J than one of `kf_rtrl`; gradients, which weigh the entries of J,
  may have a little more.

  A matrix has r (S R + Z) numbers of state. A step costs 2 r S^2 R flops for
  the Phi A_i, about 10 r^2 (S R + Z) for orthonormal rows and 100 r^3, in some
  10 r small turns of a loop, for singular values: O(r n^3) for r <= n, and
  O(r n^2) of memory. More than Z products are not kept.

  Args:
    cell: an `AffineCell` (vanilla, linear, gru, lstm, mgu).
    loss_fn: the loss of one step.
    rank: r, how many products stand for the influence of a matrix.
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
    https://arxiv.org/abs/1902.03993
  """
  base.check_count("rank", rank)
  zeros = functools.partial(_zeros, rank=rank)
  factors = kronecker.Factors(zeros, _step, _pull)
  return kronecker.from_factors(
    "ok_rtrl", cell, loss_fn, factors, precision=precision
  )


def _zeros(matrix, num_states, *, rank):
  num_rows, num_features = matrix.shape
  rank = min(rank, num_features)
  return OKFactors(
    jnp.zeros((num_states, rank, num_rows), matrix.dtype),
    jnp.zeros((rank, num_features), matrix.dtype),
  )


def _step(key, factors, transition, delta, z):
  moved = jnp.tensordot(transition, factors.lefts, 1)
  lefts = jnp.concatenate([moved, delta[:, None]], 1)
  rights = jnp.concatenate([factors.rights, z[None]])
  rank = len(factors.rights)
  # One row for each product.
  rows = jnp.swapaxes(lefts, 0, 1).reshape(rank + 1, -1)
  rows, rights = low_rank.reduce_rank(key, rows, rights, rank)
  lefts = jnp.swapaxes(rows.reshape(rank, *delta.shape), 0, 1)
  return OKFactors(lefts, rights)


def _pull(cotangent, factors):
  (weights,) = dense_influence.multiply(cotangent, [factors.lefts])
  return kronecker.weigh(weights, factors.rights)
