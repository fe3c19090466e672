"""Threshold networks under scaling, and what sigmoid networks tend to.

A network is in the form of `nf.mlp`, leaves [M, ...] for M of them. All is
meant to be called under float64.
"""

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import jax
import numpy as np
import optax
from jax import numpy as jnp

import nnfun as nf
from experiments import sweeps

_act = nf.activations
# Below this bound 1 - sigma(z) has too few digits to be compared with it.
_LEAST_BOUND = 1e-12


class Scaling(NamedTuple):
  """Perceptrons whose weights and biases are multiplied by constants."""

  binary: np.ndarray  # Outputs changed, binary inputs, c = 1e-6 ... 1e6  [13]
  real: np.ndarray  # The same for normal inputs  [13]
  # Of networks of small integers, often on the threshold, c = 2^-24 ... 2^24.
  ties: np.ndarray  # [13]
  num_ties: np.ndarray  # Weighted inputs that are 0 in them  []
  num_outputs: np.ndarray  # Looked at, for each constant  []
  num_firing: np.ndarray  # Outputs of 1 for the binary inputs  []
  num_switched_off: np.ndarray  # Of these, at c = 0  []


class Limit(NamedTuple):
  """M sigmoid networks whose weights grow, against their perceptrons."""

  times: np.ndarray  # t = c min abs(z), least over neurons and inputs  [T]
  worst: np.ndarray  # Largest error of a neuron for a binary input  [M, T]
  excess: np.ndarray  # Largest log(error / bound)  [M]


class OnThreshold(NamedTuple):
  """A network built on w.x + b = 0; c = 1, 10 ... 1e6."""

  gap: np.ndarray  # Sigmoid less perceptron, where z = 0  [7]
  outputs: np.ndarray  # Of the sigmoid network  [7, 4]
  perceptron: np.ndarray  # Of the perceptrons  [4]


def binary_inputs(num_inputs: int) -> np.ndarray:
  """Returns all inputs of zeros and ones, [2^n, n]."""
  return np.array(list(itertools.product((0.0, 1.0), repeat=num_inputs)))


def draw(
  rng: np.random.Generator, sizes: Sequence[int], num_networks: int
) -> nf.base.Params:
  """Draws weights and biases from N(0, 1), layers [M, out, in]."""
  return tuple(
    {
      "w": rng.normal(size=(num_networks, n, m)),
      "b": rng.normal(size=(num_networks, n)),
    }
    for m, n in itertools.pairwise(sizes)
  )


def scale(seed: int, sizes: Sequence[int], num_networks: int) -> Scaling:
  """Multiplies weights and biases of perceptrons by positive constants."""
  rng = np.random.default_rng(seed)
  binary = binary_inputs(sizes[0])
  reals = rng.normal(size=binary.shape)
  normal = draw(rng, sizes, num_networks)
  integers = jax.tree.map(
    lambda leaf: np.round(1.2 * leaf), draw(rng, sizes, num_networks)
  )
  tens, twos = 10.0 ** np.arange(-6, 7), 2.0 ** np.arange(-24, 25, 4)

  @sweeps.quick_jit
  def count(params, xs, scales):
    outputs, ties = _threshold_outputs(params, xs)

    def changed(c):
      scaled = jax.tree.map(lambda leaf: c * leaf, params)
      return jnp.sum(_threshold_outputs(scaled, xs)[0] != outputs)

    return jax.lax.map(changed, scales), jnp.sum(ties), jnp.sum(outputs)

  on_binary, _, num_firing = count(normal, binary, tens)
  on_ties, num_ties, _ = count(integers, binary, twos)
  found = Scaling(
    on_binary,
    count(normal, reals, tens)[0],
    on_ties,
    num_ties,
    len(binary) * num_networks * sum(sizes[1:]),
    num_firing,
    count(normal, binary, np.zeros(13))[0][0],
  )
  return Scaling(*map(np.asarray, found))


def _threshold_outputs(params, xs):
  """Returns the outputs of all neurons [M, X, N], and where z = 0."""

  def one(params, x):
    z, a = nf.mlp.forward(params, x, [_act.threshold] * len(params))
    return jnp.concatenate(a), jnp.concatenate(z) == 0

  return jax.vmap(jax.vmap(one, (None, 0)), (0, None))(params, xs)


