"""Arithmetic that stays right at zero, at infinity and at the ends of a dtype.

Values and derivatives are right to rounding wherever they can be represented;
where there is no derivative the docstring says what is returned. Subnormal
numbers count as zero, as they do everywhere in XLA on CPUs.
"""

import math

import jax
import optax
from jax import lax
from jax import numpy as jnp

from nnfun import base


def global_norm(tree: base.PyTree) -> base.Array:
  """Returns the Euclidean norm of all entries of a pytree.

    norm = sqrt(sum_i x_i^2),  d norm / d x_i = x_i / norm.

  Other than `optax.global_norm` it does not square what would over- or
  underflow, and agrees with it bit for bit where neither happens.

  Args:
    tree: real leaves of any shape.

  Returns:
    A scalar in float32, or in the widest dtype of the leaves if that is wider.
    It is infinite only if an entry is or the norm itself is beyond the dtype.
    The derivative at zero is 0, the smallest of the subgradients.

  Raises:
    ValueError: if a leaf is complex.

  References:
    Blue, A portable Fortran program to find the Euclidean norm of a vector,
    1978, https://doi.org/10.1145/355769.355771

  >>> norm = global_norm({"w": jnp.array([3e30]), "b": jnp.array(4e30)})
  >>> print(f"{norm:.3g}")
  5e+30
  """
  return _norm(_real(tree))


def log_global_norm(tree: base.PyTree) -> base.Array:
  """Returns the logarithm of the Euclidean norm of all entries of a pytree.

    log norm,  d log norm / d x_i = x_i / norm^2.

  Args:
    tree: real leaves of any shape.

  Returns:
    A scalar as `global_norm` does, finite also where the norm is beyond the
    dtype; -inf for zero, where the derivative is returned as 0.

  Raises:
    ValueError: if a leaf is complex.

  >>> print(f"{log_global_norm(jnp.full(4, 3e38)) / jnp.log(10.0):.3f}")
  38.778
  """
  _, reduced, scale = _reduce(_real(tree))
  return safe_log(reduced) + jnp.log(scale)


def clip_by_global_norm(max_norm: float) -> optax.GradientTransformation:
  """Shortens gradients that are longer than `max_norm`.

    g <- g min(1, max_norm / norm(g))

  `optax.clip_by_global_norm` returns 0 where the squares overflow, which stops
  training without a word. A gradient with an infinite entry has no direction:
  that entry becomes NaN here, for `optax.apply_if_finite` to reject.

  Args:
    max_norm: the largest norm let through, positive.

  Returns:
    The gradient transformation, without state.

  Raises:
    ValueError: if `max_norm` is not positive, or (later) a leaf is complex.

  References:
    Pascanu, Mikolov, Bengio, On the difficulty of training recurrent neural
    networks, 2013, https://arxiv.org/abs/1211.5063 (algorithm 1)
  """
  if isinstance(max_norm, (int, float)) and not max_norm > 0:
    raise ValueError(f"expected max_norm > 0, got {max_norm}")

  def clip(updates, params):
    del params
    scaled, reduced, scale = _reduce(_real(updates))
    keep = reduced * scale < max_norm
    shorten = max_norm / jnp.where(reduced == 0, 1, reduced)
    return jax.tree.map(
      lambda u, s: jnp.where(keep, u, (s * shorten).astype(u.dtype)),
      updates,
      scaled,
    )

  return optax.stateless(clip)


def widen(x: base.Array) -> base.Array:
  """Returns an array in float32 or wider, in which sums are taken.

  Args:
    x: any array.

  Returns:
    The array, in the wider of its dtype and float32.
  """
  return x.astype(jnp.promote_types(x.dtype, jnp.float32))


def safe_log(x: base.Array) -> base.Array:
  """Returns log x with derivative 0 in place of infinity at x = 0.

  A cotangent of 0 then stays 0, where 0 times infinity would make it NaN.

  Args:
    x: any shape.

  Returns:
    log x; -inf at 0 and NaN below.
  """
  x = jnp.asarray(x)
  return jnp.where(x == 0, -jnp.inf, jnp.log(jnp.where(x == 0, 1, x)))


def xlogx(x: base.Array) -> base.Array:
  """Returns x log x, which is 0 at x = 0.

  Its slope there is -inf; returned is 0, the limit of x (1 + log x), which is
  what remains of it behind any softmax or square. `jax.scipy.special.entr`
  gives NaN there.

  Args:
    x: any shape, not negative.

  Returns:
    The shape of x.

  >>> float(
  ...   jax.grad(lambda z: -jnp.sum(xlogx(jax.nn.softmax(z))))(
  ...     jnp.array([0.0, -300.0])
  ...   )[1]
  ... )
  0.0
  """
  x = jnp.asarray(x)
  return x * jnp.log(jnp.where(x == 0, 1, x))


def xlogy(x: base.Array, y: base.Array) -> base.Array:
  """Returns x log y, which is 0 at x = y = 0 with both derivatives 0 there.

  `jax.scipy.special.xlogy` has the derivatives -inf and NaN in that point.

  Args:
    x: any shape.
    y: the same shape, not negative.

  Returns:
    The same shape.
  """
  x, y = jnp.asarray(x), jnp.asarray(y)
  return x * jnp.log(jnp.where((x == 0) & (y == 0), 1, y))


