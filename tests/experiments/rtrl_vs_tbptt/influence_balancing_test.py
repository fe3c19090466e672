"""Influence balancing: closed forms against loops, a short chain trained."""

import dataclasses
from unittest import mock

import chex
import jax
import numpy as np
from absl.testing import absltest, parameterized

import nnfun as nf
from experiments.rtrl_vs_tbptt import influence_balancing
from experiments.rtrl_vs_tbptt.influence_balancing import claims, run, theory
from tests.experiments import study_case

_SIZES = dict(num_units=7, num_positive=3)
_SMALL = run.Config(
  **_SIZES,
  learning_rates=(2e-3, 1e-5),
  num_updates=1500,
  max_truncation=40,
  windows=(2,),
  segments=(1,),
  flush_every=3,
)


def _small():
  return study_case.results_of(influence_balancing.STUDY, _SMALL)


def _failing(results):
  found = claims.claims(results)
  return {claim.key for claim in found if claim.holds is False}


class CaseTest(study_case.StudyCase):
  study = influence_balancing.STUDY
  small = _SMALL

  def test_all_claims_hold(self):
    self.assertEmpty(_failing(self.results()))

  def test_leaves_the_precision_as_it_was(self):
    self.results()
    chex.assert_type(jax.numpy.ones(2), jax.numpy.float32)


def _chain(num_units, num_positive):
  a, v = np.zeros((num_units, num_units)), np.empty(num_units)
  for i in range(num_units):
    a[i, i] = 0.5
    if i + 1 < num_units:
      a[i, i + 1] = 0.5
    v[i] = 1 if i < num_positive else -1
  return a, v


def _trained_by_hand(window, segment, learning_rate, num_updates):
  """Theta by a loop which adds up the influence of the steps it may see."""
  a, v = _chain(**_SIZES)
  s, theta, since = np.ones(len(v)), 0.5, 0
  influences = []  # of theta at each step since, on the present state
  thetas = [theta]
  for _ in range(num_updates):
    if segment > 1:
      influences = []
    gradient = 0.0
    for _ in range(segment):
      s = a @ s + theta * v
      influences = [a @ j for j in influences] + [v]
      influences = influences[-window:]
      gradient += (s[0] - 1) * sum(j[0] for j in influences) / segment
      since += 1
    theta -= learning_rate * gradient
    thetas.append(theta)
  return np.array(thetas)


class TheoryTest(parameterized.TestCase):
  @parameterized.parameters((23, 10), (7, 3), (3, 1), (5, 1))
  def test_terms_are_those_of_the_matrix(self, num_units, num_positive):
    a, v = _chain(num_units, num_positive)
    expected, power = [], v
    for _ in range(150):
      expected.append(power[0])
      power = a @ power
    actual = theory.influence_terms(
      150, num_units=num_units, num_positive=num_positive
    )
    np.testing.assert_allclose(actual, expected, rtol=1e-12, atol=1e-12)

  @parameterized.parameters((23, 10), (7, 3), (5, 1))
  def test_sensitivity_and_lag_are_the_moments(self, num_units, num_positive):
    expected = theory.predict(num_units, num_positive, 400)
    terms = np.diff(expected.partial_sums, prepend=0)
    np.testing.assert_allclose(np.sum(terms), expected.sensitivity, rtol=1e-12)
    lag = np.sum(np.arange(400) * terms) / np.sum(terms)
    np.testing.assert_allclose(lag, expected.mean_lag, rtol=1e-10)

  def test_thresholds_by_a_stationary_chain(self):
    a, v = _chain(23, 10)
    expected = theory.predict(23, 10, 200)
    # What raising theta for the last k steps does to a chain at rest.
    effects, state = [], np.zeros(23)
    for _ in range(200):
      state = a @ state + v
      effects.append(state[0])
    window = next(k for k, e in enumerate(effects, 1) if e < 0)
    segment = next(k for k in range(1, 201) if sum(effects[:k]) < 0)
    self.assertEqual((window, segment), (expected.window, expected.segment))
    self.assertEqual((window, segment), (41, 110))
    self.assertEqual((expected.sensitivity, expected.optimum), (-6, -1 / 6))

  def test_first_negative(self):
    self.assertEqual(theory.first_negative([1, 0, -1, 2]), 3)
    self.assertTrue(np.isnan(theory.first_negative([1, 0])))

  @parameterized.parameters((5, 1), (8, 1), (30, 1), (9, 9), (20, 20), (35, 35))
  def test_growth_is_that_of_a_loop(self, window, segment):
    chain = theory.predict(7, 3, 40)
    rate, num_updates = 3e-3, 700
    thetas = _trained_by_hand(window, segment, rate, num_updates)
    distance = np.abs(thetas - chain.optimum)
    measured = np.log(distance[-1] / distance[400]) / 300
    credit = (
      chain.partial_sums[:segment]
      if segment > 1
      else chain.partial_sums[[window - 1]]
    )
    expected = theory.log_growth(credit, np.ones(segment), rate, **_SIZES)
    np.testing.assert_allclose(measured, expected, rtol=1e-6)


