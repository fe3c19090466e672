"""Codes of digits against Python's own binary places."""

import numpy as np
from absl.testing import absltest, parameterized

from experiments.textbook import constructions

_ORDERS = (constructions.ZERO_FIRST, constructions.ZERO_LAST)


class DigitCodesTest(parameterized.TestCase):
  def test_bits(self):
    codes = constructions.bits(np.arange(10))
    for digit, code in enumerate(codes):
      places = [float(place) for place in f"{digit:04b}"[::-1]]
      np.testing.assert_array_equal(code, places)

  def test_zero_last(self):
    # Problem sheet 4: the label 3, by convention the digit 0 comes last.
    code = constructions.one_hot(np.array([3, 0]), constructions.ZERO_LAST)
    np.testing.assert_array_equal(np.argmax(code, axis=1), [2, 9])
    np.testing.assert_array_equal(np.sum(code, axis=1), [1, 1])

  @parameterized.product(order=_ORDERS, gain=(1.0, 50.0))
  def test_reads_the_code_in_any_order(self, order, gain):
    (layer,) = constructions.one_hot_to_bits(order, gain=gain)
    for digit in range(10):
      x = np.full(10, 0.01)
      x[order.index(digit)] = 0.99
      z = layer["w"] @ x + layer["b"]
      np.testing.assert_array_equal(z > 0, constructions.bits(digit))
      self.assertGreater(np.min(np.abs(z)), 0.9 * gain)

  def test_weights_as_printed(self):
    # Machine learning in signal processing, problem set 5, problem 3: rows of
    # signs, least significant bit first.
    printed = ("-+-+-+-+-+", "--++--++--", "----++++--", "--------++")
    (layer,) = constructions.one_hot_to_bits()
    for row, signs in zip(layer["w"], printed, strict=True):
      np.testing.assert_array_equal(row, [float(s + "1") for s in signs])
    np.testing.assert_array_equal(layer["b"], np.zeros(4))

  @parameterized.parameters(
    (dict(order=range(9)), "order of the ten digits"),
    (dict(order=[0] * 10), "order of the ten digits"),
    (dict(gain=0.0), "gain > 0, got 0.0"),
  )
  def test_refuses(self, settings, message):
    with self.assertRaisesRegex(ValueError, message):
      constructions.one_hot_to_bits(**settings)


if __name__ == "__main__":
  absltest.main()
