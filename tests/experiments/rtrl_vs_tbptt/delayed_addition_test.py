"""Delayed addition: floors against data, training against a loop."""

import functools

import chex
import jax
import numpy as np
from absl.testing import absltest, parameterized

import nnfun as nf
from experiments.rtrl_vs_tbptt import delayed_addition
from experiments.rtrl_vs_tbptt.delayed_addition import (
  claims,
  readings,
  run,
  theory,
)
from tests import oracles
from tests.experiments import study_case

_SMALL = run.Config(
  num_units=6,
  num_steps=50,
  learning_rates=(0.1, 0.3),
  delays=(2, 3, 2, 5),
  windows=(1, 50),
  segments=(1,),
  num_seeds=3,
  num_test_steps=300,
)


@functools.cache
def _small():
  with oracles.float64():
    return run.run(_SMALL)


def _learned(losses, start=None):
  """Losses by task, the seeds a little apart; the curves begin at `start`."""
  noise = 1e-4 * np.arange(4)[:, None, None]
  losses = np.array(losses)[None, :, None] + noise
  curves = np.repeat(losses[..., None], 50, axis=-1)
  if start is not None:
    curves[..., :25] = start
  return run.Learned(curves, losses, np.zeros((*losses.shape, 2)))


# Mean losses for (4, 6) and (6, 10): as measured, and as the floors would have
# it if a window knew what it holds and nothing else.
_AS_MEASURED = {
  "1": (0.47, 0.54),
  "3": (0.64, 0.62),
  "5": (0.455, 0.67),
  "7": (0.455, 0.458),
}
_STAIRCASE = {
  "1": (0.662, 0.662),
  "3": (0.662, 0.662),
  "5": (0.52, 0.662),
  "7": (0.455, 0.52),
}


def _results(windows=_AS_MEASURED, start=0.46, **changes):
  """Results as a run would store them."""
  results = run.Results(
    frozen=_learned((0.49, 0.56)),
    windows={k: _learned(losses, start) for k, losses in windows.items()},
    segments={"5": _learned((0.455, 0.62))},
    rtrl=_learned((0.455, 0.457)),
    sampled_floors=theory.loss_floors() + 1e-4 * np.arange(4)[:, None],
    delays=np.array([[4, 6], [6, 10]]),
    learning_rates=np.array([0.03]),
    num_steps=np.array(1000),
  )
  return results._replace(**changes)


def _judged(results):
  return {claim.key: claim.holds for claim in claims.claims(results)}


class CaseTest(study_case.StudyCase):
  study = delayed_addition.STUDY
  small = run.Config(
    num_units=4,
    num_steps=50,
    delays=(2, 3),
    windows=(1,),
    segments=(1,),
    num_seeds=2,
    num_test_steps=200,
  )


