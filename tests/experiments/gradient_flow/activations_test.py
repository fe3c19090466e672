"""The study of activations, its closed forms tested apart."""

import dataclasses
import functools
import math

import chex
import jax
import numpy as np
from absl.testing import absltest, parameterized

from experiments.gradient_flow import activations
from experiments.gradient_flow import activations_networks as networks
from experiments.gradient_flow import activations_relu as relu
from experiments.gradient_flow import activations_theory as theory
from tests import oracles

_CONFIG = activations.Config(
  num_layers=20,
  width=50,
  num_seeds=8,
  num_chains=50,
  num_jacobian_nets=4,
  jacobian_width=60,
  num_vgg_nets=16,
  widths=(2, 5),
  num_narrow_nets=3000,
  num_train=240,
  train_width=32,
  num_train_seeds=2,
  num_epochs=12,
)


@functools.cache
def _results():
  return activations.run(_CONFIG)


def _failed(results):
  claims = activations.STUDY.claims(results)
  return [claim.statement for claim in claims if not claim.holds]


class TheoryTest(parameterized.TestCase):
  def test_growth_of_linear_networks_is_that_of_chi_squared(self):
    """norm(W^T delta)^2 / norm(delta)^2 is chi^2_N / N, E log by digamma."""
    growth = theory.total_growth(np.zeros(11), np.ones(11), 50)
    digamma = float(jax.scipy.special.digamma(25.0)) + math.log(2 / 50)
    np.testing.assert_allclose(growth, 10 * digamma / 2, rtol=0.02)

  def test_interval_of_a_straight_line(self):
    """30 log(g / 2) stays in +-log 10 for log(g / 2) in +-log(10) / 30."""
    gains = np.geomspace(0.5, 8, 9)
    totals = 30 * np.log(gains / 2) * np.array([[1.0], [2.0]])
    actual = theory.balanced_width(gains, totals)
    np.testing.assert_allclose(actual, math.log(10) / np.array([15, 30]))
    np.testing.assert_allclose(theory.gain_at(0, gains, totals), math.log(2))

  def test_one_ray(self):
    """A unit is off with probability 1/2, a layer of two with 1/4."""
    actual = theory.one_ray_dead(2, np.array([1, 2]))
    np.testing.assert_allclose(actual, [1 / 4, 1 / 4 + 3 / 16])

  def test_quarter_circle(self):
    values = np.linalg.svd(
      np.random.default_rng(0).normal(size=(300, 300)) / 300**0.5,
      compute_uv=False,
    )
    expected = theory.quarter_circle_mean(1.0)
    np.testing.assert_allclose(np.mean(values), expected, rtol=5e-3)


