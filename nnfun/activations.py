"""Activations with their slopes in closed form, and the softmax family.

An `Activation` is a record of functions on the vector of one layer, and can be
called: `tanh(z)`, `tanh.slope(z)`. The constants stand at the end. `softmax`,
`log_softmax`, `sparsemax` and `hard_max` are functions on one vector [N] with
an inverse temperature c, from 0 (uniform) to infinity (the maximum alone).
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np
import optax
from jax import numpy as jnp

from nnfun import base, numerics


class Activation(NamedTuple):
  """a = fn(z) and its derivative, written out.

  For an elementwise activation slope(z) is the vector of sigma'(z_i), [N], in
  a kink the same one-sided value as JAX has. For one that mixes the units it is
  the Jacobian d a_i / d z_j, [N, N].
  """

  fn: Callable[[base.Array], base.Array]
  slope: Callable[[base.Array], base.Array]
  max_slope: float  # supremum of abs(sigma'), or the norm bound of a Jacobian

  def __call__(self, z: base.Array) -> base.Array:
    """Returns fn(z)."""
    return self.fn(z)


def scaled_sigmoid(*, max_slope: float) -> Activation:
  """Returns the logistic function, steepened to a given largest slope.

    sigma(z) = 1 / (1 + exp(-4 s z)),  sigma'(z) = 4 s sigma(z) sigma(-z).

  Args:
    max_slope: s, the slope at 0; 1/4 is the standard sigmoid.

  Returns:
    The activation, with values in (0, 1).

  Raises:
    ValueError: if `max_slope` is not positive.

  >>> float(scaled_sigmoid(max_slope=16.0).slope(0.0))
  16.0
  """
  gain = 4 * _positive("max_slope", max_slope)

  def slope(z):
    # sigma(-z), since 1 - sigma(z) has no digits left for a large z.
    return gain * jax.nn.sigmoid(gain * z) * jax.nn.sigmoid(-gain * z)

  return Activation(lambda z: jax.nn.sigmoid(gain * z), slope, max_slope)


def scaled_tanh(*, max_slope: float) -> Activation:
  """Returns tanh, steepened to a given largest slope.

    sigma(z) = tanh(s z),  sigma'(z) = s / cosh(s z)^2.

  Args:
    max_slope: s, the slope at 0.

  Returns:
    The activation, with values in (-1, 1).

  Raises:
    ValueError: if `max_slope` is not positive.
  """
  gain = _positive("max_slope", max_slope)

  def slope(z):
    # 1 / cosh(x)^2 = 4 sigmoid(2 x) sigmoid(-2 x), which cannot overflow.
    x = 2 * gain * z
    return 4 * gain * jax.nn.sigmoid(x) * jax.nn.sigmoid(-x)

  return Activation(lambda z: jnp.tanh(gain * z), slope, max_slope)


def scaled_erf(*, max_slope: float) -> Activation:
  """Returns the error function with a given largest slope.

    sigma(z) = erf(sqrt(pi) s z / 2),  sigma'(z) = s exp(-pi (s z)^2 / 4).

  Args:
    max_slope: s, the slope at 0; 1 is the convention of mean-field theory.

  Returns:
    The activation, with values in (-1, 1).

  Raises:
    ValueError: if `max_slope` is not positive.

  References:
    Pennington, Schoenholz, Ganguli, The emergence of spectral universality in
    deep networks, 2018, https://arxiv.org/abs/1802.09979
  """
  gain = 0.5 * math.sqrt(math.pi) * _positive("max_slope", max_slope)
  return Activation(
    fn=lambda z: jax.scipy.special.erf(gain * z),
    slope=lambda z: max_slope * jnp.exp(-jnp.square(gain * z)),
    max_slope=max_slope,
  )


def leaky_relu(*, negative_slope: float = 0.01) -> Activation:
  """Returns sigma(z) = z for z >= 0 and negative_slope z below.

  Args:
    negative_slope: the slope for z < 0; at z = 0 it is 1.

  Returns:
    The activation.
  """
  return Activation(
    fn=lambda z: jax.nn.leaky_relu(z, negative_slope),
    slope=lambda z: jnp.where(z >= 0, jnp.ones_like(z), negative_slope),
    max_slope=max(1.0, abs(negative_slope)),
  )


def softmax_layer(*, inverse_temperature: float = 1.0) -> Activation:
  """Returns softmax as the activation of a whole layer.

    a = softmax(c z),  d a_i / d z_j = c a_i (delta_ij - a_j).

  Args:
    inverse_temperature: c >= 0.

  Returns:
    The activation; its slope is a matrix [N, N] of spectral norm at most c / 2.

  Raises:
    ValueError: if `inverse_temperature` is negative.

  References:
    Nair, Softmax is 1/2-Lipschitz, 2025, https://arxiv.org/abs/2510.23012
  """
  _not_negative(inverse_temperature)

  def slope(z):
    a = softmax(z, inverse_temperature)
    # The diagonal a_i (1 - a_i) as a sum, so that 1 - a_i keeps its digits.
    off_diagonal = jnp.outer(a, a) * (1 - jnp.eye(a.size, dtype=a.dtype))
    jacobian = jnp.diag(jnp.sum(off_diagonal, axis=1)) - off_diagonal
    return _finite_or_zero(inverse_temperature) * jacobian

  return Activation(
    fn=lambda z: softmax(z, inverse_temperature),
    slope=slope,
    max_slope=0.5 * inverse_temperature,
  )


def softmax(x: base.Array, inverse_temperature: float = 1.0) -> base.Array:
  """Returns the softmax of c x for any c from 0 to infinity, both included.

    p_i = exp(c (x_i - max x)) / sum_j exp(c (x_j - max x)),
    d p_i / d x_j = c p_i (delta_ij - p_j),  d p_i / d c = p_i (x_i - <p, x>).

  The maximum is subtracted before the scaling: c x has lost the digits in which
  near-ties differ, or has overflowed. All is computed in float32 at least, and
  the Jacobian keeps its relative precision as p approaches a corner.

  Args:
    x: [N]. An entry of -inf has probability 0 at every c, also at c = 0.
    inverse_temperature: c >= 0, a scalar; c = 0 gives the uniform distribution,
      c = inf the limit `hard_max(x)`, with derivative 0.

  Returns:
    [N] in the dtype of x. Where entries tie for the maximum the derivative
    grows like c, and overflows where the dtype cannot hold it (float16).

  Raises:
    ValueError: if x is not a vector, or c, where it is not traced, negative.

  >>> print(softmax(jnp.array([1.0, 3.0, 3.0]), jnp.inf))
  [0.  0.5 0.5]
  """
  scores, dtype = _checked_scores(x, inverse_temperature)
  return jax.nn.softmax(scores).astype(dtype)


def log_softmax(x: base.Array, inverse_temperature: float = 1.0) -> base.Array:
  """Returns the log-softmax of c x for any c from 0 to infinity, both included.

    log p_i = c (x_i - max x) - log sum_j exp(c (x_j - max x)),
    d log p_i / d x_j = c (delta_ij - p_j).

  Args:
    x: [N].
    inverse_temperature: c >= 0, a scalar.

  Returns:
    [N] in the dtype of x; -inf where x is, where the dtype cannot hold the
    value, and at c = inf, where the derivative is returned as 0.

  Raises:
    ValueError: if x is not a vector, or c, where it is not traced, negative.
  """
  scores, dtype = _checked_scores(x, inverse_temperature)
  return jax.nn.log_softmax(scores).astype(dtype)


def sparsemax(x: base.Array, inverse_temperature: float = 1.0) -> base.Array:
  """Returns the point of the probability simplex next to c x.

    p = argmin_p norm(p - c x)^2 = max(c x - tau, 0),
    d p / d x = c (diag(s) - s s^T / sum(s)),  s_i = 1 if p_i > 0 else 0.

  It is uniform over the maxima, exactly, from c (gap) (number of maxima) >= 1.

  Args:
    x: [N].
    inverse_temperature: c >= 0, a scalar; 0 and infinity are as in `softmax`.

  Returns:
    [N] in the dtype of x.

  Raises:
    ValueError: if x is not a vector, or c, where it is not traced, negative.

  References:
    Martins, Astudillo, From softmax to sparsemax, 2016,
    https://arxiv.org/abs/1602.02068 (algorithm 1, proposition 2)

  >>> print(sparsemax(jnp.array([0.5, 0.0, -2.0])))
  [0.75 0.25 0.  ]
  """
  scores, dtype = _checked_scores(x, inverse_temperature)
  # What lies 1 or more below the maximum is outside the support and does not
  # enter tau >= -1. Raised to -2 it cannot overflow the projection's sums, and
  # stays below tau however that is rounded.
  near = jnp.maximum(scores, -2).astype(float)  # optax's own, under x64 too
  return optax.projections.projection_simplex(near).astype(dtype)


def hard_max(x: base.Array) -> base.Array:
  """Returns the uniform distribution over the maxima, the limit c = inf.

  Args:
    x: [N].

  Returns:
    [N] in the dtype of x; its derivative is 0.

  Raises:
    ValueError: if x is not a vector.

  >>> print(hard_max(jnp.array([1.0, 3.0, 3.0])))
  [0.  0.5 0.5]
  """
  x = _vector(x)
  is_max = numerics.widen((x == jnp.max(x)).astype(x.dtype))
  return (is_max / jnp.sum(is_max)).astype(x.dtype)


def _checked_scores(x, c):
  x = _vector(x)
  dtype = jnp.promote_types(x.dtype, jnp.float32)
  return _scores(x.astype(dtype), jnp.asarray(_not_negative(c), dtype)), x.dtype


@jax.custom_jvp
def _scores(x, c):
  """Returns c (x - max x): 0 at the maxima and -inf where x is, for every c."""
  gap, is_apart = _gap(x)
  scores = c * jnp.where(gap == 0, -1, gap)  # not infinity times 0
  return jnp.where(is_apart, -jnp.inf, jnp.where(gap == 0, 0, scores))


@_scores.defjvp
def _scores_jvp(primals, tangents):
  (x, c), (x_dot, c_dot) = primals, tangents
  # Softmax would not miss the tangent of the maximum, but with it the tangent
  # is 0 where p is 1, so that nothing is left to cancel.
  relative = x_dot - x_dot[jnp.argmax(x)]
  return _scores(x, c), _finite_or_zero(c) * relative + c_dot * _gap(x)[0]


def _gap(x):
  """Returns x - max x, and where it is infinite; there the number is 0."""
  largest = x[jnp.argmax(x)]
  is_lower = x != largest
  is_apart = is_lower & (jnp.isneginf(x) | jnp.isposinf(largest))
  usable = is_lower & ~is_apart
  gap = jnp.where(usable, x, 0) - jnp.where(usable, largest, 0)
  # Between finite entries it stays finite, so that 0 times it is 0.
  return jnp.maximum(gap, jnp.finfo(x.dtype).min), is_apart


def _finite_or_zero(c):
  return jnp.where(jnp.isfinite(c), c, 0)


def _vector(x):
  x = jnp.asarray(x)
  if x.ndim != 1 or not x.size:
    raise ValueError(
      "expected one vector [N], N >= 1 (`jax.vmap` adds a batch), got shape "
      f"{list(x.shape)}"
    )
  return x if jnp.issubdtype(x.dtype, jnp.floating) else x.astype(jnp.float32)


def _positive(name, value):
  if not value > 0:
    raise ValueError(f"expected {name} > 0, got {value}")
  return value


def _not_negative(c):
  # As a NumPy array: inside of jit, JAX traces what it does with constants.
  is_known = not isinstance(c, jax.core.Tracer)
  if is_known and not np.all(np.asarray(c) >= 0):
    raise ValueError(f"expected inverse_temperature >= 0, got {c}")
  return c


identity = Activation(fn=jax.nn.identity, slope=jnp.ones_like, max_slope=1.0)
sigmoid = scaled_sigmoid(max_slope=0.25)
tanh = scaled_tanh(max_slope=1.0)
erf = scaled_erf(max_slope=1.0)
hard_tanh = Activation(
  fn=jax.nn.hard_tanh,
  slope=lambda z: jnp.where(jnp.abs(z) <= 1, jnp.ones_like(z), 0),
  max_slope=1.0,
)
relu = Activation(
  fn=jax.nn.relu,
  slope=lambda z: jnp.where(z > 0, jnp.ones_like(z), 0),
  max_slope=1.0,
)
# The perceptron's: 1 for z > 0, else 0.
threshold = Activation(
  fn=lambda z: jnp.heaviside(z, jnp.zeros_like(z)),
  slope=jnp.zeros_like,
  max_slope=0.0,
)