class TheoryTest(parameterized.TestCase):
  def test_printed_floors(self):
    printed = list(readings.FLOORS.values())
    np.testing.assert_allclose(theory.loss_floors(), printed, atol=5e-5)
    # The mean of y is 5/8.
    expected = -(5 / 8) * np.log(5 / 8) - (3 / 8) * np.log(3 / 8)
    np.testing.assert_allclose(theory.loss_floors()[0], expected, rtol=1e-12)

  @parameterized.parameters((0, ()), (1, (4,)), (2, (6,)), (3, (4, 6)))
  def test_best_table_on_a_stream_of_the_task(self, index, known):
    num_steps = 100_000
    task = nf.tasks.delayed_addition(num_steps=num_steps, delays=(4, 6))
    x, y = map(np.asarray, task.sample(jax.random.key(0)))
    steps = np.arange(10, num_steps)
    rows = np.zeros(len(steps), int)
    for delay in known:
      rows = 2 * rows + x[steps - delay, 0].astype(int)
    losses = np.empty(len(steps))
    for row in np.unique(rows):
      target = y[steps[rows == row]]
      guess = target.mean(axis=0)
      with np.errstate(divide="ignore"):
        logs = np.where(guess > 0, np.log(guess), 0.0)
      losses[rows == row] = -target @ logs
    error = losses.std() / np.sqrt(len(losses))
    distance = abs(losses.mean() - theory.loss_floors()[index])
    self.assertLess(distance, 4 * error + 1e-4)

  def test_sampled_floors_belong_to_the_task_and_its_delays(self):
    rng = np.random.default_rng(0)
    coins = rng.integers(0, 2, (4, 20_000)).astype(float)
    target = np.full_like(coins, 0.5)
    target[:, 4:] += 0.5 * coins[:, :-4]
    target[:, 6:] -= 0.25 * coins[:, :-6]
    right = theory.sampled_floors(coins, target, (4, 6)).mean(axis=0)
    np.testing.assert_allclose(right, theory.loss_floors(), atol=0.003)
    wrong = theory.sampled_floors(coins, target, (3, 5)).mean(axis=0)
    self.assertGreater(wrong[3] - theory.loss_floors()[3], 0.1)

  @parameterized.parameters(
    ((0.5, 0.49, -0.245), (0.98, 0.98)),
    ((0.4, 0.5, 0), (1, 0)),
    ((0.6, 0, 0), (0, 0)),
  )
  def test_shares_of_known_predictors(self, coefficients, expected):
    coins = np.asarray(jax.random.bernoulli(jax.random.key(3), 0.5, (400,)))
    base, one, other = coefficients
    p = np.full(400, 0.5)
    for t in range(5, 400):
      p[t] = base + one * coins[t - 2] + other * coins[t - 5]
    log_odds = np.stack([np.log(p / (1 - p))] * 2)
    shares = theory.learned_shares(log_odds, coins, (2, 5), warm_up=9)
    np.testing.assert_allclose(shares, [expected] * 2, atol=1e-9)

  def test_excess_is_a_divergence(self):
    p, q = np.array([0.25, 0.5, 1.0, 0.75]), np.array([0.3, 0.5, 0.9, 0.2])
    expected = [
      a * np.log(a / b) + (0 if a == 1 else (1 - a) * np.log((1 - a) / (1 - b)))
      for a, b in zip(p, q, strict=True)
    ]
    actual = theory.excess_loss(np.log(q / (1 - q)), p)
    np.testing.assert_allclose(actual, expected, rtol=1e-12, atol=1e-15)


