"""Approximation: slopes and moduli checked, and claims that can fail."""

from unittest import mock

import chex
import jax
import numpy as np
from absl.testing import absltest, parameterized

from experiments.textbook import constructions, universal_approximation
from experiments.textbook.universal_approximation import (
  readings,
  relu,
  run,
  sigmoid,
)
from tests.experiments import study_case

_OF_TRAINING = {"more-neurons", "found-as-designed"}


class ReadingsTest(parameterized.TestCase):
  def test_slopes(self):
    xs = np.linspace(0, 1, 10**5 + 1)
    slope = np.gradient(readings.target(xs), xs, edge_order=2)
    bend = np.gradient(slope, xs, edge_order=2)
    expected = np.max(np.abs(slope)), np.max(np.abs(bend))
    np.testing.assert_allclose(readings.largest_slopes(), expected, rtol=1e-4)
    self.assertEqual(readings.target(0.0), 0.25)

  @parameterized.parameters(*readings.CERTIFIED.values())
  def test_moduli(self, f, modulus):
    rng = np.random.default_rng(0)
    xs, widths = rng.uniform(0, 1, 300), 10 ** rng.uniform(-6, 0, 300)
    # Both points in the interval.
    others = np.clip(xs + widths, 0, 1)
    bounds = np.array([modulus(width) for width in others - xs])
    ratios = np.abs(f(xs) - f(others)) / bounds
    self.assertLess(np.max(ratios), 1 + 1e-6)
    self.assertGreater(np.max(ratios), 0.2)


class CaseTest(study_case.StudyCase):
  study = universal_approximation.STUDY
  small = run.Config(
    num_bumps=(10, 50),
    eps=(0.3,),
    trained_widths=(2, 20),
    learning_rates=(1e-2,),
    num_epochs=200,
    num_seeds=4,
  )

  def _not_held(self, **parts):
    results = self.results()._replace(**parts)
    return {c.key for c in self.study.claims(results) if not c.holds}

  def _changed(self, part, name, change):
    old = getattr(self.results(), part)
    return {part: old._replace(**{name: change(getattr(old, name))})}

  def test_all_hold_but_those_of_training(self):
    self.assertLessEqual(self._not_held(), _OF_TRAINING)
    # And the precision is as it was.
    chex.assert_type(jax.numpy.ones(2), jax.numpy.float32)

  def test_the_printed_bias_is_noticed(self):
    printed = lambda num_axes, gain: -(2 * gain - 1) / 2
    with mock.patch.object(constructions.sigmoids, "_tower_bias", printed):
      found = sigmoid.measure_towers(seed=0)
    self.assertContainsSubset({"tower", "plane"}, self._not_held(towers=found))

  def test_a_false_modulus_is_noticed(self):
    # The first knots meet the function, so that nothing seems to be missing.
    false = {"f": (readings.target, lambda width: width / 1e3)}
    with mock.patch.dict(readings.CERTIFIED, false):
      found = relu.measure_approximations((0.3,), num_designed=20, seed=0)
    self.assertIn("within-eps", self._not_held(approximations=found))

  @parameterized.parameters(
    ("steps", "drawn", lambda a: np.roll(a, 1, axis=1), "step"),
    ("steps", "drawn_bumps", lambda a: a**2, "step"),
    ("sums", "errors", lambda a: 1.2 * a, "better-with-more"),
    ("sums", "one_layer_errors", lambda a: 2 * a, "one-layer"),
    ("towers", "errors", lambda a: 2 * a, "tower"),
    ("towers", "errors", lambda a: np.roll(a, 1, axis=1), "tower"),
    ("towers", "printed_errors", lambda a: 0 * a, "printed-bias"),
    ("towers", "plane_error", lambda a: 1.5 * a, "plane"),
    ("sheet", "forward_errors", lambda a: a + 1e-9, "forward"),
    ("sheet", "ys", lambda a: np.maximum(a, 0.1), "printed-weights"),
    ("sheet", "ramp_error", lambda a: a + 1e-9, "ramps"),
    ("sheet", "residuals", lambda a: a + 1e-9, "linear-tail"),
    ("sheet", "sign_changes", lambda a: a + 9, "sign-changes"),
    ("approximations", "errors", lambda a: 9 * a, "within-eps"),
    ("depth", "peaks", lambda a: a + 1, "sawtooth"),
    ("depth", "bends", lambda a: a - 1, "sawtooth"),
    ("depth", "deep_errors", lambda a: 1.01 * a, "square"),
    ("depth", "wide_errors", lambda a: 1.01 * a, "square"),
    ("training", "errors", lambda a: a[:, ::-1], "more-neurons"),
  )
  def test_what_is_wrong_is_noticed(self, part, name, break_it, key):
    changed = self._changed(part, name, break_it)
    self.assertIn(key, self._not_held(**changed))

  def test_training_as_good_as_design_would_be_said_so(self):
    designed = self.results().approximations.designed_error
    seeds = 1 + 0.01 * np.arange(4)[:, None, None]
    widths = np.array([2.0, 1.0])[:, None]
    same = self._changed(
      "training", "errors", lambda a: designed * seeds * widths
    )
    self.assertEmpty(self._not_held(**same))

  @parameterized.parameters(
    (dict(trained_widths=(5,)), "two or more trained_widths"),
    (dict(num_bumps=(10, 501)), "num_bumps <= 500"),
  )
  def test_refuses(self, settings, message):
    with self.assertRaisesRegex(ValueError, message):
      run.Config(**settings)


if __name__ == "__main__":
  absltest.main()
