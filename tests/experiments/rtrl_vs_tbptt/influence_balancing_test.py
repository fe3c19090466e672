"""Influence balancing: closed forms against loops, a short chain trained."""

import dataclasses
from unittest import mock

import jax
import numpy as np
from absl.testing import absltest, parameterized

import nnfun as nf
from experiments.rtrl_vs_tbptt import influence_balancing
from experiments.rtrl_vs_tbptt.influence_balancing import claims, run, theory
from tests.experiments import study_case

_CHAIN = 7, 3


def _matrices(num_units, num_positive):
  a = 0.5 * (np.eye(num_units) + np.eye(num_units, k=1))
  return a, np.where(np.arange(num_units) < num_positive, 1.0, -1.0)


def _trained_by_hand(window, segment, learning_rate, num_updates):
  """Theta by a loop which adds up the influence of the steps it may see."""
  a, v = _matrices(*_CHAIN)
  s, theta = np.ones(len(v)), 0.5
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
    theta -= learning_rate * gradient
    thetas.append(theta)
  return np.array(thetas)


class InfluenceBalancingTest(study_case.StudyCase):
  study = influence_balancing.STUDY
  small = run.Config(
    num_units=_CHAIN[0],
    num_positive=_CHAIN[1],
    learning_rates=(2e-3, 1e-5),
    num_updates=1500,
    max_truncation=40,
    windows=(1,),
    segments=(32,),
    uoro_learning_rate=2e-4,
    num_uoro_updates=16_000,
    num_keys=6,
  )

  def not_held(self, **changes):
    found = self.study.claims(self.results()._replace(**changes))
    return {claim.key for claim in found if claim.holds is False}

  def test_nothing_fails(self):
    self.assertEmpty(self.not_held())
    self.assertTrue(self.judged()["uoro"].holds)

  def test_training_is_that_of_a_loop(self):
    results, num_updates = self.results(), int(self.results().updates[20])
    windows, segments = results.windows, results.segments
    for theta, window, segment in (
      (results.rtrl, 10**6, 1),
      (results.lazy, 10**6, 1),
      (windows.theta[:, 2], int(windows.truncations[2]), 1),
      (segments.theta[:, 1], 10**6, int(segments.truncations[1])),
    ):
      expected = _trained_by_hand(window, segment, 2e-3, num_updates)
      expected = expected[results.updates[:21]]
      np.testing.assert_allclose(theta[0, 0, :21], expected, rtol=1e-10)
    starts = results.rtrl[:, 0, 0]
    self.assertEqual(starts[0], 0.5)
    self.assertNotEqual(starts[1], 0.5)

  def test_a_truncation_passed_off_as_rtrl_is_noticed(self):
    credit = self.results().windows.credits[0]
    theta = self.results().windows.theta[:, 0]  # BPTT(1, 1).
    failed = self.not_held(rtrl_credit=credit, rtrl=theta, lazy=theta)
    self.assertEqual(failed, {"rtrl-influence", "rtrl-converges"})

  @parameterized.parameters(("windows", "window"), ("segments", "segment"))
  def test_a_shifted_threshold_is_noticed(self, name, key):
    found = getattr(self.results(), name)
    left = np.full_like(found.theta[..., 1:], np.inf)  # The floats.
    for wrong in (
      found._replace(theta=np.roll(found.theta, 1, axis=1)),
      found._replace(credits=np.roll(found.credits, 1)),
      found._replace(theta=np.append(found.theta[..., :1], left, axis=-1)),
    ):
      self.assertIn(key, self.not_held(**{name: wrong}))

  def test_short_truncations_that_converge_are_noticed(self):
    windows = self.results().windows
    good = windows._replace(theta=windows.theta[:, ::-1])
    self.assertIn("short-diverges", self.not_held(windows=good))

  def test_uoro_without_its_influence_is_noticed(self):
    """BPTT(1, 1) is UORO that carries nothing."""
    with mock.patch.object(nf.estimators, "uoro", nf.estimators.truncated_bptt):
      with jax.enable_x64(True):
        theta = run.train_uoro(self.small)
    # All runs are the same then.
    theta = theta * (1 + 1e-3 * np.arange(len(theta))[:, None])
    self.assertEqual(self.not_held(uoro=theta), {"uoro"})

  def test_uoro_is_that_of_a_loop_in_the_mean(self):
    """The first stretch of updates, by enough keys."""
    config = dataclasses.replace(
      self.small, num_keys=400, uoro_learning_rate=1e-5, num_uoro_updates=1000
    )
    with jax.enable_x64(True):
      moved = run.train_uoro(config)[:, [0, -1]] @ np.array([-1, 1])
    expected = _trained_by_hand(10**6, 1, 1e-5, 1000)
    error = np.std(moved, ddof=1) / 20
    self.assertLess(error, 0.1 * abs(expected[-1] - expected[0]))
    self.assertLess(abs(moved.mean() - expected[-1] + expected[0]), 5 * error)

  def test_what_has_arrived_is_near(self):
    truncations = np.array([1, 2, 3])
    theta = np.array([[1.0, 2, 3], [2.0, 1e-14, 2e-14], [3.0, 2, 1]])
    found = run.Truncated(None, truncations, theta[None, :, None])
    self.assertEqual(claims.first_trained(found, 0.0), 2)
    found = found._replace(theta=found.theta[:, ::-1])
    self.assertEqual(claims.first_trained(found, 0.0), np.inf)

  @parameterized.parameters(
    (dict(num_positive=12), "num_positive=12"),
    (dict(num_updates=3), "num_updates to be a finite number >= 100"),
    (dict(max_truncation=100), "mean lag .*max_truncation=100"),
    (dict(segments=(201,)), "windows and segments"),
  )
  def test_refuses(self, settings, message):
    with self.assertRaisesRegex(ValueError, message):
      run.Config(**settings)


class TheoryTest(parameterized.TestCase):
  @parameterized.parameters((23, 10), (7, 3), (5, 1))
  def test_is_what_a_chain_at_rest_does(self, *chain):
    a, v = _matrices(*chain)
    # What raising theta for the last k steps does to the first unit.
    effects, state = [], np.zeros(len(v))
    for _ in range(400):
      state = a @ state + v
      effects.append(state[0])
    found = theory.predict(*chain, 400)
    np.testing.assert_allclose(found.partial_sums, effects, atol=1e-11)
    np.testing.assert_allclose(found.sensitivity, effects[-1], rtol=1e-9)
    terms = np.diff(effects, prepend=0)
    lag = np.sum(np.arange(400) * terms) / np.sum(terms)
    np.testing.assert_allclose(found.mean_lag, lag, rtol=1e-9)
    window = next(k for k, e in enumerate(effects, 1) if e < 0)
    segment = next(k for k in range(1, 401) if sum(effects[:k]) < 0)
    self.assertEqual((window, segment), (found.window, found.segment))
    if chain == (23, 10):
      self.assertEqual((window, segment), (41, 110))

  def test_no_sign_turns(self):
    self.assertTrue(np.isnan(theory.first_negative([1, 0])))


if __name__ == "__main__":
  absltest.main()