class RunTest(parameterized.TestCase):
  def test_training_is_that_of_a_loop(self):
    results, rate = _small(), _SMALL.learning_rates[0]
    for theta, window, segment in (
      (results.rtrl, 10**6, 1),
      (results.windows.theta[:, 2], int(results.windows.truncations[2]), 1),
      (
        results.segments.theta[:, 1],
        10**6,
        int(results.segments.truncations[1]),
      ),
    ):
      expected = _trained_by_hand(window, segment, rate, _SMALL.num_updates)
      expected = expected[:: int(results.stride)]
      np.testing.assert_allclose(theta[0, 0], expected, rtol=1e-10)

  def test_seed_draws_the_starts_but_the_published_one(self):
    config = dataclasses.replace(_SMALL, num_updates=100, num_starts=3)
    first, second = (
      run.train(dataclasses.replace(config, seed=seed), nf.estimators.rtrl)
      for seed in (0, 1)
    )
    starts = first[:, 0, 0, 0].tolist(), second[:, 0, 0, 0].tolist()
    self.assertEqual((starts[0][0], starts[1][0]), (0.5, 0.5))
    self.assertLen({*starts[0], *starts[1]}, 5)

  @parameterized.parameters(
    (dict(num_positive=12), "num_positive=12"),
    (dict(num_updates=3), "num_updates >= 100"),
    (dict(max_truncation=100), "near 110 steps"),
    (dict(windows=(0,)), "windows"),
    (dict(segments=(201,)), "windows and segments"),
  )
  def test_refuses(self, settings, message):
    with self.assertRaisesRegex(ValueError, message):
      run.Config(**settings)


class ClaimsTest(parameterized.TestCase):
  def test_a_truncation_passed_off_as_rtrl_is_noticed(self):
    def broken(cell, loss_fn, flush_every=1):
      del flush_every
      return nf.estimators.truncated_bptt(cell, loss_fn)

    with (
      jax.enable_x64(True),
      mock.patch.object(nf.estimators, "rtrl", broken),
    ):
      credits = run.sweep(_SMALL)
      theta = run.train(_SMALL, broken)[:, 0]
    results = _small()._replace(credits=credits, rtrl=theta, lazy=theta)
    keys = {"rtrl-influence", "rtrl-converges", "rates"}
    self.assertEqual(_failing(results), keys)

  def test_a_window_of_one_step_more_is_noticed(self):
    def broken(cell, loss_fn, window):
      return nf.estimators.rolling_bptt(cell, loss_fn, window=window + 1)

    trained = _small().windows
    with jax.enable_x64(True):
      theta = np.stack(
        [
          run.train(_SMALL, broken, window=int(k))[:, 0]
          for k in trained.truncations
        ],
        axis=1,
      )
    results = _small()._replace(windows=trained._replace(theta=theta))
    self.assertEqual(_failing(results), {"window", "rates"})

  @parameterized.parameters(
    ("windows", "window"), ("segments", "segment"), ("last_losses", "window")
  )
  def test_a_shifted_threshold_is_noticed(self, name, key):
    results = _small()
    trained = getattr(results, name)
    trained = trained._replace(theta=np.roll(trained.theta, 1, axis=1))
    self.assertIn(key, _failing(results._replace(**{name: trained})))
    credits = results.credits
    if name != "last_losses":
      moved = {name: np.roll(getattr(credits, name), 1)}
      wrong = results._replace(credits=credits._replace(**moved))
      self.assertEqual(_failing(wrong), {key})

  def test_a_run_which_left_the_floats_converges_nowhere(self):
    results = _small()
    theta = np.copy(results.windows.theta)
    theta[..., 1:] = np.inf
    wrong = results._replace(windows=results.windows._replace(theta=theta))
    self.assertIn("window", _failing(wrong))


if __name__ == "__main__":
  absltest.main()
