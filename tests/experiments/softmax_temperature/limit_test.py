"""The limit of softmax: closed forms against search, and broken results."""

import functools
from unittest import mock

import chex
import jax
import numpy as np
from absl.testing import absltest, parameterized
from scipy import optimize, special

import nnfun as nf
from experiments.softmax_temperature import (
  limit,
  limit_claims,
  limit_extremes,
)
from experiments.softmax_temperature import limit_theory as theory

_CONFIG = limit.Config(
  num_classes=5,
  num_vectors=10,
  num_inverse_temperatures=11,
  num_keys=20,
  num_samples=200,
  temperatures=(1.0, 4.0),
)


@functools.cache
def _results():
  return limit.run(_CONFIG)


def _failed(results):
  claims = limit.STUDY.claims(results)
  return [claim.statement for claim in claims if not claim.holds]


class TheoryTest(parameterized.TestCase):
  def test_softmax_and_its_jacobian(self):
    rng = np.random.default_rng(0)
    z, c = rng.normal(size=(7, 4)), rng.uniform(0.1, 9, size=7)
    p = theory.softmax(z, c)
    np.testing.assert_allclose(
      p, special.softmax(c[:, None] * z, axis=-1), rtol=1e-13
    )
    jacobian = theory.softmax_jacobian(z, c)
    for j in range(4):
      step = 1e-6 * np.eye(4)[j]
      slope = (theory.softmax(z + step, c) - theory.softmax(z - step, c)) / 2e-6
      np.testing.assert_allclose(jacobian[..., j], slope, atol=1e-8)

  @parameterized.parameters((2, 0.3), (3, 1.0), (10, 2.5))
  def test_jacobian_norm_is_the_largest_singular_value(self, n, gap):
    z = gap * np.eye(n)[0]
    for c in (0.01, 1.0, 7.0):
      expected = np.linalg.norm(theory.softmax_jacobian(z, c), 2)
      actual = theory.jacobian_norm(c, gap, num_classes=n)
      np.testing.assert_allclose(actual, expected, rtol=1e-12)

  @parameterized.parameters(2, 3, 10, 1000)
  def test_peak_is_the_largest(self, n):
    found = optimize.minimize_scalar(
      lambda x: -theory.jacobian_norm(x, 1.0, num_classes=n),
      bounds=(0.1, 30),
      method="bounded",
      options={"xatol": 1e-9},
    )
    at, height = theory.jacobian_peak(n)
    np.testing.assert_allclose(at, found.x, rtol=1e-6)
    np.testing.assert_allclose(height, -found.fun, rtol=1e-12)

  def test_peak_of_two(self):
    # u tanh u = 1/2 at u = 0.7717 (c gap = 2 u), u / cosh(u)^2 = 0.4477.
    np.testing.assert_allclose(
      theory.jacobian_peak(2), (2 * 0.7717, 0.4477), rtol=1e-4
    )

  @parameterized.parameters(2, 3, 10)
  def test_regret_bound_by_search(self, n):
    def negative(x):
      weights = np.exp(-np.append(0, np.abs(x)))
      return -np.sum(np.abs(x) * weights[1:]) / weights.sum()

    starts = np.random.default_rng(0).uniform(0, 4, size=(5, n - 1))
    best = max(-optimize.minimize(negative, x).fun for x in starts)
    np.testing.assert_allclose(best, theory.regret_bound(n), rtol=1e-8)
    self.assertLess(best, np.log(n))

  def test_maxima(self):
    z = np.array([[1.0, 3, 3, 2], [5, 0, 1, 2]])
    np.testing.assert_array_equal(theory.gaps(z), [1, 3])
    np.testing.assert_array_equal(
      theory.uniform_over_maxima(z), [[0, 0.5, 0.5, 0], [1, 0, 0, 0]]
    )
    mass = theory.mass_off_maxima(np.full(z.shape, 0.25), z)
    np.testing.assert_array_equal(mass, [0.5, 0.75])
    bound = theory.error_bound(np.log(8), num_classes=4, num_maxima=2)
    self.assertAlmostEqual(bound, 1 / 8)
    self.assertEqual(theory.farthest(np.array([1.0, 4, 2]), 2), 4)


