"""Deep linear networks learn the singular modes of a hierarchy.

Inputs are one-hot, so that sum x x^T = 1. Outputs are rotated to the left
singular vectors of sum y x^T, in which mode i is output i; directions in which
the targets are 0 are left out.
"""

import jax
import numpy as np
import optax
from jax import numpy as jnp

import nnfun as nf

_FLIP_PROBABILITY = 0.1  # Of a feature along a branch of the tree.
Start = tuple[jax.Array | np.ndarray, ...]  # Matrices W1 [H, P], W2 [P, H].


def hierarchy(seed: int, num_levels: int, num_features: int) -> np.ndarray:
  """Draws features +-1 which diffuse down a binary tree [F, P]."""
  rng = np.random.default_rng(seed)
  values = rng.choice([-1.0, 1.0], size=(num_features, 1))
  for _ in range(num_levels):
    values = np.repeat(values, 2, axis=1)
    flips = rng.random(values.shape) < _FLIP_PROBABILITY
    values = np.where(flips, -values, values)
  return values


def decoupled_start(patterns: np.ndarray, u_0: float, num_hidden: int) -> Start:
  """Returns two matrices that hold each mode with strength u_0 alone."""
  inner = u_0**0.5 * np.eye(num_hidden, len(patterns))
  return inner @ patterns, inner.T


def random_start(
  key: jax.Array, size: int, u_0: float, num_hidden: int
) -> Start:
  """Draws two small matrices in which a mode has the strength u_0 on average.

  Before the modes feel their targets' size, the sum of a mode's incoming and
  outgoing vector grows, and their difference decays: what counts is the square
  of half the sum, H sigma^2 / 2 on average.
  """
  draws = jax.random.normal(key, (2, num_hidden, size), float)
  first, second = (2 * u_0 / num_hidden) ** 0.5 * draws
  return first, second.T


def train(
  strengths: np.ndarray,
  patterns: np.ndarray,
  learning_rate: float,
  num_epochs: int,
  start: Start,
) -> jax.Array:
  """Trains by batch gradient descent; returns the strengths [E + 1, P].

  Modes have singular values s [P] and right singular vectors, rows [P, P].
  """
  size = len(strengths)
  return nf.minibatch.fit(
    lambda w, x, y: nf.losses.quadratic(w[1] @ (w[0] @ x), y),
    # The mean over the patterns times their number is the sum.
    optax.sgd(size * learning_rate),
    start,
    jax.random.key(0),  # One batch holds all patterns: nothing is shuffled.
    jnp.eye(size),
    (strengths[:, None] * patterns).T,
    batch_size=size,
    num_epochs=num_epochs,
    evaluate_fn=lambda w: jnp.diagonal(w[1] @ (w[0] @ patterns.T)),
  ).evaluations