class RunTest(parameterized.TestCase):
  def test_shapes(self):
    results = _small()
    for learned in (results.frozen, *results.windows.values(), results.rtrl):
      chex.assert_shape(learned.curves, (3, 2, 2, 50))
      chex.assert_shape(learned.losses, (3, 2, 2))
      chex.assert_shape(learned.shares, (3, 2, 2, 2))
      chex.assert_type([*learned], np.float64)

  def test_limits(self):
    results = _small()
    one, exact = results.windows["1"].curves, results.rtrl.curves
    # A window over the whole stream is exact; one step is one step.
    whole = results.windows["50"].curves
    np.testing.assert_allclose(whole, exact, rtol=1e-10)
    np.testing.assert_allclose(one, results.segments["1"].curves, rtol=1e-10)
    # And these two are not the same.
    self.assertGreater(np.abs(one - exact).max(), 1e-3)

  def test_frozen_recurrence_is_a_loop_over_a_readout(self):
    cell = nf.cells.vanilla(num_inputs=2, num_units=_SMALL.num_units)
    with oracles.float64():
      params, train, _ = run._draw(_SMALL, cell)
    d, rate, seed = 1, 1, 2
    kernel = np.asarray(params["cell"][seed], np.float64)
    weights = np.asarray(params["readout"]["weights"][seed], np.float64)
    bias, state = np.zeros(2), np.zeros(_SMALL.num_units)
    losses = []
    for x_t, y_t in zip(train.x[seed, d], train.y[seed, d], strict=True):
      x_t, y_t = np.asarray(x_t, np.float64), np.asarray(y_t, np.float64)
      state = np.tanh(kernel @ np.concatenate([state, x_t, [1.0]]))
      p = np.exp(weights @ state + bias)
      p /= p.sum()
      entropy = -sum(v * np.log(v) for v in y_t if v > 0)
      losses.append(-y_t @ np.log(p) - entropy)
      step = _SMALL.learning_rates[rate] * (p - y_t)
      weights, bias = weights - np.outer(step, state), bias - step
    expected = np.array(losses) + theory.loss_floors()[-1]
    actual = _small().frozen.curves[seed, d, rate]
    np.testing.assert_allclose(actual, expected, rtol=1e-10)

  def test_learns_what_a_state_alone_holds(self):
    config = run.Config(
      num_units=12,
      num_steps=3000,
      learning_rates=(0.1,),
      delays=(1, 2),
      windows=(1,),
      segments=(1,),
      num_seeds=3,
    )
    results = run.run(config)
    self.assertTrue(_judged(results)["exact-credit"])
    np.testing.assert_allclose(results.rtrl.shares, 1, atol=0.1)
    # Broken: the gradient is lost, so nothing is learned.
    cell = nf.cells.vanilla(num_inputs=2, num_units=12)
    zero = nf.estimators.truncated_bptt(
      cell, lambda *args: 0.0 * run._loss(*args)
    )
    drawn = run._draw(config, cell)
    lost = run._learn(config, cell, *drawn, "zero", run._Method(zero))
    found = _judged(results._replace(rtrl=lost))
    self.assertIsNot(found["exact-credit"], True)

  @parameterized.parameters(
    (dict(num_seeds=1), "num_seeds >= 2"),
    (dict(delays=(4, 6, 6)), "in pairs"),
    (dict(delays=(6, 4)), "t1 < t2"),
    (dict(segments=(7,)), "multiple of 350"),
    (dict(num_test_steps=100), "num_test_steps >= 156"),
  )
  def test_refuses(self, settings, message):
    with self.assertRaisesRegex(ValueError, message):
      run.Config(**settings)


class ClaimsTest(parameterized.TestCase):
  def test_hold_for_what_is_measured(self):
    found = _judged(_results())
    self.assertIsNone(found.pop("long-lag"))
    self.assertTrue(all(found.values()), found)
    self.assertLen(found, 7)

  def test_fail_for_a_staircase(self):
    found = _judged(_results(_STAIRCASE, start=None))
    failed = {key for key, holds in found.items() if holds is False}
    self.assertEqual(failed, {"immediate", "unlearns", "beyond-the-window"})

  @parameterized.parameters(
    (dict(rtrl=_learned((0.455, 0.47))), "exact-credit"),
    (dict(frozen=_learned((0.49, 0.67))), "state-carries"),
    (dict(frozen=_learned((0.49, 0.68))), "worse-than-untrained"),
    (dict(segments={"5": _learned((0.52, 0.62))}), "beyond-the-window"),
    (dict(sampled_floors=_results().sampled_floors + 0.01), "floors"),
  )
  def test_fail_one_by_one(self, change, key):
    self.assertIs(_judged(_results(**change))[key], False)

  def test_a_window_one_too_long_is_noticed(self):
    # It holds t1 in the state from which it starts, and so keeps it.
    found = _judged(_results(_AS_MEASURED | {"3": (0.455, 0.62)}))
    self.assertIs(found["worse-than-untrained"], False)

  def test_a_slower_training_has_a_claim_of_its_own(self):
    rates = np.array([0.001, 0.03])
    for slow, holds in ((0.48, True), (0.51, False)):
      rtrl = _learned((0.455, 0.457))
      losses = np.concatenate([rtrl.losses - 0.457 + slow, rtrl.losses], -1)
      found = _judged(
        _results(rtrl=rtrl._replace(losses=losses), learning_rates=rates)
      )
      self.assertIs(found["exact-credit-slowly"], holds)


if __name__ == "__main__":
  absltest.main()
