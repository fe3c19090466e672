"""Linear networks: oracles by loops and least squares, small runs."""

import functools
from unittest import mock

import chex
import jax
import numpy as np
from absl.testing import absltest, parameterized
from scipy import special

from experiments.textbook import linear_networks
from experiments.textbook import linear_networks_digits as digits_lib
from experiments.textbook import linear_networks_maps as maps
from experiments.textbook import linear_networks_modes as modes
from nnfun.theory import deep_linear

_CONFIG = linear_networks.Config(
  num_levels=3,
  num_features=60,
  num_hidden=9,
  learning_rate=3e-3,
  num_epochs=2500,
  num_starts=4,
  depths=(4,),
  depth_learning_rate=1e-3,
  depth_num_epochs=2500,
  num_train=400,
  ranks=(4, 9, 25),
  num_segments=20,
)


@functools.cache
def _results():
  return linear_networks.run(_CONFIG)


@functools.cache
def _digits():
  return digits_lib.load(400, 0.1)


def _data(seed=0):
  features = modes.hierarchy(
    seed, num_levels=2, num_features=20, flip_probability=0.2
  )
  return features, modes.modes(features)


def _failed(results):
  claims = linear_networks.STUDY.claims(results)
  return [claim.statement for claim in claims if not claim.holds]


class ModesTest(parameterized.TestCase):
  def setUp(self):
    super().setUp()
    self.enterContext(jax.enable_x64(True))

  def test_features_correlate_by_distance_in_the_tree(self):
    features = modes.hierarchy(
      1, num_levels=2, num_features=40_000, flip_probability=0.1
    )
    near, far = 0.8**2, 0.8**4  # Two branches apart, or four.
    expected = np.array(
      [
        [1, near, far, far],
        [near, 1, far, far],
        [far, far, 1, near],
        [far, far, near, 1],
      ]
    )
    # A mean of 40,000 signs has a standard error of 0.005.
    actual = features.T @ features / 40_000
    np.testing.assert_allclose(actual, expected, atol=0.025)

  def test_training_is_that_of_a_loop_on_all_features(self):
    features, data = _data()
    start = modes.random_start(jax.random.key(1), data, u_0=0.05, num_hidden=6)
    actual = jax.jit(
      lambda start: modes.train(data, start, learning_rate=0.01, num_epochs=30)
    )(start)
    u, s, vt = np.linalg.svd(features, full_matrices=False)
    w1, w2 = np.asarray(start[0]), u @ np.asarray(start[1])
    for _ in range(30):
      error = features - w2 @ w1
      w1, w2 = w1 + 0.01 * w2.T @ error, w2 + 0.01 * error @ w1.T
    expected = np.diag(u.T @ w2 @ w1 @ vt.T)
    np.testing.assert_allclose(actual[-1], expected, rtol=1e-10)

  @parameterized.parameters(3, 5)
  def test_decoupled_start_holds_each_mode_alone(self, num_layers):
    _, data = _data()
    matrices = modes.decoupled_start(
      data, u_0=1e-3, num_hidden=6, num_layers=num_layers
    )
    self.assertLen(matrices, num_layers - 1)
    product = np.linalg.multi_dot([*matrices[::-1], data.patterns.T])
    np.testing.assert_allclose(product, 1e-3 * np.eye(4), atol=1e-15)

  def test_random_start_has_the_strength_on_average(self):
    _, data = _data()
    keys = jax.random.split(jax.random.key(0), 4000)
    draw = lambda key: modes.random_start(key, data, u_0=1e-3, num_hidden=6)
    first, second = map(np.asarray, jax.jit(jax.vmap(draw))(keys))
    halves = (first.transpose(0, 2, 1) + second) / 2
    strengths = np.sum(np.square(halves), axis=-1)
    # 16,000 squares of chi with 6 degrees: 0.5 % standard error.
    np.testing.assert_allclose(np.mean(strengths), 1e-3, rtol=0.02)

  def test_half_times_are_interpolated(self):
    curves = np.array([[0.0, 0.0, 3.0], [1.0, 0.0, 3.0], [3.0, 0.1, 3.0]])
    actual = modes.half_times(curves, np.array([4.0, 1.0, 1.0]))
    np.testing.assert_array_equal(actual, [1.5, np.nan, np.nan])

  def test_flow_of_three_layers_is_equation_11(self):
    s = np.array([3.0, 0.5])
    actual = modes.flow_half_times(s, u_0=1e-4, num_layers=3, tau=7.0)
    expected = 7 / (2 * s) * np.log((s - 1e-4) / 1e-4)
    np.testing.assert_allclose(actual, expected, rtol=1e-8)

  @parameterized.parameters(3, 4, 6)
  def test_delay_is_that_of_euler_steps(self, num_layers):
    power, s, u_0, rate = num_layers - 1, 2.0, 0.01, 1e-3
    a, curve = u_0 ** (1 / power), [u_0]
    while curve[-1] < s / 2:
      a += rate * a ** (power - 1) * (s - a**power)
      curve.append(a**power)
    steps = modes.half_times(np.array(curve)[:, None], np.array([s]))
    layers = dict(u_0=u_0, num_layers=num_layers)
    flow = modes.flow_half_times([s], tau=1 / rate, **layers)
    delay = modes.step_delay(np.array([s]), **layers)
    self.assertGreater(delay[0], 0.5)
    np.testing.assert_allclose(steps - flow, delay, atol=0.02)


