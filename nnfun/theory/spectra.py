"""Singular values of the Jacobian of a wide random network.

J = D_L W_L ... D_1 W_1 with D_l = diag(phi'(z_l)), z_l of variance q, and
weights that are Gaussian, W_ij ~ N(0, sigma_w^2 / N), or orthogonal up to the
factor sigma_w, at infinite width. `mean_field` says which q and sigma_w go
together; `finite_width` what is left at a finite one.

References:
  Pennington, Schoenholz, Ganguli, The emergence of spectral universality in
  deep networks, 2018, https://arxiv.org/abs/1802.09979
"""

from collections.abc import Sequence

import jax
from jax import lax
from jax import numpy as jnp
from jax.scipy import special

from nnfun import activations, base
from nnfun.theory import quadrature

Activation = activations.Activation
_NUM_STEPS = 120  # Of the way down to the real axis,
_FACTOR = 0.75  # by this factor each: to 1e-12.


def slope_ratio(
  activation: Activation, q: base.Array, *, kinks: Sequence[float] = ()
) -> base.Array:
  """Returns how unequal the slopes of a layer are.

    mu_2 / mu_1^2,  mu_k = E[phi'(z)^{2 k}],  z ~ N(0, q).

  It is 1 for linear units and 2 for ReLU.

  Args:
    activation: phi, elementwise.
    q: variance of the pre-activations, a scalar >= 0.
    kinks: of phi.

  Returns:
    A scalar >= 1.

  Raises:
    ValueError: if q is not a scalar.
  """
  u, weights = quadrature.gaussian_nodes(q, kinks=kinks)
  squares = jnp.square(activation.slope(u))
  mean = jnp.sum(weights * squares)
  return jnp.sum(weights * jnp.square(squares)) / jnp.square(mean)


def hard_tanh_slope_ratio(q: base.Array) -> base.Array:
  """Returns `slope_ratio` of hard tanh, 1 / erf(1 / sqrt(2 q)).

  Args:
    q: variance of the pre-activations, > 0.

  Returns:
    The shape of q.
  """
  return 1 / special.erf(1 / jnp.sqrt(2 * q))


def erf_slope_ratio(q: base.Array) -> base.Array:
  """Returns `slope_ratio` of `activations.erf`.

    (1 + pi q) / sqrt(1 + 2 pi q)

  Args:
    q: variance of the pre-activations, >= 0.

  Returns:
    The shape of q.
  """
  return (1 + jnp.pi * q) / jnp.sqrt(1 + 2 * jnp.pi * q)


def relative_variance(
  slope_ratio: base.Array, depth: int, *, orthogonal: bool
) -> base.Array:
  """Returns the variance of the squared singular values over their mean^2.

    L (mu_2 / mu_1^2 - 1 - s_1),  s_1 = 0 if orthogonal, -1 if Gaussian.

  Their mean is chi_1^L, 1 on the critical line.

  Args:
    slope_ratio: mu_2 / mu_1^2.
    depth: L.
    orthogonal: whether the weights are, or else Gaussian.

  Returns:
    The shape of `slope_ratio`.

  >>> relative_variance(2.0, 10, orthogonal=False)  # ReLU
  20.0
  """
  return depth * (slope_ratio - 1 + (0 if orthogonal else 1))


def density(
  x: base.Array,
  activation: Activation,
  q: base.Array,
  sigma_w: base.Array,
  *,
  depth: int,
  orthogonal: bool,
  kinks: Sequence[float] = (),
) -> base.Array:
  """Returns the density of the squared singular values.

  With M(w) = E[phi'^2 / (w - phi'^2)] for one layer, and z the point at which
  the moment function m of all L layers is wanted,

    m = M(w),  z = sigma_w^{2 L} w^L (m / (1 + m))^{L-1} (1 + m)^{g L},
    density = -Im((1 + m) / z) / pi  as z -> x + 0 i,

  g = 1 for Gaussian and 0 for orthogonal weights: the S-transform of a free
  product is the product of the S-transforms. The root w is followed from large
  imaginary z, where it is unique, down to the real axis.

  Args:
    x: squared singular values, positive [K].
    activation: phi, elementwise.
    q: variance of the pre-activations, a scalar > 0.
    sigma_w: not negative.
    depth: L.
    orthogonal: whether the weights are, or else Gaussian.
    kinks: of phi.

  Returns:
    [K]. Units of slope 0 put an atom at x = 0 beside it, as heavy as they are
    frequent.

  Raises:
    ValueError: if x is not of rank 1, or q not a scalar.
  """
  if jnp.ndim(x) != 1:
    raise ValueError(f"expected x [K], got shape {list(jnp.shape(x))}")
  u, weights = quadrature.gaussian_nodes(q, kinks=kinks)
  squares = jnp.square(activation.slope(u))
  exponent = 0 if orthogonal else depth

  def one(x):
    heights = (
      100 * (x + depth) * _FACTOR ** jnp.arange(_NUM_STEPS, dtype=x.dtype)
    )
    first = lax.complex(x, heights[0])
    moment = (jnp.square(sigma_w) * jnp.sum(weights * squares)) ** depth / first

    def descend(w, height):
      z = lax.complex(x, height)
      w = lax.fori_loop(0, 3, lambda _, w: improve(w, z), w)
      return w, (1 + _moment(w, squares, weights)[0]) / z

    def improve(w, z):
      m, m_dot = _moment(w, squares, weights)
      ratio = jnp.square(sigma_w) * w * m / (1 + m)
      reached = ratio**depth * (1 + m) / m * (1 + m) ** exponent
      growth = depth / w + m_dot * (
        (depth - 1) / (m * (1 + m)) + exponent / (1 + m)
      )
      return w - (1 - z / reached) / growth  # Newton's, for log z

    start = jnp.sum(weights * squares) / moment
    return -jnp.imag(lax.scan(descend, start, heights)[1][-1]) / jnp.pi

  return jax.vmap(one)(x)


def _moment(w, squares, weights):
  """Returns M(w) = E[s / (w - s)] and M'(w)."""
  inverse = 1 / (w - squares)
  return (
    jnp.sum(weights * squares * inverse),
    -jnp.sum(weights * squares * jnp.square(inverse)),
  )
