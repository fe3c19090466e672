"""Trains networks on a few digits and fits a temperature for each."""

import dataclasses
import functools
from typing import NamedTuple

import jax
import numpy as np
import optax
from jax import lax
from jax import numpy as jnp

import nnfun as nf
from experiments import images, progress, settings, sweeps
from nnfun import calibration

_BATCH_SIZE = 25
_NUM_RECORDS = 25  # While training: four quarters of six, and the first epoch.
_NUM_DRAWS = 20  # Of perfect outcomes, for the error that is chance.

_log_softmax = jax.vmap(nf.activations.log_softmax, (0, None))


@dataclasses.dataclass(frozen=True)
class Config(settings.Config):
  """The examples, the network and its training."""

  data_dir: str = ""  # Folder with MNIST; empty for scikit-learn's digits.
  # Examples to train on, drawn anew for each seed.
  num_train: settings.at_least(_BATCH_SIZE) = 150
  # Examples to fit the temperature on, and as many others to measure on.
  num_held_out: settings.Count = 800
  num_hidden: settings.Count = 100  # ReLU units.
  # Passes over the training examples.
  num_epochs: settings.at_least(_NUM_RECORDS) = 100
  num_seeds: settings.Several = 16  # Networks, each with its own examples.
  seed: settings.Seed = 0  # Of examples, weights and order.


class Scores(NamedTuple):
  """Means over a set: validation and test, before and after the scaling."""

  c: np.ndarray  # Inverse temperature, fitted on the validation set  [...]
  nll: np.ndarray  # Cross-entropy, nats  [..., 2, 2]
  entropy: np.ndarray  # Nats  [..., 2, 2]
  confidence: np.ndarray  # Largest probability  [..., 2, 2]
  error: np.ndarray  # Share of wrong predictions  [..., 2, 2]


class Diagnosis(NamedTuple):
  """What is known of a trained network's test set, before and after [2]."""

  counts: np.ndarray  # Examples by bins of their confidence  [S, 2, M]
  confidence: np.ndarray  # Their means  [S, 2, M]
  accuracy: np.ndarray  # [S, 2, M]
  ece: np.ndarray  # Expected calibration error  [S, 2]
  chance_ece: np.ndarray  # Its mean if the scaled were perfect  [S]
  num_changed: np.ndarray  # Predictions that the scaling changes  [S]
  simplex_error: np.ndarray  # Distance from sum 1 and from positive  [S]


class Results(NamedTuple):
  """What is kept, by seed S and at some epochs E."""

  epochs: np.ndarray  # At the end of which is scored  [E]
  curve: Scores  # While training, leaves [S, E, ...]
  final: Scores  # Of the trained networks, in float64, [S, ...]
  test: Diagnosis  # Of their test sets


def run(config: Config) -> Results:
  """Trains the networks and scores their probabilities."""
  split = images.load(config.data_dir)
  pixels, labels = map(np.concatenate, zip(*split, strict=True))
  train, held_out = draw_sets(config, len(labels))
  keys = jax.random.split(jax.random.key(config.seed), config.num_seeds)
  # The images are arguments, for as constants they take seconds to compile.
  axes = (None, None, 0, 0, 0)
  fit = sweeps.brisk_jit(jax.vmap(functools.partial(_train, config), axes))
  for _ in progress.track(range(1), "calibration: training"):
    curve, logits = jax.tree.map(
      np.asarray, fit(pixels, labels, train, held_out, keys)
    )
  with jax.enable_x64(True):
    found = diagnose(keys, logits.astype(float), labels[held_out])
  epochs = _recorded(config.num_epochs)
  return Results(epochs, curve, *jax.tree.map(np.asarray, found))


def _recorded(num_epochs):
  return np.linspace(1, num_epochs, _NUM_RECORDS).round().astype(int)


