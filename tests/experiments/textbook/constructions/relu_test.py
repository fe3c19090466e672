"""ReLU networks against np.interp, closed forms and naive loops."""

import jax
import numpy as np
from absl.testing import absltest, parameterized

from experiments.textbook import constructions
from nnfun import activations as act
from nnfun import mlp


def _by_hand(params, xs, *, relu_output=False):
  """The network in NumPy on points [P]."""
  a = np.asarray(xs, float)[None]
  for i, layer in enumerate(params):
    a = layer["w"] @ a + layer["b"][:, None]
    if i + 1 < len(params) or relu_output:
      a = np.maximum(a, 0)
  return a[0]


def _network(w, b, v, c):
  return (
    {"w": np.array(w, float)[:, None], "b": np.array(b, float)},
    {"w": np.array([v], float), "b": np.array([c], float)},
  )


class InterpolationTest(parameterized.TestCase):
  def test_is_np_interp(self):
    rng = np.random.default_rng(0)
    knots, values = np.sort(rng.uniform(-1, 1, 9)), rng.standard_normal(9)
    xs = np.linspace(-2, knots[-1], 21)
    params = constructions.interpolate(knots, values)
    with jax.enable_x64(True):
      layers = [act.relu, act.identity]
      ys = jax.vmap(lambda x: mlp.apply(params, x, layers))(xs[:, None])
    expected = np.interp(xs, knots, values)
    np.testing.assert_allclose(ys[:, 0], expected, atol=1e-12)
    self.assertEqual(params[0]["b"].shape, (8,))
    ramp = _by_hand(constructions.ramp(-2.0, 0.5), xs)
    np.testing.assert_allclose(ramp, np.clip((xs + 2) / 2.5, 0, 1), atol=1e-12)


class ApproximateTest(parameterized.TestCase):
  @parameterized.parameters(
    (lambda x: np.sin(9 * x), lambda width: 9 * width, 0.05),
    (lambda x: np.sqrt(np.abs(x - 0.3)), np.sqrt, 0.1),
    (lambda x: 0.0 * x, lambda width: 0.0, 1e-6),
  )
  def test_error_is_below_the_bound_and_eps(self, f, modulus, eps):
    params, bound = constructions.approximate(f, eps, modulus=modulus)
    xs = np.random.default_rng(0).uniform(0, 1, 10**4)
    self.assertLess(bound, eps)
    self.assertLessEqual(np.max(np.abs(_by_hand(params, xs) - f(xs))), bound)


class PiecesTest(parameterized.TestCase):
  @parameterized.parameters(1, 2, 100)
  def test_are_the_network(self, num_units):
    rng = np.random.default_rng(num_units)
    params = _network(*rng.standard_normal((3, num_units)), 0.3)
    pieces = constructions.pieces(params)
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


class SawtoothTest(parameterized.TestCase):
  @parameterized.parameters(1, 2, 5)
  def test_folds(self, num_folds):
    xs = np.linspace(0, 1, 1025)
    params = constructions.sawtooth(num_folds)
    # A triangle wave of 2^(k-1) periods.
    phase = xs * 2 ** (num_folds - 1)
    wave = 1 - np.abs(2 * (phase % 1) - 1)
    actual = _by_hand(params, xs, relu_output=True)
    np.testing.assert_allclose(actual, wave, atol=1e-12)
    self.assertEqual(sum(layer["b"].size for layer in params), 3 * num_folds)
    # The square is interpolated at multiples of 2^-m.
    knots = np.linspace(0, 1, 2**num_folds + 1)
    actual = _by_hand(constructions.square(num_folds), xs)
    expected = np.interp(xs, knots, knots**2)
    np.testing.assert_allclose(actual, expected, atol=1e-12)


class RefusesTest(parameterized.TestCase):
  @parameterized.parameters(
    (constructions.interpolate, ([0.0, 0.0], [1.0, 2.0]), "ascending knots"),
    (constructions.interpolate, ([0.0, 1.0], [1.0]), "ascending knots"),
    (constructions.pieces, (constructions.ramp(0, 1)[1:],), r"\[N, 1\] and"),
    (constructions.sawtooth, (0,), "num_folds >= 1, got 0"),
  )
  def test_arguments(self, construct, arguments, message):
    with self.assertRaisesRegex(ValueError, message):
      construct(*arguments)

  @parameterized.parameters(
    (np.sin, 0.0, lambda width: width, "eps > 0, got 0.0"),
    (np.sin, 0.5, lambda width: 1.0, r"0.0625 at a width of .*, got 1"),
    # 1e14 + x in float64 is known to 1/64 only.
    (lambda x: 1e14 + x, 1e-2, lambda width: width, "the error of rounding"),
  )
  def test_no_certificate(self, f, eps, modulus, message):
    with self.assertRaisesRegex(ValueError, message):
      constructions.approximate(f, eps, modulus=modulus)


if __name__ == "__main__":
  absltest.main()
