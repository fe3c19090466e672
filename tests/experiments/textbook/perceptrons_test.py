"""Perceptrons: oracles by hand and by loops, and claims that can fail."""

from unittest import mock

import jax
import numpy as np
from absl.testing import absltest, parameterized

import nnfun as nf
from experiments.textbook import perceptrons
from experiments.textbook.perceptrons import boundaries, fits, run, thresholds
from tests.experiments import study_case

_SIZES = (3, 3, 2)
_SMALL = run.Config(
  sizes=_SIZES,
  num_networks=5,
  num_sets=2,
  num_points=100,
  num_starts=10,
  num_epochs=300,
  num_cost_points=6000,
)


class ThresholdsTest(parameterized.TestCase):
  def setUp(self):
    super().setUp()
    self.enterContext(jax.enable_x64(True))

  def test_outputs_are_those_of_a_loop(self):
    params = thresholds.draw(np.random.default_rng(3), _SIZES, 2)
    xs = thresholds.binary_inputs(3)
    self.assertEqual(xs.tolist()[5], [1, 0, 1])
    outputs, ties = thresholds._threshold_outputs(params, xs)
    self.assertEqual(np.sum(ties), 0)
    for m in range(2):
      for x, actual in zip(xs, np.asarray(outputs)[m], strict=True):
        expected, a = [], x
        for layer in params:
          z = layer["w"][m] @ a + layer["b"][m]
          a = np.array([1.0 if v > 0 else 0.0 for v in z])
          expected += list(a)
        self.assertEqual(list(actual), expected)

  def test_worst_error_is_that_of_a_loop(self):
    found = thresholds.limit(7, _SIZES, 1)
    params = thresholds.draw(np.random.default_rng(7), _SIZES, 1)
    layers = [(layer["w"][0], layer["b"][0]) for layer in params]
    index, margin, worst = 12, np.inf, 0.0
    for x in thresholds.binary_inputs(3):
      for w, b in layers:
        margin = min(margin, *np.abs(w @ x + b))
        x = (w @ x + b > 0) * 1.0
    c = found.times[index] / margin
    for x in thresholds.binary_inputs(3):
      soft = x
      for w, b in layers:
        x = (w @ x + b > 0) * 1.0
        soft = 1 / (1 + np.exp(-c * (w @ soft + b)))
        worst = max(worst, *np.abs(soft - x))
    self.assertBetween(worst, 0.01, 0.99)
    np.testing.assert_allclose(found.worst[0, index], worst, rtol=1e-9)

  def test_network_on_the_threshold(self):
    found = thresholds.on_threshold()
    np.testing.assert_array_equal(found.perceptron, [0, 0, 1, 0])
    # At c = 1: sigma(sigma(x1 - x2) - 1/4).
    sigma = lambda z: 1 / (1 + np.exp(-z))
    expected = sigma(sigma(np.array([0, -1, 1, 0])) - 0.25)
    np.testing.assert_allclose(found.outputs[0], expected, rtol=1e-12)
    np.testing.assert_allclose(found.outputs[-1], [1, 0, 1, 1])


class FitsTest(parameterized.TestCase):
  @parameterized.parameters(
    ([0, 1, 1, 0], False),
    ([0, 0, 0, 1], True),
    ([1, 1, 1, 1], True),
    ([1, 0, 0, 1], False),
  )
  def test_separating(self, ys, expected):
    xs = thresholds.binary_inputs(2)
    found = fits.separating(xs, np.array(ys))
    self.assertEqual(found is not None, expected)
    if expected:
      np.testing.assert_array_equal(xs @ found[:2] + found[2] > 0, ys)

  def test_reference_fits_are_stationary(self):
    rng = np.random.default_rng(0)
    xs = rng.normal(size=(50, 3))
    ys = (xs[:, 0] + rng.normal(size=50) > 0) * 1.0
    ones = np.column_stack([xs, np.ones(50)])
    logistic = 1 / (1 + np.exp(-ones @ fits._logistic(xs, ys)))
    np.testing.assert_allclose(ones.T @ (logistic - ys), 0, atol=1e-8)
    linear = ones @ fits._least_squares(xs, ys)
    np.testing.assert_allclose(ones.T @ (linear - ys), 0, atol=1e-10)


