"""Small trained networks: decision boundaries and level curves of neurons.

All is meant to be called under float64.
"""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import optax
from jax import numpy as jnp

import nnfun as nf
from experiments.textbook import perceptrons_thresholds as thresholds

_act = nf.activations
ACTIVATIONS = {
  "sigmoid": _act.sigmoid,
  "tanh": _act.tanh,
  "ReLU": _act.relu,
  "leaky ReLU": _act.leaky_relu(negative_slope=0.1),
}


EXTENT = 2.6  # The figure shows the square from -EXTENT to EXTENT.
_GRID = 81


def boundaries(
  seed: int,
  *,
  num_points: int,
  num_hidden: int,
  num_starts: int,
  num_epochs: int,
) -> dict[str, np.ndarray]:
  """Trains a network with each activation to tell a disc from a ring.

  Args:
    seed: of points and starts.
    num_points: points to learn from, and as many new ones.
    num_hidden: H.
    num_starts: of which the network of least loss is shown.
    num_epochs: steps.

  Returns:
    The points `xs` [N, 2] and classes `ys` [N]; by activation, in the order of
    `ACTIVATIONS`, the fraction of new points that are right `accuracy` [A];
    `accuracy_line` of the line that is best on them; on a grid the output
    `surface` [A, G, G], and the hidden neurons' `weights` [A, H, 3], the bias
    last; at random places the sine of the angle between the gradient of a
    hidden neuron and its weights `bend` [A], and the largest second derivative
    of the logit `curvature` [A]; for the sigmoid networks, cut at 1/2, the
    errors at the start and after training `surrogate_errors` [2, K].
  """
  xs, ys = rings(seed, num_points)
  new_xs, new_ys = rings(seed + 1, num_points)
  rng = np.random.default_rng(seed)
  starts = thresholds.draw(rng, (2, num_hidden, 1), num_starts)
  places = rng.uniform(-EXTENT, EXTENT, (300, 2))

  def one(index):
    activation = _chosen(index)
    ends, losses = train(activation, starts, xs, ys, num_epochs=num_epochs)
    wrong = jax.vmap(lambda params: _error(params, activation, new_xs, new_ys))
    network = best(ends, losses)
    return {
      "accuracy": 1 - _error(network, activation, new_xs, new_ys),
      "surface": _surface(network, activation, -EXTENT, EXTENT),
      "weights": jnp.concatenate(
        [network[0]["w"], network[0]["b"][:, None]], axis=1
      ),
      **_derivatives(network, activation, places),
      "surrogate_errors": jnp.stack([wrong(starts), wrong(ends)]),
    }

  measured = thresholds.jit(lambda: jax.lax.map(one, jnp.arange(4)))()
  return {
    "xs": xs,
    "ys": ys,
    "accuracy_line": best_line(new_xs, new_ys),
    **measured,
    "surrogate_errors": measured["surrogate_errors"][0],
  }


def xor_network(seed: int, num_starts: int) -> dict[str, np.ndarray]:
  """Trains tanh networks 2-2-1 on XOR.

  Args:
    seed: of the starts.
    num_starts: K.

  Returns:
    `xor_right` [K], how many of the four patterns are right, and of the network
    of least loss the output on a grid from -1/2 to 3/2 `xor_surface` [G, G].
  """
  xs = thresholds.binary_inputs(2)
  ys = np.array([0.0, 1.0, 1.0, 0.0])
  starts = thresholds.draw(np.random.default_rng(seed), (2, 2, 1), num_starts)

  @thresholds.jit
  def measure():
    ends, losses = train(_act.tanh, starts, xs, ys, num_epochs=300)
    wrong = jax.vmap(lambda params: _error(params, _act.tanh, xs, ys))(ends)
    return {
      "xor_right": jnp.round(4 * (1 - wrong)),
      "xor_surface": _surface(best(ends, losses), _act.tanh, -0.5, 1.5),
    }

  return measure()


def rings(seed: int, num_points: int) -> tuple[np.ndarray, np.ndarray]:
  """Draws a disc of one class inside a ring of the other.

  Args:
    seed: of the points.
    num_points: N, half of each class.

  Returns:
    Points [N, 2] and classes [N], 1 in the disc.
  """
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


def best_line(xs: np.ndarray, ys: np.ndarray) -> float:
  """Returns the accuracy of the best straight boundary, on its own points.

  Args:
    xs: points [N, 2].
    ys: classes [N].

  Returns:
    The largest fraction right, over 720 directions and every offset.
  """
  angles = np.linspace(0, 2 * np.pi, 720, endpoint=False)
  order = np.argsort(xs @ np.stack([np.cos(angles), np.sin(angles)]), axis=0)
  sorted_ys = np.asarray(ys)[order]
  # All points behind the line are 0, those before it 1.
  right = (
    np.cumsum(1 - sorted_ys, axis=0)
    + np.cumsum(sorted_ys[::-1], axis=0)[::-1]
    - sorted_ys
  )
  return float(np.max(right) / len(xs))


def train(
  activation: Callable[[jax.Array], jax.Array],
  starts: Any,
  xs: np.ndarray,
  ys: np.ndarray,
  *,
  num_epochs: int,
) -> tuple[Any, jax.Array]:
  """Trains 2-H-1 networks on the cross-entropy of all points, with Adam.

  Args:
    activation: of the hidden units; the output is a logit.
    starts: parameters, leaves [K, ...].
    xs: points [N, 2].
    ys: classes [N].
    num_epochs: steps.

  Returns:
    Parameters at the end, leaves [K, ...], and the last loss [K].
  """
  layers = (activation, _act.identity)

  def loss(params, x, y):
    return nf.losses.sigmoid_cross_entropy(nf.mlp.apply(params, x, layers), y)

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


def _chosen(index):
  """Returns an activation by its index, which may be traced: one compile."""
  functions = [activation.fn for activation in ACTIVATIONS.values()]
  return lambda z: jax.lax.switch(index, functions, z)


def best(params: Any, losses: jax.Array) -> Any:
  """Returns the network of the least loss, of leaves [K, ...]."""
  return jax.tree.map(lambda leaf: leaf[jnp.argmin(losses)], params)


def _apply(params, activation, x):
  """Returns the outputs of the hidden units and the logit."""
  hidden, logit = nf.mlp.forward(params, x, (activation, _act.identity)).outputs
  return hidden, logit[0]


def _error(params, activation, xs, ys):
  """Returns the fraction of points on the wrong side."""
  logits = jax.vmap(lambda x: _apply(params, activation, x)[1])(xs)
  return jnp.mean((logits > 0) != (ys > 0.5), dtype=float)


def _surface(params, activation, low, high):
  """Returns the probability of class 1 on a grid [G, G]."""
  grid = np.linspace(low, high, _GRID)
  points = np.stack(np.meshgrid(grid, grid), axis=-1)
  logit = jax.vmap(jax.vmap(lambda x: _apply(params, activation, x)[1]))
  return jax.nn.sigmoid(logit(points))


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
  return {"bend": jnp.max(bend), "curvature": jnp.max(jnp.abs(second))}
