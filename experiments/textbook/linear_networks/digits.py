"""Softmax regression and linear networks, trained on real digits.

Pixels are whitened, by an invertible map of their span: that changes which
numbers the first layer holds, not which maps it can reach. Networks have 25
hidden units, of which a mask [H] leaves as many as are asked for.
"""

from typing import NamedTuple

import jax
import numpy as np
from jax import flatten_util
from jax import numpy as jnp
from scipy import optimize, special

import nnfun as nf
from experiments import images
from experiments.textbook.linear_networks import readings

_NUM_CLASSES = 10
_LABEL_SMOOTHING = 0.1  # Probability that is spread over all classes.


class Digits(NamedTuple):
  """Whitened digits."""

  xs: np.ndarray  # [N, D], mean 0 and covariance 1
  targets: np.ndarray  # [N, C], smoothed one-hot codes


class Fits(NamedTuple):
  """Cross-entropies; R numbers of hidden units, K starts, T positions."""

  networks: np.ndarray  # At the end of training  [R, K]
  regression: np.ndarray  # The same without a hidden layer  []
  # From the best network of 4 units to the one with both signs changed  [T]
  along_network: np.ndarray
  along_regression: np.ndarray  # From W to -W  [T]


def load(num_train: int) -> Digits:
  """Whitens the first digits for training."""
  train = images.take(images.load().train, slice(num_train))
  pixels = train.pixels.astype(float)
  u, s, _ = np.linalg.svd(pixels - pixels.mean(axis=0), full_matrices=False)
  one_hot = np.eye(_NUM_CLASSES)[train.labels]
  return Digits(
    len(u) ** 0.5 * u[:, s > 1e-8 * s[0]],
    one_hot + _LABEL_SMOOTHING * (1 / _NUM_CLASSES - one_hot),
  )


def run(digits: Digits, *, num_restarts: int, seed: int) -> Fits:
  """Trains every model; to be called under float64."""
  rng = np.random.default_rng(seed)
  fit = _make_fit(digits, rng)
  fits = [
    sorted((fit(rank) for _ in range(num_restarts)), key=lambda f: f[0])
    for rank in readings.RANKS
  ]
  regression = softmax_regression(digits)

  matrix, bias = regression
  scales = np.linspace(1, -1, 41)
  loss_at = fits[readings.RANKS.index(4)][0][1]
  return Fits(
    np.array([[loss for loss, _ in row] for row in fits]),
    np.array(_cross_entropy(digits, *regression)),
    np.array([loss_at(s) for s in scales]),
    np.array([_cross_entropy(digits, s * matrix, bias) for s in scales]),
  )


def _cross_entropy(digits, matrix, bias):
  logs = special.log_softmax(digits.xs @ matrix.T + bias, axis=1)
  return -np.mean(np.sum(digits.targets * logs, axis=1))


def softmax_regression(digits: Digits) -> tuple[np.ndarray, np.ndarray]:
  """Fits W [C, D] and b [C] in NumPy, no network involved."""
  ones = np.column_stack([digits.xs, np.ones(len(digits.xs))])

  def value_and_grad(flat):
    weights = flat.reshape(_NUM_CLASSES, -1)
    error = special.softmax(ones @ weights.T, axis=1) - digits.targets
    value = _cross_entropy(digits, weights[:, :-1], weights[:, -1])
    return value, (error.T @ ones).ravel() / len(ones)

  start = np.zeros(_NUM_CLASSES * ones.shape[1])
  weights = _minimize(value_and_grad, start).x.reshape(_NUM_CLASSES, -1)
  return weights[:, :-1], weights[:, -1]


def _make_fit(digits, rng):
  """Returns hidden units -> loss, and that of (s W1, s W2, b) by s."""
  hidden, size = max(readings.RANKS), digits.xs.shape[1]
  # A bias of the hidden layer would add nothing.
  shapes = (hidden, size), (_NUM_CLASSES, hidden), (_NUM_CLASSES,)
  zeros, unravel = flatten_util.ravel_pytree([np.zeros(s) for s in shapes])

  @jax.jit
  @jax.value_and_grad
  def loss(flat, mask):
    w1, w2, b = unravel(flat)
    layers = {"w": w1, "b": jnp.zeros(hidden)}, {"w": w2, "b": b}
    activations = (lambda z: mask * z), nf.activations.identity

    def of_one(x, y):
      logits = nf.mlp.apply(layers, x, activations)
      return nf.losses.softmax_cross_entropy(logits, y)

    return jnp.mean(jax.vmap(of_one)(digits.xs, digits.targets))

  def fit(num_hidden):
    mask = (np.arange(hidden) < num_hidden).astype(float)
    found = _minimize(
      lambda flat: jax.tree.map(np.asarray, loss(flat, mask)),
      0.1 * rng.normal(size=zeros.size),
    )
    w1, w2, b = unravel(found.x)

    def loss_at(s):
      return loss(flatten_util.ravel_pytree([s * w1, s * w2, b])[0], mask)[0]

    return float(found.fun), loss_at

  return fit


def _minimize(value_and_grad, start):
  return optimize.minimize(
    value_and_grad,
    start,
    jac=True,
    method="L-BFGS-B",
    options={"maxiter": 1000, "ftol": 1e-12, "gtol": 1e-6},
  )
