"""Approximation: closed forms against quadrature, and claims that can fail."""

from unittest import mock

import chex
import jax
import numpy as np
from absl.testing import absltest, parameterized
from scipy import integrate

from experiments.textbook import constructions, universal_approximation
from experiments.textbook.universal_approximation import (
  claims,
  networks,
  relu,
  run,
  sigmoid,
  theory,
)
from tests.experiments import study_case

_SMALL = run.Config(
  num_bumps=(10, 50),
  num_cells=(2, 8),
  eps=(0.3,),
  num_pieces=(8, 64),
  widths=(1, 10),
  folds=(1, 4),
  trained_widths=(2, 20),
  learning_rates=(1e-2,),
  num_epochs=200,
  num_seeds=4,
)
_OF_TRAINING = {"more-neurons", "found-as-designed"}


def _small():
  return study_case.results_of(universal_approximation.STUDY, _SMALL)


def _not_held(results):
  return {c.key for c in claims.claims(results) if not c.holds}


class CaseTest(study_case.StudyCase):
  study = universal_approximation.STUDY
  small = _SMALL


class TheoryTest(parameterized.TestCase):
  def setUp(self):
    super().setUp()
    self.enterContext(jax.enable_x64(True))

  def test_target_in_two_spellings(self):
    # At 0 it is 0.25; elsewhere as in the exercises.
    xs = np.array([0.0, 0.7])
    expected = 0.2 + 0.4 * xs**2 + 0.3 * xs * np.sin(15 * xs)
    expected += 0.05 * np.cos(50 * xs)
    self.assertEqual(expected[0], 0.25)
    np.testing.assert_allclose(theory.target(xs), expected, rtol=1e-12)
    np.testing.assert_allclose(networks.target(xs), expected, rtol=1e-12)

  @parameterized.parameters((0.0, 0.1), (0.3, 0.9))
  def test_mean(self, low, high):
    integral, _ = integrate.quad(theory.target, low, high, epsabs=1e-12)
    actual = theory.target_mean(low, high)
    np.testing.assert_allclose(actual, integral / (high - low), rtol=1e-10)

  def test_slopes(self):
    xs = np.linspace(0, 1, 7)
    slope = jax.grad(networks.target)
    expected = jax.vmap(slope)(xs), jax.vmap(jax.grad(slope))(xs)
    np.testing.assert_allclose(theory.target_slopes(xs), expected, rtol=1e-10)

  @parameterized.parameters(*networks.CERTIFIED.values())
  def test_moduli(self, f, modulus):
    rng = np.random.default_rng(0)
    xs, widths = rng.uniform(0, 1, 300), 10 ** rng.uniform(-6, 0, 300)
    # Both points in the interval.
    others = np.clip(xs + widths, 0, 1)
    steps = np.abs(jax.vmap(f)(xs) - jax.vmap(f)(others))
    bounds = np.array([modulus(width) for width in others - xs])
    self.assertLess(np.max(steps / bounds), 1 + 1e-6)
    self.assertGreater(np.max(steps / bounds), 0.2)

  def test_primes(self):
    naive = [n for n in range(101) if n > 1 and all(n % k for k in range(2, n))]
    np.testing.assert_array_equal(np.flatnonzero(theory.is_prime(100)), naive)
    # Known values of the prime-counting function.
    self.assertEqual(np.sum(theory.is_prime(100)), 25)
    self.assertEqual(np.sum(theory.is_prime(10**4)), 1229)


def _of(part, **changes):
  """Replaces arrays of one part of the results by functions of them."""
  old = getattr(_small(), part)
  new = {name: change(getattr(old, name)) for name, change in changes.items()}
  return _small()._replace(**{part: old._replace(**new)})