class NetworksTest(parameterized.TestCase):
  @parameterized.parameters(
    ("standard", 1 / 300), ("Glorot", 2 / 140), ("He", 2 / 100)
  )
  def test_starts_have_their_variance(self, name, variance):
    weights = networks.start(name, np.random.default_rng(0), (50, 40, 100))
    np.testing.assert_allclose(np.var(weights), variance, rtol=0.02)
    np.testing.assert_allclose(np.mean(weights), 0, atol=1e-3)

  def test_gradients_are_those_of_a_loop(self):
    weights = networks.draw(
      np.random.default_rng(0), num_seeds=2, num_layers=5, width=4
    )
    kinds = [networks.KINDS[name] for name in ("sigmoid, slope 4", "tanh")]
    gains = np.array([[0.5, 2.0], [1.0, 3.0]])
    with oracles.float64():
      rounded = networks.log_deltas(kinds, weights, gains)
      weights = jax.tree.map(np.float64, weights)
      actual = networks.log_deltas(kinds, weights, gains)
    chex.assert_type([rounded, actual], [np.float32, np.float64])
    np.testing.assert_allclose(rounded, actual, atol=1e-4)
    for index in np.ndindex(2, 2, 2):
      kind, gain, seed = index
      fn = (lambda z: 1 / (1 + np.exp(-16 * z)), np.tanh)[kind]
      slope = (
        lambda z: 16 * fn(z) * (1 - fn(z)),  # noqa: B023
        lambda z: 1 - np.tanh(z) ** 2,
      )[kind]
      a, zs = weights.inputs[seed], []
      for w in weights.matrices[seed]:
        zs.append(gains[kind, gain] * w @ a)
        a = fn(zs[-1])
      delta = weights.cotangents[seed] * slope(zs[-1])
      expected = [np.linalg.norm(delta)]
      for w, z in zip(weights.matrices[seed][:0:-1], zs[-2::-1], strict=True):
        delta = gains[kind, gain] * w.T @ delta * slope(z)
        expected.append(np.linalg.norm(delta))
      np.testing.assert_allclose(
        actual[index], np.log(expected[::-1]), atol=1e-10
      )

  def test_convolutions_keep_the_variance_at_he_s_deviation(self):
    """0.01 is He's deviation times the published factors, one a layer."""
    found = networks.vgg_gradient(
      np.random.default_rng(0), divisor=16, size=4, num_nets=48
    )
    factors = [0.01**2 * 9 * n / 2 for n in networks.VGG_FILTERS[1:]]
    relative = found / np.prod(factors)
    error = np.std(relative) / 48**0.5
    np.testing.assert_allclose(np.mean(relative), 1, atol=4 * error)
    self.assertLess(error, 0.2)

  def test_rays_of_two_layers_by_enumeration(self):
    """Width 1: a layer passes one ray, the next one half of what comes."""
    alive = relu.rays_alive(
      np.random.default_rng(0),
      num_nets=4000,
      width=1,
      num_layers=2,
      kind="ReLU",
    )
    np.testing.assert_array_equal(np.sum(alive[0], axis=1), 1)
    share = np.mean(np.any(alive[1], axis=1))
    np.testing.assert_allclose(share, 1 / 2, atol=4 * 0.5 / 4000**0.5)


class RunTest(parameterized.TestCase):
  def test_claims_hold(self):
    """At this size He's networks have seen too little to count on it."""
    failed = [s for s in _failed(_results()) if "With He's start" not in s]
    self.assertEqual(failed, [])
    accuracy = np.mean(_results()["accuracy"][..., -1], axis=1)
    self.assertGreater(accuracy[2], accuracy[1] + 0.1)

  @parameterized.parameters(
    ("log_chi", "standard sigmoid"),
    ("kurtosis", "exponentially with depth"),
    ("log_deltas", "same gradients"),
    ("singular_values", "The same in theory"),
    ("loss", "stalls with"),
    ("alive", "born dead"),
  )
  def test_exchanged_rows_are_noticed(self, name, statement):
    results = dict(_results())
    results[name] = np.roll(results[name], 1, axis=0)
    self.assertTrue(any(statement in s for s in _failed(results)))

  def test_wrong_products_and_a_dead_gradient_are_noticed(self):
    results = dict(_results())
    results["chain_error_3"] = results["chain_error_3"] + 1e-6
    results["no_gradient"] = ~results["no_gradient"]
    failed = _failed(results)
    self.assertTrue(any("dC/db_3" in s for s in failed))
    self.assertTrue(any("gradients are 0" in s for s in failed))

  def test_balance_is_claimed_of_different_networks_only(self):
    """Sigmoids of all slopes are one network, as another claim says."""
    statements = [c.statement for c in activations.STUDY.claims(_results())]
    for part in ("the products balance: ", "happen by chance: "):
      found = [s.split(part)[1] for s in statements if part in s]
      kinds = [s.split(", ")[0] for s in found]
      self.assertEqual(kinds, ["sigmoid", "tanh", "ReLU", "LeakyReLU"])

  def test_draws(self):
    figure = activations.STUDY.plot(_results())
    self.assertLen(figure.axes, 6)

  @parameterized.parameters(
    (dict(width=0), "width > 0"),
    (dict(widths=()), "widths > 0"),
    (dict(num_layers=10), "num_layers >= 20"),
    (dict(vgg_divisor=3), "divide 64"),
    (dict(num_train_seeds=1), "num_train_seeds >= 2"),
    (dict(num_train=1797), "num_train < 1797"),
  )
  def test_refuses(self, settings, message):
    config = dataclasses.replace(_CONFIG, **settings)
    with self.assertRaisesRegex(ValueError, message):
      activations.run(config)


if __name__ == "__main__":
  absltest.main()
