"""Steps and bumps of sigmoid neurons, and functions of one variable from them.

The parameters are for `mlp.apply`, with sigmoids in the hidden layers. Weights
are computed in float64 and rounded to JAX's default floating dtype.
"""

from collections.abc import Callable

import jax
import numpy as np
from jax import numpy as jnp

from experiments.textbook.constructions import layers, towers
from nnfun import base


def step(
  position: jax.typing.ArrayLike, *, weight: jax.typing.ArrayLike
) -> base.Params:
  """Returns a neuron that steps up from 0 to 1 at a position.

    a = sigma(w x + b),  b = -s w.

  It is 1/2 at s, and rises from p to 1 - p within 2 log((1 - p) / p) / w.

  Args:
    position: s, a scalar.
    weight: w; a negative one steps down.

  Returns:
    One layer [1, 1]; activations (sigmoid,).

  References:
    Nielsen, Neural networks and deep learning, 2015, chapter 4,
    http://neuralnetworksanddeeplearning.com/chap4.html

  >>> step(0.5, weight=1000.0)
  ({'w': Array([[1000.]], dtype=float32), 'b': Array([-500.], dtype=float32)},)
  """
  weight = jnp.asarray(weight, float)
  return ({"w": weight[None, None], "b": -(position * weight)[None]},)


def step_sum(
  f: Callable[[base.Array], base.Array],
  *,
  num_parts: int,
  weight: float,
  low: float = 0.0,
  high: float = 1.0,
) -> base.Params:
  """Returns a network of one hidden layer that climbs along a function.

    y = f_1 + sum_{i >= 1} (f_{i+1} - f_i) sigma(w (x - s_i)),

  with f_i the mean of f on part i, from s_{i-1} to s_i. On each part it is the
  sum of bumps, with less than half of the hidden neurons.

  Args:
    f: the function, scalar to scalar, in JAX operations.
    num_parts: N >= 2, how many parts of equal length.
    weight: w > 0 of the steps, many times N / (high - low).
    low: where the interval starts.
    high: where it ends.

  Returns:
    Two layers [N - 1, 1] and [1, N - 1]; activations (sigmoid, identity).

  Raises:
    ValueError: if there are less than two parts, or the interval is empty.

  References:
    Cybenko, Approximation by superpositions of a sigmoidal function, 1989,
    https://doi.org/10.1007/BF02551274 (such sums are dense in the continuous
    functions)
  """
  if num_parts < 2 or not low < high:
    raise ValueError(
      f"expected num_parts >= 2 and low < high, got {num_parts}, {low} and "
      f"{high}"
    )
  edges = np.linspace(low, high, num_parts + 1)[None]
  means = towers.cell_means(_on_vectors(f), edges)[:, 0]
  return (
    layers.steps(edges[:, 1:-1], weight),
    layers.affine(np.diff(means)[None], means[:1]),
  )


def bump(
  start: float, stop: float, *, weight: float, gain: float
) -> base.Params:
  """Returns a network that is 1 between two positions and 0 elsewhere.

    y = sigma(h a_1 - h a_2 - h / 2),  a_i = sigma(w (x - s_i)).

  It is the tower of one dimension: sigma(h / 2) inside, sigma(-h / 2) outside
  and 1/2 at the ends.

  Args:
    start: s_1.
    stop: s_2 > s_1, by several times 1 / w.
    weight: w > 0 of the steps.
    gain: h > 0.

  Returns:
    Two layers [2, 1] and [1, 2]; activations (sigmoid, sigmoid).

  Raises:
    ValueError: if the interval is empty, or weight or gain not positive.
  """
  return towers.tower([start], [stop], weight=weight, gain=gain)


def bump_sum(
  f: Callable[[base.Array], base.Array],
  *,
  num_bumps: int,
  weight: float,
  gain: float,
  low: float = 0.0,
  high: float = 1.0,
) -> base.Params:
  """Returns a network that approximates a function by bumps side by side.

    y = sum_i mean(f on [s_i, s_{i+1}]) bump_i(x).

  At s_i the two bumps add up to 1, so that on the whole interval the network
  lies between means of f over neighbours: the error is at most the
  oscillation of f over two bumps, and that over one bump away from the s_i.

  Args:
    f: the function, scalar to scalar, in JAX operations.
    num_bumps: N, how many parts of equal length.
    weight: w > 0 of the steps, many times N / (high - low).
    gain: h > 0.
    low: where the interval starts.
    high: where it ends.

  Returns:
    Three layers [N + 1, 1], [N, N + 1] and [1, N]; activations (sigmoid,
    sigmoid, identity). Neighbours share the step between them.

  Raises:
    ValueError: as `tower_sum` does.

  >>> sizes = bump_sum(jnp.sin, num_bumps=10, weight=1e4, gain=1e4)
  >>> jax.tree.map(jnp.shape, [layer["w"] for layer in sizes])
  [(11, 1), (10, 11), (1, 10)]
  """
  return towers.tower_sum(
    _on_vectors(f),
    np.array([low]),
    np.array([high]),
    num_cells=num_bumps,
    weight=weight,
    gain=gain,
  )


def _on_vectors(f):
  """Returns f as a function from [1] to [1]."""
  return lambda x: jnp.reshape(f(jnp.reshape(x, ())), 1)
