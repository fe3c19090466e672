"""The learning slowdown: closed forms against integration, and the study."""

import dataclasses
import functools

import chex
import jax
import numpy as np
from absl.testing import absltest, parameterized
from jax import numpy as jnp
from scipy import integrate

from experiments.textbook import learning_slowdown
from experiments.textbook import learning_slowdown_theory as theory

_CONFIG = learning_slowdown.Config(
  num_targets=9, num_outputs=100, num_paths=2, descent_steps=400
)


@functools.cache
def _results():
  return learning_slowdown.run(_CONFIG)


def _failed(results):
  claims = learning_slowdown.STUDY.claims(results)
  return [claim.statement for claim in claims if not claim.holds]


def _trained_by_hand(w, b, slope):
  outputs = []
  for _ in range(301):
    a = 1 / (1 + np.exp(-(w + b)))
    outputs.append(a)
    w, b = w - 0.15 * slope(a), b - 0.15 * slope(a)
  return outputs


class TheoryTest(parameterized.TestCase):
  @parameterized.parameters(
    (theory.quadratic_time, lambda a: a**2 * (1 - a)),
    (theory.entropy_time, lambda a: a),
  )
  def test_times_by_integration(self, time, slope):
    rate = 0.15
    expected, _ = integrate.quad(
      lambda a: 1 / (2 * rate * slope(a) * a * (1 - a)), 0.2, 0.95
    )
    np.testing.assert_allclose(time(0.95, 0.2, rate), expected, rtol=1e-9)

  def test_crossing(self):
    curve = np.array([1.0, 0.8, 0.4, 0.2])
    np.testing.assert_allclose(theory.crossing(curve, 0.5), 1.75)
    self.assertEqual(theory.crossing(curve, 1.0), 0.0)
    self.assertTrue(np.isnan(theory.crossing(curve, 0.1)))


class RunTest(parameterized.TestCase):
  def test_all_claims_hold(self):
    self.assertEqual(_failed(_results()), [])

  def test_every_row_is_claimed(self):
    ids = {claim.id for claim in learning_slowdown.STUDY.claims(_results())}
    rows = {"S0-3.1", "S1-P6", "S0-3.1.1", "S0-3.2", "S1-P7"}
    self.assertEqual(ids, rows)

  def test_curves_are_those_of_a_loop(self):
    for i, slope in enumerate((lambda a: a**2 * (1 - a), lambda a: a)):
      for s, start in enumerate(_results()["starts"]):
        expected = _trained_by_hand(*start, slope)
        actual = _results()["curves"][i, s]
        np.testing.assert_allclose(actual, expected, rtol=1e-10)

  def test_printed_cost_by_hand(self):
    a, y = 0.4, 0.7
    expected = -(0.7 * np.log(0.4) + 0.6 * np.log(0.6))
    cost = learning_slowdown.learning_slowdown_calculus._printed_cost
    with jax.enable_x64(True):
      actual = cost(a, y)
    np.testing.assert_allclose(actual, expected, rtol=1e-12)

  def test_leaves_the_precision_as_it_was(self):
    _results()
    chex.assert_type(jnp.ones(2), jnp.float32)

  def test_the_misprint_passed_off_as_the_cost_is_noticed(self):
    results = _results() | {"costs": _results()["printed_costs"]}
    failed = "".join(_failed(results))
    self.assertIn("least at a = y", failed)
    self.assertIn("binary entropy of y", failed)

  def test_the_right_cost_passed_off_as_the_misprint_is_noticed(self):
    results = _results() | {"printed_costs": _results()["costs"]}
    self.assertIn("Erratum. (20)", "".join(_failed(results)))

  @parameterized.parameters(
    ("sign_ratio", "Erratum. (24)"),
    ("bias_error", "dC / db = a - y"),
    ("path_error", "any path"),
    ("entropy_error", "(34) prints"),
    ("stray_error", "Between (26)"),
    ("first_steps", "first step"),
  )
  def test_a_wrong_number_is_noticed(self, name, statement):
    results = dict(_results())
    wrong = np.array(results[name], float)
    wrong.reshape(-1)[0] += 0.1
    self.assertIn(statement, "".join(_failed(results | {name: wrong})))

  def test_another_rate_has_other_outputs(self):
    config = dataclasses.replace(_CONFIG, learning_rate=0.16)
    results = learning_slowdown._curves(config)
    results = _results() | {"curves": results["curves"]}
    self.assertLen([s for s in _failed(results) if "From w" in s], 3)

  def test_nothing_is_claimed_of_what_was_not_published(self):
    results = _results() | {"learning_rate": np.array(0.1)}
    claims = learning_slowdown.STUDY.claims(results)
    self.assertFalse([c for c in claims if c.statement.startswith("From w")])

  def test_draws(self):
    self.assertLen(learning_slowdown.STUDY.plot(_results()).axes, 4)

  @parameterized.parameters(
    (dict(num_targets=3, num_outputs=10), "multiple of num_targets"),
    (dict(num_epochs=3), "even num_epochs"),
    (dict(learning_rate=0.0), "positive learning_rate"),
    (dict(weights=(1.0,), biases=(2.0,)), "two or more weights"),
    (dict(biases=(2.0, 3.0, 4.0)), "as many biases"),
    (dict(num_examples=1), "two or more examples"),
  )
  def test_refuses(self, settings, message):
    with self.assertRaisesRegex(ValueError, message):
      learning_slowdown.Config(**settings)


if __name__ == "__main__":
  absltest.main()
