"""Codes of digits against Python's own binary places."""

import numpy as np
from absl.testing import absltest, parameterized

from experiments.textbook import constructions

_ORDERS = (constructions.ZERO_FIRST, constructions.ZERO_LAST)


class DigitCodesTest(parameterized.TestCase):
  @parameterized.product(order=_ORDERS, gain=(1.0, 50.0))
  def test_reads_the_code_in_any_order(self, order, gain):
    (layer,) = constructions.one_hot_to_bits(order, gain=gain)
    codes = constructions.one_hot(np.arange(10), order)
    np.testing.assert_array_equal(np.argmax(codes, axis=1), np.argsort(order))
    z = (0.01 + 0.98 * codes) @ layer["w"].T
    places = [list(map(int, f"{digit:04b}"[::-1])) for digit in range(10)]
    np.testing.assert_array_equal(constructions.bits(np.arange(10)), places)
    np.testing.assert_array_equal(z > 0, places)
    self.assertGreater(np.min(np.abs(z)), 0.9 * gain)

  def test_weights_as_printed(self):
    # Machine learning in signal processing, problem set 5, problem 3: rows of
    # signs, least significant bit first.
    printed = ("-+-+-+-+-+", "--++--++--", "----++++--", "--------++")
    (layer,) = constructions.one_hot_to_bits()
    signs = [[float(sign + "1") for sign in row] for row in printed]
    np.testing.assert_array_equal(layer["w"], signs)
    np.testing.assert_array_equal(layer["b"], np.zeros(4))

  def test_refuses(self):
    with self.assertRaisesRegex(ValueError, "order of the ten digits"):
      constructions.one_hot_to_bits([0] * 10)
    with self.assertRaisesRegex(ValueError, "gain > 0, got 0.0"):
      constructions.one_hot_to_bits(gain=0.0)


if __name__ == "__main__":
  absltest.main()
