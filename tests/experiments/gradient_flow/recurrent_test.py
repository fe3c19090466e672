"""Gradients by lag: closed forms against the run, claims that can fail."""

import functools
from unittest import mock

import chex
import jax
import numpy as np
from absl.testing import absltest, parameterized

from experiments.gradient_flow import recurrent
from experiments.gradient_flow import recurrent_claims as claims_lib
from experiments.gradient_flow import recurrent_lags as lags_lib
from experiments.gradient_flow import recurrent_networks as networks
from experiments.gradient_flow import recurrent_order as order
from experiments.gradient_flow import recurrent_stored as stored
from experiments.gradient_flow import recurrent_theory as theory
from experiments.gradient_flow import recurrent_training_claims as training
from tests import oracles

_SMALL = recurrent.Config(
  num_units=6,
  num_seeds=2,
  batch_size=2,
  copy_length=2,
  copy_delay=8,
  copy_updates=20,
  adding_steps=4,
  adding_updates=20,
  order_steps=10,
  order_units=16,
  order_updates=6,
  check_every=3,
  num_tests=20,
  order_seeds=2,
  order_batch_size=3,
  order_learning_rate=1.0,  # So that six updates make a difference.
  clip_norm=0.01,
)
# What holds whatever was learned.
_EXACT = (
  "g_k = g^k g_0",
  "norm(v W^k)",
  "An LRU's",
  "step of the GRU",
  "step of the LSTM",
  "forget bias 0 whose gates",
  "forget bias 1 whose gates",
  "forget bias 3 whose gates",
  "No gradient exceeds",
  "The bound is attained",
  "not sufficient",
  "Erratum: the Jacobian",
  "The largest eigenvalue cannot",
  "... and the largest eigenvalue",
  "costs 2 ln 8",
  "printed as 0.167",
)


def _quick():
  """These programs are tiny: compile them in the shortest time."""
  return mock.patch.object(networks, "TRAIN_COMPILER", networks.QUICK_COMPILER)


def _no_training(job, family, params, key, **settings):
  """Training has a test of its own, and compiles for long."""
  del key, settings
  names = networks.members(family)
  losses = np.ones((len(names), _SMALL.num_seeds, job.num_updates))
  return {name: params[name] for name in names}, losses


@functools.cache
def _small():
  with _quick(), mock.patch.object(networks, "train", _no_training):
    return recurrent.run(_SMALL)


def _failed(results, make=claims_lib.all_claims):
  return [c.statement for c in make(results) if not c.holds]


def _broken(**arrays):
  return _small() | arrays


