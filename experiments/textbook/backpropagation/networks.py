"""Random networks of several kinds, with their costs."""

import functools
from typing import NamedTuple

import jax
import numpy as np
from jax import numpy as jnp

import nnfun as nf

_act, _loss = nf.activations, nf.losses


class Network(NamedTuple):
  """A kind of network, and the cost it is trained with."""

  sizes: tuple[int, ...]  # Of the input and of each layer.
  activations: tuple[_act.Activation, ...]
  cost: nf.mlp.Cost


SOFTMAX = Network((5, 3), (_act.softmax_layer(),), _loss.cross_entropy)
SHALLOW = Network((4, 5, 3), (_act.sigmoid,) * 2, _loss.quadratic)
DEEP = Network(
  (4, 5, 6, 3),
  (_act.tanh, _act.tanh, _act.sigmoid),
  _loss.binary_cross_entropy,
)
KINKED = Network(
  (4, 5, 6, 5, 3),
  (_act.relu, _act.leaky_relu(), _act.hard_tanh, _act.identity),
  _loss.softmax_cross_entropy,
)
SIGMOIDS = Network((4, 5, 4, 3), (_act.sigmoid,) * 3, _loss.quadratic)
RECURRENT = Network((4, 4), (_act.tanh,), _loss.quadratic)


def draw(
  network: Network, num_networks: int, rng: np.random.Generator
) -> tuple[nf.base.Params, np.ndarray, np.ndarray]:
  """Draws parameters [S, ...], xs [S, M, I] and distributions ys [S, M, O]."""
  params = tuple(
    {
      "w": rng.normal(size=(num_networks, n, m)) / m**0.5,
      "b": rng.normal(size=(num_networks, n)),
    }
    for m, n in zip(network.sizes[:-1], network.sizes[1:], strict=True)
  )
  xs = rng.normal(size=(num_networks, 6, network.sizes[0]))
  ys = rng.dirichlet(np.ones(network.sizes[-1]), size=(num_networks, 6))
  return params, xs, ys


def draw_one(
  network: Network, rng: np.random.Generator
) -> tuple[nf.base.Params, np.ndarray, np.ndarray]:
  """Draws one network, its xs [M, I] and ys [M, O]."""
  return jax.tree.map(lambda leaf: leaf[0], draw(network, 1, rng))


def cost_of(
  network: Network, params: nf.base.Params, x: jax.Array, y: jax.Array
) -> jax.Array:
  """Returns the cost of one example."""
  return network.cost(nf.mlp.apply(params, x, network.activations), y)


def mean_cost(
  network: Network, params: nf.base.Params, xs: jax.Array, ys: jax.Array
) -> jax.Array:
  """Returns the mean cost of a batch."""
  one = functools.partial(cost_of, network, params)
  return jnp.mean(jax.vmap(one)(xs, ys))


def by_hand(
  network: Network, params: nf.base.Params, x: jax.Array, y: jax.Array
) -> nf.base.Params:
  """Returns the gradient by the four equations."""
  activations, cost = network.activations, network.cost
  return nf.mlp.backpropagation(params, x, y, activations, cost).grads