class DigitsTest(parameterized.TestCase):
  def test_whitening_is_an_invertible_map_of_the_pixels(self):
    data = _digits()
    chex.assert_shape(data.test_xs, (1797 - 400, data.xs.shape[1]))
    covariance = data.xs.T @ data.xs / 400
    np.testing.assert_allclose(covariance, np.eye(len(covariance)), atol=1e-9)
    np.testing.assert_allclose(np.mean(data.xs, axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(np.sum(data.targets, axis=1), 1, rtol=1e-12)
    self.assertAlmostEqual(data.targets[3, data.labels[3]], 0.91)

  def test_reduced_rank_losses_by_least_squares(self):
    data = _digits()
    ones = np.column_stack([data.xs, np.ones(400)])
    solution = np.linalg.lstsq(ones, data.targets, rcond=None)[0]
    residual = ones @ solution - data.targets
    losses = digits_lib.reduced_rank_losses(data)
    full, none = 0.5 * np.sum(residual**2) / 400, np.var(data.targets, axis=0)
    np.testing.assert_allclose(losses[[9, 10]], full, rtol=1e-10)
    np.testing.assert_allclose(losses[0], 0.5 * np.sum(none), rtol=1e-10)
    # Principal components of what least squares predicts.
    fitted = data.xs @ solution[:-1]
    _, _, vt = np.linalg.svd(fitted, full_matrices=False)
    error = fitted @ vt[:4].T @ vt[:4] + solution[-1] - data.targets
    expected = 0.5 * np.sum(error**2) / 400
    np.testing.assert_allclose(losses[4], expected, rtol=1e-10)

  def test_softmax_regression_is_stationary(self):
    data = _digits()
    w, b = digits_lib.softmax_regression(data)
    error = special.softmax(data.xs @ w.T + b, axis=1) - data.targets
    np.testing.assert_allclose(error.T @ data.xs / 400, 0, atol=1e-6)


class MapsTest(parameterized.TestCase):
  @parameterized.parameters((3, 2), (3, 3), (3, 6))
  def test_factors_are_a_network_and_the_nearest_map(self, rank, num_hidden):
    matrix = np.diag([4.0, 3.0, 2.0])[:, [2, 0, 1]]
    w2, w1 = maps.factor(matrix, num_hidden)
    self.assertEqual((w2.shape, w1.shape), ((3, num_hidden), (num_hidden, 3)))
    error = np.linalg.norm(w2 @ w1 - matrix)
    self.assertAlmostEqual(error, 2.0 if num_hidden < rank else 0.0)


class RunTest(parameterized.TestCase):
  def test_all_claims_hold(self):
    self.assertEqual(_failed(_results()), [])

  def test_leaves_the_precision_as_it_was(self):
    _results()
    chex.assert_type(jax.numpy.ones(2), jax.numpy.float32)

  def test_a_wrong_closed_form_is_noticed(self):
    right = deep_linear.mode_strength
    wrong = lambda t, s, u_0, *, tau: right(t, s, u_0, tau=2 * tau)
    results = _results()
    with mock.patch.object(deep_linear, "mode_strength", wrong):
      with jax.enable_x64(True):
        errors = modes.closed_form_errors(
          results["strengths"], u_0=1e-6, tau=300.0
        )
        failed = _failed({**results, **errors})
    for text in ("Equation 12 solves", "Equation 11 is", "The whole curves"):
      self.assertTrue(any(text in statement for statement in failed), failed)

  @parameterized.parameters(
    ("collapse_error", lambda v: v + 1, "collapse to one"),
    ("reach_digits", lambda v: v + 1e-6, "10 outputs"),
    ("miss", lambda v: 0 * v, "singular values beyond"),
    ("entropy", lambda v: v + 1e-4, "from every start"),
    ("entropy", lambda v: 0 * v, "They are weaker"),
    ("squared", lambda v: 0.999 * v, "With squared loss"),
    ("probability_gap", lambda v: v + 0.01, "same classifier"),
    ("map_rank", lambda v: v + 1, "maps of rank 4"),
    ("network_segment", lambda v: 0 * v, "not convex"),
    ("regression_bumps", lambda v: -v, "Softmax regression is convex"),
    ("decoupled_times", lambda v: v + 1, "when equation 11 says"),
    ("small_times", lambda v: 1.2 * v, "full dynamics"),
    ("depth_times", lambda v: 1.1 * v, "With 4 layers"),
  )
  def test_a_broken_result_is_noticed(self, name, broken, message):
    results = dict(_results())
    results[name] = broken(results[name])
    failed = _failed(results)
    self.assertTrue(any(message in text for text in failed), failed)

  def test_draws(self):
    self.assertLen(linear_networks.STUDY.plot(_results()).axes, 3)

  @parameterized.parameters(
    (dict(num_hidden=31), "num_hidden >= 32"),
    (dict(num_features=31), "a feature for each"),
    (dict(label_smoothing=0.0), "0 < label_smoothing < 1"),
    (dict(ranks=(4, 9)), "4, 9 and 25 among them"),
    (dict(num_starts=1), "num_starts >= 2"),
    (dict(depths=(2,)), "depths of 3 or more"),
    (dict(num_train=1797), "num_train from 100 to 1700"),
  )
  def test_refuses(self, settings, message):
    with self.assertRaisesRegex(ValueError, message):
      linear_networks.run(linear_networks.Config(**settings))


if __name__ == "__main__":
  absltest.main()
