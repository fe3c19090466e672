"""Linear networks: oracles by loops and least squares, small runs."""

import functools
from unittest import mock

import chex
import jax
import numpy as np
from absl.testing import absltest, parameterized
from scipy import special

import nnfun as nf
from experiments.textbook import linear_networks
from experiments.textbook.linear_networks import claims, maps, modes, run
from experiments.textbook.linear_networks import digits as digits_lib
from nnfun.theory import deep_linear
from tests.experiments import study_case

_SMALL = run.Config(
  num_levels=3,
  num_features=60,
  num_hidden=9,
  learning_rate=3e-3,
  num_epochs=2500,
  num_starts=12,
  num_train=150,
  num_restarts=1,
  ranks=(4, 9, 25),
  num_segments=20,
)


def _small():
  return study_case.results_of(linear_networks.STUDY, _SMALL)


@functools.cache
def _digits():
  return digits_lib.load(400, 0.1)


def _data(seed=0):
  features = modes.hierarchy(
    seed, num_levels=2, num_features=20, flip_probability=0.2
  )
  return features, modes.modes(features)


def _not_held(results):
  return {c.key for c in claims.claims(results) if not c.holds}


class CaseTest(study_case.StudyCase):
  study = linear_networks.STUDY
  small = _SMALL


class ModesTest(parameterized.TestCase):
  def setUp(self):
    super().setUp()
    self.enterContext(jax.enable_x64(True))

  def test_features_correlate_by_distance_in_the_tree(self):
    features = modes.hierarchy(
      1, num_levels=2, num_features=40_000, flip_probability=0.1
    )
    near, far = 0.8**2, 0.8**4  # Two branches apart, or four.
    pairs = np.array([[1, near], [near, 1]])
    expected = np.block([[pairs, far * np.ones((2, 2))]] * 2)
    expected[2:] = expected[2:, ::-1]
    # A mean of 40,000 signs has a standard error of 0.005.
    actual = features.T @ features / 40_000
    np.testing.assert_allclose(actual[:2], expected[:2], atol=0.025)
    np.testing.assert_allclose(actual[2:, 2:], pairs, atol=0.025)

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

  def test_decoupled_start_holds_each_mode_alone(self):
    _, data = _data()
    w1, w2 = modes.decoupled_start(data, u_0=1e-3, num_hidden=6)
    product = w2 @ w1 @ data.patterns.T
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

  def test_times_are_interpolated(self):
    curves = np.array([[0.0, 0.0, 3.0], [1.0, 0.0, 3.0], [3.0, 0.1, 3.0]])
    actual = modes.times(curves, np.array([4.0, 1.0, 1.0]), 0.5)
    np.testing.assert_array_equal(actual, [1.5, np.nan, np.nan])

  @parameterized.parameters(0.1, 0.5, 0.9)
  def test_delay_is_that_of_euler_steps(self, share):
    s, u_0, rate = np.array([2.0]), 0.01, 1e-3
    a, curve = u_0**0.5, [u_0]
    while curve[-1] < share * s[0]:
      a += rate * a * (s[0] - a**2)
      curve.append(a**2)
    steps = modes.times(np.array(curve)[:, None], s, share)
    flow = 1 / (2 * rate * s) * np.log(share * (s - u_0) / (u_0 * (1 - share)))
    delay = modes.step_delay(s, u_0=u_0, share=share)
    self.assertGreater(delay[0], 0.1)
    np.testing.assert_allclose(steps - flow, delay, atol=0.02)


