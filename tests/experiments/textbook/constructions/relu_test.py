"""ReLU networks against np.interp, closed forms and naive loops."""

import jax
import numpy as np
from absl.testing import absltest, parameterized
from jax import numpy as jnp

from experiments.textbook import constructions
from nnfun import activations as act
from nnfun import mlp


def _by_hand(params, xs, *, relu_output=False):
  """The network in NumPy, float64, on points [P]."""
  a = np.asarray(xs, float)[None]
  for i, layer in enumerate(params):
    a = np.asarray(layer["w"], float) @ a + np.asarray(layer["b"])[:, None]
    if i + 1 < len(params) or relu_output:
      a = np.maximum(a, 0)
  return a[0]


def _network(w, b, v, c):
  return (
    {"w": np.array(w, float)[:, None], "b": np.array(b, float)},
    {"w": np.array([v], float), "b": np.array([c], float)},
  )


def _random_network(num_units, seed):
  rng = np.random.default_rng(seed)
  return _network(*rng.standard_normal((3, num_units)), rng.standard_normal())


class InterpolationTest(parameterized.TestCase):
  @parameterized.parameters((3.0, 4.0), (-2.0, 0.5))
  def test_ramp(self, start, stop):
    xs = np.linspace(start - 3, stop + 3, 50)
    expected = np.clip((xs - start) / (stop - start), 0, 1)
    actual = _by_hand(constructions.ramp(start, stop), xs)
    np.testing.assert_allclose(actual, expected, atol=1e-6)

  def test_is_np_interp(self):
    rng = np.random.default_rng(0)
    knots, values = np.sort(rng.uniform(-1, 1, 9)), rng.standard_normal(9)
    xs = np.linspace(-2, knots[-1], 101)
    with jax.enable_x64(True):
      params = constructions.interpolate(knots, values)
      by_mlp = jax.vmap(lambda x: mlp.apply(params, x, [act.relu, jnp.array]))(
        jnp.asarray(xs)[:, None]
      )
    np.testing.assert_allclose(
      by_mlp[:, 0], np.interp(xs, knots, values), rtol=1e-11, atol=1e-12
    )
    self.assertEqual(params[0]["b"].shape, (8,))

  @parameterized.parameters(1, 4, 32)
  def test_error_of_a_parabola(self, num_pieces):
    # h^2 / 8 max |f''| is reached between any two knots.
    with jax.enable_x64(True):
      params = constructions.interpolate_function(
        jnp.square, num_pieces=num_pieces, low=-1.0, high=2.0
      )
    middles = -1 + 3 * (np.arange(num_pieces) + 0.5) / num_pieces
    errors = _by_hand(params, middles) - middles**2
    np.testing.assert_allclose(errors, (3 / num_pieces) ** 2 / 4, rtol=1e-10)

  @parameterized.parameters(
    ([0.0], [1.0]), ([0.0, 0.0], [1.0, 2.0]), ([0.0, 1.0], [1.0])
  )
  def test_refuses(self, knots, values):
    with self.assertRaisesRegex(ValueError, "ascending knots"):
      constructions.interpolate(knots, values)

  def test_refuses_an_empty_interval(self):
    with self.assertRaisesRegex(ValueError, "low < high, got 4, 1.0 and 1.0"):
      constructions.interpolate_function(jnp.sin, num_pieces=4, low=1.0)
    with self.assertRaisesRegex(ValueError, "ascending knots"):
      constructions.ramp(1.0, 1.0)


class ApproximateTest(parameterized.TestCase):
  @parameterized.parameters(
    (lambda x: jnp.sin(9 * x), lambda width: 9 * width, 0.05),
    (lambda x: jnp.sqrt(jnp.abs(x - 0.3)), np.sqrt, 0.1),
    (lambda x: 0.0 * x, lambda width: 0.0, 1e-6),
  )
  def test_error_is_below_the_bound_and_eps(self, f, modulus, eps):
    with jax.enable_x64(True):
      params, bound = constructions.approximate(f, eps, modulus=modulus)
      xs = np.random.default_rng(0).uniform(0, 1, 10**4)
      error = np.max(np.abs(_by_hand(params, xs) - np.asarray(f(xs))))
    self.assertLess(bound, eps)
    self.assertLessEqual(error, bound)

  def test_needs_no_more_units_than_four_times_the_best(self):
    # Of x^2 within eps, uniform knots need N > 1 / (2 sqrt(eps)) = 16 pieces.
    params, _ = constructions.approximate(
      jnp.square, 2.0**-10, modulus=lambda width: 2 * width
    )
    self.assertEqual(params[0]["b"].size, 32)

  def test_counts_what_rounding_does(self):
    # 1e6 + x in float32 is known to 1/16 only.
    f = lambda x: 1e6 + x
    with self.assertRaisesRegex(ValueError, "rounding to float32"):
      constructions.approximate(f, 1e-2, modulus=lambda width: width)
    with jax.enable_x64(True):
      _, bound = constructions.approximate(f, 1e-2, modulus=lambda width: width)
    self.assertLess(bound, 1e-2)

  def test_a_false_modulus_is_no_certificate(self):
    # The control: with the modulus of sin(x), sin(99 x) passes between knots.
    f = lambda x: jnp.sin(2 * np.pi * 64 * x)
    params, bound = constructions.approximate(
      f, 0.1, modulus=lambda width: width
    )
    xs = np.linspace(0, 1, 1001)
    error = np.max(np.abs(_by_hand(params, xs) - np.asarray(f(xs))))
    self.assertGreater(error, bound)

  @parameterized.parameters(
    (0.0, lambda width: width, "eps > 0, got 0.0"),
    (0.5, lambda width: 1.0, r"eps / 8 = 0.0625 at a width of .*, got 1"),
  )
  def test_refuses(self, eps, modulus, message):
    with self.assertRaisesRegex(ValueError, message):
      constructions.approximate(jnp.sin, eps, modulus=modulus)


