"""Steps, bumps and towers of sigmoid neurons, and functions from them.

A bump is a tower of one axis. The parameters are for `mlp.apply`, with sigmoids
in the hidden layers.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from experiments.textbook.constructions import layers
from nnfun import base

_NUM_NODES = 8  # Of the quadrature of a mean, along each axis.


def step(position: float, *, weight: float) -> base.Params:
  """Returns a neuron that steps up from 0 to 1 at a position.

    a = sigma(w x + b),  b = -s w.

  It is 1/2 at s, and rises from p to 1 - p within 2 log((1 - p) / p) / w.

  Args:
    position: s.
    weight: w; a negative one steps down.

  Returns:
    One layer [1, 1]; activations (sigmoid,).

  References:
    Nielsen, Neural networks and deep learning, 2015, chapter 4,
    http://neuralnetworksanddeeplearning.com/chap4.html
  """
  return (layers.steps(np.array([[position]]), weight),)


def step_sum(
  f: Callable[[np.ndarray], np.ndarray], *, num_parts: int, weight: float
) -> base.Params:
  """Returns a network of one hidden layer that climbs along f on [0, 1].

    y = f_1 + sum_{i >= 1} (f_{i+1} - f_i) sigma(w (x - s_i)),

  with f_i the mean of f on part i, from s_{i-1} to s_i. On each part it is the
  sum of bumps, with less than half of the hidden neurons.

  Args:
    f: the function, elementwise.
    num_parts: N >= 2, how many parts of equal length.
    weight: w > 0 of the steps, many times N.

  Returns:
    Two layers [N - 1, 1] and [1, N - 1]; activations (sigmoid, identity).

  Raises:
    ValueError: if there are less than two parts.

  References:
    Cybenko, Approximation by superpositions of a sigmoidal function, 1989,
    https://doi.org/10.1007/BF02551274 (such sums are dense in the continuous
    functions)
  """
  if num_parts < 2:
    raise ValueError(f"expected num_parts >= 2, got {num_parts}")
  edges = np.linspace(0, 1, num_parts + 1)[None]
  means = _cell_means(f, edges)[:, 0]
  return (
    layers.steps(edges[:, 1:-1], weight),
    layers.affine(np.diff(means)[None], means[:1]),
  )


def tower(
  lows: ArrayLike, highs: ArrayLike, *, weight: float, gain: float
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

  Returns:
    Two layers [2 m, m] and [1, 2 m]; activations (sigmoid, sigmoid).

  Raises:
    ValueError: if the corners are not [m] with lows < highs, or weight or gain
      is not positive.

  >>> _, output = tower([1.0, -2.0], [2.0, 0.0], weight=100.0, gain=10.0)
  >>> print(output["w"], output["b"])
  [[ 10. -10.  10. -10.]] [-15.]
  """
  lows, highs = _checked(lows, highs, weight=weight, gain=gain)
  signs = np.tile([1.0, -1.0], len(lows))
  return (
    layers.steps(np.stack([lows, highs], axis=1), weight),
    layers.affine(gain * signs[None], [_tower_bias(len(lows), gain)]),
  )


def tower_sum(
  f: Callable[[np.ndarray], np.ndarray],
  lows: ArrayLike,
  highs: ArrayLike,
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
  dimensions it converges in the mean, not uniformly; bumps, in one, do.

  Args:
    f: the function, points [P, m] to [P, n].
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
  lows, highs = _checked(
    lows, highs, weight=weight, gain=gain, num_cells=num_cells
  )
  edges = np.linspace(lows, highs, num_cells + 1, axis=1)
  means = _cell_means(f, edges)
  half = (highs - lows) / (2 * num_cells)
  edges[:, 0] -= half
  edges[:, -1] += half
  cells = np.indices([num_cells] * len(lows)).reshape(len(lows), -1).T
  up = np.eye(num_cells, num_cells + 1)
  indicator = up - np.roll(up, 1, axis=1)
  second = gain * np.concatenate([indicator[axis] for axis in cells.T], axis=1)
  return (
    layers.steps(edges, weight),
    layers.affine(second, np.full(len(cells), _tower_bias(len(lows), gain))),
    layers.affine(means.T, np.zeros(means.shape[1])),
  )


def _tower_bias(num_axes, gain):
  return -(2 * num_axes - 1) * gain / 2


def _cell_means(f, edges):
  """Returns the mean of f over cells between edges [m, N + 1], [N^m, n].

  The last axis of the cells runs fastest.
  """
  nodes, weights = np.polynomial.legendre.leggauss(_NUM_NODES)
  starts, widths = edges[:, :-1, None], np.diff(edges)[..., None]
  points = starts + widths * (nodes + 1) / 2  # [m, N, Q]
  num_axes, num_cells, _ = points.shape
  axes = np.meshgrid(*points.reshape(num_axes, -1), indexing="ij")
  values = f(np.stack(axes, axis=-1).reshape(-1, num_axes))
  values = values.reshape([num_cells, _NUM_NODES] * num_axes + [-1])
  for axis in range(num_axes):  # One pair [N, Q] after the other to [N].
    values = np.tensordot(values, weights / 2, axes=(axis + 1, 0))
  return values.reshape(num_cells**num_axes, -1)


def _checked(lows, highs, **positive):
  lows, highs = np.asarray(lows, float), np.asarray(highs, float)
  if lows.ndim != 1 or lows.shape != highs.shape or not np.all(lows < highs):
    raise ValueError(
      f"expected lows < highs, both [m], got {lows.tolist()} and "
      f"{highs.tolist()}"
    )
  for name, value in positive.items():
    if not value > 0:
      raise ValueError(f"expected {name} > 0, got {value}")
  return lows, highs
