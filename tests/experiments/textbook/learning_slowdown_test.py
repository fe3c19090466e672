"""The learning slowdown: closed forms against integration, and the study."""

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


class StudyTest(study_case.StudyCase):
  study = learning_slowdown.STUDY
  small = run.Config(num_paths=2)

  def _failed(self, **broken):
    claims = self.study.claims(self.results()._replace(**broken))
    return {claim.key for claim in claims if not claim.holds}

  def test_all_claims_hold_and_the_precision_is_as_it_was(self):
    self.assertEqual(self._failed(), set())
    chex.assert_type(jnp.ones(2), jnp.float32)

  @parameterized.parameters("quadratic", "cross-entropy")
  def test_times_by_integration(self, cost):
    rate = 0.15
    expected, _ = integrate.quad(
      lambda a: 1 / (2 * rate * theory.SLOPES[cost](a) * a * (1 - a)), 0.2, 0.95
    )
    actual = theory.time(cost, 0.95, 0.2, rate)
    np.testing.assert_allclose(actual, expected, rtol=1e-9)

  @parameterized.parameters("quadratic", "cross-entropy")
  def test_curves_are_those_of_a_loop(self, cost):
    for s, (w, b) in enumerate(self.results().starts):
      outputs = []
      for _ in range(301):
        outputs.append(1 / (1 + np.exp(-(w + b))))
        change = 0.15 * theory.SLOPES[cost](outputs[-1])
        w, b = w - change, b - change
      found = self.results().curves[cost][s]
      np.testing.assert_allclose(found, outputs, rtol=1e-10)

  def test_the_misprint_passed_off_as_the_cost_is_noticed(self):
    def printed(a, y):
      return jnp.sum(calculus.printed_cost(a, y))

    rng = np.random.default_rng(0)
    with (
      jax.enable_x64(True),
      mock.patch.dict(calculus.COSTS, {"cross-entropy": printed}),
    ):
      failed = self._failed(
        minima=calculus.minima(9),
        integrals=calculus.integrals(2, rng),
        gradients=calculus.gradients(rng),
      )
    noticed = {"minimum", "least-value", "misprints", "integral", "gradients"}
    self.assertContainsSubset(noticed, failed)

  def test_printed_cost_by_hand(self):
    y, a, costs = *self.results().minima[:2], self.results().minima[3]
    (i,), (j,) = np.flatnonzero(y == 0.7), np.flatnonzero(a == 0.4)
    expected = -(0.7 * np.log(0.4) + 0.6 * np.log(0.6))
    np.testing.assert_allclose(costs[i, j], expected, rtol=1e-12)

  def test_another_rate_has_other_outputs(self):
    with jax.enable_x64(True):
      curves = run.curves(self.results().starts, 0.16, 300)
    self.assertContainsSubset({"outputs", "times"}, self._failed(curves=curves))

  @parameterized.parameters(("learning_rate", 0.1), ("starts", np.eye(2)))
  def test_other_settings_are_not_those_of_the_neuron(self, field, value):
    results = self.results()._replace(**{field: np.array(value)})
    (claim,) = [c for c in self.study.claims(results) if c.key == "outputs"]
    self.assertIsNone(claim.measurement)


if __name__ == "__main__":
  absltest.main()