def draw_sets(config: Config, num_images: int) -> tuple[np.ndarray, np.ndarray]:
  """Draws disjoint training [S, N], and validation and test sets [S, 2, M]."""
  n, m = config.num_train, config.num_held_out
  if n + 2 * m > num_images:
    raise ValueError(
      f"expected num_train + 2 num_held_out within the {num_images} images, "
      f"got num_train={n}, num_held_out={m}"
    )
  rng = np.random.default_rng(config.seed)
  orders = np.tile(np.arange(num_images), (config.num_seeds, 1))
  orders = rng.permuted(orders, axis=1)[:, : n + 2 * m]
  return orders[:, :n], orders[:, n:].reshape(-1, 2, m)


def _train(config, pixels, labels, train, held_out, key):
  """Returns scores while training, and the held-out logits at the end."""
  key_init, key_fit = jax.random.split(key)
  layers = [nf.activations.relu, nf.activations.identity]
  sizes = [pixels.shape[1], config.num_hidden, 10]

  # Examples are indices: the images are shared by all seeds.
  def logits_of(params, index):
    return nf.mlp.apply(params, pixels[index], layers)

  def loss_fn(params, index, label):
    return nf.losses.softmax_cross_entropy_with_integer_labels(
      logits_of(params, index), label
    )

  def held_out_logits(params):
    return jax.vmap(jax.vmap(logits_of, (None, 0)), (None, 0))(params, held_out)

  fitted = nf.minibatch.fit(
    loss_fn,
    optax.adam(0.01),
    nf.mlp.init(key_init, sizes),
    key_fit,
    train,
    labels[train],
    batch_size=_BATCH_SIZE,
    num_epochs=config.num_epochs,
    evaluate_fn=held_out_logits,
  )
  logits = fitted.evaluations[_recorded(config.num_epochs)]
  return lax.map(lambda z: judge(z, labels[held_out]), logits), logits[-1]


def judge(logits: jax.Array, labels: jax.Array) -> Scores:
  """Fits c on the first set and scores both, [2, N, C] and labels [2, N]."""
  c = calibration.fit_inverse_temperature(logits[0], labels[0])
  by_scale = jax.vmap(_means, (None, None, 0))
  scales = jnp.stack([jnp.ones_like(c), c])
  return Scores(c, *jax.vmap(by_scale, (0, 0, None))(logits, labels, scales))


def _means(logits, labels, c):
  log_p = _log_softmax(logits, c)
  of_label = jnp.take_along_axis(log_p, labels[:, None], axis=1)
  entropies = jnp.sum(jax.scipy.special.entr(jnp.exp(log_p)), axis=1)
  confidence = jnp.mean(jnp.exp(jnp.max(log_p, axis=1)))
  error = 1 - images.accuracy(log_p, labels)
  return -jnp.mean(of_label), jnp.mean(entropies), confidence, error


@sweeps.quick_jit
@jax.vmap
def diagnose(
  key: jax.Array, logits: jax.Array, labels: jax.Array
) -> tuple[Scores, Diagnosis]:
  """Scores trained classifiers; the keys are for the error that is chance."""
  scores = judge(logits, labels)
  scales = jnp.stack([jnp.ones_like(scores.c), scores.c])
  p = jnp.exp(jax.vmap(_log_softmax, (None, 0))(logits[1], scales))
  confidences, predictions = jnp.max(p, axis=-1), jnp.argmax(p, axis=-1)
  is_right = predictions == labels[None, 1]
  # In 15 bins, as in the paper.
  bins = jax.vmap(calibration.reliability)(confidences, is_right)
  error_of = jax.vmap(calibration.expected_calibration_error)
  scaled = jnp.tile(confidences[1], (_NUM_DRAWS, 1))
  chance = error_of(scaled, jax.random.bernoulli(key, scaled))
  outputs = jax.vmap(nf.activations.softmax)(logits[1])
  off = jnp.maximum(jnp.abs(outputs.sum(axis=1) - 1), -outputs.min(axis=1))
  num_changed = jnp.sum(predictions[0] != predictions[1])
  eces = error_of(confidences, is_right), jnp.mean(chance)
  return scores, Diagnosis(*bins, *eces, num_changed, jnp.max(off))
