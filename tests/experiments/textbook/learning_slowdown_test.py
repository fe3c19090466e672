"""The learning slowdown: closed forms against integration, and the study."""

import dataclasses
from unittest import mock

import chex
import jax
import numpy as np
from absl.testing import absltest, parameterized
from jax import numpy as jnp
from scipy import integrate

from experiments.textbook import learning_slowdown
from experiments.textbook.learning_slowdown import calculus, run, theory
from tests.experiments import study_case

_SMALL = run.Config(
  num_targets=9, num_outputs=100, num_paths=2, descent_steps=400
)


def _results():
  return study_case.results_of(learning_slowdown.STUDY, _SMALL)


def _failed(results):
  claims = learning_slowdown.STUDY.claims(results)
  return [claim.key for claim in claims if not claim.holds]


class CaseTest(study_case.StudyCase):
  study = learning_slowdown.STUDY
  small = _SMALL


class TheoryTest(parameterized.TestCase):
  @parameterized.parameters("quadratic", "cross-entropy")
  def test_times_by_integration(self, cost):
    rate = 0.15
    expected, _ = integrate.quad(
      lambda a: 1 / (2 * rate * theory.SLOPES[cost](a) * a * (1 - a)), 0.2, 0.95
    )
    actual = theory.time(cost, 0.95, 0.2, rate)
    np.testing.assert_allclose(actual, expected, rtol=1e-9)

  def test_crossing(self):
    curve = np.array([1.0, 0.8, 0.4, 0.2])
    np.testing.assert_allclose(theory.crossing(curve, 0.5), 1.75)
    self.assertEqual(theory.crossing(curve, 1.0), 0.0)
    self.assertEqual(theory.crossing(curve, 0.1), np.inf)


class RunTest(parameterized.TestCase):
  def test_all_claims_hold(self):
    self.assertEqual(_failed(_results()), [])

  @parameterized.parameters("quadratic", "cross-entropy")
  def test_curves_are_those_of_a_loop(self, cost):
    slope = theory.SLOPES[cost]
    for s, (w, b) in enumerate(_results().starts):
      outputs, biases = [], []
      for _ in range(301):
        a = 1 / (1 + np.exp(-(w + b)))
        outputs.append(a)
        biases.append(b)
        w, b = w - 0.15 * slope(a), b - 0.15 * slope(a)
      found = _results().curves[cost]
      np.testing.assert_allclose(found.outputs[s], outputs, rtol=1e-10)
      np.testing.assert_allclose(found.biases[s], biases, rtol=1e-10)

  def test_printed_cost_by_hand(self):
    expected = -(0.7 * np.log(0.4) + 0.6 * np.log(0.6))
    with jax.enable_x64(True):
      actual = calculus.printed_cost(0.4, 0.7)
    np.testing.assert_allclose(actual, expected, rtol=1e-12)

  def test_leaves_the_precision_as_it_was(self):
    _results()
    chex.assert_type(jnp.ones(2), jnp.float32)

  def test_the_misprint_passed_off_as_the_cost_is_noticed(self):
    def printed(a, y):
      return jnp.sum(calculus.printed_cost(a, y))

    costs = calculus.COSTS | {"cross-entropy": printed}
    with mock.patch.multiple(calculus, _cross_entropy=printed, COSTS=costs):
      results = run.run(_SMALL)
    noticed = {
      *("minimum", "least-value", "printed-sign", "integral"),
      *("entropy-gradient", "first-steps", "times"),
    }
    self.assertContainsSubset(noticed, _failed(results))

  def test_another_rate_has_other_outputs(self):
    config = dataclasses.replace(_SMALL, learning_rate=0.16)
    curves = {
      name: run.curves(config, cost, _results().starts)
      for name, cost in calculus.COSTS.items()
    }
    failed = _failed(_results()._replace(curves=curves))
    self.assertContainsSubset({"outputs", "times"}, failed)

  def test_other_settings_are_not_those_of_the_neuron(self):
    for field, value in (("learning_rate", 0.1), ("starts", np.eye(2))):
      results = _results()._replace(**{field: np.array(value)})
      claims = learning_slowdown.STUDY.claims(results)
      (claim,) = [claim for claim in claims if claim.key == "outputs"]
      self.assertIsNone(claim.measurement)

  @parameterized.parameters(
    (dict(num_targets=3, num_outputs=10), "multiple of num_targets"),
    (dict(weights=(1.0,), biases=(2.0,)), "two or more weights"),
    (dict(biases=(2.0, 3.0, 4.0)), "as many biases"),
    (dict(sizes=(4, 3)), "two or more layers"),
  )
  def test_refuses(self, settings, message):
    with self.assertRaisesRegex(ValueError, message):
      run.Config(**settings)


if __name__ == "__main__":
  absltest.main()
