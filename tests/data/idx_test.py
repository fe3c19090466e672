"""IDX files written byte by byte, and the real MNIST where it is at hand."""

import gzip
import hashlib
import os
import pathlib
import struct
import tempfile
from unittest import mock

import chex
import numpy as np
from absl.testing import absltest, parameterized

from nnfun import data
from nnfun.data import idx

_ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
_CODES = {"u1": 8, "i1": 9, "i2": 11, "i4": 12, "f4": 13, "f8": 14}


def _bytes(array):
  """The array as the format's description has it."""
  code = _CODES[array.dtype.str[1:]]
  header = struct.pack(
    f">BBBB{array.ndim}I", 0, 0, code, array.ndim, *array.shape
  )
  return header + array.astype(array.dtype.newbyteorder(">")).tobytes()


def _mnist_dir():
  """Where the real files are, or None."""
  beside = [folder / "shared" / "data" / "mnist" for folder in _ROOT.parents]
  named = os.environ.get("NNFUN_MNIST_DIR")
  folders = [pathlib.Path(named)] if named else beside
  return next((folder for folder in folders if folder.is_dir()), None)


class _FolderTest(parameterized.TestCase):
  def setUp(self):
    super().setUp()
    folder = self.enter_context(tempfile.TemporaryDirectory())
    self.folder = pathlib.Path(folder)

  def write(self, name, content):
    path = self.folder / name
    path.write_bytes(content)
    return path


