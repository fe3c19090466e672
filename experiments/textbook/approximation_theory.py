"""Functions to approximate, and what can be said of them without a network."""

import jax
import numpy as np
from jax import numpy as jnp
from jax.typing import ArrayLike
from scipy import ndimage, special

from nnfun import base

TARGET_LIPSCHITZ = 8.1  # 0.8 + 0.3 + 4.5 + 2.5, term by term on [0, 1]
# Of 2^-k: what the terms left out add is 2e-6.
_WEIERSTRASS_AMPLITUDES = 0.5 ** np.arange(20)
_WEIERSTRASS_FREQUENCIES = np.pi * 3.0 ** np.arange(20)


@jax.jit
def target(x: base.Array) -> base.Array:
  """Returns 0.2 + 0.4 x^2 + 0.3 x sin(15 x) + 0.05 cos(50 x).

  Args:
    x: points of any shape.

  Returns:
    The function in Nielsen's chapter 4, at each point.
  """
  wave = 0.3 * x * jnp.sin(15 * x) + 0.05 * jnp.cos(50 * x)
  return 0.2 + 0.4 * x**2 + wave


def target_mean(low: ArrayLike, high: ArrayLike) -> np.ndarray:
  """Returns the mean of `target` over intervals, by its antiderivative.

  Args:
    low: where they start, of any shape.
    high: where they end, the same shape.

  Returns:
    An array of that shape.
  """

  def integral(x):
    wave = 0.3 * (np.sin(15 * x) / 225 - x * np.cos(15 * x) / 15)
    return 0.2 * x + 0.4 * x**3 / 3 + wave + 0.001 * np.sin(50 * x)

  low, high = np.asarray(low), np.asarray(high)
  return (integral(high) - integral(low)) / (high - low)


def target_slopes(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  """Returns the first and the second derivative of `target`.

  Args:
    x: points of any shape.

  Returns:
    Two arrays of that shape.
  """
  sine, cosine = np.sin(15 * x), np.cos(15 * x)
  first = 0.8 * x + 0.3 * sine + 4.5 * x * cosine - 2.5 * np.sin(50 * x)
  second = 0.8 + 9 * cosine - 67.5 * x * sine - 125 * np.cos(50 * x)
  return first, second


def target_oscillation(width: float) -> float:
  """Returns omega(width) of `target` on [0, 1], up to 1e-4.

  Args:
    width: delta.

  Returns:
    The largest |f(x) - f(y)| with |x - y| <= delta.
  """
  points = 20000  # Steps over which f moves by 8.1 / 20000 at most.
  ys = np.asarray(target(np.linspace(0, 1, points + 1)), float)
  size = int(np.ceil(width * points)) + 1
  highest = ndimage.maximum_filter1d(ys, size, mode="nearest")
  lowest = ndimage.minimum_filter1d(ys, size, mode="nearest")
  return float(np.max(highest - lowest))


@jax.jit
def weierstrass(x: base.Array) -> base.Array:
  """Returns sum_k 2^-k cos(3^k pi x), twenty terms: nowhere smooth.

  Args:
    x: one point.

  Returns:
    A scalar.
  """
  return jnp.sum(
    _WEIERSTRASS_AMPLITUDES * jnp.cos(_WEIERSTRASS_FREQUENCIES * x)
  )


def weierstrass_modulus(width: float) -> float:
  """Returns sum_k 2^-k min(2, 3^k pi width), a modulus of `weierstrass`.

  Args:
    width: delta.

  Returns:
    A bound of |f(x) - f(y)| for |x - y| <= delta.
  """
  steps = np.minimum(2, _WEIERSTRASS_FREQUENCIES * width)
  return float(np.sum(_WEIERSTRASS_AMPLITUDES * steps))


@jax.jit
def root(x: base.Array) -> base.Array:
  """Returns sqrt|x - 1/3|, whose slope is infinite in one point.

  Args:
    x: points of any shape.

  Returns:
    An array of that shape. Its modulus of continuity is the square root.
  """
  return jnp.sqrt(jnp.abs(x - 1 / 3))


def is_prime(limit: int) -> np.ndarray:
  """Returns which of 0 ... limit are prime, by the sieve of Eratosthenes.

  Args:
    limit: the last number.

  Returns:
    [limit + 1], bool.
  """
  sieve = np.arange(limit + 1) > 1
  for n in range(2, int(limit**0.5) + 1):
    sieve[n * n :: n] &= ~sieve[n]
  return sieve


def step_width(weight: ArrayLike, level: float = 0.1) -> np.ndarray:
  """Returns how far sigma(w x) takes to rise from a level to 1 - level.

  Args:
    weight: w.
    level: p.

  Returns:
    2 logit(1 - p) / w.
  """
  return 2 * special.logit(1 - level) / np.asarray(weight)


def bump_edge_width(weight: float, gain: float, level: float = 0.1) -> float:
  """Returns the same for the edge of a bump, sigma(h (sigma(w x) - 1/2)).

  Args:
    weight: w of the steps.
    gain: h of the output.
    level: p.

  Returns:
    2 logit(1/2 + logit(1 - p) / h) / w, close to 8 logit(1 - p) / (h w).
  """
  height = 0.5 + special.logit(1 - level) / gain
  return float(2 * special.logit(height) / weight)
