"""Random tanh networks, forward and as directions; one network a call.

A setting is a pair sigma_w, sigma_b; the settings of a seed share their draws
up to these factors.
"""

from typing import NamedTuple

import jax
from jax import lax
from jax import numpy as jnp

import nnfun as nf
from experiments import progress

_phi = nf.activations.tanh
Array = jax.Array


class Starts(NamedTuple):
  """Settings, and where their inputs start."""

  sigma_w: Array  # [S]
  sigma_b: Array  # [S]
  q: Array  # Variance of the inputs, q* [S].
  c: Array  # Correlation of any two inputs of a group [S, G].


class Propagation(NamedTuple):
  """What is measured behind each layer."""

  q: Array  # Mean square over units and inputs of the first group [L, S].
  growth: Array  # |W phi'(z) u|^2 / |u|^2 for random directions u [L, S].
  distance: Array  # 1 - c, averaged over the pairs of a group [L, S, G].


def propagate(
  keys: Array, starts: Starts, *, width: int, num_inputs: int
) -> Propagation:
  """Sends groups of inputs through one random network.

  Beside every input of the first group a tangent is sent, from a random
  direction, through the derivative of the layers. The first key [1 + L] is that
  of the inputs.
  """
  draws = jax.random.normal(keys[0], (2 * num_inputs, width))
  groups = _correlated(starts.c, _orthogonalized(draws[:num_inputs]))
  groups *= jnp.sqrt(starts.q)[:, None, None, None]
  tangents = _unit(draws[num_inputs:])
  tangents = jnp.broadcast_to(tangents, groups[:, 0].shape)
  sigma_w = starts.sigma_w[:, None, None]

  def advance(carry, step):
    groups, tangents = carry
    key_layer, i = step
    progress.tick(i, len(keys) - 1, "layers")
    weights, biases = _draw(key_layer, width)
    slopes = _phi.slope(groups[:, 0])
    grown = sigma_w * ((slopes * tangents) @ weights.T)
    groups = _apply(weights, biases, starts, groups)
    squares = jnp.mean(jnp.square(groups), -1)
    measured = Propagation(
      q=jnp.mean(squares[:, 0], -1),
      growth=jnp.mean(jnp.sum(jnp.square(grown), -1), -1),
      distance=_distance(_unit(groups)),
    )
    return (groups, _unit(grown)), measured

  steps = keys[1:], jnp.arange(len(keys) - 1)
  return lax.scan(advance, (groups, tangents), steps)[1]


def maps(
  key: Array, starts: Starts, q: Array, c: Array, *, width: int
) -> tuple[Array, Array]:
  """Returns q' [S, Q] and c' [S, C] of one random layer.

  Single inputs have variances q [Q], pairs variance q* and correlations c [C].
  """
  key_inputs, key_layer = jax.random.split(key)
  first, second = _orthogonalized(jax.random.normal(key_inputs, (2, width)))
  single = jnp.outer(jnp.sqrt(q), first)
  single = jnp.broadcast_to(single, (len(starts.q), *single.shape))
  partners = jnp.outer(c, first) + jnp.outer(jnp.sqrt(1 - c**2), second)
  pairs = jnp.concatenate([first[None], partners])
  pairs = jnp.sqrt(starts.q)[:, None, None] * pairs[None]
  signals = jnp.concatenate([single, pairs], 1)[:, None]
  outputs = _apply(*_draw(key_layer, width), starts, signals)[:, 0]
  pairs = _unit(outputs[:, len(q) :])
  products = jnp.einsum("sn,scn->sc", pairs[:, 0], pairs[:, 1:])
  return jnp.mean(jnp.square(outputs[:, : len(q)]), -1), products


def _draw(key, width):
  """Returns W / sigma_w and b / sigma_b."""
  draws = jax.random.normal(key, (width, width + 1))
  return draws[:, :-1] / width**0.5, draws[:, -1]


def _apply(weights, biases, starts, signals):
  """Returns W phi(z) + b of signals [S, G, K, N]."""
  sigma_w, sigma_b = (
    sigma[:, None, None, None] for sigma in (starts.sigma_w, starts.sigma_b)
  )
  return (
    sigma_w * (_phi(signals) @ weights.T) + sigma_b * biases[None, None, None]
  )


def _orthogonalized(vectors):
  """Returns orthogonal vectors of mean square 1 [K, N]."""
  return jnp.linalg.qr(vectors.T)[0].T * vectors.shape[1] ** 0.5


def _correlated(c, frame):
  """Returns vectors of exact common correlation c [S, G] as [S, G, K, N].

  The least that K vectors can have is -1 / (K - 1).
  """
  size, c = len(frame), c[..., None, None]
  mean = jnp.mean(frame, 0, keepdims=True)
  rest = frame - mean
  along = jnp.sqrt(1 + (size - 1) * c) * mean[None, None]
  return along + jnp.sqrt(1 - c) * rest[None, None]


def _unit(vectors):
  return vectors / jnp.linalg.norm(vectors, axis=-1, keepdims=True)


def _distance(units):
  """Returns 1 - c = |x - y|^2 / 2 of unit vectors, averaged over pairs.

  1 - x^T y would have no digits left where c is near 1.
  """
  deviations = units - jnp.mean(units, -2, keepdims=True)
  return jnp.sum(jnp.square(deviations), (-2, -1)) / (units.shape[-2] - 1)
