"""Softmax regression and linear networks, trained on real digits.

Pixels are whitened, by an invertible map of their span: that changes which
numbers the first layer holds, not which maps it can reach. Networks have 25
hidden units, of which a mask [H] leaves as many as are asked for.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np
from jax import numpy as jnp
from scipy import optimize, special
from sklearn import linear_model

import nnfun as nf
from experiments import progress

_NUM_CLASSES = 10
_HIDDEN = 25
Loss = Callable[[jax.Array, jax.Array], jax.Array]


class Digits(NamedTuple):
  """Whitened digits, to learn from and to be tested on."""

  xs: np.ndarray  # [N, D], mean 0 and covariance 1
  targets: np.ndarray  # [N, C], smoothed one-hot codes
  labels: np.ndarray  # [N]
  test_xs: np.ndarray  # [M, D], by the map found on the others
  test_labels: np.ndarray  # [M]


class Network(NamedTuple):
  """A linear network; the bias of the hidden layer would add nothing."""

  w1: nf.base.Array  # [H, D]
  w2: nf.base.Array  # [C, H]
  b: nf.base.Array  # [C]

  def outputs(self, xs: nf.base.Array) -> nf.base.Array:
    """Returns W2 W1 x + b for each x, [N, C]."""
    return xs @ (self.w2 @ self.w1).T + self.b[None]


def load(num_train: int, label_smoothing: float) -> Digits:
  """Whitens the digits that come with scikit-learn.

  Args:
    num_train: digits to learn from, the first in the file.
    label_smoothing: probability spread evenly over all classes.

  Returns:
    The digits; those after the first `num_train` are for testing.
  """
  images = nf.data.digits()
  pixels = images.pixels.astype(float)
  train = pixels[:num_train]
  mean = np.mean(train, axis=0)
  _, s, vt = np.linalg.svd(train - mean, full_matrices=False)
  rank = np.sum(s > 1e-8 * s[0])
  whiten = vt[:rank].T / s[:rank] * num_train**0.5
  xs = (pixels - mean) @ whiten
  one_hot = np.eye(_NUM_CLASSES)[images.labels[:num_train]]
  even = label_smoothing / _NUM_CLASSES
  return Digits(
    xs[:num_train],
    (1 - label_smoothing) * one_hot + even,
    images.labels[:num_train],
    xs[num_train:],
    images.labels[num_train:],
  )


def run(
  digits: Digits,
  *,
  ranks: tuple[int, ...],
  num_restarts: int,
  num_segments: int,
  seed: int,
) -> dict[str, np.ndarray]:
  """Trains every model; call it under float64.

  Args:
    digits: whitened.
    ranks: hidden units, up to 25; 4 and 25 among them.
    num_restarts: random starts of each network.
    num_segments: random segments on which convexity is tried.
    seed: of all starts and segments.

  Returns:
    Losses by hidden units and start `entropy`, `squared` [R, K]; of the same
    losses without a hidden layer `entropy_full`, `squared_full` and in closed
    form `squared_theory` [R]; `map_rank` [R], the numerical ranks of the best
    maps; `probability_gap`, the largest difference of a probability between 25
    units and none; which new digits are misread, `test_wrong` [R, M] and
    `test_wrong_full` [M];
    and what `_convexity` returns.
  """
  rng = np.random.default_rng(seed)
  regression = softmax_regression(digits)
  found = {"entropy": [], "squared": []}
  maps, four = [], None
  for num_hidden in progress.track(ranks, "linear networks"):
    starts = [_start(rng, digits) for _ in range(num_restarts)]
    for name, loss in (("entropy", cross_entropy), ("squared", squared)):
      fits = [fit(loss, digits, s, num_hidden) for s in starts]
      found[name].append([value for value, _ in fits])
      if name == "entropy":
        _, best = min(fits, key=lambda pair: pair[0])
        maps.append((best.w2 @ best.w1, best.b))
        four = best if num_hidden == 4 else four
  wrong = [_test_wrong(digits, *m) for m in (*maps, regression)]
  widest = maps[ranks.index(_HIDDEN)]
  gap = _probabilities(digits, *widest) - _probabilities(digits, *regression)
  return {
    **{name: np.array(values) for name, values in found.items()},
    "entropy_full": _loss_of(cross_entropy, digits, *regression),
    "squared_theory": reduced_rank_losses(digits)[np.minimum(ranks, 10)],
    "squared_full": reduced_rank_losses(digits)[-1],
    "map_rank": np.array([_rank(w) for w, _ in maps]),
    "probability_gap": np.max(np.abs(gap)),
    "test_wrong": np.array(wrong[:-1]),
    "test_wrong_full": wrong[-1],
    **_convexity(digits, four, regression, num_segments, rng),
  }


def softmax_regression(digits: Digits) -> tuple[np.ndarray, np.ndarray]:
  """Fits W [C, D] and b [C] with scikit-learn, no network involved.

  It knows hard labels only; a smoothed one is all ten labels, weighted.

  Args:
    digits: whitened.

  Returns:
    The minimum of the cross-entropy without regularisation.
  """
  count = len(digits.xs)
  model = linear_model.LogisticRegression(
    C=np.inf, tol=1e-9, max_iter=1000, solver="lbfgs"
  )
  model.fit(
    np.repeat(digits.xs, _NUM_CLASSES, axis=0),
    np.tile(np.arange(_NUM_CLASSES), count),
    sample_weight=digits.targets.ravel(),
  )
  return model.coef_, model.intercept_


def reduced_rank_losses(digits: Digits) -> np.ndarray:
  """Returns the least squared loss of maps of rank 0 ... 10, with a bias.

  On white inputs of mean 0 the map of least squares is A = <y x^T>, and rank r
  costs half the squares of its singular values beyond the r-th.

  Args:
    digits: whitened.

  Returns:
    The mean of 1/2 ||y - W x - b||^2 [11].
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


