"""Where signals settle in wide random networks, and how fast: order and chaos.

Fixed points of the maps of `mean_field`, with its conventions, depth scales and
the critical line between the phases. Fixed points are found by Newton's method
and differentiated implicitly.

References:
  Poole et al., Exponential expressivity in deep neural networks through
  transient chaos, 2016, https://arxiv.org/abs/1606.05340
  Schoenholz et al., Deep information propagation, 2017,
  https://arxiv.org/abs/1611.01232
"""

import math
from collections.abc import Callable, Sequence

import jax
from jax import lax
from jax import numpy as jnp

from nnfun import activations, base
from nnfun.theory import mean_field, quadrature

Activation = activations.Activation
Kinks = Sequence[float]
_MAX_STEPS = 200  # Newton's; at a double root it halves the distance.


def fixed_variance(
  activation: Activation,
  sigma_w: base.Array,
  sigma_b: base.Array,
  *,
  kinks: Kinks = (),
) -> base.Array:
  """Returns the variance q* that layers settle at: the variance map's root.

  Newton's method from sigma_w^2 + sigma_b^2, which is above q* if |phi| <= 1;
  for a concave map it falls to the largest root. Derivatives by implicit
  differentiation.

  Args:
    activation: phi.
    sigma_w: not negative.
    sigma_b: not negative.
    kinks: of phi.

  Returns:
    A scalar; NaN if the root found is unstable or there is none, as when the
    variance grows without bound (ReLU, sigma_w^2 > 2).

  Raises:
    ValueError: if sigma_w or sigma_b is not a scalar.
  """
  sigma_w, sigma_b = _scalars(sigma_w=sigma_w, sigma_b=sigma_b)

  def excess(q):
    return (
      mean_field.variance_map(activation, q, sigma_w, sigma_b, kinks=kinks) - q
    )

  start = jnp.square(sigma_w) + jnp.square(sigma_b)
  q = _newton(excess, start)
  # Above the largest root of a map that has one the variance falls.
  is_unstable = (q < start) & (excess(start) > 0)
  is_root = jnp.abs(excess(q)) <= _precision(q) * jnp.maximum(start, q)
  return jnp.where(is_root & ~is_unstable, q, jnp.nan)


def fixed_correlation(
  activation: Activation,
  q: base.Array,
  sigma_w: base.Array,
  sigma_b: base.Array,
  *,
  kinks: Kinks = (),
) -> base.Array:
  """Returns the correlation c* that two inputs settle at.

  The correlation map is a power series in c with coefficients >= 0, so on
  [0, 1] it is convex: besides c = 1 it has one more fixed point if chi_1 > 1,
  and none otherwise. Newton's method from c = 0 rises to it. Derivatives by
  implicit differentiation.

  Args:
    activation: phi, continuous.
    q: q*, a scalar > 0.
    sigma_w: not negative.
    sigma_b: not negative.
    kinks: of phi.

  Returns:
    The stable fixed point, a scalar in [0, 1].

  Raises:
    ValueError: if q, sigma_w or sigma_b is not a scalar.
  """
  q, sigma_w, sigma_b = _scalars(q=q, sigma_w=sigma_w, sigma_b=sigma_b)

  def excess(c):
    return (
      mean_field.correlation_map(
        activation, c, q, sigma_w, sigma_b, kinks=kinks
      )
      - c
    )

  is_ordered = mean_field.chi_1(activation, q, sigma_w, kinks=kinks) <= 1
  return jnp.where(is_ordered, 1, _newton(excess, jnp.zeros_like(q), 1.0))


def depth_scale_q(
  activation: Activation,
  q: base.Array,
  sigma_w: base.Array,
  *,
  kinks: Kinks = (),
) -> base.Array:
  """Returns over how many layers the variance settles.

    |q_l - q*| ~ exp(-l / xi_q),  1 / xi_q = -log(dq'/dq at q*).

  Args:
    activation: phi.
    q: q*, a scalar > 0.
    sigma_w: not negative.
    kinks: of phi.

  Returns:
    xi_q in layers, a scalar.

  Raises:
    ValueError: if q or sigma_w is not a scalar.
  """
  q, sigma_w = _scalars(q=q, sigma_w=sigma_w)
  zero = jnp.zeros_like(q)
  slope = jax.grad(
    lambda q: mean_field.variance_map(activation, q, sigma_w, zero, kinks=kinks)
  )
  return -1 / jnp.log(jnp.abs(slope(q)))


