"""Murray's task: two loops over time, and claims on stored numbers."""

import functools
import math
from unittest import mock

import chex
import jax
import numpy as np
from absl.testing import absltest, parameterized
from jax import numpy as jnp

import nnfun as nf
from experiments.rtrl_vs_tbptt import murray
from experiments.rtrl_vs_tbptt.murray import claims, readings, run
from tests import oracles
from tests.experiments import study_case

_SMALL = run.Config(
  num_units=7,
  num_steps=15,
  time_constant=4.0,
  learning_rate=1.0,
  num_trials=30,
  num_seeds=3,
  rtrl_num_trials=20,
  rtrl_num_seeds=2,
  flush_every=4,
)


def _small():
  return study_case.results_of(murray.STUDY, _SMALL)


@functools.cache
def _small_float64():
  with oracles.float64():
    return run.run(_SMALL)


def _cell():
  return run.leaky_cell(
    num_units=_SMALL.num_units,
    time_constant=_SMALL.time_constant,
    gain=_SMALL.gain,
  )


def _start(seed):
  """The initial weights of one network, in float64."""
  keys = jax.random.split(jax.random.key(_SMALL.seed), _SMALL.num_seeds)
  params = run._init(_SMALL, _cell(), keys[seed])
  params = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), params)
  return params["cell"][:, :-1], params["readout"]


def _trained_by_hand(seed, num_trials, shift):
  """Loops over steps: h_t, the errors, and the sum over t backwards.

  With `shift` the state at t gets the error of t + 1, as in the notebook.
  """
  weights, readout = _start(seed)
  n, num_steps, tau = len(readout), _SMALL.num_steps, _SMALL.time_constant
  y = run.target(num_steps)
  losses = []
  for _ in range(num_trials):
    h, slopes, errors = [np.full(n, 0.1)], [None], [0.0]
    for t in range(1, num_steps):
      tanh = np.tanh(weights @ h[t - 1])
      h.append(h[t - 1] + (tanh - h[t - 1]) / tau)
      slopes.append(1 - tanh**2)
      errors.append(readout @ h[t] - y[t])
    losses.append(0.5 * np.mean(np.square(errors)))
    grad_weights, grad_readout = np.zeros((n, n)), np.zeros(n)
    back = np.zeros(n)
    for t in reversed(range(1, num_steps)):
      seen = errors[min(t + shift, num_steps - 1)]
      back = back + readout * seen
      grad_readout += errors[t] * h[t]
      through = back * slopes[t] / tau
      grad_weights += np.outer(through, h[t - 1])
      back = (1 - 1 / tau) * back + weights.T @ through
    rate = _SMALL.learning_rate / num_steps
    weights, readout = (
      weights - rate * grad_weights,
      readout - (rate * grad_readout),
    )
  return np.array(losses)


class CaseTest(study_case.StudyCase):
  study = murray.STUDY
  small = _SMALL


