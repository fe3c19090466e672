"""Descent in float64: the steepest direction, and one step of each algorithm.

What is measured here is exact but for rounding.
"""

import functools
from typing import Any

import jax
import numpy as np
import optax
from jax import flatten_util, lax
from jax import numpy as jnp

import nnfun as nf
from experiments.textbook import backpropagation_exact as exact
from experiments.textbook import backpropagation_optimizers as optimizers
from experiments.textbook import backpropagation_theory as theory

_NETWORK = exact.NETWORKS[1]
_DEEP = exact.NETWORKS[2]
_RATE = 0.1
_NUM_STEPS = 30
_SCALE = 1000.0  # of all gradients, for what does not depend on it


def steepest(
  num_directions: int, rng: np.random.Generator
) -> dict[str, np.ndarray]:
  """Looks for a direction that descends faster than the negative gradient.

  Args:
    num_directions: random directions; a sixteenth of them, at most 64, start
      a search by projected gradient descent on the sphere.
    rng: draws the network and the directions.

  Returns:
    cos(grad C, u) of `gradient_cosine` [] u = -grad C / norm(grad C), of
    `random_cosines` [D] and `searched_cosines`; `num_parameters` []; the fall
    of C over eps norm(grad C), `fall` [E] at `lengths` [E], and `curvature` [],
    what -eps takes off it: g^T H g / (2 norm(g)^3).
  """
  params, xs, ys = jax.tree.map(
    lambda leaf: leaf[0], exact.draw(_NETWORK, 1, rng)
  )
  theta, unravel = flatten_util.ravel_pytree(params)
  directions = rng.normal(size=(num_directions, theta.size))
  directions /= np.linalg.norm(directions, axis=1, keepdims=True)
  lengths = np.logspace(-1, -5, 9)

  def cost(theta):
    one = functools.partial(_cost, _NETWORK, unravel(theta))
    return jnp.mean(jax.vmap(one)(xs, ys))

  @exact.jit
  def measure(theta, directions):
    g = jax.grad(cost)(theta)
    size = jnp.linalg.norm(g)
    cosines = directions @ g / size

    def step(u, _):
      u = u - 0.5 * (g / size)[jnp.newaxis]
      return u / jnp.linalg.norm(u, axis=1, keepdims=True), None

    starts = directions[: min(64, max(1, num_directions // 16))]
    found, _ = lax.scan(step, starts, length=200)
    falls = cost(theta) - jax.vmap(lambda eps: cost(theta - eps * g / size))(
      lengths
    )
    hessian_g = jax.jvp(jax.grad(cost), (theta,), (g,))[1]
    return {
      "gradient_cosine": g @ (-g / size) / size,
      "random_cosines": cosines,
      "searched_cosines": found @ g / size,
      "fall": falls / (lengths * size),
      "curvature": g @ hessian_g / (2 * size**3),
    }

  results = jax.tree.map(np.asarray, measure(theta, directions))
  return results | {"lengths": lengths, "num_parameters": np.array(theta.size)}


def _cost(network, params, x, y):
  return network.cost(nf.mlp.apply(params, x, network.activations), y)


def algorithms(rng: np.random.Generator) -> dict[str, np.ndarray]:
  """Takes one step of a mini-batch as printed, as meant, and by the library.

  Args:
    rng: draws a network with layers 1 ... L, L = 4, and a batch.

  Returns:
    `step_error` [] of the loops from L down to 2 against `nf.minibatch.fit`
    with the whole batch, `printed_change` [] of any parameter where the loops
    run "L - 1 <= l <= 2" and "L <= l <= 2", and `meant_change` [].
  """
  network = _DEEP
  params, xs, ys = jax.tree.map(
    lambda leaf: leaf[0], exact.draw(network, 1, rng)
  )
  last = len(network.sizes)
  printed = {"backward": range(last - 1, 3), "updated": range(last, 3)}
  meant = {
    "backward": range(last - 1, 1, -1),
    "updated": range(last, 1, -1),
  }

  def step(loops):
    grads = theory.batch_gradient(
      params,
      xs,
      ys,
      network.activations,
      network.cost,
      backward=loops["backward"],
    )
    return theory.descend(params, grads, _RATE, loops["updated"])

  def fit(key):
    return nf.minibatch.fit(
      functools.partial(_cost, network),
      optax.sgd(_RATE),
      params,
      key,
      jnp.asarray(xs),
      jnp.asarray(ys),
      batch_size=len(xs),
      num_epochs=1,
    ).params

  after = exact.jit(lambda key: (step(printed), step(meant), fit(key)))
  as_printed, as_meant, fitted = after(jax.random.key(0))
  printed_change, meant_change, error = (
    _largest(optax.tree.sub(*pair))
    for pair in ((as_printed, params), (as_meant, params), (as_meant, fitted))
  )
  return {
    "step_error": np.array(error / meant_change),
    "printed_change": np.array(printed_change),
    "meant_change": np.array(meant_change),
  }


def _largest(tree: Any) -> float:
  return max(float(np.max(np.abs(leaf))) for leaf in jax.tree.leaves(tree))


def formulas(rng: np.random.Generator) -> dict[str, np.ndarray]:
  """Compares optax's optimisers with loops over their published formulas.

  Args:
    rng: draws the start and the gradients.

  Returns:
    `formula_error` [7], the largest difference of any parameter at any step
    over the largest distance moved; `scaled_change` [7], by what factor the
    whole way grows when all gradients are multiplied by 1,000.
  """
  theta = rng.normal(size=8)
  gradients = rng.normal(size=(_NUM_STEPS, 8))

  @exact.jit
  def run(gradients):
    return [
      optimizers.run(optimizer.make, jnp.asarray(theta), gradients, _RATE)
      for optimizer in optimizers.OPTIMIZERS.values()
    ]

  errors, factors = [], []
  published = optimizers.OPTIMIZERS.values()
  ways = zip(published, run(gradients), run(_SCALE * gradients), strict=True)
  for optimizer, thetas, scaled in ways:
    expected = optimizer.formula(theta, gradients, _RATE)
    moved = np.max(np.abs(expected - theta))
    errors.append(np.max(np.abs(thetas - expected)) / moved)
    factors.append(
      np.linalg.norm(scaled[-1] - theta) / np.linalg.norm(thetas[-1] - theta)
    )
  return {
    "formula_error": np.array(errors),
    "scaled_change": np.array(factors),
  }


def losses(rng: np.random.Generator) -> dict[str, np.ndarray]:
  """Compares the printed derivatives of losses with automatic ones.

  Args:
    rng: draws a softmax regression, an output and targets.

  Returns:
    `softmax_error` [4] of dl/da, dl/dz, dl/dW, dl/db; `loss_error` [4] of
    squared error, binary cross-entropy by a and by z, and multi-class
    cross-entropy.
  """
  num_classes, num_inputs = 5, 4
  params = {
    "w": rng.normal(size=(num_classes, num_inputs)),
    "b": rng.normal(size=num_classes),
  }
  x, label = rng.normal(size=num_inputs), 2
  z = rng.normal(size=num_classes)
  a, y = 1 / (1 + np.exp(-z)), rng.integers(0, 2, num_classes).astype(float)
  p, e = rng.dirichlet(np.ones(num_classes)), np.eye(num_classes)[label]
  nll = nf.losses.softmax_cross_entropy_with_integer_labels

  @exact.jit
  def automatic(params, z, a, p):
    def logits(params):
      return params["w"] @ x + params["b"]

    by_params = jax.grad(lambda params: nll(logits(params), label))(params)
    probabilities = jax.nn.softmax(logits(params))
    return (
      jax.grad(nf.losses.cross_entropy)(probabilities, e),
      jax.grad(nll)(logits(params), label),
      by_params["w"],
      by_params["b"],
      jax.grad(nf.losses.quadratic)(a, y),
      jax.grad(nf.losses.binary_cross_entropy)(a, y),
      jax.grad(nf.losses.sigmoid_cross_entropy)(z, y),
      jax.grad(nf.losses.cross_entropy)(p, e),
    )

  closed = theory.softmax_regression(params, x, label)
  expected = (
    *(closed[name] for name in ("a", "z", "w", "b")),
    a - y,
    -y / a + (1 - y) / (1 - a),
    a - y,
    -e / p,
  )
  errors = [
    _largest(hand - auto) / _largest(auto)
    for hand, auto in zip(expected, automatic(params, z, a, p), strict=True)
  ]
  return {
    "softmax_error": np.array(errors[:4]),
    "loss_error": np.array(errors[4:]),
  }


def recurrent(rng: np.random.Generator) -> dict[str, np.ndarray]:
  """Ties the weights of all layers, and compares with RTRL.

  A network whose N layers share one matrix is an autonomous recurrent network
  of N steps, d h / d w the sum over the layers of the forward accumulation.

  Args:
    rng: draws the network.

  Returns:
    `rtrl_error` [] of that sum, pulled by dC / dh, against `nf.estimators.rtrl`
    with one step a segment.
  """
  n, num_steps = 4, 5
  layer = {"w": rng.normal(size=(n, n)) / 2, "b": rng.normal(size=n)}
  x, y = rng.normal(size=(2, n))
  tanh = nf.activations.tanh
  cell = nf.Cell(
    init=lambda key: layer,
    initial_state=lambda: jnp.asarray(x),
    step=lambda params, h_tm1, x_t: tanh(params["w"] @ h_tm1 + params["b"]),
  )

  def loss_fn(params, h_t, y_t):
    del params
    return y_t.weight * nf.losses.quadratic(h_t, y_t.value)

  @exact.jit
  def compare(layer):
    h, influence = theory.forward_accumulation(
      (layer,) * num_steps, x, (tanh,) * num_steps
    )
    total = jax.tree.map(lambda *d: sum(d), *influence)
    by_theorem = jax.tree.map(lambda d: jnp.tensordot(h - y, d, 1), total)
    targets = nf.Target(
      jnp.tile(y, (num_steps, 1)), jnp.arange(num_steps) == num_steps - 1
    )
    online = nf.training.episode_gradient(
      nf.estimators.rtrl(cell, loss_fn),
      {"cell": layer, "readout": ()},
      jax.random.key(0),
      jnp.zeros((num_steps, 1)),
      targets,
      segment=1,
    )
    return by_theorem, online.grads["cell"]

  by_theorem, online = jax.tree.map(np.asarray, compare(layer))
  difference = _largest(optax.tree.sub(by_theorem, online))
  return {"rtrl_error": np.array(difference / _largest(online))}
