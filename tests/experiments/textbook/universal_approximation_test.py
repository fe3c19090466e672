"""Approximation: closed forms against quadrature, and claims that can fail."""

import functools
from unittest import mock

import chex
import jax
import numpy as np
from absl.testing import absltest, parameterized
from scipy import integrate, special

from experiments.textbook import (
  approximation_relu,
  approximation_sigmoid,
  constructions,
  universal_approximation,
)
from experiments.textbook import approximation_theory as theory

_CONFIG = universal_approximation.Config(
  weights=(10.0, 1000.0),
  num_bumps=(10, 50),
  num_cells=(2, 8),
  eps=(0.3,),
  num_pieces=(8, 64),
  widths=(1, 10),
  num_networks=5,
  num_ramps=5,
  num_points=200,
  folds=(1, 4),
  trained_widths=(2, 20),
  learning_rates=(1e-2,),
  num_examples=64,
  num_epochs=100,
  num_seeds=4,
)


@functools.cache
def _results():
  return universal_approximation.run(_CONFIG)


def _failed(results):
  claims = universal_approximation.STUDY.claims(results)
  return [claim.statement for claim in claims if not claim.holds]


class TheoryTest(parameterized.TestCase):
  def setUp(self):
    super().setUp()
    self.enterContext(jax.enable_x64(True))

  def test_target_in_two_spellings(self):
    # At 0 it is 0.25; the other point by a calculator.
    np.testing.assert_allclose(theory.target(0.0), 0.25, rtol=1e-12)
    x = 0.7
    by_hand = 0.2 + 0.4 * x * x + 0.3 * x * np.sin(15 * x)
    by_hand += 0.05 * np.cos(50 * x)
    np.testing.assert_allclose(theory.target(x), by_hand, rtol=1e-12)

  @parameterized.parameters((0.0, 0.1), (0.3, 0.9))
  def test_mean(self, low, high):
    with jax.enable_x64(True):
      integral, _ = integrate.quad(
        lambda x: float(theory.target(x)), low, high, epsabs=1e-12
      )
    actual = theory.target_mean(low, high)
    np.testing.assert_allclose(actual, integral / (high - low), rtol=1e-10)

  def test_slopes(self):
    xs = np.linspace(0, 1, 7)
    with jax.enable_x64(True):
      slope = jax.grad(theory.target)
      first = jax.vmap(slope)(xs)
      second = jax.vmap(jax.grad(slope))(xs)
    actual = theory.target_slopes(xs)
    np.testing.assert_allclose(actual, (first, second), rtol=1e-10)
    steepest = np.max(np.abs(theory.target_slopes(np.linspace(0, 1, 9999))[0]))
    self.assertBetween(steepest, 6.0, theory.TARGET_LIPSCHITZ)

  def test_oscillation(self):
    ys = np.asarray(theory.target(np.linspace(0, 1, 401)))
    pairs = np.abs(ys[:, None] - ys)
    near = np.abs(np.subtract.outer(np.arange(401), np.arange(401))) <= 20
    expected = np.max(pairs[near])
    np.testing.assert_allclose(
      theory.target_oscillation(0.05), expected, rtol=5e-3
    )

  @parameterized.parameters(
    (theory.weierstrass, theory.weierstrass_modulus), (theory.root, np.sqrt)
  )
  def test_moduli(self, f, modulus):
    rng = np.random.default_rng(0)
    xs, widths = rng.uniform(0, 1, 300), 10 ** rng.uniform(-6, 0, 300)
    with jax.enable_x64(True):
      steps = np.abs(jax.vmap(f)(xs) - jax.vmap(f)(xs + widths))
    bounds = np.array([modulus(width) for width in widths])
    self.assertLess(np.max(steps / bounds), 1 + 1e-6)
    self.assertGreater(np.max(steps / bounds), 0.2)

  def test_primes(self):
    naive = [n for n in range(101) if n > 1 and all(n % k for k in range(2, n))]
    np.testing.assert_array_equal(np.flatnonzero(theory.is_prime(100)), naive)
    # Known values of the prime-counting function.
    self.assertEqual(np.sum(theory.is_prime(100)), 25)
    self.assertEqual(np.sum(theory.is_prime(10**4)), 1229)

  def test_widths(self):
    half = theory.step_width(7.0, 0.2) / 2
    np.testing.assert_allclose(special.expit(7 * half), 0.8)
    half = theory.bump_edge_width(7.0, 30.0) / 2
    inner = special.expit(7 * half) - 0.5
    np.testing.assert_allclose(special.expit(30 * inner), 0.9)


