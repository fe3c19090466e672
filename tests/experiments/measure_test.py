"""Errors and limits against SciPy's tests, and closed forms."""

import numpy as np
from absl.testing import absltest, parameterized
from scipy import stats

from experiments import measure

_RNG = np.random.default_rng(0)
_A, _B = _RNG.normal(size=(2, 9))


def _assert_limits(measurement, interval, rtol=1e-10):
  np.testing.assert_allclose(measurement.limits(0.99), interval, rtol=rtol)


class MeasureTest(parameterized.TestCase):
  def test_mean(self):
    got = measure.mean(_A)
    self.assertAlmostEqual(got.value, sum(_A) / 9)
    expected = stats.ttest_1samp(_A, 0.0).confidence_interval(0.99)
    _assert_limits(got, expected)

  def test_difference_is_paired(self):
    expected = stats.ttest_rel(_A, _B).confidence_interval(0.99)
    _assert_limits(measure.difference(_A, _B), expected)
    # What pairs have in common is no error.
    shifted = measure.difference(_A + 100 * _B, 100 * _B)
    np.testing.assert_allclose(shifted.error, measure.mean(_A).error)

  @parameterized.parameters(0, 1, 7, 12)
  def test_share_is_exact(self, num_hits):
    got = measure.share(np.arange(12) < num_hits)
    self.assertEqual(got.value, num_hits / 12)
    low, high = got.limits(0.99)
    # By definition: as many hits, or more, are as rare as that.
    if num_hits:
      tail = stats.binom.sf(num_hits - 1, 12, low)
      self.assertAlmostEqual(tail, 0.005)
    if num_hits < 12:
      self.assertAlmostEqual(stats.binom.cdf(num_hits, 12, high), 0.005)
    self.assertGreater(got.error, 0)  # Also where all agree.

  def test_slope_through_points(self):
    x = np.arange(9.0)
    got = measure.slope(x, 3 * x + _A)
    fit = stats.linregress(x, 3 * x + _A)
    half = stats.t.ppf(0.995, 7) * fit.stderr
    _assert_limits(got, (fit.slope - half, fit.slope + half))

  def test_slope_far_from_zero(self):
    x, y = np.arange(4.0), np.array([0.0, 1.0, 0.5, 2.0])
    near, far = measure.slope(x, y), measure.slope(1e8 + x, y)
    np.testing.assert_allclose(far, near, rtol=1e-12)
    with self.assertRaisesRegex(ValueError, "several x, got equal ones"):
      measure.slope(np.ones(4), y)

  def test_slope_of_seeds(self):
    x = np.arange(4.0)
    slopes = np.array([1.0, 2.0, 4.0])
    got = measure.slope(x, slopes[:, None] * x + 5)
    np.testing.assert_allclose(got, measure.mean(slopes), rtol=1e-10)

  def test_jackknife_of_a_mean_is_the_standard_error(self):
    got = measure.jackknife(np.mean, _A)
    np.testing.assert_allclose(got, measure.mean(_A), rtol=1e-10)

  def test_jackknife_of_a_ratio(self):
    # To first order the ratio of means is linear in both (delta method).
    rng = np.random.default_rng(1)
    pairs = 10 + rng.normal(size=(2000, 2)) * [1.0, 2.0]
    got = measure.jackknife(lambda p: p[:, 0].mean() / p[:, 1].mean(), pairs)
    np.testing.assert_allclose(
      got.error, np.hypot(0.1, 0.2) / 2000**0.5, rtol=0.05
    )

  def test_limits_hold_the_true_value_as_often_as_they_say(self):
    draws = np.random.default_rng(2).normal(size=(4000, 3))
    inside = [
      low <= 0 <= high
      for low, high in (measure.mean(d).limits(0.9) for d in draws)
    ]
    # Binomial: 4 standard deviations of 0.0047.
    self.assertLess(abs(np.mean(inside) - 0.9), 0.019)

  @parameterized.parameters(
    (lambda: measure.mean(np.ones(1)), "at least two seeds"),
    (lambda: measure.mean(np.ones((3, 2))), r"got shape \(3, 2\)"),
    (lambda: measure.difference(np.ones(3), np.ones(2)), "expected pairs"),
    (lambda: measure.share(np.ones(0)), "one flag for each"),
    (lambda: measure.slope(np.ones(2), np.ones(2)), "at least 3 points"),
    (lambda: measure.jackknife(np.mean, np.ones(1)), "at least two seeds"),
  )
  def test_refuses(self, call, message):
    with self.assertRaisesRegex(ValueError, message):
      call()


if __name__ == "__main__":
  absltest.main()
