"""Gradients by lag: closed forms against the run, claims that can fail."""

import dataclasses
import functools
from unittest import mock

import chex
import jax
import numpy as np
from absl.testing import absltest, parameterized
from jax import numpy as jnp

import nnfun as nf
from experiments import sweeps
from experiments.gradient_flow import recurrent
from experiments.gradient_flow.recurrent import (
  claims,
  networks,
  order,
  readings,
  run,
  theory,
)
from tests import oracles
from tests.experiments import study_case

_SMALL = run.Config(
  num_units=6,
  num_draws=4,
  num_seeds=3,
  batch_size=2,
  copy_length=2,
  copy_delay=8,
  copy_updates=5,
  order_steps=10,
  order_units=16,
  order_updates=6,
  check_every=3,
  num_tests=20,
  order_seeds=3,
  order_few=2,
  with_sgd=True,
  order_batch_size=3,
  order_learning_rate=1.0,  # So that six updates make a difference.
  clip_norm=0.01,
)


def _small():
  # These programs are tiny: compile all of them in the shortest time.
  quickly = functools.partial(sweeps.sweep, quick=True)
  with mock.patch.object(sweeps, "sweep", quickly):
    return study_case.results_of(recurrent.STUDY, _SMALL)


def _judge(results):
  return {claim.key: claim for claim in claims.claims(results)}


def _with_network(name, **parts):
  """The small run's results with other arrays of one network."""
  nets = dict(_small().networks)
  trained = nets[name].trained
  of_trained = {k: v for k, v in parts.items() if k in run.Trained._fields}
  if of_trained:
    parts = {k: v for k, v in parts.items() if k not in of_trained}
    parts["trained"] = trained._replace(**of_trained)
  nets[name] = nets[name]._replace(**parts)
  return _small()._replace(networks=nets)


class CaseTest(study_case.StudyCase):
  study = recurrent.STUDY
  small = _SMALL

  def results(self):
    return _small()


class RunTest(parameterized.TestCase):
  def test_shapes(self):
    results, num_steps = _small(), 12
    self.assertEqual(list(results.networks), list(networks.NETWORKS))
    for name, net in results.networks.items():
      chex.assert_shape([net.start, net.rest, net.in_theory], (4, num_steps))
      self.assertEqual(bool(net.trained), networks.NETWORKS[name].trained)
      if net.trained:
        chex.assert_shape(net.trained.lags, (3, num_steps))
        chex.assert_shape([net.trained.losses, net.trained.at_once], (3, 5))
    chex.assert_shape(results.bounds.lags["tanh"], (3, 2, 3, 3, num_steps))
    for method, errors in results.order.errors.items():
      num = 3 if method == order.OMEGA else 2
      chex.assert_shape(errors, (num, 2), custom_message=method)
    np.testing.assert_array_equal(results.order.checks, [3, 6])

  @parameterized.parameters(
    (dict(num_units=5), "num_units even"),
    (dict(num_seeds=1), "num_seeds >= 2"),
    (dict(num_draws=2), "num_draws >= num_seeds"),
    (dict(order_few=17), "order_few <= order_seeds"),
    (dict(copy_delay=2), "copy_delay >= 3"),
    (dict(order_updates=150), "multiple of check_every = 100"),
    (dict(order_steps=9), "num_steps >= 10"),
    (dict(second_tenth=1), "second_tenth from 2 to 9"),
  )
  def test_refuses(self, settings, message):
    with self.assertRaisesRegex(ValueError, message):
      run.Config(**settings)


class NetworksTest(absltest.TestCase):
  def test_at_once_is_the_same_without_the_pause(self):
    key = jax.random.key(0)
    over_pause = networks.copy_task(3, 4).sample(key)
    at_once = networks.copy_task(3, 4, False).sample(key)
    np.testing.assert_array_equal(at_once.x[:3], over_pause.x[:3])
    np.testing.assert_array_equal(at_once.x[3:6], over_pause.x[7:])
    np.testing.assert_array_equal(at_once.y.value[3:6], over_pause.y.value[7:])
    np.testing.assert_array_equal(at_once.y.weight, [1] * 6 + [0] * 4)
    chex.assert_trees_all_equal_shapes_and_dtypes(at_once, over_pause)

  def test_training_steps_down_the_gradient(self):
    config = dataclasses.replace(_SMALL, copy_updates=1, batch_size=50)
    start = networks.start(jax.random.key(0), 6, 3)
    trained = networks.train(config, "vanilla", start, jax.random.key(1))
    self.assertEqual(list(trained), ["tanh", "linear, orthogonal"])
    for name, after in trained.items():
      # The first step of RMSProp is known: rate g / sqrt(0.1 g^2).
      moved = (
        after.params["readout"]["bias"] - start[name]["readout"]["bias"][:3]
      )
      largest = np.abs(moved).max(axis=-1)
      expected = config.learning_rate / 0.1**0.5
      np.testing.assert_allclose(largest, expected, rtol=1e-2)


