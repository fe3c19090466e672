"""Linear networks: oracles by loops and NumPy, a small study, controls."""

from unittest import mock

import jax
import numpy as np
from absl.testing import absltest, parameterized
from scipy import special

import nnfun as nf
from experiments.textbook import linear_networks
from experiments.textbook.linear_networks import digits as digits_lib
from experiments.textbook.linear_networks import maps, modes, readings, run
from tests.experiments import study_case


class CaseTest(study_case.StudyCase):
  study = linear_networks.STUDY
  small = run.Config(
    num_levels=3,
    num_features=60,
    num_hidden=9,
    learning_rate=3e-3,
    num_epochs=2500,
    num_starts=12,
    num_train=150,
    num_restarts=1,
  )

  def not_held(self, **changes):
    """The claims that do not hold with changes of the results."""
    claims = self.study.claims(self.results()._replace(**changes))
    return {claim.key for claim in claims if not claim.holds}

  def test_all_claims_hold(self):
    self.assertEmpty(self.not_held())

  @parameterized.parameters(
    ("fits", "networks", lambda v: v + 1e-4, "same-loss"),
    ("fits", "networks", lambda v: 0 * v, "weaker"),
    ("fits", "along_network", lambda v: 0 * v, "not-convex"),
    ("modes", "decoupled", lambda v: np.roll(v, 1, axis=0), "decoupled-times"),
    ("modes", "theory", lambda v: 0.99 * v, "decoupled-times"),
    ("modes", "theory_times", lambda v: 1.01 * v, "decoupled-times"),
    ("modes", "small_times", lambda v: 1.3 * v, "small-weights"),
  )
  def test_a_broken_result_is_noticed(self, part, name, broken, key):
    old = getattr(self.results(), part)
    new = old._replace(**{name: broken(getattr(old, name))})
    self.assertIn(key, self.not_held(**{part: new}))

  def test_a_library_that_is_not_linear_is_noticed(self):
    right = nf.mlp.apply

    def wrong(params, x, activations):
      return right(params, x, [jax.nn.relu, *activations[1:]])

    with mock.patch.object(nf.mlp, "apply", wrong), jax.enable_x64(True):
      collapse, reach = maps.measure(0)
    failed = self.not_held(collapse=collapse, reach=reach)
    self.assertEqual(failed, {"collapse", "reach"})

  @parameterized.parameters(
    ([784, 10], 7850), ([784, 25, 10], 19885), ([784, 4, 10], 3190)
  )
  def test_parameters_are_as_many_as_the_note_says(self, sizes, count):
    draw = lambda key: nf.mlp.init(key, sizes)
    shapes = jax.eval_shape(draw, jax.random.key(0))
    self.assertEqual(sum(leaf.size for leaf in jax.tree.leaves(shapes)), count)
    note = self.judged()["weaker"].note
    self.assertIn(f"{count:,}", note)

  def test_refuses_modes_that_no_network_could_hold(self):
    with self.assertRaisesRegex(ValueError, "num_hidden=31"):
      run.Config(num_hidden=31)


class ModesTest(parameterized.TestCase):
  def setUp(self):
    super().setUp()
    self.enterContext(jax.enable_x64(True))

  def test_features_correlate_by_distance_in_the_tree(self):
    features = modes.hierarchy(1, 2, 40_000)
    near, far = 0.8**2, 0.8**4  # Two branches apart, or four.
    pair = np.array([[1, near], [near, 1]])
    expected = far + np.kron(np.eye(2), pair - far)
    # A mean of 40,000 signs has a standard error of 0.005.
    actual = features.T @ features / 40_000
    np.testing.assert_allclose(actual, expected, atol=0.025)

  def test_training_is_that_of_a_loop_on_all_features(self):
    features = modes.hierarchy(0, 2, 20)
    u, s, vt = np.linalg.svd(features, full_matrices=False)
    start = modes.random_start(jax.random.key(1), 4, 0.05, 6)
    train = jax.jit(lambda start: modes.train(s, vt, 0.01, 30, start))
    w1, w2 = np.asarray(start[0]), u @ np.asarray(start[1])
    for _ in range(30):
      error = features - w2 @ w1
      w1, w2 = w1 + 0.01 * w2.T @ error, w2 + 0.01 * error @ w1.T
    expected = np.diag(u.T @ w2 @ w1 @ vt.T)
    np.testing.assert_allclose(train(start)[-1], expected, rtol=1e-10)

  def test_starts_have_the_strength(self):
    _, _, patterns = np.linalg.svd(modes.hierarchy(0, 2, 20))
    w1, w2 = modes.decoupled_start(patterns, 1e-3, 6)
    np.testing.assert_allclose(
      w2 @ w1 @ patterns.T, 1e-3 * np.eye(4), atol=1e-15
    )
    first, second = modes.random_start(jax.random.key(0), 16_000, 1e-3, 6)
    halves = (np.asarray(first).T + np.asarray(second)) / 2
    strengths = np.sum(np.square(halves), axis=-1)
    # 16,000 squares of chi with 6 degrees: 0.5 % standard error.
    np.testing.assert_allclose(np.mean(strengths), 1e-3, rtol=0.02)

  def test_times_are_interpolated(self):
    curves = np.array([[0.0, 0.0, 3.0], [1.0, 0.0, 3.0], [3.0, 0.1, 3.0]])
    actual = readings.times(curves, np.array([[2.0, 0.5, 0.5]]))
    np.testing.assert_array_equal(actual, [[1.5, np.nan, np.nan]])

  def test_delay_is_that_of_euler_steps(self):
    s, u_0, rate = np.array([2.0]), 0.01, 1e-3
    a, curve = u_0**0.5, [u_0]
    while curve[-1] < 0.95 * s[0]:
      a += rate * a * (s[0] - a**2)
      curve.append(a**2)
    shares = np.array(readings.LEARNED)[:, np.newaxis]
    steps = readings.times(np.array(curve)[:, np.newaxis], shares * s)
    odds = shares * (s - u_0) / (u_0 * (1 - shares))
    delay = readings.step_delay(shares * s, s, u_0)
    self.assertGreater(delay.min(), 0.1)
    flow = np.log(odds) / (2 * rate * s)
    np.testing.assert_allclose(steps - flow, delay, atol=0.02)


class DigitsTest(absltest.TestCase):
  def test_softmax_regression_of_white_digits_is_stationary(self):
    data = digits_lib.load(400)
    covariance = data.xs.T @ data.xs / 400
    np.testing.assert_allclose(covariance, np.eye(len(covariance)), atol=1e-9)
    np.testing.assert_allclose(np.mean(data.xs, axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(np.sum(data.targets, axis=1), 1, rtol=1e-12)
    self.assertAlmostEqual(data.targets[3].max(), 0.91)
    w, b = digits_lib.softmax_regression(data)
    error = special.softmax(data.xs @ w.T + b, axis=1) - data.targets
    np.testing.assert_allclose(error.T @ data.xs / 400, 0, atol=1e-6)

  def test_factors_are_a_network_and_the_nearest_map(self):
    matrix = np.diag(np.arange(30.0, 0, -1))
    first, second = maps.factor(matrix)
    self.assertEqual(first["w"].shape, (25, 30))
    error = np.linalg.norm(second["w"] @ first["w"] - matrix)
    self.assertAlmostEqual(error, np.linalg.norm([1.0, 2.0, 3.0, 4.0, 5.0]))


if __name__ == "__main__":
  absltest.main()
