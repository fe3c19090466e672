"""Calibration: bins counted by hand, temperatures with a closed form."""

import functools
import math

import chex
import hypothesis
import jax
import numpy as np
from absl.testing import absltest, parameterized
from hypothesis import strategies as st
from jax import numpy as jnp
from scipy import optimize, special

from nnfun import calibration

_fit = jax.jit(calibration.fit_inverse_temperature)


def _loss(c, logits, labels):
  log_p = special.log_softmax(c * logits, axis=1)
  return -np.mean(log_p[np.arange(len(labels)), labels])


def _examples(num_classes=3):
  """Logits and labels of 40 examples, 30 of them right."""
  rng = np.random.default_rng(1)
  logits = rng.normal(size=(40, num_classes)).astype(np.float32)
  labels = rng.integers(0, num_classes, 40)
  labels[:30] = logits[:30].argmax(axis=1)
  return logits, labels


def _minimum(logits, labels):
  """The c of the least loss, by SciPy in float64."""
  args = np.asarray(logits, np.float64), labels
  found = optimize.minimize_scalar(
    _loss, (1e-3, 1.0), args=args, options={"xtol": 1e-10}
  )
  return found.x


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

  @parameterized.product(
    dtype=(np.float32, np.float64), num_bins=(2, 3, 10, 49, 50, 99, 100)
  )
  def test_right_ends_are_inside(self, dtype, num_bins):
    # k / M, rounded to the nearest number of the dtype.
    ends = np.array([k / num_bins for k in range(1, num_bins + 1)], dtype)
    with jax.enable_x64(dtype == np.float64):
      reliability = functools.partial(
        calibration.reliability, num_bins=num_bins
      )
      for fn in (reliability, jax.jit(reliability)):
        for values in (ends, np.nextafter(ends, dtype(0))):
          counts = fn(values, np.ones(num_bins, bool)).counts
          np.testing.assert_array_equal(counts, np.ones(num_bins))
        beyond = fn(np.nextafter(ends, dtype(2)), np.ones(num_bins, bool))
        expected = [0] + [1] * (num_bins - 2) + [2]
        np.testing.assert_array_equal(beyond.counts, expected)

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

  @parameterized.product(
    dtype=(jnp.bfloat16, jnp.float16, jnp.float32), num_bins=(1, 10, 300)
  )
  def test_any_dtype_has_the_sums_of_float64(self, dtype, num_bins):
    rng = np.random.default_rng(0)
    confidences = jnp.asarray(rng.uniform(size=20_000), dtype)
    is_correct = jnp.asarray(rng.uniform(size=20_000) < 0.6, dtype)
    bins = calibration.reliability(confidences, is_correct, num_bins=num_bins)
    wide = np.asarray(confidences, np.float64)
    edges = np.float64(np.arange(1, num_bins, dtype=np.float32) / num_bins)
    inside = np.searchsorted(edges, wide)
    count = lambda weights: np.bincount(inside, weights, num_bins)
    counts = count(None)
    np.testing.assert_array_equal(bins.counts, counts)
    means = [count(v) / np.maximum(counts, 1) for v in (wide, is_correct)]
    np.testing.assert_allclose(bins.confidence, means[0], rtol=1e-6)
    np.testing.assert_allclose(bins.accuracy, means[1], rtol=1e-6)
    chex.assert_type(bins, [int, jnp.float32, jnp.float32])
    error = calibration.expected_calibration_error(
      confidences, is_correct, num_bins=num_bins
    )
    gaps = np.abs(means[1] - means[0])
    np.testing.assert_allclose(error, counts @ gaps / 20_000, rtol=1e-5)

  @parameterized.parameters((1, 2**20), (15, 2**24 + 2**22))
  def test_more_examples_than_float32_can_count(self, num_bins, num_examples):
    # 1 added to 2^24 is lost, and a part of 0.95 at each addition before.
    bins = calibration.reliability(
      jnp.full(num_examples, 0.95),
      jnp.ones(num_examples, bool),
      num_bins=num_bins,
    )
    self.assertEqual(bins.counts[-1], num_examples)
    self.assertEqual(bins.accuracy[-1], 1)
    np.testing.assert_allclose(bins.confidence[-1], 0.95, rtol=2e-6)

  @parameterized.parameters(2, 15, 1000)
  def test_memory_grows_as_the_examples(self, num_bins):
    num_examples = 100_000
    reliability = jax.jit(
      functools.partial(calibration.reliability, num_bins=num_bins)
    )
    program = reliability.lower(
      jax.ShapeDtypeStruct((num_examples,), jnp.float32),
      jax.ShapeDtypeStruct((num_examples,), bool),
    ).compile()
    room = program.memory_analysis().temp_size_in_bytes
    self.assertLess(room, 50 * num_examples)

  @parameterized.parameters(
    (np.zeros((2, 3)), np.zeros((2, 3)), 15, r"confidences \[N\]"),
    (np.zeros(0), np.zeros(0), 15, r"confidences \[N\]"),
    (np.zeros(3), np.zeros(2), 15, r"of the shape \[3\].*got \[2\]"),
    (np.zeros(3), np.zeros(3), 0, "num_bins to be a positive.*got 0"),
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
    np.testing.assert_allclose(c, _minimum(logits, labels), rtol=1e-6)
    p = special.softmax(c * logits, axis=1)
    entropy = np.mean(special.entr(p).sum(axis=1))
    np.testing.assert_allclose(entropy, _loss(c, logits, labels), rtol=1e-13)
    # The control: elsewhere they differ.
    wrong = np.mean(special.entr(special.softmax(logits, 1)).sum(axis=1))
    self.assertGreater(abs(wrong - _loss(1.0, logits, labels)), 0.1)

  def test_scales_with_the_logits_and_ignores_a_shift(self):
    logits, labels = _examples()
    rng, logits = np.random.default_rng(2), np.float64(logits)
    with jax.enable_x64(True):
      c = _fit(logits, labels)
      shifted = 4 * logits + rng.normal(size=(40, 1))
      np.testing.assert_allclose(_fit(shifted, labels), c / 4, rtol=1e-12)

  def test_ends(self):
    logits = np.float32([[2, 0], [1, 0]] * 2)
    zeros = np.zeros(4, int)
    masked = np.insert(logits, 1, -np.inf, axis=1)
    for z, runner_up in ((logits, 1), (masked, 2)):
      self.assertEqual(_fit(z, zeros), math.inf)
      self.assertEqual(_fit(z, zeros + runner_up), 0)
      self.assertEqual(_fit(z, np.repeat([0, runner_up], 2)), 0)

  @parameterized.product(
    dtype=(jnp.bfloat16, jnp.float16, jnp.float32, jnp.float64),
    mask=(-1e9, -1e25, -1e30, "min", -np.inf),
  )
  def test_masked_classes_are_as_good_as_removed(self, dtype, mask):
    logits, labels = _examples()
    masked = (labels + np.arange(40) % 3) % 3  # in 2 of 3 examples
    is_masked = (np.arange(3) == masked[:, None]) & (masked != labels)[:, None]
    with jax.enable_x64(dtype == jnp.float64):
      logits = jnp.asarray(logits, dtype)
      low = jnp.finfo(dtype).min if mask == "min" else jnp.float32(mask)
      c = _fit(jnp.where(is_masked, low.astype(dtype), logits), labels)
    chex.assert_type(c, jnp.promote_types(dtype, jnp.float32))
    removed = np.where(is_masked, -np.inf, np.asarray(logits, np.float64))
    np.testing.assert_allclose(c, _minimum(removed, labels), rtol=2e-6)

  @hypothesis.settings(deadline=None, max_examples=50)
  @hypothesis.given(st.floats(-20, 20), st.floats(0, 1))
  def test_any_mask_at_any_scale(self, scale, depth):
    logits, labels = _examples()
    expected = _minimum(logits, labels) / 10**scale
    mask = -(10 ** (scale + 4 + depth * (34 - scale)))
    logits = np.insert(10**scale * np.float64(logits), 3, mask, axis=1)
    np.testing.assert_allclose(
      _fit(np.float32(logits), labels), expected, rtol=3e-5
    )

  @parameterized.product(
    label=((-100, int), (-100, np.int8), (300, int), (300, np.uint16)),
    junk=(1e30, -np.inf, np.nan),
  )
  def test_labels_that_are_no_class_are_ignored(self, label, junk):
    # An int8 takes class 156 for -100.
    logits, labels = _examples(300)
    labels %= 128
    expected = _minimum(logits, labels)
    value, dtype = label
    logits = np.insert(logits, [0, 7, 40], np.float32(junk), axis=0)
    labels = np.insert(labels, [0, 7, 40], value).astype(dtype)
    np.testing.assert_allclose(_fit(logits, labels), expected, rtol=2e-6)

  def test_no_answer_is_nan(self):
    logits, labels = _examples()
    self.assertTrue(np.isnan(_fit(logits, np.full(40, -100))))
    for value, is_at_label in ((-np.inf, 1), (np.inf, 0), (np.nan, 0)):
      at = (labels[0] + 1 - is_at_label) % 3
      broken = logits.copy()
      broken[0, at] = value
      self.assertTrue(np.isnan(_fit(broken, labels)))
      # The control: an example that does not count.
      labels_but_one = np.append(-1, labels[1:])
      self.assertTrue(np.isfinite(_fit(broken, labels_but_one)))

  def test_a_vmap_is_a_loop(self):
    logits, labels = _examples()
    logits = np.stack([logits, logits, 3 * logits])
    labels = np.stack([labels, labels, labels])
    logits[1, labels[1] != 2, 2] = -np.inf
    labels[2, :5] = -100
    expected = [_fit(*pair) for pair in zip(logits, labels, strict=True)]
    np.testing.assert_allclose(
      jax.vmap(_fit)(logits, labels), expected, rtol=1e-6
    )

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

  def test_refuses_labels_that_are_not_integers(self):
    with self.assertRaisesRegex(ValueError, r"integers.* \[3\] float32"):
      calibration.fit_inverse_temperature(np.zeros((3, 2)), jnp.zeros(3))


if __name__ == "__main__":
  absltest.main()
