"""Measures the identities in float64, and trains on digits in float32."""

import dataclasses
import functools
from typing import NamedTuple

import jax
import numpy as np
import optax
from jax import numpy as jnp
from sklearn import linear_model

import nnfun as nf
from experiments import images, progress, settings, sweeps
from experiments.textbook.backpropagation import identities, misprints

# The slides name optimisers and print no formula and no setting. Settings are
# those of the papers where these give any, and optax's otherwise.
_OPTIMIZERS = {
  "SGD": optax.sgd,
  "momentum": functools.partial(optax.sgd, momentum=0.9),
  "Nesterov": functools.partial(optax.sgd, momentum=0.9, nesterov=True),
  "AdaGrad": optax.adagrad,
  "RMSprop": optax.rmsprop,
  "Adam": optax.adam,
  "AdamW": functools.partial(optax.adamw, weight_decay=1e-2),
}
_BATCH_SIZES = (1, 8, 64)  # The last are all of few digits.
_NOISE_SIZES, _NOISE_EPOCHS = (8, 32), 2048  # For an error below 1 %.


@dataclasses.dataclass(frozen=True)
class Config(settings.Config):
  """What is trained."""

  num_hidden: settings.Count = 16  # Units of the one hidden layer, tanh.
  num_seeds: settings.Several = 8  # Starts and shuffles of every optimiser.
  num_epochs: settings.Count = 6  # Of every optimiser.
  # Of every optimiser at the start; they fall to 0 along a cosine.
  learning_rates: settings.Ascending[settings.Positive] = (
    *(0.01, 0.0316, 0.1, 0.316, 1.0, 3.16),
  )
  few_epochs: settings.Several = 150  # Passes through few digits, to overfit.
  few_seeds: settings.Several = 10  # Starts and shuffles, of every batch size.
  seed: settings.Seed = 0  # Of everything.


class BatchSizes(NamedTuple):
  """The same networks trained with several batch sizes on few digits."""

  sizes: np.ndarray  # B, ascending  [B]
  epochs: np.ndarray  # From 1 to the last, about as far apart in log  [T]
  train: np.ndarray  # Loss  [S, B, T]
  validation: np.ndarray  # Loss  [S, B, T]
  test: np.ndarray  # Loss  [S, B, T]
  accuracy: np.ndarray  # On test images  [S, B, T]


class Grid(NamedTuple):
  """O optimisers under R learning rates."""

  optimizers: np.ndarray  # Names  [O]
  learning_rates: np.ndarray  # At the start  [R]
  validation: np.ndarray  # Accuracy at the end  [S, O, R]
  test: np.ndarray  # Accuracy at the end  [S, O, R]


class Results(NamedTuple):
  """What is kept."""

  # Relative errors by claim and formula  []
  identities: dict[str, dict[str, np.ndarray]]
  costs: identities.Costs
  steepest: dict[str, np.ndarray]  # How much steps lower C, over eps  []
  # Whether it holds as printed, and as put right, by document and passage  [2]
  misprints: dict[str, dict[str, np.ndarray]]
  noise: dict[str, np.ndarray]  # Of epochs, over the expected, by B  [S]
  batch_sizes: BatchSizes
  regression: dict[str, np.ndarray]  # Gradients at its minimum, accuracy  []
  grid: Grid


def run(config: Config) -> Results:
  """Measures the identities, and trains."""
  rng, split = np.random.default_rng(config.seed), images.load()
  keys = jax.random.split(jax.random.key(config.seed), 3)
  few = split._replace(train=images.take(split.train, slice(_BATCH_SIZES[-1])))
  with progress.parts("backpropagation", 8) as done:
    with jax.enable_x64(True):
      exact = {
        "identities": done(identities.identities(rng)),
        "costs": done(identities.costs()),
        "steepest": done(identities.steepest(rng)),
        "misprints": done(misprints.misprints(rng)),
      }
    return Results(
      **exact,
      noise=done(noise(few.train, keys[0])),
      batch_sizes=done(_batch_sizes(config, few, keys[1])),
      regression=done(_regression(split)),
      grid=done(_grid(config, split, keys[2])),
    )


