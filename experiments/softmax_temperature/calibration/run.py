"""Trains networks on a few digits and fits a temperature for each."""

import dataclasses
import functools
from typing import NamedTuple

import jax
import numpy as np
import optax

import nnfun as nf
from experiments import images, progress, settings, sweeps
from experiments.softmax_temperature.calibration import scores

_NUM_CLASSES = 10


@dataclasses.dataclass(frozen=True)
class Config(settings.Config):
  """The examples, the network and its training."""

  data_dir: str = ""  # Folder with MNIST; empty for scikit-learn's digits.
  # Examples to train on, drawn anew for each seed.
  num_train: settings.Count = 150
  # Examples to fit the temperature on, and as many others to measure on.
  num_held_out: settings.Count = 800
  # ReLU units of each hidden layer.
  hidden_sizes: tuple[settings.Count, ...] = (100,)
  learning_rate: settings.Positive = 0.01  # Of Adam.
  batch_size: settings.Count = 25  # Examples in a mini-batch.
  num_epochs: settings.Count = 100  # Passes over the training examples.
  num_bins: settings.Count = 15  # Of the calibration error; 15 in the paper.
  num_seeds: settings.Count = 16  # Networks, each with its own examples.
  seed: settings.Seed = 0  # Of examples, weights and order.

  def __post_init__(self) -> None:
    """Refuses what gives no standard error, or no quarters, or no batch."""
    super().__post_init__()
    settings.require(
      self.num_seeds >= 2 and self.num_epochs >= 5,
      "num_seeds >= 2 and num_epochs >= 5",
      num_seeds=self.num_seeds,
      num_epochs=self.num_epochs,
    )
    settings.require(
      self.batch_size <= self.num_train,
      "batch_size <= num_train",
      batch_size=self.batch_size,
      num_train=self.num_train,
    )


class Results(NamedTuple):
  """What is kept, by seed S and epoch E, the start included."""

  curve: scores.Scores  # While training, leaves [S, E, ...]
  final: scores.Scores  # Of the trained networks, in float64, [S, ...]
  test: scores.Diagnosis  # Of their test sets
  num_bins: np.ndarray  # M  []


def run(config: Config) -> Results:
  """Trains the networks and scores their probabilities."""
  pixels, labels, *indices = _load(config)
  keys = jax.random.split(jax.random.key(config.seed), config.num_seeds)
  # The images are arguments, for as constants they take seconds to compile.
  axes = (None, None, 0, 0, 0)
  train = jax.jit(jax.vmap(functools.partial(_train, config), axes))
  for _ in progress.track(range(1), "calibration: training"):
    curve, logits, held_out = jax.tree.map(
      np.asarray, train(pixels, labels, *indices, keys)
    )
  diagnose = functools.partial(scores.diagnose, num_bins=config.num_bins)
  with jax.enable_x64(True):
    final, test = sweeps.sweep(
      diagnose, keys, logits.astype(np.float64), held_out, quick=True
    )
  return Results(curve, final, test, np.array(config.num_bins))


def _load(config):
  """Returns pixels and labels of all images, and which ones are drawn.

  By seed: training set [S, N], validation and test set [S, 2, N']. MNIST has
  test images of its own; the digits are one pool.
  """
  split = images.load(config.data_dir)
  whole = nf.data.Images(*map(np.concatenate, zip(*split, strict=True)))
  num_images = len(whole.labels)
  num_pool = num_images - (len(split.test.labels) if config.data_dir else 0)
  n, m = config.num_train, config.num_held_out
  for_tests = num_images - num_pool if config.data_dir else num_pool - n - m
  settings.require(
    n + m <= num_pool and m <= for_tests,
    f"num_train + 2 num_held_out within the {num_images} images, or with test "
    f"images of their own num_train + num_held_out within {num_pool}",
    num_train=n,
    num_held_out=m,
  )
  rng = np.random.default_rng(config.seed)
  ranges = np.arange(num_pool), np.arange(num_pool, num_images)
  orders = np.stack(
    [
      np.concatenate([rng.permutation(part) for part in ranges])
      for _ in range(config.num_seeds)
    ]
  )
  held_out = np.stack([orders[:, n : n + m], orders[:, -m:]], axis=1)
  return *whole, orders[:, :n], held_out


def _train(config, pixels, labels, train, held_out, key):
  """Returns scores by epoch, and the held-out logits at the end with labels."""
  key_init, key_fit = jax.random.split(key)
  layers = [nf.activations.relu] * len(config.hidden_sizes)
  layers += [nf.activations.identity]

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
    optax.adam(config.learning_rate),
    nf.mlp.init(
      key_init, [pixels.shape[1], *config.hidden_sizes, _NUM_CLASSES]
    ),
    key_fit,
    train,
    labels[train],
    batch_size=config.batch_size,
    num_epochs=config.num_epochs,
    evaluate_fn=lambda params: scores.judge(
      held_out_logits(params), labels[held_out]
    ),
  )
  return fitted.evaluations, held_out_logits(fitted.params), labels[held_out]
