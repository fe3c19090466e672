"""One layer of ReLUs that interpolates, and approximates as well as asked.

The parameters are for `mlp.apply` with activations (relu, identity).
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from experiments.textbook.constructions import layers, relu_pieces
from nnfun import base

_MAX_DOUBLINGS = 22  # Of the grid of a certificate.


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

  >>> print(ramp(3.0, 4.0)[1]["w"])
  [[ 1. -1.]]
  """
  return interpolate([start, stop, 2 * stop - start], [0.0, 1.0, 1.0])


def interpolate(knots: ArrayLike, values: ArrayLike) -> base.Params:
  """Returns the network that is linear from knot to knot.

    h(x) = y_0 + sum_{i < N} (m_i - m_{i-1}) relu(x - t_i),
    m_i = (y_{i+1} - y_i) / (t_{i+1} - t_i),  m_{-1} = 0.

  It misses a function by at most (s^2 / 8) max |f''| with steps s, the best
  constant possible.

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


class Approximation(NamedTuple):
  """A network and what it is certain to achieve."""

  params: base.Params
  error: float  # A bound of |f - h| on the whole interval.


def approximate(
  f: Callable[[np.ndarray], np.ndarray],
  eps: float,
  *,
  modulus: Callable[[float], float],
) -> Approximation:
  """Returns a network within eps of a function on [0, 1], with a certificate.

  On a closed interval a continuous f is uniformly continuous: |f(x) - f(y)| <=
  omega(|x - y|) with omega(0+) = 0. Between the points of a grid of spacing d
  the error can then grow only by

    |f(x) - h(x)| <= max_grid |f - h| + omega(d / 2) + max |h'| d / 2,

  and so a finite computation is a proof. The number of ReLUs is doubled until
  the bound is below eps, which happens when the knots are the grid, at the
  latest. Added to the bound is what rounding can do when the network is
  evaluated in float64.

  Args:
    f: the function, elementwise.
    eps: the error allowed, positive.
    modulus: omega, a modulus of continuity of f: L d for a Lipschitz constant
      L. Without one no finite number of values says anything of the others.

  Returns:
    The network, two layers [N, 1] and [1, N], and the bound, below eps.

  Raises:
    ValueError: if eps is not positive, the modulus does not fall to eps / 8 on
      a grid of 2^22 points, or eps is below what rounding does.

  >>> net, error = approximate(np.sin, 1e-2, modulus=lambda width: width)
  >>> net[0]["b"].size, error < 1e-2
  (4, True)
  """
  if not eps > 0:
    raise ValueError(f"expected eps > 0, got {eps}")
  doublings = 0
  while not modulus(0.5 ** (doublings + 1)) <= eps / 8:
    doublings += 1
    if doublings > _MAX_DOUBLINGS:
      raise ValueError(
        f"expected a modulus <= eps / 8 = {eps / 8:.3g} at a width of "
        f"{0.5**doublings:.3g}, got {modulus(0.5**doublings):.3g}"
      )
  xs = np.linspace(0, 1, 2**doublings + 1)
  ys = f(xs)
  for stride in 2 ** np.arange(doublings, -1, -1):
    params = interpolate(xs[::stride], ys[::stride])
    error = modulus(xs[1] / 2) + _error_at(params, xs, ys)
    if error < eps:
      return Approximation(params, float(error))
  raise ValueError(
    f"expected eps above the error of rounding, got eps {eps} and {error:.3g}, "
    f"the bound with {2**doublings} units"
  )


def _error_at(params, xs, ys):
  """Returns the error on the grid, with slope and rounding of the network."""
  function = relu_pieces.pieces(params)
  on_grid = np.max(np.abs(function(xs) - ys))
  slope = np.max(np.abs(function.slopes))
  (first, second), size = params, np.max(np.abs(xs))
  terms = np.abs(second["w"][0]) * (size + np.abs(first["b"]))
  # gamma_n of a sum of products (Higham 2002, section 3.1), once for the
  # network and once for its pieces.
  rounding = (terms.size + 4) * np.finfo(float).eps
  total = np.sum(terms) + np.abs(second["b"][0])
  return on_grid + slope * xs[1] / 2 + 2 * rounding * total
