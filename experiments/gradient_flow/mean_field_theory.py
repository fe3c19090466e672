"""What mean-field theory predicts for the networks of `mean_field`."""

import functools
from typing import NamedTuple

import jax
import numpy as np
from jax import lax
from jax import numpy as jnp

import nnfun as nf
from nnfun.theory import mean_field, phases

_phi = nf.activations.tanh
Array = jax.Array


class Fixed(NamedTuple):
  """Where signals settle and how fast, one entry for each setting."""

  q: Array  # q*
  c: Array  # c*
  chi_1: Array  # Growth of squared gradients per layer.
  xi_q: Array  # Layers.
  xi_c: Array  # Layers.


def fixed(sigma_w: Array, sigma_b: Array) -> Fixed:
  """Returns fixed points and depth scales of one setting.

  Args:
    sigma_w: a scalar.
    sigma_b: a scalar.

  Returns:
    Scalars.
  """
  q = phases.fixed_variance(_phi, sigma_w, sigma_b)
  c = phases.fixed_correlation(_phi, q, sigma_w, sigma_b)
  return Fixed(
    q,
    c,
    mean_field.chi_1(_phi, q, sigma_w),
    phases.depth_scale_q(_phi, q, sigma_w),
    phases.depth_scale_c(_phi, c, q, sigma_w),
  )


def starting_correlations(c_star: Array, distance: float) -> Array:
  """Returns from where two groups of inputs are to approach c*.

  In the chaotic phase from both sides, so that the curvature of the map cancels
  in their difference. In the ordered phase, c* = 1, one starts ten times
  nearer, where the map is straight.

  Args:
    c_star: c*, any shape.
    distance: from c* at the start.

  Returns:
    Two correlations on a new last axis.
  """
  is_ordered = c_star == 1
  near = np.where(is_ordered, 1 - distance / 10, c_star + distance)
  return np.stack([near, c_star - distance], -1)


def trajectory(
  sigma_w: Array,
  sigma_b: Array,
  q: Array,
  c: Array,
  relaxing_q: Array,
  *,
  num_layers: int,
) -> tuple[Array, Array]:
  """Iterates the maps.

  Args:
    sigma_w: a scalar.
    sigma_b: a scalar.
    q: q*, a scalar.
    c: correlations at the start [G].
    relaxing_q: variances at the start [R].
    num_layers: L.

  Returns:
    Correlations [L + 1, G] and variances [L + 1, R], the start first.
  """

  def one_c(c):
    return mean_field.correlation_map(_phi, c, q, sigma_w, sigma_b)

  def one_q(q):
    return mean_field.variance_map(_phi, q, sigma_w, sigma_b)

  def layer(carry, _):
    c, q = carry
    return (jax.vmap(one_c)(c), jax.vmap(one_q)(q)), carry

  return lax.scan(layer, (c, relaxing_q), None, length=num_layers + 1)[1]


def maps(
  sigma_w: Array, sigma_b: Array, q_star: Array, q: Array, c: Array
) -> tuple[Array, Array]:
  """Evaluates the maps of one setting.

  Args:
    sigma_w: a scalar.
    sigma_b: a scalar.
    q_star: q*, a scalar.
    q: variances [Q].
    c: correlations [C].

  Returns:
    q' [Q] and c' [C].
  """
  q_next = jax.vmap(
    lambda q: mean_field.variance_map(_phi, q, sigma_w, sigma_b)
  )(q)
  c_next = jax.vmap(
    lambda c: mean_field.correlation_map(_phi, c, q_star, sigma_w, sigma_b)
  )(c)
  return q_next, c_next


def critical_variance_w(sigma_b: Array) -> Array:
  """Returns sigma_w^2 on the critical line.

  Args:
    sigma_b: [B].

  Returns:
    [B].
  """
  line = functools.partial(phases.critical_sigma_w, _phi)
  return jnp.square(jax.vmap(line)(sigma_b))
