"""Threshold networks under scaling, and what sigmoid networks tend to.

A network is in the form of `nf.mlp`, leaves [M, ...] for M of them. All is
meant to be called under float64.
"""

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import jax
import numpy as np
from jax import numpy as jnp

import nnfun as nf
from experiments import sweeps

_act = nf.activations


class Scaling(NamedTuple):
  """Perceptrons whose weights and biases are multiplied by constants."""

  # Outputs changed, for c = 0 and 1e-6 ... 1e6; of networks of small integers,
  # often on the threshold, c = 0 and 2^-24 ... 2^24.
  num_changed: dict[str, np.ndarray]  # [14]
  num_ties: np.ndarray  # Weighted inputs that are 0 in those of integers  []
  num_firing: np.ndarray  # Outputs of 1 for the binary inputs  []


class Limit(NamedTuple):
  """M sigmoid networks whose weights grow, against their perceptrons."""

  times: np.ndarray  # t = c min abs(z), least over neurons and inputs  [T]
  exponents: np.ndarray  # -log of the largest error of a neuron  [M, T]


def binary_inputs(num_inputs: int) -> np.ndarray:
  """Returns all inputs of zeros and ones, [2^n, n]."""
  return np.array(list(itertools.product((0.0, 1.0), repeat=num_inputs)))


def draw(
  seed: int | Sequence[int], sizes: Sequence[int], num_networks: int
) -> nf.base.Params:
  """Draws weights and biases from N(0, 1), layers [M, out, in]."""
  rng = np.random.default_rng(seed)
  return tuple(
    {
      "w": rng.normal(size=(num_networks, n, m)),
      "b": rng.normal(size=(num_networks, n)),
    }
    for m, n in itertools.pairwise(sizes)
  )


def neurons(
  params: nf.base.Params, xs: np.ndarray, activation: nf.activations.Activation
) -> tuple[jax.Array, jax.Array]:
  """Returns z and a of all neurons for each input, both [M, X, N]."""

  def one(params, x):
    z, a = nf.mlp.forward(params, x, [activation] * len(params))
    return jnp.concatenate(z), jnp.concatenate(a)

  return jax.vmap(jax.vmap(one, (None, 0)), (0, None))(params, jnp.asarray(xs))


def scale(seed: int, sizes: Sequence[int], num_networks: int) -> Scaling:
  """Multiplies weights and biases of perceptrons by constants."""
  binary = binary_inputs(sizes[0])
  reals = np.random.default_rng([seed, 1]).normal(size=binary.shape)
  normal = draw(seed, sizes, num_networks)
  integers = jax.tree.map(lambda leaf: np.round(1.2 * leaf), normal)

  @sweeps.quick_jit
  def count(params, xs, scales):
    z, outputs = neurons(params, xs, _act.threshold)

    def changed(c):
      scaled = jax.tree.map(lambda leaf: c * leaf, params)
      return jnp.sum(neurons(scaled, xs, _act.threshold)[1] != outputs)

    return jax.lax.map(changed, scales), jnp.sum(z == 0), jnp.sum(outputs)

  tens = np.append(0, 10.0 ** np.arange(-6, 7))
  twos = np.append(0, 2.0 ** np.arange(-24, 25, 4))
  on_binary, _, num_firing = count(normal, binary, tens)
  on_reals, _, _ = count(normal, reals, tens)
  on_ties, num_ties, _ = count(integers, binary, twos)
  changed = {"binary": on_binary, "real": on_reals, "ties": on_ties}
  return jax.device_get(Scaling(changed, num_ties, num_firing))


def limit(seed: int, sizes: Sequence[int], num_networks: int) -> Limit:
  """Lets the weights of sigmoid networks grow, against their perceptrons."""
  times = np.geomspace(0.1, 30, 25)
  xs = binary_inputs(sizes[0])

  def exponents(params):
    params = jax.tree.map(lambda leaf: leaf[None], params)
    z, hard = neurons(params, xs, _act.threshold)

    def at(c):
      scaled = jax.tree.map(lambda leaf: c * leaf, params)
      soft = neurons(scaled, xs, _act.sigmoid)[1]
      return -jnp.log(jnp.max(jnp.abs(soft - hard)))

    return jax.lax.map(at, times / jnp.min(jnp.abs(z)))

  networks = draw(seed, sizes, num_networks)
  return Limit(times, sweeps.sweep(exponents, networks, quick=True))


def on_threshold() -> np.ndarray:
  """Builds a network on w.x + b = 0, as sigmoids and as perceptrons, [2, 4, 2].

  Its hidden neuron sees x1 - x2, which is 0 for two of the four inputs; its
  output fires if the hidden one is above 1/4.
  """
  params = (
    {"w": 1e6 * np.array([[[1.0, -1.0]]]), "b": np.array([[0.0]])},
    {"w": 1e6 * np.array([[[1.0]]]), "b": 1e6 * np.array([[-0.25]])},
  )
  kinds, xs = (_act.sigmoid, _act.threshold), binary_inputs(2)
  measure = sweeps.quick_jit(lambda: [neurons(params, xs, f)[1] for f in kinds])
  return np.concatenate(measure())


def cost_changes(seed: int, xs: np.ndarray, ys: np.ndarray) -> np.ndarray:
  """Tells where steps of 1e-2 and 1e-9 change the error rate, [2, K].

  Of K perceptron networks 2-4-1, in a random direction in their weights.
  """
  params, directions = (draw([seed, i], (2, 4, 1), 10_000) for i in range(2))

  def cost(size):
    after = jax.tree.map(lambda p, d: p + size * d, params, directions)
    outputs = neurons(after, xs, _act.threshold)[1][..., -1]
    return jnp.mean(jnp.square(outputs - ys[None]), axis=1)

  sizes = np.array([0, 1e-2, 1e-9])
  costs = np.asarray(sweeps.quick_jit(lambda: jax.lax.map(cost, sizes))())
  return costs[1:] != costs[0]
