"""The study of activations, its closed forms and its parts tested apart."""

import dataclasses
import math

import chex
import jax
import numpy as np
from absl.testing import absltest, parameterized

import nnfun as nf
from experiments.gradient_flow import activations
from experiments.gradient_flow.activations import (
  narrow,
  networks,
  readings,
  run,
  starts,
)
from nnfun.theory import mean_field, quadrature
from tests import oracles
from tests.experiments import study_case

_SMALL = run.Config(
  num_layers=20,
  width=50,
  num_seeds=8,
  jacobian_width=60,
  num_vgg_nets=16,
  vgg_divisor=16,
  widths=(2, 5),
  num_narrow_nets=3000,
  alphas=(0, 0.001, 0.1, 1),
  num_leaky_nets=60,
  num_leaky_steps=5,
  deep_width=16,
  num_deep_seeds=2,
  num_deep_epochs=1,
  rates=(0.3,),
  num_shallow_seeds=2,
  num_shallow_epochs=1,
)


class CaseTest(study_case.StudyCase):
  study = activations.STUDY
  small = _SMALL

  def judge(self, **changes):
    """The claims of the small run, parts of it replaced."""
    results = self.results()._replace(**changes)
    return {claim.key: claim for claim in self.study.claims(results)}

  def test_what_needs_no_size_holds(self):
    found = self.judged()
    for key in (
      "chain-products",
      "reduced-not-eliminated",
      "singular-values",
      "deeper-dies",
      "looped-or-vectors",
      "tanh-dearer-than-relu",
    ):
      self.assertIs(found[key].holds, True, found[key])
    self.assertIs(found["tanh-dearer-than-sigmoid"].holds, False)
    self.assertIn("Not shown here", found["glorot-stalls"].note)

  @parameterized.parameters(
    ("tanh", 0.2, "reduced-not-eliminated"),
    ("sigmoid, slope 16", -0.2, "may-explode"),
    ("tanh", 1.0, "exponential"),
    ("ReLU", 0.5, "relu-avoids-vanishing"),
    ("tanh", 0.0, "unstable"),
  )
  def test_a_wrong_rate_per_layer_is_noticed(self, name, rate, key):
    gradients = dict(self.results().gradients)
    old = gradients[name].log_deltas
    apart = 1e-3 * np.arange(len(old))[:, None, None]  # The seeds.
    log_deltas = -(rate + apart) * np.arange(old.shape[-1]) + 0 * old
    gradients[name] = gradients[name]._replace(log_deltas=log_deltas)
    self.assertIs(self.judge(gradients=gradients)[key].holds, False)

  def test_wrong_products_and_widths_are_noticed(self):
    results = self.results()
    found = self.judge(
      chain_errors=results.chain_errors + 1e-6,
      alive=results.alive[:, ::-1],
      singular_values=results.singular_values[:, ::-1],
    )
    for key in ("chain-products", "silent-at-an-input", "singular-values"):
      self.assertIs(found[key].holds, False, key)
    found = self.judge(alive=np.ones_like(results.alive))
    self.assertIs(found["born-dead-5"].holds, False)

  def test_a_leak_that_is_none_is_noticed(self):
    leaky = self.results().leaky
    tiny = leaky.gradient.copy()
    tiny[:, 2] = np.where(leaky.silent[:, 0], 1e-6, 1) * tiny[:, 2]
    found = self.judge(leaky=leaky._replace(gradient=tiny))
    self.assertIs(found["leaky-mitigates"].holds, False)

  def test_glorot_is_judged_when_he_has_learned(self):
    """The loss of He's falls linearly to 0 in 10 epochs, Glorot's never."""
    seeds = 1 + 1e-9 * np.arange(2)[:, np.newaxis]
    falling = seeds * np.linspace(math.log(10), 0, 11)
    flat = np.full_like(falling, math.log(10)) * seeds
    blank = self.results().deep["He"]
    he, slow = blank._replace(train=falling), blank._replace(train=flat)
    stalls = self.judge(deep={"He": he, "Glorot": slow})["glorot-stalls"]
    self.assertTrue(stalls.holds)
    self.assertIn("after 10 epochs", stalls.note)
    stalls = self.judge(deep={"He": he, "Glorot": he})["glorot-stalls"]
    self.assertIsNot(stalls.holds, True)