class RunTest(parameterized.TestCase):
  def test_shapes(self):
    expected = run.Results(
      bptt=(3, 30),
      nudged=(2, 20),
      shifted=(3, 30),
      rtrl=(2, 20),
      bptt_outputs=(3, 15),
      rtrl_outputs=(2, 15),
      target=(15,),
      seconds=(2,),
    )
    self.assertEqual(run.Results(*map(np.shape, _small())), expected)
    chex.assert_tree_all_finite(_small())

  @parameterized.parameters(("bptt", 0), ("rtrl", 0), ("shifted", 1))
  def test_training_is_that_of_a_loop(self, name, shift):
    actual = getattr(_small_float64(), name)
    chex.assert_type(actual, np.float64)
    for seed in range(len(actual)):
      with oracles.float64():
        by_hand = _trained_by_hand(seed, actual.shape[1], shift)
      np.testing.assert_allclose(actual[seed], by_hand, rtol=1e-10)

  def test_float32_trains_alike(self):
    results = _small()
    for name, shift in (("bptt", 0), ("rtrl", 0), ("shifted", 1)):
      chex.assert_type(getattr(results, name), np.float32)
      by_hand = _trained_by_hand(0, getattr(results, name).shape[1], shift)
      np.testing.assert_allclose(getattr(results, name)[0], by_hand, rtol=1e-3)

  def test_the_shift_is_seen(self):
    differences = _trained_by_hand(0, 20, 1) / _trained_by_hand(0, 20, 0) - 1
    self.assertGreater(np.abs(differences).max(), 1e-2)

  def test_outputs_are_those_of_the_trained_network(self):
    results = _small_float64()
    errors = results.bptt_outputs - results.target
    self.assertEqual(errors[0, 0], 0)
    # One update after the last loss that was recorded.
    num_trials = _SMALL.num_trials + 1
    with oracles.float64():
      expected = [_trained_by_hand(i, num_trials, 0)[-1] for i in range(3)]
    actual = 0.5 * np.mean(errors**2, axis=1)
    np.testing.assert_allclose(actual, expected, rtol=1e-10)

  def test_cell_is_affine(self):
    cell, h, x = _cell(), np.linspace(-0.5, 0.5, 7), np.array([0.3])
    with oracles.float64():
      params = cell.init(jax.random.key(1))
      actual = cell.step(params, jnp.asarray(h), jnp.asarray(x))
    tanh = np.tanh(np.asarray(params) @ np.append(h, x))
    np.testing.assert_allclose(actual, 0.75 * h + 0.25 * tanh, rtol=1e-10)
    np.testing.assert_array_equal(cell.initial_state(), np.float32(0.1))

  def test_initial_weights_have_the_published_size(self):
    config = run.Config()
    cell = run.leaky_cell(num_units=50, time_constant=10.0, gain=1.5)
    params = run._init(config, cell, jax.random.key(0))
    recurrent, inputs = params["cell"][:, :-1], params["cell"][:, -1]
    np.testing.assert_allclose(np.std(recurrent) * 50**0.5, 1.5, rtol=0.05)
    self.assertTrue(np.all((-0.1 <= inputs) & (inputs <= 0)))
    largest = 0.1 / 50**0.5
    self.assertTrue(np.all(np.abs(params["readout"]) <= largest))
    self.assertGreater(np.abs(params["readout"]).max(), 0.9 * largest)

  def test_target(self):
    y = run.target(100)
    self.assertEqual(y[0], 0)
    np.testing.assert_allclose(y[25], np.sin(np.pi / 2), atol=1e-12)
    np.testing.assert_allclose(np.mean(y**2), (1 + 1 / 4 + 1 / 16) / 2)

  @parameterized.parameters(
    (dict(num_seeds=0), "num_seeds=0"),
    (dict(num_seeds=1), "num_seeds >= 2"),
    (dict(num_steps=1), "num_steps >= 2"),
    (dict(num_seeds=2, rtrl_num_seeds=3), "rtrl_num_seeds <= num_seeds"),
    (dict(num_trials=1, rtrl_num_trials=2), "rtrl_num_trials <= num_trials"),
  )
  def test_refuses(self, settings, message):
    with self.assertRaisesRegex(ValueError, message):
      run.Config(**settings)


def _published(decades):
  """Results of the published length with these final losses, powers of 10."""
  curves = np.geomspace(0.328, 10**decades, 10_000, axis=1)
  results = _small()._replace(bptt=curves, shifted=curves, rtrl=curves)
  return results._replace(target=run.target(100))


_DECADES = math.log10(readings.PUBLISHED_BPTT) + np.linspace(-0.3, 0.3, 10)


class ClaimsTest(parameterized.TestCase):
  def judge(self, results):
    return {claim.key: claim for claim in claims.claims(results)}

  def test_small_run(self):
    found = self.judge(_small())
    self.assertTrue(found["same-curve"].holds)
    self.assertTrue(found["initial-loss"].holds)
    self.assertIsNone(found["final-loss"].measurement)

  @parameterized.parameters((0.0, True), (-1.2, False), (1.65, False))
  def test_published_loss(self, offset, holds):
    found = self.judge(_published(_DECADES + offset))
    self.assertIs(found["final-loss"].holds, holds)

  def test_a_truncation_passed_off_as_rtrl_is_noticed(self):
    def broken(cell, loss_fn, flush_every):
      del flush_every
      return nf.estimators.truncated_bptt(cell, loss_fn)

    with mock.patch.object(nf.estimators, "rtrl", broken):
      found = self.judge(run.run(_SMALL))
    self.assertIs(found["same-curve"].holds, False)

  def test_twice_the_loss_is_noticed(self):
    found = self.judge(_small()._replace(bptt=2 * _small().bptt))
    self.assertIs(found["initial-loss"].holds, False)


if __name__ == "__main__":
  absltest.main()
