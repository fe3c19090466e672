"""Softmax regression and linear networks, trained on real digits.

Pixels are whitened, by an invertible map of their span: that changes which
numbers the first layer holds, not which maps it can reach. Networks have 25
hidden units, of which a mask [H] leaves as many as are asked for.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np
from jax import numpy as jnp
from scipy import optimize, special

import nnfun as nf
from experiments import images as images_lib
from experiments import progress

_NUM_CLASSES = 10
_HIDDEN = 25
Loss = Callable[[jax.Array, jax.Array], jax.Array]


class Digits(NamedTuple):
  """Whitened digits, to learn from and to be tested on."""

  xs: np.ndarray  # [N, D], mean 0 and covariance 1
  targets: np.ndarray  # [N, C], smoothed one-hot codes
  test_xs: np.ndarray  # [M, D], by the map found on the others
  test_labels: np.ndarray  # [M]


class Fits(NamedTuple):
  """Trained models; R numbers of hidden units, K starts, M new digits."""

  cross_entropy: np.ndarray  # Loss at the end  [R, K]
  squared: np.ndarray  # The same, trained with squared loss  [R, K]
  cross_entropy_full: np.ndarray  # Of softmax regression  []
  squared_theory: np.ndarray  # The least at each rank, closed form  [R]
  squared_full: np.ndarray  # The same without a hidden layer  []
  wrong: np.ndarray  # Which new digits the best networks misread  [R, M]
  wrong_full: np.ndarray  # And softmax regression  [M]


class Segments(NamedTuple):
  """Losses between pairs of parameters."""

  position: np.ndarray  # From 0 to 1  [T]
  # From the best network of 4 units to the one with both signs changed  [T]
  network: np.ndarray
  regression: np.ndarray  # From W to -W  [T]
  # By how much the middles of random segments exceed the mean of their ends,
  # of softmax regression  [N]
  bumps: np.ndarray


def load(num_train: int, label_smoothing: float) -> Digits:
  """Whitens the digits; those that are not trained on are for testing."""
  split = images_lib.load()
  train = images_lib.take(split.train, slice(num_train))
  pixels = train.pixels.astype(float)
  mean = np.mean(pixels, axis=0)
  _, s, vt = np.linalg.svd(pixels - mean, full_matrices=False)
  rank = np.sum(s > 1e-8 * s[0])
  whiten = vt[:rank].T / s[:rank] * len(pixels) ** 0.5
  one_hot = np.eye(_NUM_CLASSES)[train.labels]
  new = np.concatenate([split.validation.pixels, split.test.pixels])
  return Digits(
    (pixels - mean) @ whiten,
    (1 - label_smoothing) * one_hot + label_smoothing / _NUM_CLASSES,
    (new - mean) @ whiten,
    np.concatenate([split.validation.labels, split.test.labels]),
  )


def run(
  digits: Digits,
  *,
  ranks: tuple[int, ...],
  num_restarts: int,
  num_segments: int,
  seed: int,
) -> tuple[Fits, Segments]:
  """Trains every model; to be called under float64."""
  rng = np.random.default_rng(seed)
  matrix, bias, regression_loss = softmax_regression(digits)
  fits = {loss: make_fit(loss, digits) for loss in (cross_entropy, squared)}
  losses, best = {loss: [] for loss in fits}, {}
  for num_hidden in progress.track(ranks, "linear networks"):
    starts = [_start(rng, digits) for _ in range(num_restarts)]
    for loss, fit in fits.items():
      found = [fit(start, num_hidden) for start in starts]
      losses[loss].append([value for value, _ in found])
      if loss is cross_entropy:
        best[num_hidden] = min(found, key=lambda pair: pair[0])[1]
  least = reduced_rank_losses(digits)
  maps = [*map(_as_map, best.values()), (matrix, bias)]
  wrong = [_wrong(digits, *m) for m in maps]
  return (
    Fits(
      np.array(losses[cross_entropy]),
      np.array(losses[squared]),
      np.array(regression_loss),
      least[np.minimum(ranks, _NUM_CLASSES)],
      least[-1],
      np.array(wrong[:-1]),
      wrong[-1],
    ),
    _segments(digits, best[4], (matrix, bias), num_segments, rng),
  )


def softmax_regression(digits: Digits) -> tuple[np.ndarray, np.ndarray, float]:
  """Fits W [C, D] and b [C] in NumPy, no network involved; with the loss."""
  count, size = digits.xs.shape

  def split(flat):
    return flat[:-_NUM_CLASSES].reshape(_NUM_CLASSES, size), flat[
      -_NUM_CLASSES:
    ]

  def value_and_grad(flat):
    w, b = split(flat)
    logs = special.log_softmax(digits.xs @ w.T + b, axis=1)
    error = (np.exp(logs) - digits.targets) / count
    grads = np.concatenate([(error.T @ digits.xs).ravel(), error.sum(axis=0)])
    return -np.sum(digits.targets * logs) / count, grads

  result = optimize.minimize(
    value_and_grad,
    np.zeros(_NUM_CLASSES * (size + 1)),
    jac=True,
    method="L-BFGS-B",
    options={"maxiter": 1000, "ftol": 1e-14, "gtol": 1e-9},
  )
  return *split(result.x), float(result.fun)


def reduced_rank_losses(digits: Digits) -> np.ndarray:
  """Returns the least squared loss of maps of rank 0 ... 10, with a bias [11].

  On white inputs of mean 0 the map of least squares is A = <y x^T>, and rank r
  costs half the squares of its singular values beyond the r-th.
  """
  centred = digits.targets - np.mean(digits.targets, axis=0)
  s = np.linalg.svd(centred.T @ digits.xs / len(centred), compute_uv=False)
  residual = np.sum(centred**2) / len(centred) - np.sum(s**2)
  tails = np.concatenate([np.cumsum(s[::-1] ** 2)[::-1], [0.0]])
  return 0.5 * (residual + tails)


def cross_entropy(logits: jax.Array, targets: jax.Array) -> jax.Array:
  """Returns the mean softmax cross-entropy of [N, C]."""
  return jnp.mean(jax.vmap(nf.losses.softmax_cross_entropy)(logits, targets))


def squared(outputs: jax.Array, targets: jax.Array) -> jax.Array:
  """Returns the mean quadratic loss of [N, C]."""
  return jnp.mean(jax.vmap(nf.losses.quadratic)(outputs, targets))


def _outputs(params, xs, mask=1.0):
  """Returns W2 (mask W1 x) + b, or of one layer W x + b, [N, C]."""
  activations = [lambda z: mask * z, nf.activations.identity][-len(params) :]
  return jax.vmap(lambda x: nf.mlp.apply(params, x, activations))(xs)


def _layers(flat, size):
  """Cuts a flat vector; the bias of the hidden layer would add nothing."""
  cut = _HIDDEN * size
  return (
    {"w": flat[:cut].reshape(_HIDDEN, size), "b": jnp.zeros(_HIDDEN)},
    {
      "w": flat[cut:-_NUM_CLASSES].reshape(_NUM_CLASSES, _HIDDEN),
      "b": flat[-_NUM_CLASSES:],
    },
  )


def make_fit(
  loss: Loss, digits: Digits
) -> Callable[[np.ndarray, int], tuple[float, nf.base.Params]]:
  """Returns (flat start, hidden units) -> (loss, network), by L-BFGS."""
  size = digits.xs.shape[1]

  @jax.jit
  def slope(flat, mask):
    def total(flat):
      outputs = _outputs(_layers(flat, size), digits.xs, mask)
      return loss(outputs, digits.targets)

    return jax.value_and_grad(total)(flat)

  def fit(start, num_hidden):
    mask = (np.arange(_HIDDEN) < num_hidden).astype(float)
    result = optimize.minimize(
      lambda flat: tuple(map(np.asarray, slope(flat, mask))),
      start,
      jac=True,
      method="L-BFGS-B",
      options={"maxiter": 500, "ftol": 1e-12, "gtol": 1e-6},
    )
    first, second = jax.tree.map(np.asarray, _layers(result.x, size))
    return float(result.fun), (
      first | {"w": mask[:, None] * first["w"]},
      second,
    )

  return fit


def _start(rng, digits):
  size = _HIDDEN * (digits.xs.shape[1] + _NUM_CLASSES) + _NUM_CLASSES
  return 0.1 * rng.normal(size=size)


def _as_map(network):
  first, second = network
  return second["w"] @ first["w"], second["b"]


def _wrong(digits, matrix, bias):
  guesses = np.argmax(digits.test_xs @ matrix.T + bias, axis=1)
  return guesses != digits.test_labels


def _segments(digits, network, regression, num_segments, rng):
  """Measures losses at the ends of segments of parameters, and between."""
  position = np.linspace(0, 1, 41)

  @jax.jit
  def losses(points):
    def loss(params):
      return cross_entropy(_outputs(params, digits.xs), digits.targets)

    return jax.lax.map(loss, points)

  def along(start, end):
    points = jax.tree.map(
      lambda a, b: (
        np.multiply.outer(1 - position, a) + np.multiply.outer(position, b)
      ),
      start,
      end,
    )
    return np.asarray(losses(points))

  def draw(leaf):
    scale = np.exp(rng.normal(size=(num_segments, *[1] * leaf.ndim)))
    return scale * rng.normal(size=(num_segments, *leaf.shape))

  def turned(params):
    return tuple(layer | {"w": -layer["w"]} for layer in params)

  one_layer = ({"w": regression[0], "b": regression[1]},)
  ends = [jax.tree.map(draw, one_layer) for _ in range(2)]
  middle = jax.tree.map(lambda a, b: (a + b) / 2, *ends)
  first, second = map(losses, ends)
  return Segments(
    position,
    along(network, turned(network)),
    along(one_layer, turned(one_layer)),
    np.asarray(losses(middle) - (first + second) / 2),
  )
