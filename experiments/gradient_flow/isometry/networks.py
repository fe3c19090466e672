"""Jacobians and norms of random networks, one network a call."""

from typing import NamedTuple

import jax
from jax import lax
from jax import numpy as jnp

import nnfun as nf

Array = jax.Array

# Rows of the paper's table: activation and kinks.
UNITS = {
  "linear": (nf.activations.identity, ()),
  "ReLU": (nf.activations.relu, (0.0,)),
  "hard tanh": (nf.activations.hard_tanh, (-1.0, 1.0)),
  "erf": (nf.activations.erf, ()),
}


class Jacobians(NamedTuple):
  """Moments of the singular values s of J after each layer."""

  mean: Array  # of s^2 [L, U, 2]
  mean_square: Array  # of s^4 [L, U, 2]
  traces: Array  # of Q, signs corrected and as LAPACK leaves them [L, 2]


def jacobians(
  keys: Array, variances_w: Array, variances_b: Array, q: float, *, width: int
) -> tuple[Jacobians, Array]:
  """Returns moments, and J^T J after the last layer [U, 2, N, N].

  The rows of the table share the draws of weights and biases, the orthogonal
  ones being the Q of the Gaussian ones. Pre-activations have variance q from
  the first of the layers on, for which there is one key each [L].
  """
  gain, shift = jnp.sqrt(variances_w), jnp.sqrt(variances_b)
  # The distributions of the weights single out no direction of the input.
  signals = jnp.sqrt((q - variances_b) / variances_w)[:, None, None]
  signals = jnp.broadcast_to(signals, (len(UNITS), 2, width))
  jacobian = jnp.broadcast_to(jnp.eye(width), (*signals.shape, width))

  def advance(carry, key_layer):
    signals, jacobian, _ = carry
    draws = jax.random.normal(key_layer, (width, width + 1))
    orthogonal, raw = haar(draws[:, :width])
    weights = jnp.stack([draws[:, :width] / width**0.5, orthogonal])
    weights = gain[:, None, None, None] * weights[None]
    biases = shift[:, None] * draws[:, width][None]
    z = jnp.einsum("urij,urj->uri", weights, signals) + biases[:, None]
    rows = [(unit, z[i]) for i, (unit, _) in enumerate(UNITS.values())]
    slopes = jnp.stack([unit.slope(row) for unit, row in rows])
    jacobian = slopes[..., None] * (weights @ jacobian)
    gram = jnp.swapaxes(jacobian, -2, -1) @ jacobian
    measured = Jacobians(
      mean=jnp.trace(gram, axis1=-2, axis2=-1) / width,
      mean_square=jnp.sum(jnp.square(gram), (-2, -1)) / width,
      traces=jnp.stack([jnp.trace(orthogonal), jnp.trace(raw)]),
    )
    return (jnp.stack([u(row) for u, row in rows]), jacobian, gram), measured

  start = signals, jacobian, jacobian
  (_, _, gram), measured = lax.scan(advance, start, keys)
  return measured, gram


def haar(gaussian: Array) -> tuple[Array, Array]:
  """Returns an orthogonal matrix from the Haar measure, and LAPACK's.

  QR is unique up to the signs of R's diagonal; making them positive makes Q as
  likely as any rotation of it (Mezzadri 2007).
  """
  raw, triangle = jnp.linalg.qr(gaussian)
  return raw * jnp.sign(jnp.diagonal(triangle))[None], raw


def log_norms(
  keys: Array, widths: Array, num_layers: Array, *, max_width: int
) -> Array:
  """Sends a signal and a tangent through ReLU networks of several shapes.

  Returns log(|x|^2 / n) behind the last layer, less the same at the start, of
  both and for each shape [2, P]; -inf for a dead network. `widths` are
  n_0 ... n_L [P, 1 + L], of which only the first `num_layers` [P] count. The
  shapes share the draws: each takes a corner of every matrix. Vectors are
  normalised after every layer, so that no depth can make them over- or
  underflow.
  """
  unit = jnp.arange(max_width)
  # Gaussian weights single out no direction: equal inputs, and one column of J.
  start = unit[None] < widths[:, :1], unit[None] < jnp.ones_like(widths[:, :1])
  start = _normalized(jnp.stack(start).astype(float))[0]

  def advance(carry, step):
    vectors, log_norm = carry
    key_layer, i = step
    weights = jax.random.normal(key_layer, (max_width, max_width))
    z = vectors @ weights.T
    is_active = (z[0] > 0) & (unit[None] < widths[:, i + 1, None])
    after, square = _normalized(jnp.where(is_active[None], z, 0))
    # Weights of variance 2 / fan-in, from squares to mean squares.
    growth = jnp.log(2 * square / widths[:, i + 1][None])
    is_inside = i < num_layers
    vectors = jnp.where(is_inside[None, :, None], after, vectors)
    return (vectors, log_norm + jnp.where(is_inside[None], growth, 0)), None

  carry = start, jnp.zeros(start.shape[:2])
  return lax.scan(advance, carry, (keys, jnp.arange(len(keys))))[0][1]


def _normalized(vectors):
  """Returns unit vectors, or 0 as it is, and the squared norms."""
  square = jnp.sum(jnp.square(vectors), -1)
  return vectors / jnp.sqrt(jnp.where(square > 0, square, 1))[..., None], square
