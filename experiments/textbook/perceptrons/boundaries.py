"""Small trained networks, their decision boundaries and hidden neurons.

All is meant to be called under float64.
"""

from typing import Any, NamedTuple

import jax
import numpy as np
import optax
from jax import numpy as jnp
from sklearn import datasets

import nnfun as nf
from experiments import sweeps
from experiments.textbook.perceptrons import fits, thresholds

_act = nf.activations
ACTIVATIONS = {
  "sigmoid": _act.sigmoid,
  "tanh": _act.tanh,
  "ReLU": _act.relu,
  "leaky ReLU": _act.leaky_relu(negative_slope=0.1),
}


class Points(NamedTuple):
  """Points of two classes."""

  xs: np.ndarray  # [N, 2]
  ys: np.ndarray  # 0 or 1  [N]


Data = tuple[Points, Points]  # To learn from, and new ones.


class Boundary(NamedTuple):
  """Networks 2-H-1 from K starts; the one of the least loss is shown."""

  is_right: np.ndarray  # Whether new points are  [N]
  grid: np.ndarray  # Of either input  [G]
  logits: np.ndarray  # Of class 1, on the grid  [G, G]
  weights: np.ndarray  # Of its hidden neurons, the bias last  [H, 3]
  errors: np.ndarray  # Of every start on new points, before and after  [2, K]


def tell_circles_apart(config: Any, data: Data) -> dict[str, Boundary]:
  """Trains networks with each activation."""
  sizes, grid = (2, config.num_hidden, 1), np.linspace(-2.6, 2.6, 37)
  starts = thresholds.draw(config.seed, sizes, config.num_starts)

  def one(index):
    # By an index which is traced: all in one program, compiled once.
    functions = [activation.fn for activation in ACTIVATIONS.values()]
    activation = lambda z: jax.lax.switch(index, functions, z)  # noqa: E731
    return _train(activation, starts, data, grid, config.num_epochs)

  indices = jnp.arange(len(ACTIVATIONS))
  found = jax.device_get(sweeps.quick_jit(lambda: jax.lax.map(one, indices))())
  return {
    name: jax.tree.map(lambda leaf, i=i: leaf[i], found)
    for i, name in enumerate(ACTIVATIONS)
  }


def do_xor(config: Any) -> Boundary:
  """Trains tanh networks of three neurons on the four patterns of XOR."""
  points = Points(thresholds.binary_inputs(2), np.array([0.0, 1.0, 1.0, 0.0]))
  starts = thresholds.draw(config.seed, (2, 2, 1), config.num_starts)
  grid = np.linspace(-0.5, 1.5, 37)
  train = sweeps.quick_jit(
    lambda: _train(_act.tanh, starts, (points, points), grid, num_epochs=300)
  )
  return jax.device_get(train())


def circles(seed: int) -> Data:
  """Draws points of two circles, class 1 inside, and as many new ones."""
  xs, ys = datasets.make_circles(400, noise=0.1, factor=0.4, random_state=seed)
  return Points(2 * xs[:200], 1.0 * ys[:200]), Points(2 * xs[200:], ys[200:])


def best_line(xs: np.ndarray, ys: np.ndarray) -> np.ndarray:
  """Returns which points the best of all straight boundaries has right, [N].

  The best on these very points, over 720 directions and every offset.
  """
  angles = np.linspace(0, 2 * np.pi, 720, endpoint=False)
  heights = np.column_stack([np.cos(angles), np.sin(angles)]) @ xs.T
  # Classes of all points, with each of them the last one below the line.
  guesses = heights[:, None] > heights[..., None]
  is_right = (guesses == ys).reshape(-1, len(ys))
  return is_right[np.argmax(is_right.sum(axis=1))]


def _train(activation, starts, data, grid, num_epochs):
  """Trains networks [K] on the cross-entropy of all points, with Adam."""
  layers, (points, new_points) = (activation, _act.identity), data

  def logits(params, xs):
    each = jax.vmap(lambda x: nf.mlp.apply(params, x, layers)[0])
    return each(jnp.asarray(xs))

  def cost(params):
    losses = nf.losses.sigmoid_cross_entropy(
      logits(params, points.xs), points.ys
    )
    return losses / len(points.ys)

  def fit(start):
    end = fits.descend(cost, optax.adam(0.05), start, num_epochs)
    return end, cost(end)

  def is_right(params):
    return (logits(params, new_points.xs) > 0) == (new_points.ys > 0)

  def errors(params):
    return 1 - jnp.mean(jax.vmap(is_right)(params), axis=1)

  ends, costs = jax.vmap(fit)(starts)
  network = jax.tree.map(lambda leaf: leaf[jnp.argmin(costs)], ends)
  places = np.stack(np.meshgrid(grid, grid), axis=-1)
  return Boundary(
    is_right(network),
    jnp.asarray(grid),
    jax.vmap(lambda xs: logits(network, xs))(places),
    jnp.concatenate([network[0]["w"], network[0]["b"][:, None]], axis=1),
    jnp.stack([errors(starts), errors(ends)]),
  )
