"""Kronecker-factored real-time recurrent learning."""

from typing import NamedTuple

import jax
from jax import numpy as jnp

from nnfun import base
from nnfun.estimators import dense_influence, kronecker, low_rank, signs


class KFFactors(NamedTuple):
  """J ~ A (x) u, for a matrix W [R, Z]."""

  left: jax.Array  # A  [S, R]
  right: jax.Array  # u  [Z]


def kf_rtrl(
  cell: base.AffineCell,
  loss_fn: base.LossFn,
  *,
  precision: str | None = "highest",
) -> base.GradientEstimator:
  """Carries the influence as one Kronecker product a matrix; unbiased.

    A <- Phi A / p_1 + c D / p_2,  u <- p_1 u + c p_2 z,
    p_1 = sqrt(|Phi A| / |u|),  p_2 = sqrt(|D| / |z|)

  with D = d s_t / d a_t, a = W z, and a random sign c; then E[A (x) u] =
  Phi J + D (x) z. The paper has a sign in front of each of the two terms, of
  which J sees the product alone. D (x) z itself is exact, where `uoro` draws it
  at random too: only adding it to what was there costs variance.

  A matrix has S R + Z numbers of state, and a step costs 2 S^2 R flops for
  Phi A: O(n^3), and O(n^2) of memory.

  Args:
    cell: an `AffineCell` (vanilla, linear, gru, lstm, mgu).
    loss_fn: the loss of one step.
    precision: of products, see `rtrl`.

  Returns:
    The estimator; its key is in its state. Within a segment the gradient is
    that of back-propagation; the influence goes step by step in any case.
    Derivatives of estimates take p_1, p_2 for constants, and are unbiased.

  Raises:
    ValueError: if the cell is of another kind.

  References:
    Mujika, Meier, Steger, Approximating real-time recurrent learning with
    random Kronecker factors, 2018, https://arxiv.org/abs/1805.10842
  """
  factors = kronecker.Factors(_zeros, _step, _pull, SIGNS)
  return kronecker.from_factors(
    "kf_rtrl", cell, loss_fn, factors, precision=precision
  )


def _zeros(matrix, num_states):
  num_rows, num_features = matrix.shape
  return KFFactors(
    jnp.zeros((num_states, num_rows), matrix.dtype),
    jnp.zeros(num_features, matrix.dtype),
  )


def _draw_signs(key, bits, num_matrices):
  del num_matrices
  key, bits, drawn = signs.draw(key, bits)
  return key, bits, list(drawn)


SIGNS = kronecker.Randomness(lambda number: signs.zeros((number,)), _draw_signs)


def _step(sign, factors, transition, delta, z):
  sign = sign.astype(delta.dtype)
  moved = transition @ factors.left
  p_1, inverse_1 = low_rank.balance(factors.right, moved)
  p_2, inverse_2 = low_rank.balance(z, delta)
  left = inverse_1 * moved + sign * inverse_2 * delta
  right = p_1 * factors.right + sign * p_2 * z
  return KFFactors(left.astype(delta.dtype), right.astype(delta.dtype))


def _pull(cotangent, factors):
  (weights,) = dense_influence.multiply(cotangent, [factors.left])
  return kronecker.weigh(weights[None], factors.right[None])