class RunTest(parameterized.TestCase):
  def test_claims_hold_but_that_of_learning(self):
    failed = _failed(_results())
    self.assertTrue(all("essentially learns" in s for s in failed), failed)

  def test_leaves_the_precision_as_it_was(self):
    _results()
    chex.assert_type(jax.numpy.ones(2), jax.numpy.float32)

  def test_the_printed_bias_is_noticed(self):
    printed = lambda num_axes, gain: -(2 * gain - 1) / 2
    results = dict(_results())
    with mock.patch.object(constructions, "tower_bias", printed):
      with jax.enable_x64(True):
        results |= approximation_sigmoid._measure_tower(_CONFIG, 3)
    self.assertRegex(_failed(results)[0], "A tower of m = 3 axes")

  def test_a_false_modulus_is_noticed(self):
    false = {"target": (theory.target, lambda width: width / 1e3)}
    functions = approximation_relu.FUNCTIONS | false
    # The first knots meet the function, so that nothing seems to be missing.
    with mock.patch.object(approximation_relu, "FUNCTIONS", functions):
      with jax.enable_x64(True):
        found = approximation_relu._measure_certificates(_CONFIG)
    failed = _failed(dict(_results()) | found)
    self.assertTrue(any("certificate" in s for s in failed), failed)

  @parameterized.parameters(
    ("step_levels", lambda a: a + 1e-3, "steps up at s"),
    ("step_levels", lambda a: 0.4 + 1.01 * (a - 0.4), "as steep as wanted"),
    ("bump_ys", lambda a: 1 - a, "make a bump"),
    ("bump_ys", lambda a: a**2, "is 1/2 at s_1"),
    ("bump_levels", lambda a: 2 * a, "edge of a bump"),
    ("sum_ys_10", lambda a: a + 1e-6, "10 bumps approximate"),
    ("sum_ys_50", lambda a: a[::-1], "omega"),
    ("sum_ys_50", lambda a: a + 0.2, "More intervals"),
    ("one_layer_ys_50", lambda a: a[::-1], "One hidden layer of sigmoids"),
    ("tower_ys_4", lambda a: 0.999 * a, "A tower of m = 4"),
    ("tower_ys_2", lambda a: a[[0, 0, *range(2, len(a))]], "Erratum"),
    ("tower_ys_3", lambda a: np.roll(a, 1, axis=0), "Any bias"),
    ("surface", lambda a: a.T, "on .1, 2. x .-2, 0."),
    ("plane_errors", lambda a: 1.5 * a, "N.m towers"),
    ("plane_corners", lambda a: a + 0.1, "But not everywhere"),
    ("forward_error", lambda a: a + 1e-9, "The network computes"),
    ("sheet_ys", lambda a: 1 - a, "With the printed weights"),
    ("sheet_ys", lambda a: np.maximum(a, 0.1), "is the ramp"),
    ("ramp_error", lambda a: a + 1e-9, "Two ReLUs"),
    ("certificate_errors", lambda a: 9 * a, "there is a network within eps"),
    ("parabola_errors", lambda a: 1.01 * a, "x.2 is missed by"),
    ("fixed_errors", lambda a: 2 * a, "This bounds the error"),
    ("fixed_errors", lambda a: a / 9, "not pessimistic"),
    ("tail_residuals", lambda a: a + 1e-9, "Beyond x0"),
    ("left_residuals", lambda a: 0 * a, "not that line everywhere"),
    ("sign_changes", lambda a: a + 9, "at most N . 1 times"),
    ("zigzag_changes", lambda a: a - 1, "The bound is reached"),
    ("prime_errors", lambda a: a + 1, "can detect the primes"),
    ("prime_changes", lambda a: a + 1, "it changes 48 times"),
    ("prime_misses", lambda a: a - 1, "detects all primes"),
    ("sawtooth_peaks", lambda a: a + 1, "peaks"),
    ("sawtooth_crossings", lambda a: a + 1, "pieces, counted"),
    ("sawtooth_shallow_bends", lambda a: a - 1, "Depth helps"),
    ("sawtooth_shallow_error", lambda a: a + 1e-3, "does equal it"),
    ("square_errors", lambda a: 1.1 * a, "x.2 is approximated"),
    ("square_shallow_errors", lambda a: 1.1 * a, "For the same error"),
    ("trained_errors", lambda a: a[::-1], "With more neurons"),
  )
  def test_what_is_wrong_is_noticed(self, name, break_it, statement):
    results = dict(_results())
    results[name] = break_it(results[name])
    found = [s for s in _failed(results) if "essentially" not in s]
    self.assertTrue(found)
    self.assertRegex("\n".join(found), statement)

  def test_training_as_good_as_design_would_be_said_so(self):
    results = dict(_results())
    results["trained_errors"] = (
      0.5
      * np.ones_like(results["trained_errors"])
      * results["designed_errors"][:, None, None]
    )
    self.assertEmpty(_failed(results))

  def test_draws(self):
    figure = universal_approximation.STUDY.plot(_results())
    self.assertLen(figure.axes, 6)

  @parameterized.parameters(
    (dict(num_bumps=(10,)), "two or more ascending num_bumps >= 2"),
    (dict(num_pieces=(8, 4)), "ascending num_pieces"),
    (dict(folds=(0, 1)), "ascending folds >= 1"),
    (dict(eps=(0.0,)), "positive eps"),
    (dict(num_seeds=1), "num_seeds >= 2"),
    (dict(num_ramps=0), "num_ramps >= 1"),
    (dict(weight=100.0), "weight >= 4000"),
    (dict(tower_gain=1.0), "gains >= 10"),
  )
  def test_refuses(self, settings, message):
    config = universal_approximation.Config(**settings)
    with self.assertRaisesRegex(ValueError, message):
      universal_approximation.run(config)


if __name__ == "__main__":
  absltest.main()
