"""Signals and gradients in wide random networks: the mean-field theory.

A layer is z' = W phi(z) + b with W_ij ~ N(0, sigma_w^2 / fan_in) and b_i ~
N(0, sigma_b^2). In the limit of infinite width pre-activations are Gaussian; q
is their variance and c the correlation of those of two inputs.

Activations are elementwise and, if they have kinks, `kinks` says where: (0.0,)
for ReLU, (-1.0, 1.0) for hard tanh. Parameters of an activation are static; q,
c, sigma_w and sigma_b may be traced, mapped and differentiated. The precision
of the integrals is stated in `quadrature`.

References:
  Poole et al., Exponential expressivity in deep neural networks through
  transient chaos, 2016, https://arxiv.org/abs/1606.05340
  Schoenholz et al., Deep information propagation, 2017,
  https://arxiv.org/abs/1611.01232
"""

from collections.abc import Sequence

import jax
from jax import numpy as jnp

from nnfun import activations, base
from nnfun.theory import quadrature

Activation = activations.Activation
Kinks = Sequence[float]


def variance_map(
  activation: Activation,
  q: base.Array,
  sigma_w: base.Array,
  sigma_b: base.Array,
  *,
  kinks: Kinks = (),
) -> base.Array:
  """Returns the variance one layer on.

    q' = sigma_w^2 E[phi(sqrt(q) z)^2] + sigma_b^2.

  Args:
    activation: phi.
    q: variance of the pre-activations, a scalar >= 0.
    sigma_w: not negative.
    sigma_b: not negative.
    kinks: of phi.

  Returns:
    q', a scalar.

  Raises:
    ValueError: if q is not a scalar.

  >>> relu = activations.relu
  >>> one_layer = lambda q: variance_map(relu, q, 2**0.5, 0.1, kinks=(0.0,))
  >>> print(f"{jax.jit(one_layer)(4.0):.4f}")
  4.0100
  """
  mean = quadrature.gaussian_mean(
    lambda u: jnp.square(activation.fn(u)), q, kinks=kinks
  )
  return jnp.square(sigma_w) * mean + jnp.square(sigma_b)


def correlation_map(
  activation: Activation,
  c: base.Array,
  q: base.Array,
  sigma_w: base.Array,
  sigma_b: base.Array,
  *,
  kinks: Kinks = (),
) -> base.Array:
  """Returns the correlation one layer on, of two inputs of equal variance.

    c' = (sigma_w^2 E[phi(u) phi(v)] + sigma_b^2) / q'

  over Gaussians u, v of variance q and correlation c. Differentiable by c up to
  c = 1 where phi is continuous.

  Args:
    activation: phi.
    c: correlation, a scalar in [-1, 1].
    q: variance, a scalar > 0; the fixed point q* in the papers.
    sigma_w: not negative.
    sigma_b: not negative.
    kinks: of phi.

  Returns:
    c', a scalar.

  Raises:
    ValueError: if q or c is not a scalar.
  """
  mean = quadrature.gaussian_pair_mean(
    activation.fn, q, c, slope_fn=activation.slope, kinks=kinks
  )
  covariance = jnp.square(sigma_w) * mean + jnp.square(sigma_b)
  return covariance / variance_map(activation, q, sigma_w, sigma_b, kinks=kinks)


def chi(
  activation: Activation,
  c: base.Array,
  q: base.Array,
  sigma_w: base.Array,
  *,
  kinks: Kinks = (),
) -> base.Array:
  """Returns by what factor a layer changes small differences of c.

    chi(c) = sigma_w^2 E[phi'(u) phi'(v)],

  at q = q* the slope dc'/dc of the correlation map.

  Args:
    activation: phi.
    c: correlation, a scalar in [-1, 1].
    q: variance, a scalar >= 0.
    sigma_w: not negative.
    kinks: of phi.

  Returns:
    A scalar; at kinks differentiable by c for -1 < c < 1 only.

  Raises:
    ValueError: if q or c is not a scalar.
  """
  curvature = None if kinks else _elementwise_derivative(activation.slope)
  mean = quadrature.gaussian_pair_mean(
    activation.slope, q, c, slope_fn=curvature, kinks=kinks
  )
  return jnp.square(sigma_w) * mean


def chi_1(
  activation: Activation,
  q: base.Array,
  sigma_w: base.Array,
  *,
  kinks: Kinks = (),
) -> base.Array:
  """Returns the growth of squared gradients and small distances per layer.

    chi_1 = sigma_w^2 E[phi'(sqrt(q) z)^2] = chi(1).

  Below 1 the network is ordered and gradients vanish, above 1 it is chaotic and
  they explode.

  Args:
    activation: phi.
    q: variance, a scalar >= 0. At q = 0 the value is sigma_w^2 phi'(0)^2, which
      in a kink is not the limit: 0 for ReLU, and sigma_w^2 / 2 for any q > 0.
    sigma_w: not negative.
    kinks: of phi.

  Returns:
    A scalar.

  Raises:
    ValueError: if q is not a scalar.
  """
  return jnp.square(sigma_w) * quadrature.gaussian_mean(
    lambda u: jnp.square(activation.slope(u)), q, kinks=kinks
  )


def chi_2(
  activation: Activation, q: base.Array, sigma_w: base.Array
) -> base.Array:
  """Returns what makes a straight line of inputs curve, layer by layer.

    chi_2 = sigma_w^2 E[phi''(sqrt(q) z)^2].

  Args:
    activation: phi, with a slope that JAX can differentiate. (A kink would
      make chi_2 infinite, and is not seen.)
    q: variance, a scalar >= 0.
    sigma_w: not negative.

  Returns:
    A scalar.

  Raises:
    ValueError: if q is not a scalar.
  """
  curvature = _elementwise_derivative(activation.slope)
  return jnp.square(sigma_w) * quadrature.gaussian_mean(
    lambda u: jnp.square(curvature(u)), q
  )


def _elementwise_derivative(fn):
  return lambda u: jax.jvp(fn, (u,), (jnp.ones_like(u),))[1]