def depth_scale_c(
  activation: Activation,
  c: base.Array,
  q: base.Array,
  sigma_w: base.Array,
  *,
  kinks: Kinks = (),
) -> base.Array:
  """Returns over how many layers two inputs lose what told them apart.

    |c_l - c*| ~ exp(-l / xi_c),  1 / xi_c = -log mean_field.chi(c*),

  infinite on the critical line. At c = 1 in the chaotic phase it is negative:
  the distance of neighbours grows.

  Args:
    activation: phi.
    c: c*, a scalar.
    q: q*, a scalar.
    sigma_w: not negative.
    kinks: of phi.

  Returns:
    xi_c in layers, a scalar.

  Raises:
    ValueError: if c, q or sigma_w is not a scalar.
  """
  c, q, sigma_w = _scalars(c=c, q=q, sigma_w=sigma_w)
  return -1 / jnp.log(mean_field.chi(activation, c, q, sigma_w, kinks=kinks))


def critical_point(
  activation: Activation, q: base.Array, *, kinks: Kinks = ()
) -> tuple[base.Array, base.Array]:
  """Returns where on the critical line chi_1 = 1 the variance settles at q.

    sigma_w^2 = 1 / E[phi'^2],  sigma_b^2 = q - sigma_w^2 E[phi^2].

  Args:
    activation: phi.
    q: q*, a scalar >= 0.
    kinks: of phi.

  Returns:
    sigma_w^2 and sigma_b^2, scalars. A negative sigma_b^2 says that no critical
    network settles there.

  Raises:
    ValueError: if q is not a scalar.
  """
  one, zero = jnp.ones([]), jnp.zeros([])
  variance_w = 1 / mean_field.chi_1(activation, q, one, kinks=kinks)
  reached = mean_field.variance_map(
    activation, q, jnp.sqrt(variance_w), zero, kinks=kinks
  )
  return variance_w, q - reached


def critical_sigma_w(
  activation: Activation, sigma_b: base.Array, *, kinks: Kinks = ()
) -> base.Array:
  """Returns the critical line, sigma_w as a function of sigma_b.

  Args:
    activation: phi.
    sigma_b: a scalar > 0.
    kinks: of phi.

  Returns:
    sigma_w with chi_1 = 1 at q*; NaN if there is none, as for ReLU, which is
    critical at sigma_b = 0 alone, or where rounding q* hides sigma_b^2: above
    q* = 2900 sigma_b^2 in float32. Differentiable.

  Raises:
    ValueError: if sigma_b is not a scalar.
  """
  (sigma_b,) = _scalars(sigma_b=sigma_b)

  def excess(q):
    variance_b = critical_point(activation, q, kinks=kinks)[1]
    return variance_b - jnp.square(sigma_b)

  q = _newton(excess, 1 + jnp.square(sigma_b))
  variance_w = critical_point(activation, q, kinks=kinks)[0]
  is_root = jnp.abs(excess(q)) <= _precision(q) * jnp.square(sigma_b)
  # If excess has no root, its rounding of eps q has one at a large q.
  is_resolved = _precision(q) * q <= jnp.square(sigma_b)
  return jnp.where(is_root & is_resolved, jnp.sqrt(variance_w), jnp.nan)


def _newton(
  fn: Callable[[base.Array], base.Array],
  start: base.Array,
  upper: float = math.inf,
) -> base.Array:
  """Returns a root in [0, upper] of fn, or where the search for one ended.

  It is differentiable by what fn closes over: dx = -dfn / fn'(x).
  """

  def solve(fn, start):
    def improve(carry):
      x, _, num_steps = carry
      value, slope = jax.jvp(fn, (x,), (jnp.ones_like(x),))
      # Next to a root there is nothing but rounding to divide.
      is_done = jnp.abs(value) <= 8 * jnp.finfo(x.dtype).eps * jnp.abs(x)
      step = jnp.where(is_done, 0, value / jnp.where(is_done, 1, slope))
      return jnp.clip(x - step, 0, upper), is_done, num_steps + 1

    def is_moving(carry):
      _, is_done, num_steps = carry
      return ~is_done & (num_steps < _MAX_STEPS)

    begin = start, jnp.zeros([], bool), jnp.zeros([], jnp.int32)
    return lax.while_loop(is_moving, improve, begin)[0]

  return lax.custom_root(fn, start, solve, lambda g, y: y / g(jnp.ones_like(y)))


def _precision(x):
  return jnp.sqrt(jnp.finfo(x.dtype).eps)


def _scalars(**values):
  for name, value in values.items():
    quadrature.check_scalar(name, value)
  return tuple(jnp.asarray(v, jnp.result_type(float)) for v in values.values())
