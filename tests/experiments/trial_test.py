"""Trials: runs side by side are the runs alone, and go on bit for bit."""

import importlib
import tempfile
from unittest import mock

import chex
import jax
import numpy as np
import optax
from absl.testing import absltest, parameterized

import nnfun as nf
from experiments import checkpoints
from experiments import trial as trial_lib
from experiments.gradient_flow.recurrent import networks
from experiments.gradient_flow.recurrent import trial as recurrent
from experiments.rtrl_vs_tbptt.delayed_addition import run
from experiments.rtrl_vs_tbptt.delayed_addition import trial as addition

_TRIAL = addition.TRIAL


def _configs(**settings):
  """Nine runs, on three of the devices."""
  base = {"num_units": 4, "num_steps": 500} | settings
  return [
    addition.Config(**base, learning_rate=rate, seed=seed)
    for rate in (0.003, 0.01, 0.03)
    for seed in (0, 1, 2**32 - 1)
  ]


class TrialTest(parameterized.TestCase):
  def run_together(self, configs, trial=_TRIAL):
    folder = self.enterContext(tempfile.TemporaryDirectory())
    at = checkpoints.Checkpoints(folder)
    return trial_lib.run_together(trial, configs, at)

  def test_runs_side_by_side_are_the_runs_alone(self):
    configs = _configs()
    together = self.run_together(configs)
    self.assertEqual(together.shape, (9, 50))
    self.assertTrue(np.isfinite(together).all())
    # Rates and seeds each make a difference.
    distances = np.abs(together[:, None] - together).max(-1)
    self.assertGreater(distances[~np.eye(9, dtype=bool)].min(), 1e-3)
    for number in (0, 8):
      (alone,) = self.run_together(configs[number : number + 1])
      np.testing.assert_allclose(together[number], alone, rtol=1e-4, atol=1e-6)

  def test_a_curve_is_that_of_train_stream(self):
    config = _configs()[-1]
    state = addition.start(config, jax.random.key(config.seed))
    cell = nf.cells.vanilla(num_inputs=2, num_units=4)
    task = nf.tasks.delayed_addition(num_steps=500, delays=(4, 6))
    _, losses = nf.training.train_stream(
      nf.estimators.rtrl(cell, run.loss_fn),
      optax.sgd(0.03),
      state.stream,
      *task.sample(state.key_stream),
      segment=1,
    )
    (curve,) = self.run_together([config])
    expected = np.asarray(losses).reshape(50, -1).mean(1)
    np.testing.assert_allclose(curve, expected, rtol=1e-4, atol=1e-6)

  def test_goes_on_bit_for_bit_from_a_checkpoint(self):
    configs = _configs()
    expected = self.run_together(configs)
    folder = self.enterContext(tempfile.TemporaryDirectory())
    at = checkpoints.Checkpoints(folder)
    program = trial_lib.prepare(_TRIAL, configs)
    checkpoints.run(program.work, program.start(), 4, at)
    chex.assert_trees_all_equal(
      trial_lib.run_together(_TRIAL, configs, at), expected
    )

  def test_goes_on_with_other_devices(self):
    configs = _configs()
    expected = self.run_together(configs)
    folder = self.enterContext(tempfile.TemporaryDirectory())
    at = checkpoints.Checkpoints(folder)
    program = trial_lib.prepare(_TRIAL, configs)
    state = checkpoints.run(program.work, program.start(), 4, at)
    self.assertLen(state.curves.sharding.device_set, 3)  # 9 runs, 8 devices.
    with mock.patch.object(jax, "local_devices", lambda: jax.devices()[:2]):
      found = trial_lib.run_together(_TRIAL, configs, at)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)

  def test_refuses_what_is_not_one_program(self):
    configs = [*_configs(), *_configs(num_units=5)]
    with self.assertRaisesRegex(ValueError, "differ in learning_rate, gain, s"):
      trial_lib.prepare(_TRIAL, configs)

  def test_a_curve_is_that_of_train_episodes(self):
    config = recurrent.Config(
      num_units=4, copy_length=1, copy_delay=3, batch_size=2, num_updates=50
    )
    state = recurrent.start(config, jax.random.key(config.seed))
    cell = networks.make_cell(networks.NETWORKS["tanh"], 4)
    rmsprop = optax.rmsprop(config.learning_rate, decay=0.9)
    _, expected = nf.training.train_episodes(
      nf.estimators.truncated_bptt(cell, networks.loss_fn),
      optax.chain(optax.clip_by_global_norm(1.0), rmsprop),
      networks.copy_task(1, 3),
      state,
      num_episodes=50,
      segment=5,
      batch_size=2,
    )
    (curve,) = self.run_together([config], recurrent.TRIAL)
    np.testing.assert_allclose(curve, expected, rtol=1e-4, atol=1e-6)

  @parameterized.parameters(
    *(addition.Config(estimator=name) for name in addition.ESTIMATORS),
    *(recurrent.Config(network=name) for name in networks.NETWORKS),
  )
  def test_every_choice_by_name_is_a_program(self, config):
    trial = importlib.import_module(type(config).__module__).TRIAL
    state = jax.eval_shape(
      lambda key: trial.start(config, key), jax.random.key(0)
    )
    after, points = jax.eval_shape(
      lambda state: trial.work(config, state), state
    )
    chex.assert_trees_all_equal_shapes_and_dtypes(state, after)
    chex.assert_rank(points, 1)

  @parameterized.parameters(
    (_TRIAL, "learning_rate", 0.1),
    (_TRIAL, "gain", 2.0),
    (recurrent.TRIAL, "learning_rate", 0.1),
    (recurrent.TRIAL, "clip", 0.01),
    (recurrent.TRIAL, "gain", 2.0),
  )
  def test_what_is_traced_counts(self, trial, name, value):
    self.assertIn(name, trial_lib.traced(trial))
    tiny = {
      _TRIAL: {"num_units": 4, "num_steps": 500},
      recurrent.TRIAL: {
        "num_units": 4,
        "copy_length": 1,
        "copy_delay": 3,
        "batch_size": 2,
        "num_updates": 50,
      },
    }[trial]
    configs = [trial.Config(**tiny), trial.Config(**tiny | {name: value})]
    one, other = self.run_together(configs, trial)
    self.assertGreater(np.abs(one - other).max(), 1e-3)


if __name__ == "__main__":
  absltest.main()
