"""Random tanh networks, forward and as directions; one network a call."""

from typing import NamedTuple

import jax
from jax import lax
from jax import numpy as jnp

import nnfun as nf

# Inputs in a group; the least correlation that all can have is -1 / 11.
_NUM_INPUTS = 12
_phi = nf.activations.tanh
Array = jax.Array


class Start(NamedTuple):
  """A setting, and where its inputs start."""

  sigma_w: Array  # []
  sigma_b: Array  # []
  q: Array  # Variance of the inputs, q* [].
  c: Array  # Correlation of any two inputs of a group [G].


class Propagation(NamedTuple):
  """What is measured behind each layer."""

  q: Array  # Mean square over units and inputs of the first group [L].
  growth: Array  # |W phi'(z) u|^2 / |u|^2 for random directions u [L].
  distance: Array  # 1 - c, averaged over the pairs of a group [L, G].


def propagate(keys: Array, start: Start, *, width: int) -> Propagation:
  """Sends groups of inputs through one random network.

  Beside every input of the first group a tangent is sent, from a random
  direction, through the derivative of the layers. The first key [1 + L] is that
  of the inputs.
  """
  draws = jax.random.normal(keys[0], (2 * _NUM_INPUTS, width))
  frame = jnp.linalg.qr(draws[:_NUM_INPUTS].T)[0].T * width**0.5
  groups = jax.vmap(_correlated, (0, None))(start.c, frame)

  def advance(carry, key_layer):
    groups, tangents = carry
    draws = jax.random.normal(key_layer, (width, width + 1))
    weights, biases = draws[:, :-1] / width**0.5, draws[:, -1]
    # Settings share the draws: the factors stay outside of the products.
    grown = start.sigma_w * ((_phi.slope(groups[0]) * tangents) @ weights.T)
    groups = start.sigma_w * (_phi(groups) @ weights.T)
    groups += start.sigma_b * biases[None, None]
    measured = Propagation(
      q=jnp.mean(jnp.square(groups[0])),
      growth=jnp.mean(jnp.sum(jnp.square(grown), -1)),
      distance=_distance(_unit(groups)),
    )
    return (groups, _unit(grown)), measured

  carry = jnp.sqrt(start.q) * groups, _unit(draws[_NUM_INPUTS:])
  return lax.scan(advance, carry, keys[1:])[1]


def _correlated(c, frame):
  """Turns orthogonal vectors [K, N] into some of common correlation c."""
  mean = jnp.mean(frame, 0, keepdims=True)
  along = jnp.sqrt(1 + (len(frame) - 1) * c) * mean
  return along + jnp.sqrt(1 - c) * (frame - mean)


def _unit(vectors):
  return vectors / jnp.linalg.norm(vectors, axis=-1, keepdims=True)


def _distance(units):
  """Returns 1 - c = |x - y|^2 / 2 of unit vectors, averaged over pairs.

  1 - x^T y would have no digits left where c is near 1.
  """
  deviations = units - jnp.mean(units, -2, keepdims=True)
  return jnp.sum(jnp.square(deviations), (-2, -1)) / (units.shape[-2] - 1)