class BoundariesTest(parameterized.TestCase):
  def test_rings(self):
    xs, ys = boundaries.rings(0, 400)
    radius = np.linalg.norm(xs, axis=1)
    self.assertLess(np.max(radius[ys == 1]), 1)
    self.assertBetween(np.min(radius[ys == 0]), 1.5, 1.6)
    # Even in the disc: the mean of r^2 is 1/2, its standard error 0.02.
    self.assertAlmostEqual(np.mean(radius[ys == 1] ** 2), 0.5, delta=0.1)

  @parameterized.parameters(
    ([0, 1, 1, 0], 3), ([0, 0, 1, 1], 4), ([1, 1, 0, 1], 4)
  )
  def test_best_line_on_the_square(self, ys, expected):
    xs = thresholds.binary_inputs(2)
    found = boundaries.best_line(xs, np.array(ys))
    self.assertEqual(np.sum(found), expected)


class CaseTest(study_case.StudyCase):
  study = perceptrons.STUDY
  small = _SMALL

  def failing(self, **changes):
    found = self.study.claims(self.results()._replace(**changes))
    return {claim.key for claim in found if claim.holds is not True}

  def test_claims_hold(self):
    self.assertEmpty(self.failing())

  @parameterized.parameters(
    (0.5, {"rate"}), (0.24, {"rate", "bound"}), (0.1, {"rate", "bound"})
  )
  def test_another_sigmoid_is_noticed(self, max_slope, expected):
    wrong = nf.activations.scaled_sigmoid(max_slope=max_slope)
    patch = mock.patch.object(thresholds._act, "sigmoid", wrong)
    with patch, jax.enable_x64(True):
      limit = thresholds.limit(0, _SIZES, 5)
    self.assertEqual(self.failing(limit=limit), expected)

  def test_a_network_without_thresholds_changes(self):
    relu = mock.Mock(threshold=nf.activations.relu)
    with mock.patch.object(thresholds, "_act", relu), jax.enable_x64(True):
      scaling = thresholds.scale(0, _SIZES, 2)
    self.assertIn("scaling", self.failing(scaling=scaling))

  def test_a_smooth_cost_has_a_gradient(self):
    sigmoid = mock.Mock(threshold=nf.activations.sigmoid)
    with mock.patch.object(thresholds, "_act", sigmoid), jax.enable_x64(True):
      changes = thresholds.cost_changes(0, *boundaries.rings(0, 20), 1000)
    self.assertEqual(self.failing(cost_changes=changes), {"flat"})

  @parameterized.parameters(
    ("scaling", "real", lambda v: v + 1, "scaling"),
    ("scaling", "num_switched_off", lambda v: v - 1, "zero-scale"),
    ("limit", "worst", lambda v: 1.1 * v, "rate"),
    ("on_threshold", "gap", lambda v: v + 0.1, "stuck"),
    ("on_threshold", "outputs", lambda v: 0 * v, "another-network"),
    ("regressions", "logistic", lambda v: v + 1e-3, "regression"),
    ("separability", "of_two", np.ones_like, "xor-perceptron"),
    ("separability", "of_three", np.ones_like, "threshold-functions"),
    ("xor", "num_right", lambda v: 0 * v + 3, "xor-network"),
    ("xor", "linear", lambda v: v + 0.1, "xor-linear"),
    ("boundaries", "is_right", lambda v: v[::-1] * 0, "bent"),
    ("boundaries", "bend", lambda v: v + 1e-3, "straight"),
    ("boundaries", "curvature", lambda v: v + 1e-3, "polygons"),
    ("boundaries", "errors", lambda v: v[:, ::-1], "surrogate"),
  )
  def test_a_broken_result_is_noticed(self, part, name, change, key):
    def broken(part):
      return part._replace(**{name: change(getattr(part, name))})

    old = getattr(self.results(), part)
    is_family = isinstance(old, dict)
    new = {k: broken(v) for k, v in old.items()} if is_family else broken(old)
    self.assertIn(key, self.failing(**{part: new}))

  @parameterized.parameters(
    (dict(sizes=(8, 1)), "two or more layers"),
    (dict(sizes=(13, 2, 1)), "2 to 12 inputs"),
    (dict(num_hidden=2), "num_hidden to be a finite number >= 3"),
  )
  def test_refuses(self, changes, message):
    with self.assertRaisesRegex(ValueError, message):
      run.Config(**changes)


if __name__ == "__main__":
  absltest.main()
