"""Perceptrons: oracles by hand and by loops, and the study at small size."""

import functools
from unittest import mock

import chex
import jax
import numpy as np
from absl.testing import absltest, parameterized

import nnfun as nf
from experiments.textbook import perceptrons
from experiments.textbook import perceptrons_boundaries as boundaries
from experiments.textbook import perceptrons_fits as fits
from experiments.textbook import perceptrons_thresholds as thresholds

_SIZES = (3, 3, 2)
_CONFIG = perceptrons.Config(
  sizes=_SIZES,
  num_networks=5,
  num_sets=2,
  num_points=100,
  num_starts=10,
  num_epochs=300,
  num_cost_points=2000,
)


@functools.cache
def _results():
  return perceptrons.run(_CONFIG)


def _failed(results):
  claims = perceptrons.STUDY.claims(results)
  return [claim.statement for claim in claims if not claim.holds]


class ThresholdsTest(parameterized.TestCase):
  def setUp(self):
    super().setUp()
    self.enterContext(jax.enable_x64(True))

  def test_outputs_are_those_of_a_loop(self):
    rng = np.random.default_rng(3)
    params = thresholds.draw(rng, _SIZES, 2)
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
    index, margin = 12, np.inf
    for x in thresholds.binary_inputs(3):
      for w, b in layers:
        margin = min(margin, *np.abs(w @ x + b))
        x = (w @ x + b > 0) * 1.0
    c, worst = found["times"][0, index] / margin, 0.0
    self.assertAlmostEqual(np.log2(c), round(np.log2(c)))
    for x in thresholds.binary_inputs(3):
      soft = x
      for w, b in layers:
        x = (w @ x + b > 0) * 1.0
        soft = 1 / (1 + np.exp(-c * (w @ soft + b)))
        worst = max(worst, *np.abs(soft - x))
    self.assertBetween(worst, 0.01, 0.99)
    np.testing.assert_allclose(found["worst"][0, index], np.log(worst), 1e-9)

  def test_network_on_the_threshold(self):
    found = thresholds.at_zero()
    np.testing.assert_array_equal(found["zero_perceptron"], [0, 0, 1, 0])
    # At c = 1: sigma(sigma(x1 - x2) - 1/4).
    sigma = lambda z: 1 / (1 + np.exp(-z))
    expected = sigma(sigma(np.array([0, -1, 1, 0])) - 0.25)
    np.testing.assert_allclose(found["zero_outputs"][0], expected, rtol=1e-12)
    np.testing.assert_allclose(found["zero_outputs"][-1], [1, 0, 1, 1])

  def test_a_network_without_thresholds_changes(self):
    with mock.patch.object(
      thresholds, "_act", mock.Mock(threshold=nf.activations.relu)
    ):
      found = thresholds.scaling(0, _SIZES, 2)
    self.assertGreater(np.sum(found["changed_binary"]), 0)
    failed = _failed({**_results(), **found})
    self.assertTrue(any("changes no output" in text for text in failed))

  def test_a_smooth_cost_has_a_gradient(self):
    data = boundaries.rings(0, 20)
    with mock.patch.object(
      thresholds, "_act", mock.Mock(threshold=nf.activations.sigmoid)
    ):
      found = thresholds.threshold_cost(0, *data, num_points=1000)
    failed = _failed({**_results(), **found})
    for message in ("gradient of the error rate", "staircase", "jumps"):
      self.assertTrue(any(message in text for text in failed), failed)


class FitsTest(parameterized.TestCase):
  @parameterized.parameters(
    ([0, 1, 1, 0], False),
    ([0, 0, 0, 1], True),
    ([1, 1, 1, 1], True),
    ([1, 0, 0, 1], False),
  )
  def test_separable(self, ys, expected):
    xs = thresholds.binary_inputs(2)
    self.assertEqual(fits.is_separable(xs, np.array(ys)), expected)

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
    ([0, 1, 1, 0], 0.75), ([0, 0, 1, 1], 1.0), ([1, 1, 0, 1], 1.0)
  )
  def test_best_line_on_the_square(self, ys, expected):
    xs = thresholds.binary_inputs(2)
    self.assertEqual(boundaries.best_line(xs, np.array(ys)), expected)

  def test_chosen_is_the_activation_of_the_index(self):
    z = np.array([-2.0, 0.5])
    with jax.enable_x64(True):
      for index, activation in enumerate(boundaries.ACTIVATIONS.values()):
        actual = boundaries._chosen(index)(z)
        np.testing.assert_allclose(actual, activation(z), rtol=1e-12)


class RunTest(parameterized.TestCase):
  def test_all_claims_hold(self):
    self.assertEqual(_failed(_results()), [])

  def test_leaves_the_precision_as_it_was(self):
    _results()
    chex.assert_type(jax.numpy.ones(2), jax.numpy.float32)

  @parameterized.parameters(
    ("changed_real", lambda v: v + 1, "changes no output"),
    ("num_ties", lambda v: 0 * v, "exactly 0"),
    ("changed_zero", lambda v: v + 1, "c >= 0"),
    ("first_ratios", lambda v: 2 * v, "largest ratio"),
    ("excess", lambda v: v + 0.01, "In a whole network"),
    ("worst", lambda v: 0.99 * v, "As c grows"),
    ("zero_hidden", lambda v: v + 0.1, "stuck at 1/2"),
    ("zero_outputs", lambda v: 0 * v, "leaves out"),
    ("logistic_gap", lambda v: v + 1e-3, "logistic regression"),
    ("separable", np.ones_like, "XOR nor its negation"),
    ("farkas", lambda v: v + 1, "signed sum"),
    ("xor_right", lambda v: 0 * v + 3, "trained 2-2-1"),
    ("accuracy", lambda v: 0 * v + 0.75, "Networks of ReLUs"),
    ("bend", lambda v: v + 1e-3, "level curves"),
    ("curvature", lambda v: v[::-1], "piecewise linear"),
    ("cost_changes", lambda v: v + 1e-3, "0 almost everywhere"),
    ("surrogate_errors", lambda v: v[::-1], "smooth surrogate"),
  )
  def test_a_broken_result_is_noticed(self, name, broken, message):
    results = dict(_results())
    results[name] = broken(results[name])
    failed = _failed(results)
    self.assertTrue(any(message in text for text in failed), failed)

  def test_draws(self):
    self.assertLen(perceptrons.STUDY.plot(_results()).axes, 6)

  @parameterized.parameters(
    (dict(sizes=(8, 1)), "two or more layers"),
    (dict(sizes=(13, 2, 1)), "2 to 12 inputs"),
    (dict(num_hidden=2), "num_hidden >= 3, got 2"),
    (dict(num_starts=1), "num_starts >= 2"),
  )
  def test_refuses(self, settings, message):
    with self.assertRaisesRegex(ValueError, message):
      perceptrons.run(perceptrons.Config(**settings))


if __name__ == "__main__":
  absltest.main()