class ReadIdxTest(_FolderTest):
  @parameterized.product(dtype=list(_CODES), packed=[False, True])
  def test_reads(self, dtype, packed):
    array = (np.arange(24) - 3).astype(dtype).reshape(2, 3, 4)
    content = _bytes(array)
    path = self.write("a", gzip.compress(content) if packed else content)
    for given in (path, str(path)):
      read = data.read_idx(given)
      self.assertEqual((read.dtype, read.shape), (array.dtype, (2, 3, 4)))
      np.testing.assert_array_equal(read, array)
    read[:] = 0  # The caller's own.

  def test_the_example_of_the_format(self):
    # Two labels, 5 and 258 as int32: magic 0x00000c01, then N, then numbers.
    raw = bytes([0, 0, 12, 1, 0, 0, 0, 2, 0, 0, 0, 5, 0, 0, 1, 2])
    read = data.read_idx(self.write("a", raw))
    np.testing.assert_array_equal(read, np.array([5, 258], np.int32))

  def test_a_scalar_and_no_elements(self):
    scalar = data.read_idx(self.write("a", bytes([0, 0, 8, 0, 7])))
    self.assertEqual((scalar.shape, int(scalar)), ((), 7))
    empty = data.read_idx(self.write("a", _bytes(np.zeros((0, 3), np.uint8))))
    self.assertEqual(empty.shape, (0, 3))

  @parameterized.parameters(
    (b"", r"begins with \[\]"),
    (b"\0\0\x08", r"begins with \[0, 0, 8\]"),
    (b"\0\1\x08\1" + bytes(8), r"begins with \[0, 1, 8, 1\]"),
    (b"\0\0\x0a\1" + bytes(8), r"begins with \[0, 0, 10, 1\]"),
    (b"\0\0\x08\2\0\0\0\1", "have 12 bytes .* got 8: it is truncated"),
    (b"\0\0\x08\1\0\0\0\3ab", "have 11 bytes .* got 10: it is truncated"),
    (b"\0\0\x08\1\0\0\0\3abcd", "have 11 bytes .* got 12: it is longer"),
  )
  def test_refuses(self, content, message):
    for packed in (content, gzip.compress(content)):
      with self.assertRaisesRegex(ValueError, message):
        data.read_idx(self.write("a", packed))

  def test_refuses_a_damaged_gzip_file(self):
    packed = gzip.compress(_bytes(np.arange(1000, dtype=np.int32)))
    flipped = bytearray(packed)
    flipped[len(packed) // 2] ^= 255
    for content in (packed[:-20], packed[:5], bytes(flipped)):
      with self.assertRaisesRegex(ValueError, "truncated or damaged"):
        data.read_idx(self.write("a", content))

  def test_refuses_what_is_no_file(self):
    for path in (self.folder, self.folder / "missing"):
      with self.assertRaisesRegex(FileNotFoundError, "no such file"):
        data.read_idx(path)


class MnistTest(_FolderTest):
  """The reader on files of three images, whose checksums it is told."""

  def setUp(self):
    super().setUp()
    rng = np.random.default_rng(0)
    self.arrays = {
      "t10k-images-idx3-ubyte": rng.integers(0, 256, (3, 28, 28), np.uint8),
      "t10k-labels-idx1-ubyte": np.array([7, 0, 9], np.uint8),
    }
    sums = {}
    for name, array in self.arrays.items():
      self.write(f"{name}.gz", gzip.compress(_bytes(array)))
      sums[name] = hashlib.sha256(_bytes(array)).hexdigest()
    self.enter_context(mock.patch.dict(idx._MNIST_SHA256, sums))

  def test_reads(self):
    pixels, labels = data.mnist(self.folder, "test")
    chex.assert_type([pixels, labels], [np.float32, np.int32])
    expected = self.arrays["t10k-images-idx3-ubyte"].reshape(3, 784) / 255
    np.testing.assert_allclose(pixels, expected, rtol=1e-6)
    np.testing.assert_array_equal(labels, [7, 0, 9])

  def test_a_plain_file_goes_before_a_packed_one(self):
    name = "t10k-labels-idx1-ubyte"
    self.write(name, _bytes(self.arrays[name]))
    self.write(f"{name}.gz", b"not this")
    labels = data.mnist(str(self.folder), "test").labels
    np.testing.assert_array_equal(labels, [7, 0, 9])

  def test_another_file_under_the_name(self):
    other = np.array([7, 0, 8], np.uint8)
    self.write("t10k-labels-idx1-ubyte.gz", gzip.compress(_bytes(other)))
    with self.assertRaisesRegex(ValueError, "t10k-labels.* of MNIST with SHA"):
      data.mnist(self.folder, "test")

  def test_truncated(self):
    content = _bytes(self.arrays["t10k-images-idx3-ubyte"])
    self.write("t10k-images-idx3-ubyte", content[:-100])
    with self.assertRaisesRegex(ValueError, "2368 bytes .* got 2268: it is tr"):
      data.mnist(self.folder, "test")

  def test_missing(self):
    message = "four files .*train-images.*, got no train-images.*; they are at"
    with self.assertRaisesRegex(FileNotFoundError, message):
      data.mnist(self.folder, "train")
    with self.assertRaisesRegex(FileNotFoundError, "got no t10k-images"):
      data.mnist(self.folder / "missing", "test")

  def test_unknown_split(self):
    with self.assertRaisesRegex(ValueError, "'test', 'train'.* got 'valid'"):
      data.mnist(self.folder, "valid")


class RealMnistTest(absltest.TestCase):
  def setUp(self):
    super().setUp()
    self.data_dir = _mnist_dir()
    if self.data_dir is None:
      self.skipTest("MNIST is not here: set NNFUN_MNIST_DIR to its folder")

  def test_is_read(self):
    pixels, labels = data.mnist(self.data_dir, "test")
    chex.assert_shape([pixels, labels], [(10_000, 784), (10_000,)])
    self.assertEqual((pixels.min(), pixels.max()), (0, 1))
    # Counts of the ten digits among the test images, and the first labels.
    counts = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    np.testing.assert_array_equal(np.bincount(labels), counts)
    np.testing.assert_array_equal(labels[:5], [7, 2, 1, 0, 4])

  def test_training_images(self):
    pixels, labels = data.mnist(self.data_dir, "train")
    chex.assert_shape([pixels, labels], [(60_000, 784), (60_000,)])
    # The mean that everyone normalises MNIST by.
    self.assertAlmostEqual(float(np.mean(pixels, dtype=np.float64)), 0.1307, 4)


if __name__ == "__main__":
  absltest.main()
