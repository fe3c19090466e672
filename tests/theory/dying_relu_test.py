"""Bounds of the probability to be born dead, against networks and a paper."""

import numpy as np
from absl.testing import absltest, parameterized

from nnfun.theory import dying_relu


def _dead(num, widths, seed=0):
  """Returns the fractions of networks dead for x = 1, and for all numbers."""
  rng = np.random.default_rng(seed)
  rays = np.broadcast_to(np.array([[1.0], [-1.0]]), (num, 2, 1))
  for n in widths:
    w = rng.normal(size=(num, n, rays.shape[-1]))
    rays = np.maximum(rays @ w.transpose(0, 2, 1), 0)
    rays = rays / np.maximum(rays.max(-1, keepdims=True), 1e-300)
  is_dead = np.all(rays == 0, -1)
  return is_dead[:, 0].mean(), is_dead.all(1).mean()


class DyingReluTest(parameterized.TestCase):
  @parameterized.parameters((2, 0.880), (3, 0.579), (5, 0.128), (10, 0.0013))
  def test_ten_layers(self, width, published):
    # Lu et al. 2019: simulated networks of ten layers, nine of them hidden.
    widths, num = [width] * 9, 20_000
    lower, upper = dying_relu.dead_for_scalar_inputs(widths)
    self.assertBetween(published, lower, upper)
    one, all_numbers = _dead(num, widths)
    error = (upper * (1 - upper) / num) ** 0.5
    # For one input the upper bound is the probability itself.
    self.assertLess(abs(one - upper), 4 * error)
    self.assertBetween(all_numbers, lower, upper)
    error = (published * (1 - published) / num) ** 0.5
    self.assertLess(abs(all_numbers - published), 4 * error + 5e-4)
    self.assertGreater(upper - all_numbers, 4 * error)

  def test_unequal_layers_that_hardly_ever_die(self):
    found = dying_relu.dead_for_one_input([60, 50, 40])
    exact = 2.0**-60 + 2.0**-50 + 2.0**-40
    np.testing.assert_allclose(found, exact, rtol=1e-6)

  def test_one_layer_never_dies_on_both_sides(self):
    self.assertEqual(dying_relu.dead_for_scalar_inputs([3]), (0, 0.125))

  def test_refuses(self):
    with self.assertRaisesRegex(ValueError, "one or more hidden layers"):
      dying_relu.dead_for_scalar_inputs([])
    with self.assertRaisesRegex(ValueError, "positive widths"):
      dying_relu.dead_for_one_input([3, 0])


if __name__ == "__main__":
  absltest.main()