class RunTest(parameterized.TestCase):
  def test_shapes(self):
    results, num_steps = _small(), 12
    chex.assert_shape(results["lags"], (3, 8, 2, num_steps))
    chex.assert_shape(results["bound_lags"], (3, 3, 2, 3, 2, num_steps))
    chex.assert_shape(results["cut"], (3, 2, num_steps))
    chex.assert_shape(results["copy_losses"], (8, 2, 20))
    chex.assert_shape(results["adding_losses"], (3, 2, 20))
    chex.assert_shape(results["order_errors"], (3, 2, 2))
    np.testing.assert_array_equal(results["order_checks"], [3, 6])
    self.assertEqual(list(results["names"]), list(networks.NETWORKS))
    # Theory is NaN where there is none.
    numbers = set(results) - {"names", "lags_theory"}
    chex.assert_tree_all_finite({name: results[name] for name in numbers})

  def test_exact_claims_hold(self):
    failed = _failed(_small())
    for part in _EXACT:
      self.assertTrue(
        any(part in c.statement for c in claims_lib.all_claims(_small())), part
      )
      self.assertFalse(any(part in s for s in failed), (part, failed))

  def test_clipping_and_omega_change_the_training(self):
    sgd, clipped, third = _small()["order_losses"]
    self.assertTrue(np.all(sgd != clipped))
    self.assertTrue(np.all(clipped != third))

  def test_draws(self):
    self.assertLen(recurrent.STUDY.plot(_small()).axes, 6)

  @parameterized.parameters(
    ("g_k = g^k", dict(gains=np.array([0.5, 0.9, 1.4]))),
    ("exceeds", dict(gains=np.array([0.4, 0.8, 1.2]))),
    ("attained", dict(gains=np.array([0.6, 0.95, 1.6]))),
    ("costs 2 ln 8", dict(copy_delay=np.array(9))),
    ("costs 3 ln 8", dict(copy_length=np.array(3))),
    ("printed as 0.167", dict(adding_guess=np.linspace(0.2, 0.3, 100))),
    ("largest eigenvalue", dict(spiral_radius=np.array(17.6))),
    ("The largest eigenvalue cannot", dict(spiral_lags=np.ones(12))),
  )
  def test_claims_fail_for_other_numbers(self, part, arrays):
    failed = _failed(_broken(**arrays))
    self.assertTrue(any(part in s for s in failed), failed)

  @parameterized.parameters(
    ("An LRU's", "LRU"),
    ("step of the GRU", "GRU"),
    ("step of the LSTM", "LSTM, bias 3"),
  )
  def test_claims_fail_for_another_network(self, part, name):
    lags = _small()["lags"].copy()
    index = list(networks.NETWORKS).index(name)
    lags[:, index] *= np.linspace(1, 1.001, lags.shape[-1])
    failed = _failed(_broken(lags=lags))
    self.assertTrue(any(part in s for s in failed), failed)

  def test_the_transpose_is_told_apart(self):
    results = _broken(bound_transposed=_small()["bound_linear"])
    failed = _failed(results)
    self.assertTrue(any("transpose" in s for s in failed), failed)

  def test_the_largest_ratio_is_not_that_of_lag_0(self):
    lags = _small()["bound_lags"].copy()
    lags[..., 1:] /= 2
    claims = claims_lib.all_claims(_broken(bound_lags=lags))
    found = [c.measured for c in claims if "No gradient exceeds" in c.statement]
    np.testing.assert_allclose(found, [0.5, 0.5], rtol=1e-9)

  @parameterized.parameters("LSTM, bias 0", "GRU")
  def test_training_must_let_more_through(self, name):
    who = f" {name.split(',')[0]} "
    lags = _small()["lags"].copy()
    index = list(networks.NETWORKS).index(name)
    fades = 0.9 ** np.arange(lags.shape[-1])
    for trained, expected in ((fades, 1), (np.sqrt(fades), 0)):
      lags[:, index] = fades
      lags[1, index] = trained
      failed = _failed(_broken(lags=lags))
      found = [s for s in failed if "than at the start" in s and who in s]
      self.assertLen(found, expected)

  def test_forget_bias_is_not_interchangeable(self):
    failed = _failed(_broken(cut=_small()["cut"][::-1]))
    self.assertLen([s for s in failed if "gates read nothing" in s], 2)

  @parameterized.parameters(
    (dict(num_units=5), "num_units even"),
    (dict(num_seeds=1), "num_seeds >= 2"),
    (dict(order_seeds=1), "order_seeds >= 2"),
    (dict(batch_size=0), "batch_size >= 1"),
    (dict(copy_delay=1), "copy_delay >= 2"),
    (dict(copy_updates=30), "multiple of 20"),
    (dict(order_updates=150), "multiple of check_every = 100"),
    (dict(gains=(0.5, 0.9)), "both sides of 1"),
    (dict(gains=(1.5, 0.9)), "ascending"),
    (dict(input_scales=(0.1,)), "ascending from 0"),
    (dict(order_steps=9), "num_steps >= 10"),
    (dict(second_tenth=1), "second_tenth from 2 to 9"),
    (dict(adding_steps=1), "num_steps >= 2"),
  )
  def test_refuses(self, settings, message):
    with self.assertRaisesRegex(ValueError, message):
      recurrent.run(recurrent.Config(**settings))


class OrderTest(absltest.TestCase):
  def test_errors_in_float64_are_those_of_a_loop(self):
    setting = order.Setting(
      num_steps=10,
      second_tenth=5,
      num_units=5,
      num_updates=1,
      check_every=1,
      num_tests=40,
      num_seeds=2,
      batch_size=1,
      learning_rate=0.0,  # So that the networks stay as they are drawn.
      clip_norm=1.0,
      omega_weight=1.0,
      squared_norms=True,
    )
    with oracles.float64(), _quick():
      key = jax.random.key(3)
      found = order.measure(setting, key)
      params, tests = jax.tree.map(
        np.asarray,
        order._draw(
          setting, order.make_task(setting), *jax.random.split(key, 3)[:2]
        ),
      )
    chex.assert_type(found["order_losses"], np.float64)
    for seed, errors in enumerate(found["order_errors"][0, :, 0]):
      w = params["cell"][seed]
      readout = params["readout"]["weights"][seed]
      h = np.zeros((40, 5))
      for x_t in np.moveaxis(tests.x, 1, 0):
        h = np.tanh(np.concatenate([h, x_t, np.ones((40, 1))], axis=1) @ w.T)
      wrong = np.argmax(h @ readout.T, axis=1) != tests.y.value[:, -1]
      self.assertAlmostEqual(errors, np.mean(wrong))
    self.assertTrue(np.all(found["order_errors"] > 0))


class TheoryTest(parameterized.TestCase):
  def test_rates_of_a_geometric_sequence(self):
    norms = 3 * np.array([[0.5], [1.1]]) ** np.arange(9)
    norms[:, 0] = 7.0  # Not in the fit.
    np.testing.assert_allclose(theory.rates(norms, 1, 8), [0.5, 1.1])

  def test_published_floors(self):
    self.assertAlmostEqual(theory.copy_floor(8, 10, 100), 0.1733, places=4)
    # Var(u_1 + u_2), printed as 0.167.
    self.assertAlmostEqual(theory.ADDING_FLOOR, 2 / 12)

  def test_spiral_grows_by_a_tenth_though_nilpotent(self):
    w, held, factor = theory.spiral()
    np.testing.assert_allclose(w @ w, np.zeros((2, 2)), atol=1e-12)
    jacobian = np.diag(1 - np.tanh(held) ** 2) @ w
    np.testing.assert_allclose(jacobian @ jacobian, factor * jacobian)
    self.assertGreater(np.linalg.norm(w, 2), 1)

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