class ReadingsTest(parameterized.TestCase):
  @parameterized.parameters("sigmoid, slope 4", "tanh", "LeakyReLU")
  def test_theory_is_the_library_s(self, name):
    results = study_case.results_of(activations.STUDY, _SMALL)
    growth, correction = readings.theory(results, name)
    activation, kinks = networks.KINDS[name].activation, ()
    if networks.KINDS[name].homogeneous:
      kinks = (0.0,)
    for i in (0, 12, 24):
      gain = results.gradients[name].gains[i]
      q = np.float32(gain**2)
      for layer in range(3):
        chi = mean_field.chi_1(activation, q, gain, kinks=kinks)
        fourth = quadrature.gaussian_mean(
          lambda u: activation.slope(u) ** 4, q, kinks=kinks
        )
        k = gain**4 * fourth / chi**2
        wanted = (3 * k - 1) / (4 * _SMALL.width)
        self.assertAlmostEqual(correction[i, layer] / wanted, 1, delta=1e-3)
        wanted = np.log(chi) / 2 - wanted
        self.assertAlmostEqual(growth[i, layer], wanted, delta=1e-3)
        q = mean_field.variance_map(activation, q, gain, 0.0, kinks=kinks)

  def test_interval_of_a_straight_line(self):
    """30 log(g / 2) stays in +-log 10 for log(g / 2) in +-log(10) / 30."""
    gains = np.geomspace(0.5, 8, 9)
    curves = 30 * np.log(gains / 2) * np.array([[1.0], [2.0]])
    actual = readings.balanced_width(gains, curves)
    np.testing.assert_allclose(actual, math.log(10) / np.array([15, 30]))
    np.testing.assert_allclose(readings.gain_at(0, gains, curves), math.log(2))

  def test_one_input(self):
    """A unit is off with probability 1/2, a layer of two with 1/4."""
    actual = readings.dead_for_one_input(2, np.array([1, 2]))
    np.testing.assert_allclose(actual, [1 / 4, 1 / 4 + 3 / 16])


class PartsTest(parameterized.TestCase):
  @parameterized.parameters(
    ("standard", 1 / 300), ("Glorot", 2 / 140), ("He", 2 / 100)
  )
  def test_starts_have_their_variance(self, name, variance):
    weights = starts.start(name, np.random.default_rng(0), (50, 40, 100))
    np.testing.assert_allclose(np.var(weights), variance, rtol=0.02)
    np.testing.assert_allclose(np.mean(weights), 0, atol=1e-3)

  def test_singular_values_are_those_of_the_quarter_circle(self):
    """8 sqrt(n Var W) / (3 pi), with n Var W = 1/3 and 1."""
    rng = np.random.default_rng(0)
    found = starts.singular_values(rng, num_nets=8, width=100)
    actual = found[:, :, 0].mean(axis=0)
    np.testing.assert_allclose(actual, [0.490, 0.849], atol=0.006)

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
    found = starts.vgg_gradient(
      np.random.default_rng(0), divisor=16, size=4, num_nets=48
    )
    factors = [0.01**2 * 9 * n / 2 for n in starts.VGG_FILTERS[1:]]
    relative = found / np.prod(factors)
    error = np.std(relative) / 48**0.5
    np.testing.assert_allclose(np.mean(relative), 1, atol=4 * error)
    self.assertLess(error, 0.2)

  def test_rays_of_two_layers_by_enumeration(self):
    """Width 1: a layer passes one ray, the next one half of what comes."""
    alive = narrow.alive(np.random.default_rng(0), num_nets=4000, width=1)
    np.testing.assert_array_equal(np.sum(alive[:, 0], axis=1), 1)
    share = np.mean(np.any(alive[:, 1], axis=1))
    np.testing.assert_allclose(share, 1 / 2, atol=4 * 0.5 / 4000**0.5)

  def test_leaks_are_the_library_s(self):
    self.assertEqual(readings.LEAK, networks.LEAK)
    z = np.array([-2.0, 3.0])
    for alpha, expected in ((0, [0, 3]), (0.1, [-0.2, 3])):
      np.testing.assert_allclose(narrow._leaky(alpha)(z), expected)
    self.assertIs(narrow._leaky(0), nf.activations.relu)

  @parameterized.parameters(
    (dict(width=0), "width to be"),
    (dict(widths=()), "at least one value of widths"),
    (dict(num_layers=10), "num_layers >= 20"),
    (dict(vgg_divisor=3), "divide 64"),
    (dict(num_deep_seeds=1), "num_deep_seeds >= 2"),
  )
  def test_refuses(self, changes, message):
    with self.assertRaisesRegex(ValueError, message):
      dataclasses.replace(_SMALL, **changes)


if __name__ == "__main__":
  absltest.main()
