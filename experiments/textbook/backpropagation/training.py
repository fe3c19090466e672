"""Networks trained on real digits by `nf.minibatch.fit`, in float32."""

import functools
from collections.abc import Sequence
from typing import NamedTuple

import jax
import numpy as np
import optax
from jax import numpy as jnp
from sklearn import linear_model

import nnfun as nf
from experiments import images, sweeps
from experiments.textbook.backpropagation import theory

NUM_CLASSES = 10
_cross_entropy = nf.losses.softmax_cross_entropy_with_integer_labels


class Noise(NamedTuple):
  """How far a mini-batch's gradient is from that of all N examples."""

  sizes: np.ndarray  # B  [B]
  # norm(g_B - g)^2, mean over the mini-batches of an epoch  [S, B]
  squared: np.ndarray
  expected: np.ndarray  # [B]


class BatchSizes(NamedTuple):
  """The same networks trained with several batch sizes on few digits."""

  sizes: np.ndarray  # B, ascending  [B]
  train: np.ndarray  # Loss at the start and after each epoch  [S, B, E + 1]
  validation: np.ndarray  # Loss  [S, B, E + 1]
  test: np.ndarray  # Loss  [S, B, E + 1]
  accuracy: np.ndarray  # On test images  [S, B, E + 1]


class Regression(NamedTuple):
  """Softmax regression beside scikit-learn's."""

  error: np.ndarray  # norm(W - W') / norm(W')  []
  agreement: np.ndarray  # Share of test digits given the same label  []
  accuracy: np.ndarray  # On test images, ours and theirs  [2]


def starts(
  num_hidden: int, num_seeds: int, rng: np.random.Generator
) -> nf.base.Params:
  """Draws networks 64 - H - 10 with variance 1 / fan-in, leaves [S, ...]."""
  sizes = (64, num_hidden, NUM_CLASSES)
  return tuple(
    {
      "w": rng.normal(0, m**-0.5, (num_seeds, n, m)).astype(np.float32),
      "b": np.zeros((num_seeds, n), np.float32),
    }
    for m, n in zip(sizes[:-1], sizes[1:], strict=True)
  )


def logits(params: nf.base.Params, x: jax.Array) -> jax.Array:
  """Returns the outputs [10] of a network for one image [64]."""
  return nf.mlp.apply(params, x, (nf.activations.tanh, nf.activations.identity))


def _loss(params, x, y):
  return _cross_entropy(logits(params, x), y)


def noise(
  few: nf.data.Images,
  params: nf.base.Params,
  sizes: Sequence[int],
  num_epochs: int,
  key: jax.Array,
) -> Noise:
  """Takes epochs of mini-batches at one network, without moving it."""
  num_examples = len(few.labels)
  one = functools.partial(jax.grad(_loss), params)
  each = sweeps.sweep(one, *few, quick=True)
  leaves = [leaf.reshape(num_examples, -1) for leaf in jax.tree.leaves(each)]
  # The same lengths and angles in N coordinates.
  grads = np.linalg.qr(np.concatenate(leaves, axis=1).T, mode="r").T
  points = jnp.asarray(grads)
  watch = optax.GradientTransformation(  # Its state is a sum of squares.
    lambda params: jnp.zeros([]),
    lambda g, total, params: (
      jnp.zeros_like(g),
      total + jnp.sum((g - jnp.mean(points, axis=0)) ** 2),
    ),
  )

  def epoch(key, size):
    total = nf.minibatch.fit(
      lambda w, g, _: w @ g,
      watch,
      jnp.zeros(points.shape[1]),
      key,
      points,
      few.labels,
      batch_size=size,
      num_epochs=1,
    ).optimizer_state
    return total / (num_examples // size)

  keys = jax.random.split(key, num_epochs)
  squared = [
    sweeps.sweep(functools.partial(epoch, size=size), keys, quick=True)
    for size in sizes
  ]
  expected = np.array([theory.batch_noise(grads, size) for size in sizes])
  return Noise(np.array(sizes), np.stack(squared, axis=1), expected)


def batch_sizes(
  split: images.Split,
  params: nf.base.Params,
  keys: jax.Array,
  sizes: Sequence[int],
  learning_rate: float,
  num_epochs: int,
) -> BatchSizes:
  """Trains with several batch sizes and nothing else changed."""
  train = split.train

  def evaluate(params):
    scores = [jax.vmap(logits, (None, 0))(params, s.pixels) for s in split]
    losses = [
      jnp.mean(jax.vmap(_cross_entropy)(*pair))
      for pair in zip(scores, (s.labels for s in split), strict=True)
    ]
    return *losses, images.accuracy(scores[-1], split.test.labels)

  def fit(params, key):
    curves = [
      nf.minibatch.fit(
        _loss,
        optax.sgd(learning_rate),
        params,
        key,
        *train,
        batch_size=size,
        num_epochs=num_epochs,
        evaluate_fn=evaluate,
      ).evaluations
      for size in sizes
    ]
    return [jnp.stack(leaves) for leaves in zip(*curves, strict=True)]

  curves = sweeps.sweep(fit, params, keys, quick=True)
  return BatchSizes(np.array(sizes), *curves)


def regression(
  split: images.Split, *, inverse_penalty: float, num_steps: int, key: jax.Array
) -> Regression:
  """Trains softmax regression, and compares it with scikit-learn's."""
  # C sum_i l(W, b; x_i, y_i) + norm(W)^2 / 2 has one minimum (b up to a
  # constant), so both must find it.
  (xs, ys), test = split.train, split.test
  penalty = 1 / (inverse_penalty * len(xs))

  def loss_fn(params, x, y):
    z = params["w"] @ x + params["b"]
    return _cross_entropy(z, y) + penalty / 2 * jnp.sum(params["w"] ** 2)

  fit = functools.partial(
    nf.minibatch.fit,
    loss_fn,
    optax.sgd(0.15, momentum=0.97, nesterov=True),
    {"w": jnp.zeros((NUM_CLASSES, 64)), "b": jnp.zeros(NUM_CLASSES)},
    batch_size=len(xs),
    num_epochs=num_steps,
  )
  params = sweeps.quick_jit(lambda key: fit(key, xs, ys).params)(key)
  other = linear_model.LogisticRegression(
    C=inverse_penalty, tol=1e-8, max_iter=1000, solver="newton-cg"
  ).fit(xs.astype(np.float64), ys)
  scores = test.pixels @ np.asarray(params["w"]).T + np.asarray(params["b"])
  ours, theirs = scores.argmax(axis=1), other.predict(test.pixels)
  distance = np.linalg.norm(np.asarray(params["w"]) - other.coef_)
  return Regression(
    distance / np.linalg.norm(other.coef_),
    np.mean(ours == theirs),
    np.array([np.mean(labels == test.labels) for labels in (ours, theirs)]),
  )