def _trained(**arrays):
  """Results as a run would store them, of networks that are as published."""
  floor = theory.copy_floor(8, 10, 100)
  kept = 1e-3 * np.arange(3)[:, np.newaxis]  # The seeds a little apart.
  losses = np.full((8, 3, 20), floor)
  for name in lags_lib.EXACT:
    losses[list(networks.NETWORKS).index(name)] = 0.01
  checks = np.arange(1, 31) * 1000
  solved_at = np.array([21_000, 11_000, 2_000])[:, np.newaxis, np.newaxis]
  errors = np.where(checks < solved_at, 0.5, 0.0) + kept
  return {
    "names": np.array(list(networks.NETWORKS)),
    "copy_length": np.array(10),
    "copy_delay": np.array(100),
    "copy_losses": losses + kept,
    "copy_guess": np.full(3, floor),
    "adding_losses": np.full((3, 3, 20), 0.05) + kept,
    "adding_guess": np.linspace(0, 1 / 3, 100),
    "order_errors": errors,
    "order_checks": checks,
    "order_updates": np.array(30_000),
  } | arrays


class TrainingClaimsTest(parameterized.TestCase):
  def test_hold_as_published(self):
    results = _trained()
    np.testing.assert_array_equal(
      stored.first_solved(results)[:, 0], [21_000, 11_000, 2_000]
    )
    claims = training.all_claims(results)
    self.assertLen(claims, 15)
    self.assertEmpty(_failed(results, training.all_claims))

  def test_a_short_training_says_nothing_of_what_takes_longer(self):
    short = _trained(order_updates=np.array(2_000))
    self.assertLen(training.all_claims(short), 13)

  @parameterized.parameters(
    ("LSTM, bias 1", 0.1, "LSTM, bias 1: trained on copying over 100"),
    ("tanh", 0.25, "tanh: trained on copying"),
    ("LRU", 0.17, "LRU: trained on copying"),
  )
  def test_floors_fail_one_by_one(self, name, loss, part):
    losses = _trained()["copy_losses"]
    losses[list(networks.NETWORKS).index(name)] = loss
    failed = _failed(_trained(copy_losses=losses), training.all_claims)
    self.assertLen(failed, 1)
    self.assertIn(part, failed[0])

  def test_adding_floor_fails(self):
    results = _trained(adding_losses=np.full((3, 3, 20), 0.166) + 0.0)
    self.assertEmpty(_failed(results, training.all_claims))
    results["adding_losses"][1] += 0.001
    self.assertLen(_failed(results, training.all_claims), 1)

  def test_temporal_order_fails(self):
    errors = _trained()["order_errors"]
    failed = _failed(_trained(order_errors=errors[::-1]), training.all_claims)
    self.assertLen([s for s in failed if "factor of two" in s], 2)
    self.assertLen([s for s in failed if "learn faster" in s], 2)
    errors[0, 1] = 0.5  # One run never gets there.
    (claim,) = (
      c
      for c in training.all_claims(_trained(order_errors=errors))
      if "SGD, mean over runs" in c.statement
    )
    self.assertFalse(claim.holds)
    self.assertIn("2 of 3 SGD", claim.note)


class TrainTest(absltest.TestCase):
  def test_one_program_trains_each_network_of_a_family(self):
    job = networks.adding_job(num_steps=4, num_updates=2)
    names = networks.members("vanilla")
    params = networks.start(
      job, names, jax.random.key(0), num_units=4, num_seeds=2
    )
    # Biases of the readout only: the prediction is 3 whatever the network.
    params = {
      name: {
        **tree,
        "readout": {
          "weights": 0 * tree["readout"]["weights"],
          "bias": 0 * tree["readout"]["bias"] + 3,
        },
      }
      for name, tree in params.items()
    }
    with _quick():
      trained, losses = networks.train(
        job,
        "vanilla",
        params,
        jax.random.key(1),
        learning_rate=0.1,
        batch_size=500,
      )
    self.assertEqual(losses.shape, (3, 2, 2))
    # E (y - 3)^2 = 1/6 + 4, of 500 episodes.
    np.testing.assert_allclose(losses[..., 0], 25 / 6, atol=0.4)
    self.assertTrue(np.all(losses[..., 1] < losses[..., 0]))
    # The first step of RMSProp is known: 0.1 g / sqrt(0.1 g^2).
    bias = trained["tanh"]["readout"]["bias"]
    self.assertTrue(np.all(bias < 3 - 0.1 / np.sqrt(0.1) + 1e-4))
    # From the same start the activations make the difference.
    a, b = (trained[name]["cell"] for name in names[1:])
    np.testing.assert_array_equal(*(params[name]["cell"] for name in names[1:]))
    self.assertGreater(np.abs(a - b).max(), 1e-4)


if __name__ == "__main__":
  absltest.main()
