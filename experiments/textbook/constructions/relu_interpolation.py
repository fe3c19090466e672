"""One layer of ReLUs that interpolates, and approximates as well as asked.

The parameters are for `mlp.apply` with activations (relu, identity). Weights
are computed in float64 and rounded to JAX's default floating dtype.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np
from jax import numpy as jnp

from experiments.textbook.constructions import layers, relu_pieces
from nnfun import base

_MAX_POINTS = 2**22  # of the grid of a certificate


def ramp(start: float, stop: float) -> base.Params:
  """Returns a network that rises linearly from 0 to 1 and is constant outside.

    h(x) = (relu(x - c) - relu(x - d)) / (d - c).

  Args:
    start: c, where it begins to rise.
    stop: d > c, where it has reached 1.

  Returns:
    Two layers [2, 1] and [1, 2].

  Raises:
    ValueError: if the interval is empty.

  >>> ramp(3.0, 4.0)[1]["w"]
  Array([[ 1., -1.]], dtype=float32)
  """
  return interpolate([start, stop, 2 * stop - start], [0.0, 1.0, 1.0])


def interpolate(
  knots: jax.typing.ArrayLike, values: jax.typing.ArrayLike
) -> base.Params:
  """Returns the network that is linear from knot to knot.

    h(x) = y_0 + sum_{i < N} (m_i - m_{i-1}) relu(x - t_i),
    m_i = (y_{i+1} - y_i) / (t_{i+1} - t_i),  m_{-1} = 0.

  Args:
    knots: t_0 < ... < t_N, [N + 1], N >= 1.
    values: y_0 ... y_N, [N + 1].

  Returns:
    Two layers [N, 1] and [1, N]. The network is y_0 left of t_0 and goes on
    with the last slope right of t_N.

  Raises:
    ValueError: if the shapes are others or the knots do not ascend.
  """
  t, y = np.asarray(knots, float), np.asarray(values, float)
  if t.ndim != 1 or t.size < 2 or t.shape != y.shape or min(np.diff(t)) <= 0:
    raise ValueError(
      "expected ascending knots [N + 1], N >= 1, and as many values, got "
      f"knots {t.tolist()} and values of shape {list(y.shape)}"
    )
  bends = np.diff(np.diff(y) / np.diff(t), prepend=0.0)
  return (
    layers.affine(np.ones((t.size - 1, 1)), -t[:-1]),
    layers.affine(bends[None], y[:1]),
  )


def interpolate_function(
  f: Callable[[base.Array], base.Array],
  *,
  num_pieces: int,
  low: float = 0.0,
  high: float = 1.0,
) -> base.Params:
  """Returns the network that agrees with a function at N + 1 equal steps.

    |f - h| <= (s^2 / 8) max |f''|,  s = (high - low) / N,

  if f is twice differentiable; the constant is the best possible.

  Args:
    f: the function, scalar to scalar, in JAX operations.
    num_pieces: N >= 1, the number of ReLUs.
    low: where the interval starts.
    high: where it ends.

  Returns:
    Two layers [N, 1] and [1, N].

  Raises:
    ValueError: as `interpolate` does.
  """
  knots, values = _sample(f, num_pieces, low, high)
  return interpolate(knots, values)


class Approximation(NamedTuple):
  """A network and what it is certain to achieve."""

  params: base.Params
  error: float  # a bound of |f - h| on the whole interval


def approximate(
  f: Callable[[base.Array], base.Array],
  eps: float,
  *,
  modulus: Callable[[float], float],
  low: float = 0.0,
  high: float = 1.0,
) -> Approximation:
  """Returns a network within eps of a continuous function, with a certificate.

  On a closed interval a continuous f is uniformly continuous: |f(x) - f(y)| <=
  omega(|x - y|) with omega(0+) = 0. Between the points of a grid of spacing d
  the error can then grow only by

    |f(x) - h(x)| <= max_grid |f - h| + omega(d / 2) + max |h'| d / 2,

  and so a finite computation is a proof. The number of ReLUs is doubled until
  the bound is below eps, which happens when the knots are the grid, at the
  latest. Added to the bound is what rounding can do when the network is
  evaluated in the dtype of its parameters (on accelerators at the highest
  precision of `jax.default_matmul_precision`).

  Args:
    f: the function, scalar to scalar, in JAX operations.
    eps: the error allowed, positive.
    modulus: omega, a modulus of continuity of f: L d for a Lipschitz constant
      L. Without one no finite number of values says anything of the others.
    low: where the interval starts.
    high: where it ends.

  Returns:
    The network, two layers [N, 1] and [1, N], and the bound, below eps.

  Raises:
    ValueError: if eps is not positive, the modulus does not fall to eps / 8 on
      a grid of 2^22 points, or eps is below what rounding does.

  References:
    Cybenko, Approximation by superpositions of a sigmoidal function, 1989,
    https://doi.org/10.1007/BF02551274

  >>> net, error = approximate(jnp.sin, 1e-2, modulus=lambda width: width)
  >>> net[0]["b"].size, error < 1e-2
  (4, True)
  """
  num_points = _num_points(eps, modulus, low, high)
  xs, ys = _sample(f, num_points, low, high)
  between = modulus((high - low) / (2 * num_points))
  num_units = 1
  while num_units <= num_points:
    stride = num_points // num_units
    params = interpolate(xs[::stride], ys[::stride])
    error = between + _error_at(params, xs, ys)
    if error < eps:
      return Approximation(params, error)
    num_units *= 2
  raise ValueError(
    f"expected eps above the error of rounding to {params[0]['b'].dtype}, got "
    f"eps {eps} and {error:.3g}, the bound with {num_points} units"
  )


def _num_points(eps, modulus, low, high):
  """Returns the power of two at which omega(d / 2) <= eps / 8."""
  if not eps > 0:
    raise ValueError(f"expected eps > 0, got {eps}")
  num_points = 1
  while not modulus((high - low) / (2 * num_points)) <= eps / 8:
    num_points *= 2
    if num_points > _MAX_POINTS:
      raise ValueError(
        f"expected a modulus <= eps / 8 = {eps / 8:.3g} at a width of "
        f"{(high - low) / num_points:.3g}, got "
        f"{modulus((high - low) / num_points):.3g}"
      )
  return num_points


def _error_at(params, xs, ys):
  """Returns the error on the grid, with slope and rounding of the network."""
  function = relu_pieces.pieces(params)
  # The network's own pieces, so that weights count as they were rounded.
  on_grid = np.max(np.abs(function(xs) - ys))
  slope = np.max(np.abs(function.slopes))
  (first, second), size = params, np.max(np.abs(xs))
  terms = np.abs(second["w"][0]) * (size + np.abs(first["b"]))
  # gamma_n of a sum of products (Higham 2002, section 3.1), once for the
  # network and once for its pieces.
  rounding = (terms.size + 4) * jnp.finfo(terms.dtype).eps
  total = float(np.sum(terms) + np.abs(second["b"][0]))
  return float(on_grid + slope * (xs[1] - xs[0]) / 2 + 2 * rounding * total)


def _sample(f, num_pieces, low, high):
  """Returns points as the dtype has them, and f there, both in float64."""
  if num_pieces < 1 or not low < high:
    raise ValueError(
      f"expected num_pieces >= 1 and low < high, got {num_pieces}, {low} and "
      f"{high}"
    )
  xs = jnp.asarray(np.linspace(low, high, num_pieces + 1), float)
  return np.asarray(xs, float), np.asarray(jax.vmap(f)(xs), float)
