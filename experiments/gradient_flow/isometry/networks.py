"""Jacobians and norms of random networks, one network a call."""

import jax
from jax import lax
from jax import numpy as jnp

import nnfun as nf
from experiments.gradient_flow.isometry import theory

Array = jax.Array

# Rows of the paper's table: activation and kinks.
UNITS = {
  "linear": (nf.activations.identity, ()),
  "ReLU": (nf.activations.relu, (0.0,)),
  "hard tanh": (nf.activations.hard_tanh, (-1.0, 1.0)),
  "erf": (nf.activations.erf, ()),
}


def jacobians(
  keys: Array, variances_w: Array, variances_b: Array, *, width: int
) -> tuple[Array, Array]:
  """Draws a layer for each key [L]; all units share the draws.

  Returns the variance of J's squared singular values over their mean^2 after
  each layer [L, U, 2], and J of the panels at the end [panels, N, N].
  """
  units = [unit for unit, _ in UNITS.values()]
  gain, shift = (jnp.sqrt(v)[:, None, None] for v in (variances_w, variances_b))
  # The distributions of the weights single out no direction of the input.
  signals = jnp.sqrt(theory.Q - jnp.square(shift)) / gain
  signals = jnp.broadcast_to(signals, (len(UNITS), 2, width))
  jacobian = jnp.broadcast_to(jnp.eye(width), (*signals.shape, width))

  def advance(carry, key_layer):
    signals, jacobian = carry
    draws = jax.random.normal(key_layer, (width, width + 1))
    gaussian = draws[:, :width]
    weights = jnp.stack([gaussian / width**0.5, haar(gaussian)[0]])
    z = gain * jnp.einsum("rij,urj->uri", weights, signals)
    z += shift * draws[:, width][None, None]
    slopes = [unit.slope(row) for unit, row in zip(units, z, strict=True)]
    slopes = (gain * jnp.stack(slopes))[..., None]
    jacobian = slopes * (weights[None] @ jacobian)
    gram = jnp.swapaxes(jacobian, -2, -1) @ jacobian
    square, fourth = (jnp.sum(m**2, (-2, -1)) for m in (jacobian, gram))
    signals = [unit(row) for unit, row in zip(units, z, strict=True)]
    spread = width * fourth / jnp.square(square) - 1
    return (jnp.stack(signals), jacobian), spread

  (_, jacobian), spread = lax.scan(advance, (signals, jacobian), keys)
  panels = [jacobian[theory.UNITS.index(unit), j] for unit, j in theory.PANELS]
  return spread, jnp.stack(panels)


def haar(gaussian: Array) -> tuple[Array, Array]:
  """Returns an orthogonal matrix from the Haar measure, and LAPACK's.

  QR is unique up to the signs of R's diagonal; making them positive makes Q as
  likely as any rotation of it (Mezzadri 2007).
  """
  raw, triangle = jnp.linalg.qr(gaussian)
  return raw * jnp.sign(jnp.diagonal(triangle))[None], raw


def log_norm(keys: Array, widths: Array, *, max_width: int) -> Array:
  """Sends a signal and a tangent through a ReLU network of some widths [L].

  Returns log(|u|^2 / n) of the tangent at the end less at the start, -inf for a
  dead network. The input is as wide as the first layer; 0 is no layer. Shapes
  share the draws: each takes a corner of every matrix.
  """
  unit = jnp.arange(max_width)
  # Gaussian weights single out no direction: equal inputs, and one column of J.
  start = jnp.stack([unit < widths[0], unit == 0]).astype(jnp.float32)

  def advance(carry, step):
    vectors, fan_in = carry
    key_layer, size = step
    weights = jax.random.normal(key_layer, (max_width, max_width))
    z = jnp.sqrt(2 / fan_in) * (vectors @ weights.T)
    is_active = (z[0] > 0) & (unit < size)
    vectors = jnp.where(size > 0, jnp.where(is_active[None], z, 0), vectors)
    return (vectors, jnp.where(size > 0, size, fan_in)), None

  (end, size), _ = lax.scan(advance, (start, widths[0]), (keys, widths))
  return jnp.log(jnp.sum(jnp.square(end[1])) * widths[0] / size)