def noise(few: nf.data.Images, key: jax.Array) -> dict[str, np.ndarray]:
  """Returns norm(g_B - g)^2 of each epoch, over the expected one, by B [S]."""
  # Of softmax regression at W = 0: (a - e_y) x^T with a = 1 / 10; then the same
  # lengths and angles in N coordinates.
  errors = 0.1 - np.eye(10, dtype=np.float32)[few.labels]
  gradients = np.einsum("nk,ni->kin", errors, few.pixels)
  points = np.linalg.qr(gradients.reshape(-1, len(errors)), mode="r").T
  variance, n = np.sum(np.var(points, axis=0)), len(points)
  watch = optax.GradientTransformation(  # Its state is a sum of squares.
    lambda params: jnp.zeros([]),
    lambda g, total, mean: (0.0 * g, total + jnp.sum((g - mean) ** 2)),
  )

  def epoch(key, size):
    fitted = nf.minibatch.fit(
      lambda w, g, _: w @ g,  # Its gradient is g wherever w is.
      watch,
      points.mean(axis=0),
      key,
      *(points, few.labels),
      batch_size=size,
      num_epochs=1,
    )
    return fitted.optimizer_state / (n // size)

  found, keys = {}, jax.random.split(key, _NOISE_EPOCHS)
  for size in _NOISE_SIZES:
    of_size = functools.partial(epoch, size=size)
    squared = sweeps.sweep(of_size, keys, quick=True)
    # Of the mean of a sample without replacement.
    found[f"B = {size}"] = squared / (variance / size * (n - size) / (n - 1))
  return found


def _loss(params, x, y):
  return nf.losses.softmax_cross_entropy_with_integer_labels(
    _logits(params, x), y
  )


def _logits(params, x):
  return nf.mlp.apply(params, x, (nf.activations.tanh, nf.activations.identity))


def _accuracy(part, params):
  scores = jax.vmap(_logits, (None, 0))(params, part.pixels)
  return images.accuracy(scores, part.labels)


def _start(config, key):
  key_start, key_order = jax.random.split(key)
  return nf.mlp.init(key_start, (64, config.num_hidden, 10)), key_order


def _batch_sizes(config, split, key):
  """Trains with several batch sizes and nothing else changed."""
  epochs = np.unique(np.geomspace(1, config.few_epochs, 40).round().astype(int))

  def evaluate(params):
    losses = [
      jnp.mean(jax.vmap(functools.partial(_loss, params))(*part))
      for part in split
    ]
    return *losses, _accuracy(split.test, params)

  def curves(key):
    fit = functools.partial(
      nf.minibatch.fit,
      *(_loss, optax.sgd(0.1), *_start(config, key), *split.train),
      num_epochs=config.few_epochs,
      evaluate_fn=lambda params: params,
    )
    paths = [fit(batch_size=size).evaluations for size in _BATCH_SIZES]
    at_epochs = jax.tree.map(lambda *p: jnp.stack(p)[:, epochs], *paths)
    return jax.vmap(jax.vmap(evaluate))(at_epochs)

  keys = jax.random.split(key, config.few_seeds)
  found = sweeps.sweep(curves, keys, quick=True)
  return BatchSizes(np.array(_BATCH_SIZES), epochs, *found)


def _regression(split):
  """Looks how steep the cost is where scikit-learn ends."""
  xs, ys, inverse_penalty = split.train.pixels, split.train.labels, 0.1
  fitted = linear_model.LogisticRegression(
    C=inverse_penalty, tol=1e-8, max_iter=1000, solver="newton-cg"
  ).fit(xs.astype(float), ys)
  # It minimises C sum_i l(W, b; x_i, y_i) + norm(W)^2 / 2.
  errors = inverse_penalty * (fitted.predict_proba(xs) - np.eye(10)[ys])
  return {
    "by W": np.linalg.norm(errors.T @ xs + fitted.coef_),
    "by b": np.linalg.norm(errors.sum(axis=0)),
    "norm of W": np.linalg.norm(fitted.coef_),
    "test accuracy": np.asarray(fitted.score(*split.test)),
  }


def _grid(config, split, key):
  """Trains by every optimiser at every learning rate, from the same starts."""
  batch_size, rates = 32, np.array(config.learning_rates)
  num_steps = len(split.train.labels) // batch_size * config.num_epochs

  def every(key):
    start = _start(config, key)

    def fit(make, rate):
      optimizer = make(optax.cosine_decay_schedule(rate, num_steps))
      return nf.minibatch.fit(
        *(_loss, optax.flatten(optimizer), *start, *split.train),
        batch_size=batch_size,
        num_epochs=config.num_epochs,
      ).params

    makers = _OPTIMIZERS.values()
    fits = [jax.vmap(functools.partial(fit, make))(rates) for make in makers]
    params = jax.tree.map(lambda *leaves: jnp.stack(leaves), *fits)
    return [
      jax.vmap(jax.vmap(functools.partial(_accuracy, part)))(params)
      for part in (split.validation, split.test)
    ]

  keys = jax.random.split(key, config.num_seeds)
  found = sweeps.sweep(every, keys, quick=True)
  return Grid(np.array(list(_OPTIMIZERS)), rates, *found)
