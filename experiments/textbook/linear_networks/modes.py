"""Deep linear networks learn the singular modes of a hierarchy.

Inputs are one-hot, so that sum x x^T = 1. Outputs are rotated to the left
singular vectors of sum y x^T, in which mode i is output i; directions in which
the targets are 0 are left out.
"""

from typing import NamedTuple

import jax
import numpy as np
import optax
from jax import numpy as jnp

import nnfun as nf


class Modes(NamedTuple):
  """The data in the coordinates of its modes."""

  strengths: np.ndarray  # s [P], descending
  patterns: np.ndarray  # right singular vectors, rows [P, P]


def hierarchy(
  seed: int, *, num_levels: int, num_features: int, flip_probability: float
) -> np.ndarray:
  """Draws features +-1 which diffuse down a binary tree [F, P]."""
  rng = np.random.default_rng(seed)
  values = rng.choice([-1.0, 1.0], size=(num_features, 1))
  for _ in range(num_levels):
    values = np.repeat(values, 2, axis=1)
    flips = rng.random(values.shape) < flip_probability
    values = np.where(flips, -values, values)
  return values


def modes(features: np.ndarray) -> Modes:
  """Returns the singular values and right singular vectors of [F, P]."""
  _, s, vt = np.linalg.svd(features, full_matrices=False)
  return Modes(s, vt)


def decoupled_start(
  data: Modes, *, u_0: float, num_hidden: int
) -> tuple[np.ndarray, np.ndarray]:
  """Returns two matrices that hold each mode with strength u_0 alone."""
  inner = u_0**0.5 * np.eye(num_hidden)[:, : len(data.strengths)]
  return inner @ data.patterns, inner.T


def random_start(
  key: jax.Array, data: Modes, *, u_0: float, num_hidden: int
) -> tuple[jax.Array, jax.Array]:
  """Draws two small matrices in which a mode has the strength u_0 on average.

  Before the modes feel their targets' size, the sum of a mode's incoming and
  outgoing vector grows, and their difference decays: what counts is the square
  of half the sum, H sigma^2 / 2 on average.
  """
  size, sigma = len(data.strengths), (2 * u_0 / num_hidden) ** 0.5
  draw = jax.nn.initializers.normal(sigma)
  key_first, key_second = jax.random.split(key)
  shape = (num_hidden, size)
  first, second = draw(key_first, shape, float), draw(key_second, shape, float)
  return first, second.T


def train(
  data: Modes,
  start: tuple[jax.Array, ...],
  *,
  learning_rate: float,
  num_epochs: int,
) -> jax.Array:
  """Trains by batch gradient descent; returns the strengths [E + 1, P]."""
  size = len(data.strengths)
  targets = (data.strengths[:, None] * data.patterns).T

  def product(matrices, x):
    for w in matrices:
      x = w @ x
    return x

  def evaluate(matrices):
    images = jax.vmap(lambda v: product(matrices, v))(data.patterns)
    return jnp.diagonal(images)

  return nf.minibatch.fit(
    lambda matrices, x, y: nf.losses.quadratic(product(matrices, x), y),
    # The mean over the patterns times their number is the sum.
    optax.sgd(size * learning_rate),
    start,
    jax.random.key(0),  # One batch holds all patterns: nothing is shuffled.
    jnp.eye(size),
    targets,
    batch_size=size,
    num_epochs=num_epochs,
    evaluate_fn=evaluate,
  ).evaluations


def times(
  curves: np.ndarray, strengths: np.ndarray, share: float
) -> np.ndarray:
  """Returns the epochs, interpolated, at which a share is learned [..., P].

  NaN for a mode that never is; curves [..., E + 1, P] of strengths.
  """
  reached = curves >= share * strengths
  after = np.argmax(reached, axis=-2)[..., None, :]
  before = np.maximum(after - 1, 0)
  low, high = (np.take_along_axis(curves, i, axis=-2) for i in (before, after))
  with np.errstate(divide="ignore", invalid="ignore"):
    fraction = (share * strengths - low) / (high - low)
  return np.where(after > 0, before + fraction, np.nan)[..., 0, :]


def step_delay(
  strengths: np.ndarray, *, u_0: float, share: float
) -> np.ndarray:
  """Returns by how many epochs finite steps lag behind the flow [P].

  One of two equal factors, u = a^2, moves in steps a <- a + lr f(a), f(a) =
  a (s - a^2). To first order they follow da / dt = f - lr f f' / 2, which takes
  longer by 1/2 log[f(a_end) / f(a_0)] epochs, whatever the learning rate.
  """

  def speed(u):
    return u**0.5 * (strengths - u)

  return 0.5 * np.log(speed(share * strengths) / speed(u_0))