class PiecesTest(parameterized.TestCase):
  @parameterized.parameters(1, 2, 10, 100)
  def test_are_the_network(self, num_units):
    params = _random_network(num_units, seed=num_units)
    pieces = constructions.pieces(params)
    self.assertLen(pieces.slopes, num_units + 1)
    xs = np.linspace(-9, 9, 301)
    np.testing.assert_allclose(pieces(xs), _by_hand(params, xs), atol=1e-10)
    # Beyond the last kink: the units with w > 0, and no other.
    w, v = params[0]["w"][:, 0], params[1]["w"][0]
    np.testing.assert_allclose(pieces.slopes[-1], v[w > 0] @ w[w > 0])
    np.testing.assert_allclose(pieces.kinks[-1], np.max(-params[0]["b"] / w))

  def test_a_unit_without_input_is_a_constant(self):
    pieces = constructions.pieces(_network([0, 0, 2], [3, -3, 4], [5, 7, 1], 1))
    np.testing.assert_array_equal(pieces.kinks, [-2])
    np.testing.assert_array_equal(pieces.slopes, [0, 2])
    np.testing.assert_array_equal(pieces.intercepts, [16, 20])

  @parameterized.parameters(
    # |x| - 1, its negative, a constant, and a ramp that ends at 0.
    (([1, -1], [0, 0], [1, 1], -1), 2),
    (([1, -1], [0, 0], [-1, -1], 1), 2),
    (([0], [1], [1], 0), 0),
    (([-1], [0], [1], 0), 1),
    # Three units, four pieces, each through 0: N + 1 changes.
    (([1, 1, -1], [0, -1, 5], [-3, 2.5, -1], 6), 4),
  )
  def test_sign_changes(self, network, expected):
    pieces = constructions.pieces(_network(*network))
    self.assertEqual(constructions.num_sign_changes(pieces), expected)

  @parameterized.parameters(3, 20)
  def test_sign_changes_are_those_on_a_grid(self, num_units):
    params = _random_network(num_units, seed=0)
    params[1]["b"][:] = -np.median(_by_hand(params, np.linspace(-2, 2, 99)))
    pieces = constructions.pieces(params)
    signs = _by_hand(params, np.linspace(-300, 300, 10**5 + 1)) > 0
    expected = int(np.sum(signs[1:] != signs[:-1]))
    self.assertEqual(constructions.num_sign_changes(pieces), expected)

  def test_refuses_other_layers(self):
    with self.assertRaisesRegex(ValueError, r"two layers.*w \[1, 2\], b \[1\]"):
      constructions.pieces(constructions.ramp(0.0, 1.0)[1:])


class SawtoothTest(parameterized.TestCase):
  @parameterized.parameters(1, 2, 5)
  def test_is_the_distance_to_the_nearest_even_multiple(self, num_folds):
    params = constructions.sawtooth(num_folds)
    xs = np.linspace(0, 1, 129)
    # A triangle wave of 2^(k-1) periods.
    phase = xs * 2 ** (num_folds - 1)
    expected = 1 - np.abs(2 * (phase % 1) - 1)
    actual = _by_hand(params, xs, relu_output=True)
    np.testing.assert_allclose(actual, expected, atol=1e-12)
    self.assertEqual(sum(layer["b"].size for layer in params), 3 * num_folds)
    outside = _by_hand(params, [-1.0, 3.0], relu_output=True)
    np.testing.assert_array_equal(outside, 0)

  @parameterized.parameters(1, 2, 5)
  def test_square_is_interpolated(self, num_folds):
    knots = np.linspace(0, 1, 2**num_folds + 1)
    xs = np.linspace(0, 1, 1025)
    actual = _by_hand(constructions.square(num_folds), xs)
    expected = np.interp(xs, knots, knots**2)
    np.testing.assert_allclose(actual, expected, atol=1e-12)
    error = np.max(np.abs(actual - xs**2))
    np.testing.assert_allclose(error, 2.0 ** (-2 * num_folds - 2), rtol=1e-9)

  @parameterized.parameters(constructions.sawtooth, constructions.square)
  def test_refuses(self, construct):
    with self.assertRaisesRegex(ValueError, "num_folds >= 1, got 0"):
      construct(0)


if __name__ == "__main__":
  absltest.main()
