"""Steps, bumps and towers against indicator functions and exact means."""

import jax
import numpy as np
from absl.testing import absltest, parameterized
from jax import numpy as jnp
from scipy import special

from experiments.textbook import constructions
from nnfun import activations as act
from nnfun import mlp


def _by_hand(params, x, num_sigmoids):
  """The network in NumPy, float64."""
  a = np.atleast_1d(np.asarray(x, float))
  for i, layer in enumerate(params):
    z = np.asarray(layer["w"], float) @ a + np.asarray(layer["b"], float)
    a = special.expit(z) if i < num_sigmoids else z
  return a


class StepTest(parameterized.TestCase):
  @parameterized.parameters((0.5, 10.0), (-2.0, 1000.0), (0.0, -3.0))
  def test_levels(self, position, weight):
    params = constructions.step(position, weight=weight)
    for p in (0.5, 0.1, 0.9, 0.99):
      # sigma(w (x - s)) = p at x = s + log(p / (1 - p)) / w.
      x = position + np.log(p / (1 - p)) / weight
      np.testing.assert_allclose(_by_hand(params, x, 1), [p], atol=1e-4)

  def test_is_for_mlp_and_vmaps_over_the_weight(self):
    outputs = jax.vmap(
      lambda w: mlp.apply(
        constructions.step(0.25, weight=w), jnp.array([0.5]), [act.sigmoid]
      )
    )(jnp.array([4.0, 8.0]))
    np.testing.assert_allclose(
      outputs[:, 0], special.expit([1.0, 2.0]), rtol=1e-6
    )


class BumpTest(parameterized.TestCase):
  @parameterized.parameters(
    (0.0, -3.0), (0.2, 0.0), (0.5, 3.0), (0.8, 0.0), (1.0, -3.0)
  )
  def test_levels(self, x, logit):
    # h (a_1 - a_2) - h / 2 with steps of 0, 1/2 or 1 and h = 6.
    params = constructions.bump(0.2, 0.8, weight=1e3, gain=6.0)
    expected = special.expit([logit])
    np.testing.assert_allclose(_by_hand(params, x, 2), expected, rtol=1e-5)

  def test_sum_is_the_mean_of_each_part(self):
    params = constructions.bump_sum(
      lambda x: x**3, num_bumps=4, weight=1e4, gain=1e3, low=-1.0, high=1.0
    )
    for i in range(4):
      low, high = -1 + i / 2, -0.5 + i / 2
      mean = (high**4 - low**4) / 4 / (high - low)
      for x in (low + 0.01, high - 0.01):
        actual = _by_hand(params, x, 2)
        np.testing.assert_allclose(actual, [mean], rtol=1e-5)

  def test_one_hidden_layer_does_as_much(self):
    settings = dict(weight=1e4, low=-1.0, high=1.0)
    bumps = constructions.bump_sum(jnp.exp, num_bumps=4, gain=1e3, **settings)
    steps = constructions.step_sum(jnp.exp, num_parts=4, **settings)
    self.assertEqual(steps[0]["b"].shape, (3,))
    for x in (-1.0, -0.9, -0.3, 0.2, 0.51, 1.0):
      expected = _by_hand(bumps, x, 2)
      np.testing.assert_allclose(_by_hand(steps, x, 1), expected, rtol=1e-5)
    with self.assertRaisesRegex(
      ValueError, "num_parts >= 2 and low < high, got 1"
    ):
      constructions.step_sum(jnp.exp, num_parts=1, weight=1.0)

  def test_sum_reaches_the_ends_and_is_no_lower_between_parts(self):
    params = constructions.bump_sum(
      jnp.ones_like, num_bumps=5, weight=1e3, gain=1e2
    )
    for x in np.linspace(0, 1, 201):
      np.testing.assert_allclose(_by_hand(params, x, 2), [1.0], atol=1e-4)


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
      np.testing.assert_allclose(_by_hand(params, x, 2), expected, rtol=1e-4)

  def test_takes_another_bias(self):
    params = constructions.tower([0.0], [1.0], weight=1e3, gain=8.0, bias=-6.0)
    np.testing.assert_allclose(
      _by_hand(params, 0.5, 2), special.expit([2.0]), rtol=1e-4
    )

  def test_sum_of_a_map_of_the_plane(self):
    lows, highs = np.array([0.0, -1.0]), np.array([2.0, 1.0])
    params = constructions.tower_sum(
      lambda x: jnp.stack([x[0] * x[1], x[0], x[1] ** 2]),
      lows, highs, num_cells=4, weight=1e4, gain=100.0,
    )  # fmt: skip
    self.assertEqual(
      [layer["w"].shape for layer in params], [(10, 2), (16, 10), (3, 16)]
    )
    for x in np.random.default_rng(0).uniform(lows, highs, (20, 2)):
      start = lows + np.floor((x - lows) / 0.5) * 0.5
      first, second = start + 0.25
      # The mean of y^2 over a cell of width 0.5 is y_mid^2 + 0.5^2 / 12.
      expected = [first * second, first, second**2 + 0.25 / 12]
      actual = _by_hand(params, x, 2)
      np.testing.assert_allclose(actual, expected, atol=1e-5)

  @parameterized.parameters(
    (dict(lows=[0.0], highs=[0.0]), "lows < highs"),
    (dict(lows=[0.0], highs=[1.0, 2.0]), "lows < highs"),
    (dict(lows=0.0, highs=1.0), r"both \[m\]"),
    (dict(weight=0.0), "weight > 0"),
    (dict(gain=-1.0), "gain > 0"),
  )
  def test_refuses(self, settings, message):
    settings = dict(lows=[0.0], highs=[1.0], weight=1.0, gain=1.0) | settings
    with self.assertRaisesRegex(ValueError, message):
      constructions.tower(**settings)

  def test_refuses_no_cell(self):
    with self.assertRaisesRegex(ValueError, "num_cells >= 1, got 0"):
      constructions.bump_sum(jnp.sin, num_bumps=0, weight=1.0, gain=1.0)


if __name__ == "__main__":
  absltest.main()
