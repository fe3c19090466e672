"""The images to train on and to judge on: MNIST, or scikit-learn's digits."""

from typing import NamedTuple

import numpy as np

import nnfun as nf


class Data(NamedTuple):
  """Images, and what of the training depends on how many there are."""

  train: nf.data.Images
  validation: nf.data.Images
  test: nf.data.Images
  num_small: int  # Images of the small training set, the first of `train`.
  num_epochs: int
  num_epochs_small: int
  decay: float  # lambda / n.


def load(data_dir: str) -> Data:
  """Reads the images.

  Args:
    data_dir: the folder with MNIST, cut as in the book: the last 10,000 of the
      60,000 images are for validation. Or "" for scikit-learn's 1,797 digits:
      500, so few that there is something to regularize, then 648 for validation
      and 648 to test; the decay is stronger and the epochs are more, since an
      epoch has 50 mini-batches where MNIST has 5,000.

  Returns:
    The images and what goes with them.

  Raises:
    ValueError: if MNIST is not there or damaged.
  """
  if not data_dir:
    digits = _shuffled(nf.data.digits())
    parts = _part(digits, 0, 500), _part(digits, 500, 1148)
    return Data(*parts, _part(digits, 1148, 1796), 100, 100, 400, decay=1e-3)
  try:
    train, test = (nf.data.mnist(data_dir, name) for name in ("train", "test"))
  except FileNotFoundError as error:
    raise ValueError(f"data_dir: {error}") from error
  parts = _part(train, 0, 50_000), _part(train, 50_000)
  return Data(*parts, test, 1000, 30, 400, decay=5 / 50_000)


def small(data: Data) -> nf.data.Images:
  """Returns the small training set."""
  return _part(data.train, 0, data.num_small)


def darkness_accuracy(train: nf.data.Images, test: nf.data.Images) -> float:
  """Returns how often the digit of the nearest average darkness is right.

  Args:
    train: images to average the darkness of each digit over.
    test: images to guess.

  Returns:
    The fraction of `test` guessed right.

  References:
    Nielsen, Neural networks and deep learning, 2015, chapter 1,
    http://neuralnetworksanddeeplearning.com/chap1.html
  """
  dark, dark_test = (
    images.pixels.sum(axis=1, dtype=np.float64) for images in (train, test)
  )
  averages = np.array([dark[train.labels == i].mean() for i in range(10)])
  guesses = np.abs(dark_test[:, None] - averages[None, :]).argmin(axis=1)
  return float(np.mean(guesses == test.labels))


def rarest_share(images: nf.data.Images) -> float:
  """Returns the fraction of the images that show the rarest digit."""
  return float(np.bincount(images.labels, minlength=10).min()) / len(
    images.labels
  )


def _shuffled(images):
  # In the order of the file the last images are by other writers.
  order = np.random.default_rng(0).permutation(len(images.labels))
  return nf.data.Images(*(leaf[order] for leaf in images))


def _part(images, start, stop=None):
  return nf.data.Images(*(leaf[start:stop] for leaf in images))
