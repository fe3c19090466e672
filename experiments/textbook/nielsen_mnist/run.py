"""Trains every kind of network in the book from every seed."""

import dataclasses
from typing import NamedTuple

import jax
import numpy as np

import nnfun as nf
from experiments import images as images_lib
from experiments import progress, settings
from experiments.textbook.nielsen_mnist import networks

# Of the 8 x 8 digits: so few that there is something to regularize.
_NUM_TRAIN, _NUM_FEW = 500, 100
_DECAY, _DECAY_MNIST = 1e-3, 5 / 50_000  # lambda / n.
_PUBLISHED = (30, 400, 10)  # Epochs, epochs with few images, batch size.


@dataclasses.dataclass(frozen=True)
class Config(settings.Config):
  """What is trained on, and how much."""

  data_dir: str = ""  # Folder with MNIST's four files; none for 8 x 8 digits.
  num_seeds: settings.Count = 16  # Networks of each kind.
  num_epochs: settings.Count = 30  # With all training images.
  num_epochs_small: settings.Count = 400  # With few training images.
  batch_size: settings.Count = 10  # Images of a mini-batch.
  seed: settings.Seed = 0  # Of initial weights and of the order of the images.

  def __post_init__(self) -> None:
    """Refuses what has no spread."""
    super().__post_init__()
    settings.require(
      self.num_seeds >= 3, "num_seeds >= 3", num_seeds=self.num_seeds
    )


class Curves(NamedTuple):
  """Shares of images classified correctly, at the start and by epoch."""

  held_out: np.ndarray  # On test or validation images  [S, E + 1]
  few: np.ndarray  # On the small training set  [S, E + 1]


class Results(NamedTuple):
  """What is kept; S seeds."""

  curves: dict[str, Curves]  # By the names of `networks.SETTINGS`.
  darkness: np.ndarray  # Accuracy of the nearest average darkness  []
  rarest: np.ndarray  # Share of the rarest digit among the test images  []
  is_published: np.ndarray  # Whether images and epochs are the book's  []


def run(config: Config) -> Results:
  """Trains every kind of network from every seed."""
  is_mnist = bool(config.data_dir)
  split = images_lib.load(config.data_dir)
  few = images_lib.take(split.train, slice(1000 if is_mnist else _NUM_FEW))
  if not is_mnist:
    train = images_lib.take(split.train, slice(_NUM_TRAIN))
    split = split._replace(train=train)
  epochs = config.num_epochs, config.num_epochs_small
  key_start, key_order = jax.random.split(jax.random.key(config.seed))
  starts = networks.starts(
    key_start, split.train.pixels.shape[1], config.num_seeds
  )
  keys = [
    jax.random.split(jax.random.fold_in(key_order, i), config.num_seeds)
    for i in range(2)
  ]
  fit = _make_fit(config.batch_size)

  def curves_of(setting):
    shared = networks.Shared(
      setting.is_cross_entropy,
      setting.learning_rate,
      setting.is_decayed * (_DECAY_MNIST if is_mnist else _DECAY),
      few if setting.is_small else split.train,
      split.validation if setting.is_validated else split.test,
      few,
    )
    params, rounds = networks.start_of(setting, starts), []
    for i in range(setting.num_rounds):
      params, *accuracies = fit(
        keys[i], params, shared, num_epochs=epochs[setting.is_small]
      )
      # A further round starts where the one before ended.
      rounds.append([values[:, min(i, 1) :] for values in accuracies])
    return Curves(*map(np.hstack, zip(*rounds, strict=True)))

  kinds = progress.track(networks.SETTINGS.items(), "Nielsen's networks")
  used = (*epochs, config.batch_size)
  return Results(
    {name: curves_of(setting) for name, setting in kinds},
    np.array(darkness_accuracy(split.train, split.test)),
    np.array(rarest_share(split.test)),
    np.array(is_mnist and used == _PUBLISHED),
  )


def _make_fit(batch_size):
  """Returns the training of all seeds of a kind, compiled once for a shape."""

  def fit(keys, params, shared, *, num_epochs):
    def one(key, params):
      fitted = networks.fit(
        key, params, shared, batch_size=batch_size, num_epochs=num_epochs
      )
      return fitted.params, *fitted.evaluations

    return jax.vmap(one)(keys, params)

  return jax.jit(fit, static_argnames="num_epochs")


def darkness_accuracy(train: nf.data.Images, test: nf.data.Images) -> float:
  """Returns how often the digit of the nearest average darkness is right."""
  dark, dark_test = (
    images.pixels.sum(axis=1, dtype=np.float64) for images in (train, test)
  )
  averages = np.array([dark[train.labels == i].mean() for i in range(10)])
  guesses = np.abs(dark_test[:, None] - averages[None, :]).argmin(axis=1)
  return float(np.mean(guesses == test.labels))


def rarest_share(images: nf.data.Images) -> float:
  """Returns the share of the images that show the rarest digit."""
  counts = np.bincount(images.labels, minlength=10)
  return float(counts.min()) / len(images.labels)
