"""Small trained networks: decision boundaries and level curves of neurons.

All is meant to be called under float64.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np
import optax
from jax import numpy as jnp

import nnfun as nf
from experiments import sweeps
from experiments.textbook.perceptrons import readings, thresholds

_act = nf.activations
ACTIVATIONS = {
  "sigmoid": _act.sigmoid,
  "tanh": _act.tanh,
  "ReLU": _act.relu,
  "leaky ReLU": _act.leaky_relu(negative_slope=0.1),
}
_GRID = 81


class Boundary(NamedTuple):
  """Networks 2-H-1 of one activation, from K starts; the best one is shown."""

  is_right: np.ndarray  # Whether new points are, by the best network  [N]
  surface: np.ndarray  # Its output on a grid  [G, G]
  weights: np.ndarray  # Of its hidden neurons, the bias last  [H, 3]
  # Largest sine of the angle between a hidden neuron's gradient and weights.
  bend: np.ndarray  # []
  curvature: np.ndarray  # Largest second derivative of its logit  []
  errors: np.ndarray  # Of every start on new points, before and after  [K, 2]


class Xor(NamedTuple):
  """Networks 2-2-1 trained on XOR, from K starts."""

  num_right: np.ndarray  # Of the four patterns, tanh networks  [K]
  surface: np.ndarray  # Output of the best, on a grid from -1/2 to 3/2  [G, G]
  linear: np.ndarray  # Outputs of linear networks  [K, 4]


def train_boundaries(
  seed: int,
  points: tuple[np.ndarray, np.ndarray],
  new_points: tuple[np.ndarray, np.ndarray],
  *,
  num_hidden: int,
  num_starts: int,
  num_epochs: int,
) -> dict[str, Boundary]:
  """Trains a network with each activation to tell a disc from a ring."""
  rng = np.random.default_rng(seed)
  starts = thresholds.draw(rng, (2, num_hidden, 1), num_starts)
  places = rng.uniform(-readings.EXTENT, readings.EXTENT, (300, 2))

  def one(index):
    # By an index which is traced: all in one program, compiled once.
    functions = [activation.fn for activation in ACTIVATIONS.values()]

    def activation(z):
      return jax.lax.switch(index, functions, z)

    ends, losses = train(activation, starts, *points, num_epochs=num_epochs)

    def is_right(params):
      return (_logits(params, activation, new_points[0]) > 0) == new_points[1]

    def errors(params):
      return 1 - jnp.mean(jax.vmap(is_right)(params), axis=1)

    network = best(ends, losses)
    layer = network[0]
    return Boundary(
      is_right(network),
      _surface(network, activation, -readings.EXTENT, readings.EXTENT),
      jnp.concatenate([layer["w"], layer["b"][:, None]], axis=1),
      *_derivatives(network, activation, places),
      jnp.stack([errors(starts), errors(ends)], axis=1),
    )

  indices = jnp.arange(len(ACTIVATIONS))
  found = sweeps.quick_jit(lambda: jax.lax.map(one, indices))()
  return {
    name: jax.tree.map(lambda leaf, i=i: np.asarray(leaf[i]), found)
    for i, name in enumerate(ACTIVATIONS)
  }


def train_xor(seed: int, num_starts: int) -> Xor:
  """Trains tanh networks and linear ones on XOR."""
  xs = thresholds.binary_inputs(2)
  ys = np.array([0.0, 1.0, 1.0, 0.0])
  starts = thresholds.draw(np.random.default_rng(seed), (2, 2, 1), num_starts)

  @sweeps.quick_jit
  def measure():
    ends, losses = train(_act.tanh, starts, xs, ys, num_epochs=300)
    lines, _ = train(_act.identity, starts, xs, ys, num_epochs=300)
    logits = jax.vmap(lambda p: _logits(p, _act.tanh, xs))(ends)
    linear = jax.vmap(lambda p: _logits(p, _act.identity, xs))(lines)
    return Xor(
      jnp.sum((logits > 0) == (ys > 0.5)[None], axis=1),
      _surface(best(ends, losses), _act.tanh, -0.5, 1.5),
      jax.nn.sigmoid(linear),
    )

  return jax.tree.map(np.asarray, measure())


def rings(seed: int, num_points: int) -> tuple[np.ndarray, np.ndarray]:
  """Draws a disc (class 1) inside a ring: points [N, 2] and classes [N]."""
  rng = np.random.default_rng(seed)
  is_inner = np.arange(num_points) % 2 == 0
  radius = np.where(
    is_inner,
    rng.uniform(0, 1, num_points) ** 0.5,
    rng.uniform(1.5, 2.3, num_points),
  )
  angle = rng.uniform(0, 2 * np.pi, num_points)
  points = radius[:, None] * np.column_stack([np.cos(angle), np.sin(angle)])
  return points, is_inner * 1.0


def best_line(xs: np.ndarray, ys: np.ndarray) -> np.ndarray:
  """Returns which points the best of all straight boundaries has right, [N].

  The best on these very points, over 720 directions and every offset.
  """
  angles = np.linspace(0, 2 * np.pi, 720, endpoint=False)
  order = np.argsort(xs @ np.stack([np.cos(angles), np.sin(angles)]), axis=0)
  ones = np.asarray(ys)[order]
  # Up to the line all points are 0, beyond it 1.
  right = np.cumsum(1 - ones, axis=0) + np.sum(ones, 0) - np.cumsum(ones, 0)
  row, column = np.unravel_index(np.argmax(right), right.shape)
  guess = np.zeros(len(xs))
  guess[order[row + 1 :, column]] = 1
  return guess == ys


def train(
  activation: Callable[[jax.Array], jax.Array],
  starts: Any,
  xs: np.ndarray,
  ys: np.ndarray,
  *,
  num_epochs: int,
) -> tuple[Any, jax.Array]:
  """Trains 2-H-1 networks [K] on the cross-entropy of all points, with Adam."""

  def loss(params, x, y):
    logit = nf.mlp.apply(params, x, (activation, _act.identity))
    return nf.losses.sigmoid_cross_entropy(logit, y)

  def one(start):
    fitted = nf.minibatch.fit(
      loss,
      optax.adam(0.05),
      start,
      jax.random.key(0),  # One batch holds all points.
      xs,
      ys[:, None],
      batch_size=len(xs),
      num_epochs=num_epochs,
    )
    return fitted.params, fitted.losses[-1]

  return jax.vmap(one)(starts)


def best(params: Any, losses: jax.Array) -> Any:
  """Returns the network of the least loss, of leaves [K, ...]."""
  return jax.tree.map(lambda leaf: leaf[jnp.argmin(losses)], params)


def _apply(params, activation, x):
  """Returns the outputs of the hidden units and the logit."""
  hidden, logit = nf.mlp.forward(params, x, (activation, _act.identity)).outputs
  return hidden, logit[0]


def _logits(params, activation, xs):
  return jax.vmap(lambda x: _apply(params, activation, x)[1])(jnp.asarray(xs))


def _surface(params, activation, low, high):
  """Returns the probability of class 1 on a grid [G, G]."""
  grid = np.linspace(low, high, _GRID)
  points = np.stack(np.meshgrid(grid, grid), axis=-1).reshape(-1, 2)
  logits = _logits(params, activation, points)
  return jax.nn.sigmoid(logits).reshape(_GRID, _GRID)


def _derivatives(params, activation, places):
  """Returns the bend of hidden neurons and the curvature of the logit."""

  def at(x):
    slopes = jax.jacrev(lambda x: _apply(params, activation, x)[0])(x)
    return slopes, jax.hessian(lambda x: _apply(params, activation, x)[1])(x)

  slopes, second = jax.vmap(at)(places)
  w = params[0]["w"][None]
  cross = slopes[..., 0] * w[..., 1] - slopes[..., 1] * w[..., 0]
  size = jnp.sqrt(jnp.sum(slopes**2, -1) * jnp.sum(w**2, -1))
  # A neuron that is off has no level curve there.
  bend = jnp.abs(cross) / jnp.where(size > 0, size, 1)
  return jnp.max(bend), jnp.max(jnp.abs(second))
