"""The IDX format, and MNIST, which comes in it.

An IDX file is four bytes (two zeros, the type of the numbers, the number of
axes), the size of each axis as a big-endian uint32, then the numbers row by
row. It may be compressed with gzip; that is seen from its first two bytes.
"""

import gzip
import hashlib
import math
import os
import pathlib
import zlib
from typing import Literal

import numpy as np

from nnfun.data import images

_DTYPES = {8: "u1", 9: "i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}
_GZIP = b"\x1f\x8b"

_MNIST_FILES = {
  "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
  "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}
# SHA-256 of the unpacked files: gzip writes the same content in many ways.
_MNIST_SHA256 = {
  "train-images-idx3-ubyte": (
    "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"
  ),
  "train-labels-idx1-ubyte": (
    "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"
  ),
  "t10k-images-idx3-ubyte": (
    "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"
  ),
  "t10k-labels-idx1-ubyte": (
    "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"
  ),
}
_MNIST_SOURCE = "https://storage.googleapis.com/cvdf-datasets/mnist/"


def read_idx(path: str | os.PathLike[str]) -> np.ndarray:
  """Reads an IDX file, plain or compressed with gzip.

  Args:
    path: where it is.

  Returns:
    The array, in the shape and dtype the file states, in native byte order.

  Raises:
    FileNotFoundError: if there is no such file.
    ValueError: if it is not an IDX file, or has fewer or more bytes than its
      header says.

  References:
    LeCun, Cortes and Burges, The MNIST database of handwritten digits, 1998,
    http://yann.lecun.com/exdb/mnist/
  """
  return _parse(_content(path), path)


def mnist(
  data_dir: str | os.PathLike[str], split: Literal["train", "test"]
) -> images.Images:
  """Reads MNIST from the four IDX files that it is distributed as.

  Handwritten digits of 28 x 28 pixels, labels 0 ... 9, in the order of the
  files. Each file may be plain or have the ending .gz; what is in it is
  compared with a checksum.

  Args:
    data_dir: the folder with the files.
    split: "train" or "test".

  Returns:
    Pixels [60000, 784] or [10000, 784], and as many labels.

  Raises:
    FileNotFoundError: if a file is missing, saying which and where to get it.
    ValueError: if a file is truncated or is not the file of MNIST, or there is
      no such split.

  References:
    LeCun, Bottou, Bengio and Haffner, Gradient-based learning applied to
    document recognition, 1998, https://doi.org/10.1109/5.726791
  """
  if split not in _MNIST_FILES:
    raise ValueError(
      f"expected split to be one of {sorted(_MNIST_FILES)}, got {split!r}"
    )
  paths = [_find(pathlib.Path(data_dir), name) for name in _MNIST_FILES[split]]
  pixels, labels = map(_read_checked, _MNIST_FILES[split], paths)
  return images.Images(
    pixels.reshape(len(pixels), -1) / np.float32(255), labels.astype(np.int32)
  )


def _find(data_dir, name):
  """Returns the path of a file of MNIST, plain or compressed."""
  for path in (data_dir / name, data_dir / f"{name}.gz"):
    if path.is_file():
      return path
  expected = ", ".join(_MNIST_SHA256)
  raise FileNotFoundError(
    f"expected the four files of MNIST in {data_dir}, each as it is or with "
    f".gz ({expected}), got no {name}; they are at {_MNIST_SOURCE}"
  )


def _read_checked(name, path):
  content = _content(path)
  # The length first: a download cut short then says that, not a wrong sum.
  array = _parse(content, path)
  digest = hashlib.sha256(content).hexdigest()
  if digest != _MNIST_SHA256[name]:
    raise ValueError(
      f"expected {path} to be {name} of MNIST with SHA-256 "
      f"{_MNIST_SHA256[name]} (unpacked), got {digest}: it is another file, or "
      f"damaged; it is at {_MNIST_SOURCE}{name}.gz"
    )
  return array


def _content(path):
  """Returns the bytes of a file, unpacked."""
  path = pathlib.Path(path)
  if not path.is_file():
    raise FileNotFoundError(f"expected an IDX file, got {path}: no such file")
  content = path.read_bytes()
  if not content.startswith(_GZIP):
    return content
  try:
    return gzip.decompress(content)
  except (EOFError, OSError, zlib.error) as error:
    raise ValueError(
      f"expected a whole gzip file, got {path}: truncated or damaged ({error})"
    ) from error


def _parse(content, path):
  """Returns the array that the unpacked bytes of an IDX file hold."""
  head = content[:4]
  if len(head) < 4 or head[:2] != b"\0\0" or head[2] not in _DTYPES:
    raise ValueError(
      f"expected an IDX file, which begins with 0, 0, one of {sorted(_DTYPES)} "
      f"and the number of axes, got {path}, which begins with {list(head)}"
    )
  dtype, start = np.dtype(_DTYPES[head[2]]), 4 + 4 * head[3]
  shape = [
    int.from_bytes(content[i : i + 4], "big") for i in range(4, start, 4)
  ]
  expected = start + dtype.itemsize * math.prod(shape)
  if len(content) != expected:
    what = "truncated" if len(content) < expected else "longer than that"
    raise ValueError(
      f"expected {path} to have {expected} bytes (unpacked), as the header of "
      f"its array {shape} says, got {len(content)}: it is {what}"
    )
  array = np.frombuffer(content, dtype, offset=start).reshape(shape)
  return array.astype(dtype.newbyteorder("="))
