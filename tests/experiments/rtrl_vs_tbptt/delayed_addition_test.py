"""Delayed addition: floors against data, training against a loop."""

import functools
from unittest import mock

import chex
import jax
import numpy as np
from absl.testing import absltest, parameterized
from jax import numpy as jnp

import nnfun as nf
from experiments.rtrl_vs_tbptt import delayed_addition
from experiments.rtrl_vs_tbptt import delayed_addition_claims as claims_lib
from experiments.rtrl_vs_tbptt import delayed_addition_theory as theory
from tests import oracles

_SMALL = delayed_addition.Config(
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
    return delayed_addition.run(_SMALL)


def _results(losses, rises=()):
  """Results as a run would store them, the seeds a little apart."""
  methods, losses = zip(*losses.items(), strict=True)
  losses = np.array(losses)[:, :, None, None] + 1e-4 * np.arange(4)
  curves = np.repeat(losses[..., None], 50, axis=-1)
  for name in rises:
    curves[methods.index(name), ..., :25] = 0.46
  return {
    "floors": theory.loss_floors(),
    "sampled_floors": theory.loss_floors() + 1e-4 * np.arange(4)[:, None],
    "methods": np.array(methods),
    "delays": np.array([[4, 6], [6, 10]]),
    "learning_rates": np.array([0.03]),
    "num_steps": np.array(1000),
    "losses": losses,
    "curves": curves,
    "shares": np.zeros((*losses.shape, 2)),
  }


# Mean losses for (4, 6) and (6, 10): as measured, and as the floors would have
# it if a window knew what it holds and nothing else.
_AS_MEASURED = {
  claims_lib.FROZEN: (0.49, 0.56),
  "window 1": (0.47, 0.54),
  "window 3": (0.64, 0.62),
  "window 5": (0.455, 0.67),
  "window 7": (0.455, 0.458),
  "segment 5": (0.455, 0.62),
  claims_lib.RTRL: (0.455, 0.457),
}
_RISES = ("window 3", "window 5")
_STAIRCASE = _AS_MEASURED | {
  "window 1": (0.662, 0.662),
  "window 3": (0.662, 0.662),
  "window 5": (0.52, 0.662),
  "window 7": (0.455, 0.52),
}


def _failed(results):
  return [
    claim.statement
    for claim in claims_lib.all_claims(results)
    if not claim.holds
  ]


class FloorsTest(parameterized.TestCase):
  @parameterized.parameters(
    ("knows nothing", ()),
    ("knows t1", (4,)),
    ("knows t2", (6,)),
    ("knows both", (4, 6)),
  )
  def test_best_table_on_a_stream_of_the_task(self, name, known):
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
    floor = theory.loss_floors()[theory.FLOOR_NAMES.index(name)]
    error = losses.std() / np.sqrt(len(losses))
    self.assertLess(abs(losses.mean() - floor), 4 * error + 1e-4)

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

  def test_floors_are_ordered_by_what_is_known(self):
    nothing, one, other, both = theory.loss_floors()
    self.assertLess(both, one)
    self.assertLess(one, other)
    self.assertLess(other, nothing)
    # The mean of y is 5/8.
    expected = -(5 / 8) * np.log(5 / 8) - (3 / 8) * np.log(3 / 8)
    np.testing.assert_allclose(nothing, expected, rtol=1e-12)

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
    chex.assert_shape(results["curves"], (5, 2, 2, 3, 50))
    chex.assert_shape(results["losses"], (5, 2, 2, 3))
    chex.assert_shape(results["shares"], (5, 2, 2, 3, 2))
    chex.assert_tree_all_finite(
      {n: results[n] for n in ("curves", "losses", "shares")}
    )
    chex.assert_type([results["curves"], results["losses"]], np.float64)
    self.assertEqual(claims_lib.lengths(results, claims_lib.window), [1, 50])
    self.assertEqual(claims_lib.lengths(results, claims_lib.segment), [1])

  def test_limits(self):
    results = _small()
    of = functools.partial(claims_lib.of, results, "curves")
    # A window over the whole stream is exact; one step is one step.
    np.testing.assert_allclose(of("window 50"), of("RTRL"), rtol=1e-10)
    np.testing.assert_allclose(of("window 1"), of("segment 1"), rtol=1e-10)
    # And these two are not the same.
    self.assertGreater(np.abs(of("window 1") - of("RTRL")).max(), 1e-3)

  def test_frozen_recurrence_is_a_loop_over_a_readout(self):
    cell = nf.cells.vanilla(num_inputs=2, num_units=_SMALL.num_units)
    with oracles.float64():
      params, train, _ = delayed_addition._draw(_SMALL, cell)
    d, rate, seed = 1, 1, 2
    kernel = np.asarray(params["cell"][seed], np.float64)
    weights = np.asarray(params["readout"]["weights"][seed], np.float64)
    bias, state = np.zeros(2), np.zeros(_SMALL.num_units)
    losses = []
    for x_t, y_t in zip(train.x[d, seed], train.y[d, seed], strict=True):
      x_t, y_t = np.asarray(x_t, np.float64), np.asarray(y_t, np.float64)
      state = np.tanh(kernel @ np.concatenate([state, x_t, [1.0]]))
      p = np.exp(weights @ state + bias)
      p /= p.sum()
      entropy = -sum(v * np.log(v) for v in y_t if v > 0)
      losses.append(-y_t @ np.log(p) - entropy)
      step = _SMALL.learning_rates[rate] * (p - y_t)
      weights, bias = weights - np.outer(step, state), bias - step
    expected = np.array(losses) + theory.loss_floors()[-1]
    actual = claims_lib.of(_small(), "curves", claims_lib.FROZEN)
    np.testing.assert_allclose(actual[d, rate, seed], expected, rtol=1e-10)

  def test_learns_what_a_state_alone_holds(self):
    config = delayed_addition.Config(
      num_units=12,
      num_steps=3000,
      learning_rates=(0.1,),
      delays=(1, 2),
      windows=(),
      segments=(),
      num_seeds=2,
    )
    results = delayed_addition.run(config)
    self.assertEmpty(_failed(results))
    np.testing.assert_allclose(
      claims_lib.of(results, "shares", "RTRL"), 1, atol=0.1
    )
    # Broken: the gradient is lost, so nothing is learned.
    zero = lambda cell, loss_fn, **_: nf.estimators.truncated_bptt(
      cell, lambda *args: 0.0 * loss_fn(*args)
    )
    with mock.patch.object(nf.estimators, "rtrl", zero):
      failed = _failed(delayed_addition.run(config))
    self.assertTrue(any("exact credit" in s for s in failed), failed)

  def test_draws(self):
    self.assertLen(delayed_addition.STUDY.plot(_small()).axes, 6)

  @parameterized.parameters(
    (dict(num_seeds=0), "num_seeds=0"),
    (dict(num_units=0), "num_units=0"),
    (dict(delays=(4, 6, 6)), "in pairs"),
    (dict(delays=(6, 4)), "t1 < t2"),
    (dict(learning_rates=()), "learning_rates"),
    (dict(windows=(0,)), "windows and segments"),
    (dict(segments=(7,)), "multiple of 350"),
    (dict(num_test_steps=100), "num_test_steps >= 160"),
  )
  def test_refuses(self, settings, message):
    with self.assertRaisesRegex(ValueError, message):
      delayed_addition.run(delayed_addition.Config(**settings))


class ClaimsTest(parameterized.TestCase):
  def test_hold_for_what_is_measured(self):
    results = _results(_AS_MEASURED, _RISES)
    self.assertEmpty(_failed(results))
    self.assertLen(claims_lib.all_claims(results), 18)

  def test_fail_for_a_staircase(self):
    failed = " ".join(_failed(_results(_STAIRCASE)))
    for part in ("window 1", "unlearns", "t1 + 1 = 5", "t1 + 1 = 7"):
      self.assertIn(part, failed)

  @parameterized.parameters(
    (claims_lib.RTRL, (0.455, 0.47), "(RTRL)"),
    (claims_lib.FROZEN, (0.49, 0.67), "random"),
    ("window 5", (0.455, 0.54), "nearer to the floor of knowing nothing"),
    ("window 5", (0.455, 0.54), "worse than not training"),
    ("segment 5", (0.52, 0.62), "BPTT(K, K)"),
  )
  def test_fail_one_by_one(self, name, losses, part):
    failed = _failed(_results(_AS_MEASURED | {name: losses}, _RISES))
    self.assertTrue(any(part in s for s in failed), failed)

  def test_a_shorter_training_has_claims_of_its_own(self):
    results = _results(_AS_MEASURED, _RISES)
    for name in ("losses", "curves", "shares"):
      results[name] = np.repeat(results[name], 2, axis=2)
    results["learning_rates"] = np.array([0.001, 0.03])
    results["losses"][-1, :, 0] = 0.48  # Not yet at the floor.
    self.assertLen(claims_lib.all_claims(results), 20)
    self.assertEmpty(_failed(results))
    results["losses"][-1, :, 0] = 0.51
    self.assertLen(_failed(results), 2)

  def test_one_seed_gives_no_standard_error(self):
    self.assertTrue(np.isnan(claims_lib._less_two_errors(jnp.ones(1))))


if __name__ == "__main__":
  absltest.main()