class ClaimsTest(parameterized.TestCase):
  def test_all_hold_but_those_of_training(self):
    self.assertLessEqual(_not_held(_small()), _OF_TRAINING)

  def test_leaves_the_precision_as_it_was(self):
    _small()
    chex.assert_type(jax.numpy.ones(2), jax.numpy.float32)

  def test_the_printed_bias_is_noticed(self):
    printed = lambda num_axes, gain: -(2 * gain - 1) / 2
    with mock.patch.object(constructions.towers, "tower_bias", printed):
      with jax.enable_x64(True):
        results = _small()._replace(towers=sigmoid.measure_towers(_SMALL))
    self.assertContainsSubset({"tower", "plane"}, _not_held(results))

  def test_a_false_modulus_is_noticed(self):
    false = {"f": (networks.target, lambda width: width / 1e3)}
    # The first knots meet the function, so that nothing seems to be missing.
    with mock.patch.object(networks, "CERTIFIED", false):
      with jax.enable_x64(True):
        found = relu.measure_certificates(_SMALL)
    results = _small()._replace(certificates=found)
    self.assertIn("within-eps", _not_held(results))

  @parameterized.parameters(
    ("steps", "levels", lambda a: a + 1e-3, "step"),
    ("steps", "levels", lambda a: 0.4 + 1.01 * (a - 0.4), "step"),
    ("steps", "bump", lambda a: 1 - a, "bump"),
    ("steps", "bump", lambda a: a**2, "bump"),
    ("sums", "errors", lambda a: a + 1e-6, "bump-sums"),
    ("sums", "errors", lambda a: 1.2 * a, "better-with-more"),
    ("sums", "one_layer_errors", lambda a: 9 * a, "one-layer"),
    ("towers", "errors", lambda a: 2 * a, "tower"),
    ("towers", "printed_errors", lambda a: 0 * a, "printed-bias"),
    ("towers", "place_errors", lambda a: np.roll(a, 1, axis=1), "bias"),
    ("towers", "plane_errors", lambda a: 1.5 * a, "plane"),
    ("towers", "plane_corners", lambda a: a + 0.1, "corners"),
    ("sheet", "forward_error", lambda a: a + 1e-9, "forward"),
    ("sheet", "ys", lambda a: 1 - a, "printed-weights"),
    ("sheet", "ys", lambda a: np.maximum(a, 0.1), "printed-weights"),
    ("sheet", "ramp_error", lambda a: a + 1e-9, "ramps"),
    ("certificates", "errors", lambda a: 9 * a, "within-eps"),
    ("certificates", "bounds", lambda a: 9 * a, "within-eps"),
    ("tails", "residuals", lambda a: a + 1e-9, "linear-tail"),
    ("tails", "sign_changes", lambda a: a + 9, "sign-changes"),
    ("tails", "prime_misses", lambda a: a - 1, "primes"),
    ("depth", "peaks", lambda a: a + 1, "sawtooth"),
    ("depth", "crossings", lambda a: a + 1, "sawtooth"),
    ("depth", "bends", lambda a: a - 1, "depth-helps"),
    ("depth", "square_errors", lambda a: 1.01 * a, "square"),
    ("depth", "square_shallow_errors", lambda a: 1.01 * a, "parabola"),
    ("training", "errors", lambda a: a[:, ::-1], "more-neurons"),
  )
  def test_what_is_wrong_is_noticed(self, part, name, break_it, key):
    self.assertIn(key, _not_held(_of(part, **{name: break_it})))

  def test_training_as_good_as_design_would_be_said_so(self):
    designed = _small().pieces.designed_errors[:, None]
    seeds = 1 + 0.01 * np.arange(4)[:, None, None]
    results = _of("training", errors=lambda a: seeds * designed + 0 * a)
    self.assertEmpty(_not_held(results))


class ConfigTest(parameterized.TestCase):
  @parameterized.parameters(
    (dict(num_bumps=(10,)), "two or more ascending num_bumps"),
    (dict(num_pieces=(8, 4)), "ascending num_pieces"),
    (dict(num_seeds=1), "num_seeds >= 2"),
    (dict(num_bumps=(10, 501)), "from 2 to 500"),
  )
  def test_refuses(self, settings, message):
    with self.assertRaisesRegex(ValueError, message):
      run.Config(**settings)


if __name__ == "__main__":
  absltest.main()