class OrderTest(absltest.TestCase):
  def test_methods_change_the_training(self):
    key = jax.random.key(0)
    config = dataclasses.replace(_SMALL, num_tests=500, order_updates=3)
    params, tests = order.draw(config, key, key)
    after = {}
    fit = sweeps.quick_jit(order.make_fit(config, tests))
    first = jax.tree.map(lambda leaf: leaf[0], params)
    for method in ((np.inf, False), (0.01, False), (0.01, True)):
      after[method] = fit(first, key, *method)
    self.assertLen({float(errors[0]) for errors in after.values()}, 3, after)

  def test_a_run_ends_when_it_is_there(self):
    with mock.patch.object(order, "SOLVED", 0.9):
      config = dataclasses.replace(_SMALL, order_updates=9)
      errors = order.measure(config, jax.random.key(0)).errors
    for runs in errors.values():
      np.testing.assert_array_equal(runs, np.repeat(runs[:, :1], 3, axis=1))

  def test_gradient_of_a_batch_is_the_mean(self):
    def loss_fn(params, state_t, y_t):
      scores = networks.read_out(params, state_t)
      return y_t.weight * (scores[0] - y_t.value) ** 2

    with oracles.float64():
      cell = networks.make_cell("lstm", 0, networks.NUM_INPUTS, 4)
      task = networks.copy_task(2, 3)
      theta, key = cell.init(jax.random.key(0)), jax.random.key(1)
      readout = {"weights": jnp.ones((1, 4)), "bias": jnp.zeros(1)}
      params = {"cell": jnp.asarray(theta, float), "readout": readout}

      @sweeps.quick_jit
      def both(key):
        batched, mean_loss_fn, batches = order.in_batches(
          cell, loss_fn, task, 5
        )
        each = jax.vmap(task.sample)(jax.random.split(key, 5))
        gradient = functools.partial(
          nf.training.exact_gradient, cell, loss_fn, params
        )
        return nf.training.exact_gradient(
          batched, mean_loss_fn, params, *batches.sample(key)
        ), jax.vmap(gradient)(*each)

      together, apart = both(key)
    mean = jax.tree.map(lambda a: np.mean(np.asarray(a), axis=0), apart.grads)
    chex.assert_trees_all_close(together.grads, mean, rtol=1e-10)

  def test_errors_in_float64_are_those_of_a_loop(self):
    config = dataclasses.replace(
      _SMALL,
      order_units=5,
      order_updates=1,
      check_every=1,
      num_tests=40,
      order_batch_size=1,
      order_learning_rate=1e-30,  # So that the networks stay as drawn.
    )
    with oracles.float64():
      key = jax.random.key(3)
      found = order.measure(config, key)
      params, tests = order.draw(config, *jax.random.split(key, 3)[:2])
    for seed, errors in enumerate(found.errors["SGD"][:, 0]):
      w = params["cell"][seed]
      readout = params["readout"]["weights"][seed]
      h = np.zeros((40, 5))
      for x_t in np.moveaxis(tests.x, 1, 0):
        h = np.tanh(np.concatenate([h, x_t, np.ones((40, 1))], axis=1) @ w.T)
      wrong = np.argmax(h @ readout.T, axis=1) != tests.y.value[:, -1]
      self.assertAlmostEqual(errors, np.mean(wrong), places=6)
    self.assertTrue(np.all(found.errors["SGD"] > 0))


class TheoryTest(absltest.TestCase):
  def test_rates_of_a_geometric_sequence(self):
    norms = 3 * np.array([[0.5], [1.1]]) ** np.arange(9)
    norms[:, 0] = 7.0  # Not in the fit.
    np.testing.assert_allclose(readings.rates(norms, 1, 8), [0.5, 1.1])

  def test_gates_without_recurrent_weights(self):
    """h_T reaches c_T by o = 1/2, and c_T reaches c_{T-k} by f^k."""
    v = np.array([3.0, 4.0])
    norms = theory.lstm_at_rest(v, np.zeros((2, 2)), 1.0, 4)
    f = 1 / (1 + np.exp(-1.0))
    np.testing.assert_allclose(norms, [5, 2.5 * f, 2.5 * f**2, 2.5 * f**3])
    np.testing.assert_allclose(
      theory.gru_at_rest(v, np.eye(2), 3), 5 * 0.75 ** np.arange(3)
    )

  def test_lru_norms_of_one_unit(self):
    nu = np.log(-np.log([0.5]))
    np.testing.assert_allclose(
      theory.lru_norms(np.array([3.0, 4.0]), nu, 3), [5, 2.5, 1.25]
    )


