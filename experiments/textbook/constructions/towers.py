"""Towers of sigmoid neurons: boxes in m dimensions, and functions from them.

The parameters are for `mlp.apply`, with sigmoids in the hidden layers. Weights
are computed in float64 and rounded to JAX's default floating dtype.
"""

from collections.abc import Callable

import jax
import numpy as np
from jax import numpy as jnp

from experiments.textbook.constructions import layers
from nnfun import base

_NUM_NODES = 8  # of the quadrature of a mean, along each axis


def tower(
  lows: jax.typing.ArrayLike,
  highs: jax.typing.ArrayLike,
  *,
  weight: float,
  gain: float,
  bias: float | None = None,
) -> base.Params:
  """Returns a network that is 1 inside a box and 0 outside.

    y = sigma(h sum_i (a_i1 - a_i2) - (2 m - 1) h / 2),
    a_i1 = sigma(w (x_i - low_i)),  a_i2 = sigma(w (x_i - high_i)).

  Each axis gives h inside its interval, so the sum is m h in the box and at
  most (m - 1) h out of it; any bias between -m h and -(m - 1) h tells the two
  apart, and the one in the middle leaves the largest margin, h / 2.

  Args:
    lows: the box's lower corner [m].
    highs: its upper corner [m].
    weight: w > 0 of the steps.
    gain: h > 0.
    bias: of the output, None for -(2 m - 1) h / 2.

  Returns:
    Two layers [2 m, m] and [1, 2 m]; activations (sigmoid, sigmoid).

  Raises:
    ValueError: if the corners are not [m] with lows < highs, or weight or gain
      is not positive.

  >>> _, output = tower([1.0, -2.0], [2.0, 0.0], weight=100.0, gain=10.0)
  >>> print(output["w"], output["b"])
  [[ 10. -10.  10. -10.]] [-15.]
  """
  lows, highs = _checked(lows, highs, weight, gain)
  num_axes = len(lows)
  edges = np.stack([lows, highs], axis=1)
  signs = np.tile([1.0, -1.0], num_axes)
  bias = tower_bias(num_axes, gain) if bias is None else bias
  return (
    layers.steps(edges, weight),
    layers.affine(gain * signs[None], [bias]),
  )


def tower_bias(num_axes: int, gain: float) -> float:
  """Returns the output bias -(2 m - 1) h / 2 of a tower.

  Args:
    num_axes: m.
    gain: h.

  Returns:
    The middle between -m h and -(m - 1) h.
  """
  return -(2 * num_axes - 1) * gain / 2


def tower_sum(
  f: Callable[[base.Array], base.Array],
  lows: jax.typing.ArrayLike,
  highs: jax.typing.ArrayLike,
  *,
  num_cells: int,
  weight: float,
  gain: float,
) -> base.Params:
  """Returns a network that approximates a function by towers side by side.

    y = sum_c mean(f on cell c) tower_c(x)

  over the N^m cells of a grid. On a face between two cells their towers add up
  to 1, but where r >= 2 axes are at an edge every tower is sigma((1 - r) h /
  2): there, on a set of width 1 / w, the sum drops to 0. So in two and more
  dimensions it converges in the mean, not uniformly.

  Args:
    f: the function, [m] to [n], in JAX operations.
    lows: the domain's lower corner [m].
    highs: its upper corner [m].
    num_cells: N along each axis.
    weight: w > 0 of the steps, many times N / (highs - lows).
    gain: h > 0.

  Returns:
    Three layers [m (N + 1), m], [N^m, m (N + 1)] and [n, N^m]; activations
    (sigmoid, sigmoid, identity). Cells share the steps between them, and the
    outermost steps stand half a cell outside the domain, so that the network
    does not fall to a half at its border.

  Raises:
    ValueError: as `tower` does, or if `num_cells` is not positive.
  """
  lows, highs = _checked(lows, highs, weight, gain)
  if num_cells < 1:
    raise ValueError(f"expected num_cells >= 1, got {num_cells}")
  edges = np.linspace(lows, highs, num_cells + 1, axis=1)
  means = cell_means(f, edges)
  half = (highs - lows) / (2 * num_cells)
  edges[:, 0] -= half
  edges[:, -1] += half
  cells = np.indices([num_cells] * len(lows)).reshape(len(lows), -1).T
  up = np.eye(num_cells, num_cells + 1)
  indicator = up - np.roll(up, 1, axis=1)
  second = gain * np.concatenate([indicator[axis] for axis in cells.T], axis=1)
  biases = np.full(len(cells), tower_bias(len(lows), gain))
  return (
    layers.steps(edges, weight),
    layers.affine(second, biases),
    layers.affine(means.T, np.zeros(means.shape[1])),
  )


def cell_means(
  f: Callable[[base.Array], base.Array], edges: np.ndarray
) -> np.ndarray:
  """Returns the mean of f over each cell, by Gauss's quadrature.

  Args:
    f: the function, [m] to [n], in JAX operations.
    edges: where the N cells of each axis begin and end, [m, N + 1].

  Returns:
    [N^m, n], the last axis of the cells running fastest.
  """
  nodes, weights = np.polynomial.legendre.leggauss(_NUM_NODES)
  starts, widths = edges[:, :-1, None], np.diff(edges)[..., None]
  points = starts + widths * (nodes + 1) / 2  # [m, N, Q]
  num_axes, num_cells, _ = points.shape
  axes = np.meshgrid(*points.reshape(num_axes, -1), indexing="ij")
  flat = np.stack(axes, axis=-1).reshape(-1, num_axes)
  values = np.asarray(jax.vmap(f)(jnp.asarray(flat, float)))
  values = values.reshape([num_cells, _NUM_NODES] * num_axes + [-1])
  for axis in range(num_axes):  # One pair [N, Q] after the other to [N].
    values = np.tensordot(values, weights / 2, axes=(axis + 1, 0))
  return values.reshape(num_cells**num_axes, -1)


def _checked(lows, highs, weight, gain):
  lows, highs = np.asarray(lows, float), np.asarray(highs, float)
  if lows.ndim != 1 or lows.shape != highs.shape or not np.all(lows < highs):
    raise ValueError(
      f"expected lows < highs, both [m], got {lows.tolist()} and "
      f"{highs.tolist()}"
    )
  for name, value in (("weight", weight), ("gain", gain)):
    if not value > 0:
      raise ValueError(f"expected {name} > 0, got {value}")
  return lows, highs