def xlog1py(x: base.Array, y: base.Array) -> base.Array:
  """Returns x log(1 + y), which is 0 at x = 0, y = -1, as are its derivatives.

  Args:
    x: any shape.
    y: the same shape, not below -1.

  Returns:
    The same shape.
  """
  x, y = jnp.asarray(x), jnp.asarray(y)
  return x * jnp.log1p(jnp.where((x == 0) & (y == -1), 0, y))


def exprel(x: base.Array) -> base.Array:
  """Returns (exp(x) - 1) / x, continued through x = 0 with all derivatives.

  It turns closed forms with a removable singularity into ones without: a
  geometric sum is sum_{k < n} r^k = n exprel(n log r) / exprel(log r), also at
  r = 1, and the solution of du/dt = a u + b is
  u_0 exp(a t) + b t exprel(a t), also at a = 0.

  Args:
    x: any shape.

  Returns:
    The shape of x.

  >>> float(exprel(0.0)), float(jax.grad(exprel)(0.0))
  (1.0, 0.5)
  """
  x = 1.0 * jnp.asarray(x)  # an integer becomes a floating number
  near = jnp.abs(x) < 1
  # (exp(x) - 1) / x has the derivative (exp(x) - exprel(x)) / x, which loses
  # all digits near 0; the series sum_k x^k / (k + 1)! loses none.
  inside, series = jnp.where(near, x, 0), jnp.zeros_like(x)
  for k in range(18, 0, -1):
    series = series * inside + 1 / math.factorial(k)
  far = jnp.where(near, 1, x)
  return jnp.where(near, series, jnp.expm1(far) / far)


@jax.custom_jvp
def _norm(vector):
  _, reduced, scale = _reduce(vector)
  return reduced * scale


@_norm.defjvp
def _norm_jvp(primals, tangents):
  # In reverse mode the derivative of the formula itself would multiply the
  # cotangent by the scale, which overflows; x / norm does not.
  (vector,), (tangent,) = primals, tangents
  scaled, reduced, scale = _reduce(vector)
  unit = optax.tree.scale(1 / jnp.where(reduced == 0, 1, reduced), scaled)
  return reduced * scale, optax.tree.vdot(unit, tangent)


def _reduce(vector):
  """Returns (y, norm(y), s) with vector = s y and the squares of y in range."""
  dtype = jnp.result_type(jnp.float32, *jax.tree.leaves(vector))
  # Dividing by the largest entry would not do: XLA multiplies by its
  # reciprocal, which is subnormal, hence 0, for an entry above 8.5e37.
  exponent = jnp.finfo(dtype).maxexp
  step = 2.0 ** (5 * exponent // 8)
  largest = optax.tree.max(jax.tree.map(jnp.abs, vector))
  is_huge = largest > 2.0 ** (exponent // 4)
  is_tiny = largest < 2.0 ** (-exponent // 4)

  def choose(if_huge, if_tiny):
    factor = jnp.where(is_huge, if_huge, jnp.where(is_tiny, if_tiny, 1.0))
    return factor.astype(dtype)

  scaled = optax.tree.scale(choose(1 / step, step), vector)
  # Without the barrier XLA takes the factor, squared, out of the sum of squares
  # where it knows it while compiling, and has lost what it was there for.
  scaled = lax.optimization_barrier(scaled)
  squared = jnp.asarray(optax.tree.norm(scaled, squared=True), dtype)
  is_zero = squared == 0
  root = jnp.sqrt(jnp.where(is_zero, 1, squared))
  return scaled, jnp.where(is_zero, 0, root), choose(step, 1 / step)


def _real(tree):
  """Returns the leaves as arrays of one dtype, float32 or wider."""
  dtype = jnp.result_type(jnp.float32, *jax.tree.leaves(tree))
  if jnp.issubdtype(dtype, jnp.complexfloating):
    raise ValueError(
      "expected real leaves (keep a complex number as its two parts), got "
      f"dtypes {[jnp.asarray(x).dtype for x in jax.tree.leaves(tree)]}"
    )
  return jax.tree.map(lambda x: jnp.asarray(x, dtype), tree)


def batch_mean(
  estimates: base.PyTree, scale: base.Array | float = 1.0
) -> base.PyTree:
  """Returns the mean over a batch, such as `jax.vmap` of an update gives.

  On a CPU gradients of a batch take as little as half of the time that they
  take with `jnp.mean`: XLA is slow at sums over a leading axis.

  Args:
    estimates: a pytree, leaves [B, ...].
    scale: a factor, such as 1 / T for the mean over steps as well.

  Returns:
    Leaves [...], summed in float32 or wider.

  Raises:
    ValueError: if a leaf is not floating, or has no example.
  """

  def mean(leaf):
    leaf = jnp.asarray(leaf)
    if not jnp.issubdtype(leaf.dtype, jnp.inexact) or not leaf.shape[:1] > (0,):
      raise ValueError(
        "expected floating leaves [B, ...] with B >= 1, got "
        f"{leaf.dtype}{list(leaf.shape)}"
      )
    # As a product, which also spreads over the devices of a sharded batch.
    wide = widen(leaf)
    weights = jnp.full(len(leaf), scale / len(leaf), wide.dtype)
    summed = jnp.tensordot(weights, wide, 1, precision="highest")
    return summed.astype(leaf.dtype)

  return jax.tree.map(mean, estimates)
