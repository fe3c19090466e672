"""Murray's task: two loops over time, and claims on stored numbers."""

import contextlib
import functools

import jax
import numpy as np
from absl.testing import absltest, parameterized
from jax import numpy as jnp

from experiments.rtrl_vs_tbptt import murray
from experiments.rtrl_vs_tbptt.murray import readings, run
from tests import oracles
from tests.experiments import study_case

_SMALL = run.Config(
  num_units=7,
  num_steps=15,
  learning_rate=1.0,
  num_trials=30,
  num_seeds=3,
  rtrl_num_trials=20,
  rtrl_num_seeds=2,
)


@functools.cache
def _in_float64():
  with oracles.float64():
    return run.run(_SMALL)


@functools.cache
def _trained_by_hand(shift, wide=False):
  """Loops over steps: h_t, the errors, and the sum over t backwards.

  With `shift` the state at t gets the error of t + 1, as in the notebook.
  """
  with oracles.float64() if wide else contextlib.nullcontext():
    key = jax.random.split(jax.random.key(_SMALL.seed), _SMALL.num_seeds)[1]
    params = jax.tree.map(np.float64, run.start(key, _SMALL))
  weights, readout = params["cell"], params["readout"]
  n, num_steps, tau = len(readout), _SMALL.num_steps, 10.0
  y = run.target(num_steps)
  losses = []
  for _ in range(_SMALL.num_trials):
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
    weights = weights - rate * grad_weights
    readout = readout - rate * grad_readout
  return np.array(losses)


class MurrayTest(study_case.StudyCase):
  study = murray.STUDY
  small = _SMALL

  def judge(self, **changes):
    found = self.study.claims(self.results()._replace(**changes))
    return {claim.key: claim.holds for claim in found}

  def test_small_run(self):
    expected = {"initial-loss": True, "same-curve": True}
    self.assertEqual(
      self.judge(), expected | {"final-loss": None, "rflo": None}
    )

  @parameterized.parameters(("bptt", 0), ("rtrl", 0), ("shifted", 1))
  def test_training_is_that_of_a_loop(self, name, shift):
    for results, wide, rtol in (
      (self.results(), False, 1e-3),
      (_in_float64(), True, 1e-10),
    ):
      actual = getattr(results, name)[1]
      expected = _trained_by_hand(shift, wide)[: len(actual)]
      np.testing.assert_allclose(actual, expected, rtol=rtol)

  def test_the_loops_differ_by_more_than_rounding(self):
    differences = _trained_by_hand(1)[:20] / _trained_by_hand(0)[:20] - 1
    self.assertGreater(np.abs(differences).max(), 1e-2)

  def test_cell_is_affine(self):
    cell, h = run.leaky_cell(7), np.linspace(-0.5, 0.5, 7)
    with oracles.float64():
      params = cell.init(jax.random.key(1))
      actual = cell.step(params, jnp.asarray(h), jnp.zeros(0))
    expected = 0.9 * h + 0.1 * np.tanh(np.asarray(params) @ h)
    np.testing.assert_allclose(actual, expected, rtol=1e-10)
    np.testing.assert_array_equal(cell.initial_state(), np.float32(0.1))

  def test_initial_weights_have_the_published_size(self):
    params = run.start(jax.random.key(0), run.Config())
    np.testing.assert_allclose(np.std(params["cell"]) * 50**0.5, 1.5, rtol=0.05)
    largest = np.abs(params["readout"]).max() * 50**0.5
    self.assertBetween(largest, 0.09, 0.1)

  def test_target(self):
    y = run.target(100)
    self.assertEqual(y[0], 0)
    np.testing.assert_allclose(y[25], np.sin(np.pi / 2), atol=1e-12)
    np.testing.assert_allclose(np.mean(y**2), (1 + 1 / 4 + 1 / 16) / 2)

  @parameterized.parameters((0.0, True), (-1.2, False), (1.65, False))
  def test_published_loss(self, offset, holds):
    final = np.log10(readings.BPTT) + np.linspace(-0.3, 0.3, 10) + offset
    curves = np.geomspace(0.328, 10**final, readings.NUM_TRIALS, axis=1)
    self.assertIs(self.judge(shifted=curves)["final-loss"], holds)

  def test_another_direction_passed_off_as_rtrl_is_noticed(self):
    wrong = np.stack([_trained_by_hand(1)[:20]] * 2)
    self.assertIs(self.judge(rtrl=wrong)["same-curve"], False)

  def test_twice_the_loss_is_noticed(self):
    doubled = 2 * self.results().shifted
    self.assertIs(self.judge(shifted=doubled)["initial-loss"], False)

  @parameterized.parameters(
    (dict(num_seeds=1), "num_seeds to be a finite number >= 2"),
    (dict(num_seeds=2, rtrl_num_seeds=3), "rtrl_num_seeds <= num_seeds"),
  )
  def test_refuses(self, settings, message):
    with self.assertRaisesRegex(ValueError, message):
      run.Config(**settings)


if __name__ == "__main__":
  absltest.main()
