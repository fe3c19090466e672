"""Labelled images as flat vectors of grey levels."""

from typing import NamedTuple

import numpy as np


class Images(NamedTuple):
  """Images and what they show."""

  pixels: np.ndarray  # [N, height * width] float32 in [0, 1], row by row
  labels: np.ndarray  # [N] int32


def digits() -> Images:
  """Returns the 1,797 real handwritten digits that come with scikit-learn.

  Images of 8 x 8 pixels in 17 grey levels, labels 0 ... 9, in the order of the
  file.

  Returns:
    Pixels [1797, 64] and labels [1797].

  Raises:
    ModuleNotFoundError: if scikit-learn is not installed.

  References:
    Alpaydin and Kaynak, Optical recognition of handwritten digits, 1998,
    https://doi.org/10.24432/C50P49
  """
  try:
    from sklearn import datasets  # Heavy, and only the digits need it.
  except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
      "the digits come with scikit-learn: pip install 'nnfun[experiments]'"
    ) from error

  pixels, labels = datasets.load_digits(return_X_y=True)
  return Images((pixels / 16).astype(np.float32), labels.astype(np.int32))