class ClaimsTest(parameterized.TestCase):
  @parameterized.parameters(
    "rem-keeps",
    "rem-forgets",
    "closed-forms",
    "bound",
    "not-sufficient",
    "copy-floor",
    "adding-floor",
  )
  def test_what_holds_whatever_was_learned(self, key):
    self.assertTrue(_judge(_small())[key].holds, _judge(_small())[key])

  @parameterized.parameters("tanh", "LRU", "GRU", "LSTM, bias 3")
  def test_another_network_is_noticed(self, name):
    rest = _small().networks[name].rest * np.linspace(1, 1.001, 12)
    found = _judge(_with_network(name, rest=rest))["closed-forms"]
    self.assertIs(found.holds, False)
    self.assertIn(name, found.note)

  @parameterized.parameters(
    ("rem-keeps", lambda left: 0.999 * left),
    ("rem-forgets", lambda left: left + 1e-3),
    ("rem-keeps", lambda left: left[::-1]),
  )
  def test_another_gate_is_noticed(self, key, spoil):
    results = _small()._replace(memories=spoil(_small().memories))
    self.assertIs(_judge(results)[key].holds, False)

  @parameterized.parameters(((0.4, 0.8, 1.2),), ((0.6, 1.0, 1.6),))
  def test_another_bound_is_noticed(self, gains):
    bounds = _small().bounds._replace(gains=np.array(gains))
    found = _judge(_small()._replace(bounds=bounds))["bound"]
    self.assertIs(found.holds, False)

  @parameterized.parameters(
    ("copy-forgotten", "LSTM, bias 3", "losses", 0.3),
    ("copy-kept", "linear, orthogonal", "losses", 0.9),
    ("copy-at-once", "tanh", "at_once", 0.9),
  )
  def test_copying_is_judged_by_what_is_recalled(self, key, name, part, share):
    losses = share * theory.copy_floor(2, 8) * np.ones((3, 5))
    losses += 1e-4 * np.arange(3)[:, None]  # The seeds a little apart.
    found = _judge(_with_network(name, **{part: losses}))[key]
    self.assertIs(found.holds, False, found)

  @parameterized.parameters((0.0, True), (-0.6, False))
  def test_lstms_are_compared_with_plain_tanh(self, decades, holds):
    lags, apart = np.arange(12), 0.001 * np.array([[0.0], [1.0], [3.0], [2.0]])
    nets = dict(_small().networks)
    for name, slopes in (
      ("tanh", -0.3 + apart),
      ("LSTM, bias 3", decades + apart[::-1]),
    ):
      g = 10 ** (slopes * lags)
      trained = nets[name].trained._replace(lags=g[:3])
      nets[name] = nets[name]._replace(start=g, trained=trained)
    found = _judge(_small()._replace(networks=nets))["lstm-keeps"]
    self.assertIs(found.holds, holds)

  def test_temporal_order_as_published(self):
    checks = np.arange(1, 31) * 1000
    late = 1000 * (np.arange(16)[:, None] % 3 - 1)  # Some sooner, some later.
    errors = {
      method: np.where(checks <= updates + late - 1000, 0.5, 0.0)
      for method, updates in theory.PUBLISHED_UPDATES.items()
    }
    found = _judge(_small()._replace(order=order.Order(checks, errors)))
    for key in ("order-sgd", "order-clipped", "order-omega"):
      self.assertIs(found[key].holds, None)  # Two of three runs of 16.
      self.assertAlmostEqual(found[key].measurement.value, 11 / 16)
    self.assertTrue(found["order-faster"].holds)
    slow = errors | {order.OMEGA: errors["SGD"]}
    found = _judge(_small()._replace(order=order.Order(checks, slow)))
    self.assertIs(found["order-omega"].holds, False)
    self.assertIs(found["order-faster"].holds, False)

  def test_what_takes_longer_is_not_judged(self):
    found = _judge(_small())
    for key in ("order-sgd", "order-clipped", "order-omega", "copy-published"):
      self.assertIsNone(found[key].measurement)


if __name__ == "__main__":
  absltest.main()
