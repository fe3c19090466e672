"""Steps, bumps and towers against indicator functions and exact means."""

import numpy as np
from absl.testing import absltest, parameterized
from scipy import special

from experiments.textbook import constructions


def _by_hand(params, x, num_sigmoids):
  """The network in NumPy, at one point."""
  a = np.atleast_1d(np.asarray(x, float))
  for i, layer in enumerate(params):
    z = layer["w"] @ a + layer["b"]
    a = special.expit(z) if i < num_sigmoids else z
  return a


class StepTest(parameterized.TestCase):
  @parameterized.parameters((0.5, 10.0), (-2.0, 1000.0), (0.0, -3.0))
  def test_levels(self, position, weight):
    params = constructions.step(position, weight=weight)
    for p in (0.5, 0.1, 0.9, 0.99):
      # sigma(w (x - s)) = p at x = s + log(p / (1 - p)) / w.
      x = position + np.log(p / (1 - p)) / weight
      np.testing.assert_allclose(_by_hand(params, x, 1), [p], atol=1e-12)

  def test_one_hidden_layer_does_as_much_as_bumps(self):
    bumps = constructions.tower_sum(
      np.exp, [0.0], [1.0], num_cells=4, weight=1e4, gain=1e3
    )
    steps = constructions.step_sum(np.exp, num_parts=4, weight=1e4)
    for x in (0.0, 0.1, 0.3, 0.51, 1.0):
      expected = _by_hand(bumps, x, 2)
      np.testing.assert_allclose(_by_hand(steps, x, 1), expected, rtol=1e-5)
    with self.assertRaisesRegex(ValueError, "num_parts >= 2, got 1"):
      constructions.step_sum(np.exp, num_parts=1, weight=1.0)

  def test_sum_reaches_the_ends_and_is_no_lower_between_parts(self):
    params = constructions.tower_sum(
      np.ones_like, [0.0], [1.0], num_cells=5, weight=1e3, gain=1e2
    )
    for x in np.linspace(0, 1, 201):
      np.testing.assert_allclose(_by_hand(params, x, 2), [1.0], atol=1e-10)


class TowerTest(parameterized.TestCase):
  @parameterized.parameters(1, 2, 3, 4)
  def test_is_the_indicator_of_the_box(self, num_axes):
    rng = np.random.default_rng(num_axes)
    lows = rng.uniform(-1, 0, num_axes)
    highs = lows + rng.uniform(0.5, 1, num_axes)
    params = constructions.tower(lows, highs, weight=1e4, gain=8.0)
    self.assertEqual(params[1]["b"][0], -(2 * num_axes - 1) * 4.0)
    for inside in np.ndindex(*[2] * num_axes):
      x = np.where(inside, (lows + highs) / 2, highs + 0.5)
      # Each axis inside adds h: sigma(h (number inside - m + 1/2)).
      expected = special.expit([8.0 * (sum(inside) - num_axes + 0.5)])
      np.testing.assert_allclose(_by_hand(params, x, 2), expected, rtol=1e-10)

  def test_sum_of_a_map_of_the_plane(self):
    lows, highs = np.array([0.0, -1.0]), np.array([2.0, 1.0])
    params = constructions.tower_sum(
      lambda x: np.stack([x[:, 0] * x[:, 1], x[:, 0], x[:, 1] ** 2], axis=1),
      lows, highs, num_cells=4, weight=1e4, gain=100.0,
    )  # fmt: skip
    shapes = [layer["w"].shape for layer in params]
    self.assertEqual(shapes, [(10, 2), (16, 10), (3, 16)])
    for x in np.random.default_rng(0).uniform(lows, highs, (20, 2)):
      first, second = lows + np.floor((x - lows) / 0.5) * 0.5 + 0.25
      # The mean of y^2 over a cell of width 0.5 is y_mid^2 + 0.5^2 / 12.
      expected = [first * second, first, second**2 + 0.25 / 12]
      actual = _by_hand(params, x, 2)
      np.testing.assert_allclose(actual, expected, atol=1e-10)

  @parameterized.parameters(
    ([0.0], [0.0], {}, "lows < highs"),
    ([0.0], [1.0, 2.0], {}, r"both \[m\]"),
    ([0.0], [1.0], dict(gain=-1.0), "gain > 0, got -1.0"),
  )
  def test_refuses(self, lows, highs, wrong, message):
    with self.assertRaisesRegex(ValueError, message):
      constructions.tower(lows, highs, **dict(weight=1.0, gain=1.0) | wrong)


if __name__ == "__main__":
  absltest.main()