class DigitsTest(parameterized.TestCase):
  def test_whitening_is_an_invertible_map_of_the_pixels(self):
    data = _digits()
    chex.assert_shape(data.test_xs, (797, data.xs.shape[1]))
    covariance = data.xs.T @ data.xs / 400
    np.testing.assert_allclose(covariance, np.eye(len(covariance)), atol=1e-9)
    np.testing.assert_allclose(np.mean(data.xs, axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(np.sum(data.targets, axis=1), 1, rtol=1e-12)
    self.assertAlmostEqual(data.targets[3].max(), 0.91)

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
    w, b, loss = digits_lib.softmax_regression(data)
    logs = special.log_softmax(data.xs @ w.T + b, axis=1)
    error = np.exp(logs) - data.targets
    np.testing.assert_allclose(error.T @ data.xs / 400, 0, atol=1e-6)
    self.assertAlmostEqual(loss, -np.mean(np.sum(data.targets * logs, axis=1)))


class MapsTest(parameterized.TestCase):
  @parameterized.parameters((3, 2), (3, 3), (3, 6))
  def test_factors_are_a_network_and_the_nearest_map(self, rank, num_hidden):
    matrix = np.diag([4.0, 3.0, 2.0])[:, [2, 0, 1]]
    first, second = maps.factor(matrix, num_hidden)
    self.assertEqual(first["w"].shape, (num_hidden, 3))
    error = np.linalg.norm(second["w"] @ first["w"] - matrix)
    self.assertAlmostEqual(error, 2.0 if num_hidden < rank else 0.0)

  @parameterized.parameters(
    ([784, 10], 7850), ([784, 25, 10], 19885), ([784, 4, 10], 3190)
  )
  def test_parameters_are_as_many_as_the_note_says(self, sizes, count):
    draw = lambda key: nf.mlp.init(key, sizes)
    shapes = jax.eval_shape(draw, jax.random.key(0))
    self.assertEqual(sum(leaf.size for leaf in jax.tree.leaves(shapes)), count)


def _of(part, **changes):
  """Replaces arrays of one part of the results by functions of them."""
  old = getattr(_small(), part)
  new = {name: change(getattr(old, name)) for name, change in changes.items()}
  return _small()._replace(**{part: old._replace(**new)})


class ClaimsTest(parameterized.TestCase):
  def test_all_claims_hold(self):
    self.assertEmpty(_not_held(_small()))

  def test_leaves_the_precision_as_it_was(self):
    _small()
    chex.assert_type(jax.numpy.ones(2), jax.numpy.float32)

  @parameterized.parameters("mode_strength", "learning_time")
  def test_a_wrong_closed_form_is_noticed(self, name):
    right = getattr(deep_linear, name)
    wrong = lambda *args, tau: right(*args, tau=1.01 * tau)
    with mock.patch.object(deep_linear, name, wrong), jax.enable_x64(True):
      results = _small()._replace(modes=run._modes(_SMALL))
    self.assertIn("decoupled-times", _not_held(results))

  @parameterized.parameters(0, 1)
  def test_a_library_that_is_not_linear_is_noticed(self, which):
    right = nf.mlp.apply

    def wrong(params, x, activations):
      # Forgets the bias of the last layer; or bends a hidden unit.
      last = params[-1] | {"b": 0 * params[-1]["b"]}
      if which == 0:
        return right((*params[:-1], last), x, activations)
      return right(params, x, [jax.nn.relu, *activations[1:]])

    with mock.patch.object(nf.mlp, "apply", wrong), jax.enable_x64(True):
      results = _small()._replace(maps=maps.measure(0))
    self.assertIn("collapse", _not_held(results))
    if which == 1:
      self.assertIn("reach", _not_held(results))

  @parameterized.parameters(
    ("fits", "cross_entropy", lambda v: v + 1e-4, "same-loss"),
    ("fits", "cross_entropy", lambda v: 0 * v, "weaker"),
    ("fits", "squared", lambda v: 0.999 * v, "least-loss"),
    ("segments", "network", lambda v: 0 * v, "not-convex"),
    ("segments", "bumps", lambda v: -v, "convex"),
    ("modes", "decoupled_times", lambda v: v + 1, "decoupled-times"),
    ("modes", "small_times", lambda v: 1.3 * v, "small-weights"),
  )
  def test_a_broken_result_is_noticed(self, part, name, broken, key):
    self.assertIn(key, _not_held(_of(part, **{name: broken})))


class ConfigTest(parameterized.TestCase):
  @parameterized.parameters(
    (dict(num_hidden=31), "num_hidden >= 2.num_levels"),
    (dict(label_smoothing=1.0), "label_smoothing < 1"),
    (dict(ranks=(4, 9)), "4, 9 and 25 among them"),
    (dict(num_starts=1), "num_starts >= 2"),
  )
  def test_refuses(self, settings, message):
    with self.assertRaisesRegex(ValueError, message):
      run.Config(**settings)


if __name__ == "__main__":
  absltest.main()
