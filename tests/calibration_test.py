"""Calibration: bins counted by hand, temperatures with a closed form."""

import math

import chex
import jax
import numpy as np
from absl.testing import absltest, parameterized
from jax import numpy as jnp
from scipy import optimize, special

from nnfun import calibration

_fit = jax.jit(calibration.fit_inverse_temperature)


def _loss(c, logits, labels):
  log_p = special.log_softmax(c * logits, axis=1)
  return -np.mean(log_p[np.arange(len(labels)), labels])


class ReliabilityTest(parameterized.TestCase):
  def test_counts_by_hand(self):
    # Five bins; 0.4 and 1.0 are right ends and belong to the bin on their left.
    confidences = np.float32([0.25, 0.4, 0.45, 0.9, 0.95, 1.0])
    is_correct = np.array([0, 1, 0, 1, 1, 0])
    bins = calibration.reliability(confidences, is_correct, num_bins=5)
    chex.assert_trees_all_equal(bins.counts, jnp.array([0, 2, 1, 0, 3]))
    expected = np.float32([0, 0.325, 0.45, 0, 0.95])
    np.testing.assert_allclose(bins.confidence, expected, rtol=1e-6)
    np.testing.assert_allclose(bins.accuracy, [0, 0.5, 0, 0, 2 / 3], rtol=1e-6)
    # 2/6 |0.5 - 0.325| + 1/6 |0 - 0.45| + 3/6 |2/3 - 0.95|
    error = calibration.expected_calibration_error(
      confidences, is_correct, num_bins=5
    )
    np.testing.assert_allclose(error, 0.275, rtol=1e-6)

  def test_every_confidence_has_a_bin(self):
    for num_bins in (1, 15):
      bins = calibration.reliability(
        np.float32([0, 1 / 15, 1, 1 + 1e-6]),
        np.ones(4, bool),
        num_bins=num_bins,
      )
      self.assertEqual(np.sum(bins.counts), 4)
    chex.assert_trees_all_equal(
      bins.counts, jnp.zeros(15, int).at[0].set(2).at[-1].set(2)
    )

  def test_error_against_a_loop(self):
    rng = np.random.default_rng(0)
    confidences = rng.uniform(size=300).astype(np.float32)
    is_correct = rng.uniform(size=300) < confidences**2
    expected = 0.0
    for m in range(15):
      inside = (m / 15 < confidences) & (confidences <= (m + 1) / 15)
      if inside.any():
        gap = is_correct[inside].mean() - confidences[inside].mean()
        expected += inside.sum() / 300 * abs(gap)
    actual = jax.jit(calibration.expected_calibration_error)(
      confidences, is_correct
    )
    np.testing.assert_allclose(actual, expected, rtol=1e-5)

  def test_extremes(self):
    for is_correct, expected in ((1, 0.0), (0, 1.0)):
      error = calibration.expected_calibration_error(
        jnp.ones(4), jnp.full(4, is_correct)
      )
      self.assertEqual(error, expected)

  def test_chance_is_as_documented(self):
    rng = np.random.default_rng(0)
    outcomes = rng.uniform(size=(2000, 50)) < 0.8
    errors = jax.jit(
      jax.vmap(calibration.expected_calibration_error, (None, 0))
    )(np.full(50, 0.8, np.float32), outcomes)
    expected = math.sqrt(2 / math.pi * 50 * 0.8 * 0.2) / 50
    # The normal approximation of 50 draws.
    np.testing.assert_allclose(np.mean(errors), expected, rtol=0.05)

  @parameterized.parameters(
    (np.zeros((2, 3)), np.zeros((2, 3)), 15, r"confidences \[N\]"),
    (np.zeros(0), np.zeros(0), 15, r"confidences \[N\]"),
    (np.zeros(3), np.zeros(2), 15, r"of the shape \[3\].*got \[2\]"),
    (np.zeros(3), np.zeros(3), 0, "num_bins >= 1, got 0"),
  )
  def test_refuses(self, confidences, is_correct, num_bins, message):
    for fn in (
      calibration.reliability,
      calibration.expected_calibration_error,
    ):
      with self.assertRaisesRegex(ValueError, message):
        fn(confidences, is_correct, num_bins=num_bins)


class TemperatureTest(parameterized.TestCase):
  @parameterized.parameters((8, 6, 3.0), (8, 5, 1e-20), (20, 19, 1e25))
  def test_of_equal_margins(self, num_examples, num_right, margin):
    # sigma(c margin) is the fraction that is right.
    logits = np.tile(np.float32([margin, 0]), (num_examples, 1))
    labels = (np.arange(num_examples) >= num_right).astype(int)
    expected = special.logit(num_right / num_examples) / margin
    np.testing.assert_allclose(_fit(logits, labels), expected, rtol=3e-5)

  def test_is_the_minimum(self):
    rng = np.random.default_rng(0)
    logits, labels = 5 * rng.normal(size=(40, 3)), rng.integers(0, 3, 40)
    labels[:30] = logits[:30].argmax(axis=1)
    with jax.enable_x64(True):
      c = float(_fit(logits, labels))
    found = optimize.minimize_scalar(
      _loss, (1e-3, 1.0), args=(logits, labels), options={"xtol": 1e-10}
    )
    np.testing.assert_allclose(c, found.x, rtol=1e-6)
    p = special.softmax(c * logits, axis=1)
    entropy = np.mean(special.entr(p).sum(axis=1))
    np.testing.assert_allclose(entropy, _loss(c, logits, labels), rtol=1e-13)
    # The control: elsewhere they differ.
    wrong = np.mean(special.entr(special.softmax(logits, 1)).sum(axis=1))
    self.assertGreater(abs(wrong - _loss(1.0, logits, labels)), 0.1)

  def test_scales_with_the_logits_and_ignores_a_shift(self):
    rng = np.random.default_rng(1)
    logits, labels = rng.normal(size=(40, 3)), rng.integers(0, 3, 40)
    labels[:30] = logits[:30].argmax(axis=1)
    with jax.enable_x64(True):
      c = _fit(logits, labels)
      shifted = 4 * logits + rng.normal(size=(40, 1))
      np.testing.assert_allclose(_fit(shifted, labels), c / 4, rtol=1e-12)

  def test_ends(self):
    logits = np.float32([[2, 0], [1, 0]] * 2)
    zeros = np.zeros(4, int)
    self.assertEqual(_fit(logits, zeros), math.inf)
    self.assertEqual(_fit(logits, 1 - zeros), 0)

  @parameterized.parameters(
    ((3,), (3,)), ((3, 2), (2,)), ((3, 2), (3, 2)), ((0, 2), (0,))
  )
  def test_refuses(self, logits, labels):
    with self.assertRaisesRegex(
      ValueError, r"logits \[N, C\] and labels \[N\]"
    ):
      calibration.fit_inverse_temperature(
        np.zeros(logits), np.zeros(labels, int)
      )


if __name__ == "__main__":
  absltest.main()