class RunTest(parameterized.TestCase):
  def test_all_claims_hold(self):
    for claim in limit.STUDY.claims(_results()):
      self.assertTrue(claim.holds, claim)

  def test_every_row_has_claims(self):
    ids = {claim.id for claim in limit.STUDY.claims(_results())}
    self.assertEqual(ids, {"S0-3.2", "S0-3.3", "P19", "P20", "P22"})

  def test_logits_tie_as_they_should(self):
    logits = _results()["logits"]
    for k, z in enumerate(logits, 1):
      np.testing.assert_array_equal(theory.maxima(z).sum(axis=-1), k)
    # Ties are not always the first classes.
    self.assertGreater(len(np.unique(logits[0].argmax(axis=-1))), 2)

  def test_leaves_the_precision_as_it_was(self):
    _results()
    chex.assert_type(jax.numpy.ones(2), jax.numpy.float32)

  @parameterized.parameters(
    ("ends", lambda a: np.where(a > 0.1, 1, 0), "each gets the same"),
    ("ends", lambda a: a[:, :, ::-1], "At c = 0"),
    ("softmax", lambda a: np.roll(a, 1, axis=2), "is at most (n - 1)"),
    ("softmax", lambda a: np.roll(a, -1, axis=2), "no faster"),
    ("softmax", lambda a: a[..., ::-1], "0 <= rho_j - rho_i"),
    ("sparsemax", lambda a: 2 * a, "eta = 1"),
    ("thresholds", lambda a: 1.001 * a, "the threshold found"),
    ("beyond", lambda a: a * (1 + 1e-12), "distribution exactly"),
    ("softmax_beyond", np.round, "Softmax never is"),
    ("jacobian_norms", lambda a: 2 * a, "norm of the Jacobian is at most"),
    ("jacobian_norms", lambda a: a[::-1], "vanishes as c grows"),
    ("jacobian_norms", lambda a: 0.9 * a, "It does not vanish between 2"),
    ("half_norms", lambda a: 0.99 * a, "attained in l_1"),
    ("two_norms", lambda a: 0.99 * a, "needs three classes"),
    ("pair_norms", lambda a: a * (1 - 1e-12), "what it lacks"),
    ("peak_norms", lambda a: np.roll(a, 5, axis=2), "peaks at one c gap"),
    ("peak_norms", lambda a: 1.01 * a, "times the gap"),
    ("gradient_b", lambda a: -a, "dC/db_j"),
    ("gradient_w", lambda a: a[..., ::-1], "dC/dw_jk"),
    ("logsumexp", lambda a: a + 2, "<= ln(n) / c"),
    ("logsumexp", lambda a: a - 1e-3, "goes to ln k"),
    ("peak_softmax", lambda a: 0 * a, "The best constant"),
    ("extreme_values", lambda a: 1.02 * a, "largest error of softmax"),
    ("extreme_reverse", lambda a: 1.02 * a, "largest error of its deriv"),
    ("extreme_forward", lambda a: np.where(a == 0, np.nan, a), "float64: "),
    ("extreme_values", lambda a: np.where(a == 1, np.inf, a), "bfloat16: "),
    ("printed", np.nan_to_num, "As printed"),
    ("gumbel_values", lambda a: a[::-1], "P(argmax(z + G) = i)"),
    ("gumbel_values", lambda a: a[::-1], "E[one-hot"),
    ("gumbel_jacobians", lambda a: a[::-1], "The derivative of that"),
  )
  def test_wrong_results_are_noticed(self, name, spoil, statement):
    results = _results() | {name: spoil(_results()[name])}
    failed = _failed(results)
    self.assertTrue(any(statement in text for text in failed), failed)

  def test_softmax_of_the_scaled_logits_is_noticed(self):
    def naive(x, c):
      return jax.nn.softmax(c.astype(x.dtype) * x)

    table = limit_extremes._table
    whole = _results()  # Not under the patches: it is cached.
    with (
      # Another function, or the compiled one is used again.
      mock.patch.object(limit_extremes, "_table", lambda *a: table(*a)),
      mock.patch.object(nf.activations, "softmax", naive),
      mock.patch.object(limit_extremes, "DTYPES", ("float16",)),
      mock.patch.object(limit_extremes, "FAMILY", ("softmax",)),
    ):
      with jax.enable_x64(True):
        results = whole | limit_extremes.evaluate()
      claims = list(limit_claims._extremes(results))
    self.assertIn("NaN", claims[0].statement)
    self.assertGreater(claims[0].measured, 100)
    self.assertFalse(claims[0].holds)

  def test_draws(self):
    self.assertLen(limit.STUDY.plot(_results()).axes, 6)

  @parameterized.parameters(
    (dict(max_maxima=1), "2 <= max_maxima < num_classes"),
    (dict(num_classes=3), "got 3 and 3"),
    (dict(num_vectors=1), "num_vectors >= 2, got 1"),
    (dict(num_inverse_temperatures=1), "num_inverse_temperatures >= 2"),
    (dict(temperatures=()), "positive temperatures"),
    (dict(temperatures=(1.0, 0.0)), "positive temperatures"),
  )
  def test_refuses(self, settings, message):
    with self.assertRaisesRegex(ValueError, message):
      limit.Config(**settings)


if __name__ == "__main__":
  absltest.main()
