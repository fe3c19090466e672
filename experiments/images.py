"""Labelled images for the studies: MNIST where there is a folder, else digits.

The 8 x 8 digits of scikit-learn need no download. They come sorted by writer,
so they are shuffled, always in the same way; MNIST keeps its published order.
"""

from typing import NamedTuple

import jax
import numpy as np
from jax import numpy as jnp

import nnfun as nf

_NUM_TRAIN, _NUM_VALIDATION = 1000, 297  # Of the 1,797 digits; 500 to test.
_NUM_VALIDATION_MNIST = 10_000


class Split(NamedTuple):
  """Three sets of images which have none in common."""

  train: nf.data.Images
  validation: nf.data.Images
  test: nf.data.Images


def load(data_dir: str = "") -> Split:
  """Returns images to train on, to choose by and to test on.

  Args:
    data_dir: folder with MNIST's four files; "" for the digits.

  Returns:
    MNIST as 50,000, 10,000 and 10,000 in its published order; the digits as
    1,000, 297 and 500.

  Raises:
    ValueError: if the folder does not hold MNIST.
  """
  if not data_dir:
    digits = nf.data.digits()
    order = np.random.default_rng(0).permutation(len(digits.labels))
    digits = take(digits, order)
    cut = _NUM_TRAIN + _NUM_VALIDATION
    return Split(
      take(digits, slice(_NUM_TRAIN)),
      take(digits, slice(_NUM_TRAIN, cut)),
      take(digits, slice(cut, None)),
    )
  try:
    train, test = (nf.data.mnist(data_dir, name) for name in ("train", "test"))
  except (OSError, ValueError) as error:
    raise ValueError(f"data_dir: {error}") from error
  cut = len(train.labels) - _NUM_VALIDATION_MNIST
  return Split(take(train, slice(cut)), take(train, slice(cut, None)), test)


def take(images: nf.data.Images, which: slice | np.ndarray) -> nf.data.Images:
  """Returns some of the images, by a slice or by their numbers."""
  return nf.data.Images(*(leaf[which] for leaf in images))


def accuracy(scores: jax.Array, labels: jax.Array) -> jax.Array:
  """Returns how many of the highest scores are those of the label.

  Args:
    scores: one for each class [N, C].
    labels: [N].

  Returns:
    The share [].
  """
  return jnp.mean(jnp.argmax(scores, axis=-1) == labels)