def limit(seed: int, sizes: Sequence[int], num_networks: int) -> Limit:
  """Lets the weights of sigmoid networks grow, against their perceptrons."""
  times = np.geomspace(0.1, 30, 25)
  params = draw(np.random.default_rng(seed), sizes, num_networks)
  xs = binary_inputs(sizes[0])
  found = sweeps.sweep(lambda p: _limit(p, xs, times), params, quick=True)
  return Limit(times, *found)


def _limit(params, xs, times):
  def outputs(params, activation):
    layers = [activation] * len(params)
    return jax.vmap(lambda x: nf.mlp.forward(params, x, layers))(xs)

  z, hard = outputs(params, _act.threshold)
  margin = jnp.min(jnp.abs(jnp.concatenate(z, axis=1)))

  def at(c):
    soft = outputs(jax.tree.map(lambda leaf: c * leaf, params), _act.sigmoid)
    errors = jnp.abs(
      jnp.concatenate(soft.outputs, 1) - jnp.concatenate(hard, 1)
    )
    # The error d of the layer before moves z by sum_j abs(w_j) d_j at most.
    bounds, bound = [], jnp.zeros_like(xs)
    for layer, z_l in zip(params, z, strict=True):
      reach = bound @ jnp.abs(layer["w"]).T
      bound = jnp.exp(-c * jnp.maximum(jnp.abs(z_l) - reach, 0))
      bounds.append(bound)
    bounds = jnp.concatenate(bounds, axis=1)
    excess = jnp.where(bounds > _LEAST_BOUND, errors / bounds, 0)
    return jnp.max(errors), jnp.max(excess)

  worst, excess = jax.lax.map(at, times / margin)
  return worst, jnp.log(jnp.max(excess))


def on_threshold() -> OnThreshold:
  """Builds a network on w.x + b = 0, where perceptron and sigmoid differ.

  A hidden neuron sees x1 - x2, which is 0 for two of the four binary inputs;
  the output fires if the hidden one is above 1/4.
  """
  params = (
    {"w": jnp.array([[1.0, -1.0]]), "b": jnp.array([0.0])},
    {"w": jnp.array([[1.0]]), "b": jnp.array([-0.25])},
  )
  xs = jnp.asarray(binary_inputs(2))

  def outputs(c, activation):
    scaled = jax.tree.map(lambda leaf: c * leaf, params)
    layers = [activation] * 2
    return jax.vmap(lambda x: nf.mlp.forward(scaled, x, layers).outputs)(xs)

  scales = 10.0 ** np.arange(7)
  hidden, out = sweeps.sweep(
    lambda c: outputs(c, _act.sigmoid), scales, quick=True
  )
  hard_hidden, hard_out = outputs(1.0, _act.threshold)
  return OnThreshold(
    hidden[:, -1, 0] - np.asarray(hard_hidden[-1, 0]),
    out[..., 0],
    np.asarray(hard_out[:, 0]),
  )


def cost_changes(
  seed: int, xs: np.ndarray, ys: np.ndarray, num_points: int
) -> np.ndarray:
  """Tells where steps of 1e-2 and 1e-9 change the error rate, [K, 2].

  Of K random perceptron networks 2-4-1, a direction in their weights for each.
  """
  rng = np.random.default_rng(seed)
  params, directions = (draw(rng, (2, 4, 1), num_points) for _ in range(2))

  def cost(params):
    layers = [_act.threshold] * 2
    y = jax.vmap(lambda x: nf.mlp.apply(params, x, layers)[0])(xs)
    return jnp.mean(jnp.square(y - ys))

  def one(params, direction):
    size = optax.tree.norm(direction)

    def after(h):
      step = optax.tree.scale(h / size, direction)
      return cost(optax.tree.add(params, step))

    moved = jax.lax.map(after, np.array([1e-2, 1e-9]))
    return moved != cost(params)

  return sweeps.sweep(one, params, directions, quick=True)