def fit(
  loss: Loss, digits: Digits, start: np.ndarray, num_hidden: int
) -> tuple[float, Network]:
  """Trains a network on all digits at once, with L-BFGS.

  Args:
    loss: of the outputs of all digits.
    digits: whitened.
    start: parameters of 25 hidden units, flat.
    num_hidden: how many of them are used.

  Returns:
    The loss, and the network.
  """
  mask = (np.arange(_HIDDEN) < num_hidden).astype(float)

  def value_and_grad(flat):
    value, grads = _slope(loss, flat, mask, digits.xs, digits.targets)
    return float(value), np.asarray(grads)

  result = optimize.minimize(
    value_and_grad,
    start,
    jac=True,
    method="L-BFGS-B",
    options={"maxiter": 500, "ftol": 1e-13, "gtol": 1e-8},
  )
  return result.fun, _network(result.x, mask)


@functools.partial(jax.jit, static_argnums=0)
def _slope(loss, flat, mask, xs, targets):
  def total(flat):
    return loss(_network(flat, mask).outputs(xs), targets)

  return jax.value_and_grad(total)(flat)


def _network(flat, mask):
  """Returns the network of a flat vector, unused hidden units cut off."""
  size = (len(flat) - _NUM_CLASSES) // _HIDDEN - _NUM_CLASSES
  w1, w2, b = (
    flat[: _HIDDEN * size],
    flat[_HIDDEN * size : -_NUM_CLASSES],
    flat[-_NUM_CLASSES:],
  )
  return Network(
    mask[:, None] * w1.reshape(_HIDDEN, size),
    w2.reshape(_NUM_CLASSES, _HIDDEN),
    b,
  )


def _start(rng, digits):
  size = _HIDDEN * (digits.xs.shape[1] + _NUM_CLASSES) + _NUM_CLASSES
  return 0.1 * rng.normal(size=size)


def _loss_of(loss, digits, matrix, bias):
  return np.asarray(loss(digits.xs @ matrix.T + bias, digits.targets))


def _rank(matrix):
  """Returns the number of singular values above rounding."""
  s = np.linalg.svd(matrix, compute_uv=False)
  return int(np.sum(s > 1e-10 * s[0]))


def _test_wrong(digits, matrix, bias):
  guesses = np.argmax(digits.test_xs @ matrix.T + bias, axis=1)
  return guesses != digits.test_labels


def _probabilities(digits, matrix, bias):
  return special.softmax(digits.xs @ matrix.T + bias, axis=1)


def _convexity(digits, four, regression, num_segments, rng):
  """Measures losses at the ends of segments of parameters, and between.

  Returns:
    `position` [T] along a segment; `network_segment` [T] from the trained
    network of 4 units, (W1, W2, b), to (-W1, -W2, b), which is the same map;
    `regression_segment` [T] from W to -W; `middle_theory`, the loss of b alone;
    `regression_bumps` [S], by how much the middles of random segments lie above
    the mean of their ends.
  """
  position = np.linspace(0, 1, 41)
  matrix, bias = regression

  def network(*leaves):
    return cross_entropy(Network(*leaves).outputs(digits.xs), digits.targets)

  def linear(w, b):
    return cross_entropy(digits.xs @ w.T + b[None], digits.targets)

  def many(loss, points):
    return np.asarray(
      jax.jit(lambda points: jax.lax.map(lambda p: loss(*p), points))(points)
    )

  def along(loss, start, end):
    points = tuple(
      np.multiply.outer(1 - position, a) + np.multiply.outer(position, b)
      for a, b in zip(start, end, strict=True)
    )
    return many(loss, points)

  def draw(shape):
    scale = np.exp(rng.normal(size=(num_segments, *[1] * len(shape))))
    return scale * rng.normal(size=(num_segments, *shape))

  ends = [(draw(matrix.shape), draw(bias.shape)) for _ in range(2)]
  middle = tuple((a + b) / 2 for a, b in zip(*ends, strict=True))
  first, second = (many(linear, points) for points in ends)
  even = np.mean(digits.targets, axis=0)
  return {
    "position": position,
    "network_segment": along(network, four, (-four.w1, -four.w2, four.b)),
    "regression_segment": along(linear, regression, (-matrix, bias)),
    "middle_theory": -np.sum(even * special.log_softmax(four.b)),
    "regression_bumps": many(linear, middle) - (first + second) / 2,
  }
