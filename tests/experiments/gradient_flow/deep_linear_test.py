"""The study of deep linear networks, its closed forms tested apart."""

import functools
import math
from unittest import mock

import jax
import numpy as np
from absl.testing import absltest, parameterized

from experiments.gradient_flow import deep_linear
from experiments.gradient_flow import deep_linear_theory as theory
from nnfun.theory import deep_linear as library

_CONFIG = deep_linear.Config(
  num_nets=20,
  formula_depths=(3, 50),
  max_depth=200,
  factors=(0.4, 1.0, 2.0),
  num_matrices=(1, 5),
  num_seeds=2,
  step=0.04,
  duration=5.0,
)


@functools.cache
def _results():
  return deep_linear.run(_CONFIG)


def _failed(results):
  claims = deep_linear.STUDY.claims(results)
  return [claim.statement for claim in claims if not claim.holds]


class TheoryTest(parameterized.TestCase):
  def test_formula_of_three_layers_by_hand(self):
    """y_hat = 2 3 5 7 + 1 4 6 (-1) = 186, written out."""
    paths = np.array([[5.0, 6.0], [3.0, 4.0], [2.0, 1.0]])
    x, y = np.array([7.0, -1.0]), np.array(6.0)
    self.assertEqual(theory.output(paths, x), 186)
    self.assertEqual(theory.first_layer_gradient(paths, x, y), 180 * 6 * 7)
    self.assertEqual(theory.printed_output(paths, x), 210 - 1 * 3 * 6)

  @parameterized.parameters(0.7, 1.3)
  def test_log_gradient_is_the_logarithm(self, factor):
    depths = np.arange(2, 40)
    expected = [
      abs((1.5 * factor**n - 0.3) * factor ** (n - 1) * 2.0) for n in depths
    ]
    actual = theory.log_gradient(math.log(factor), depths, 1.5, 2.0, 0.3)
    np.testing.assert_allclose(actual, np.log(expected), atol=1e-12)

  @parameterized.parameters(1, 2, 5)
  def test_modes_move_at_the_library_s_rate(self, num_matrices):
    """du/dt by differences of u(t), against equation 15."""
    times = np.linspace(0.1, 3, 7)
    u = theory.mode_strength(times, 0.2, 1.5, num_matrices)
    ends = theory.mode_strength(
      times + np.array([[-1e-4], [1e-4]]), 0.2, 1.5, num_matrices
    )
    with jax.enable_x64(True):
      rate = library.mode_rate(
        u, 1.5, num_layers=num_matrices + 1, tau=num_matrices
      )
    np.testing.assert_allclose((ends[1] - ends[0]) / 2e-4, rate, rtol=1e-5)

  def test_three_layers_and_the_limit_in_closed_form(self):
    """Equation 11, and integral du / (u^2 (s - u)) by partial fractions."""
    with jax.enable_x64(True):
      three = library.learning_time(0.9, 1.5, 0.2, tau=2.0)
    actual = theory.learning_time(0.9, 0.2, 1.5, 2)
    np.testing.assert_allclose(actual, three, rtol=1e-10)
    primitive = lambda u: math.log(u / (1.5 - u)) / 1.5**2 - 1 / (1.5 * u)
    limit = theory.learning_time(0.9, 0.2, 1.5, math.inf)
    np.testing.assert_allclose(limit, primitive(0.9) - primitive(0.2))


class RunTest(parameterized.TestCase):
  def test_all_claims_hold(self):
    self.assertEqual(_failed(_results()), [])

  def test_the_right_formula_passed_off_as_the_printed_one_is_noticed(self):
    with mock.patch.object(theory, "printed_output", theory.output):
      (statement,) = _failed(_results())
    self.assertIn("Erratum", statement)

  def test_another_depth_in_the_equation_is_noticed(self):
    results = dict(_results())
    results["num_matrices"] = results["num_matrices"] + 1
    failed = _failed(results)
    self.assertLen([s for s in failed if "Deep linear nets trained" in s], 1)
    self.assertLen([s for s in failed if "Time to half" in s], 1)

  @parameterized.parameters(
    ("log_gradient", "float32 holds"),
    ("float32", "is infinite"),
    ("gradient_50", "equals automatic"),
  )
  def test_a_gradient_of_another_depth_is_noticed(self, name, statement):
    results = dict(_results())
    results[name] = np.roll(results[name], 3, axis=1)
    self.assertTrue(any(statement in s for s in _failed(results)))

  def test_draws(self):
    figure = deep_linear.STUDY.plot(_results())
    self.assertLen(figure.axes, 2)

  @parameterized.parameters(
    (dict(formula_depths=(2,)), "formula_depths >= 3"),
    (dict(max_depth=100), "max_depth >= 200"),
    (dict(factors=(0.5, 0.0)), "positive factors"),
    (dict(num_matrices=(0,)), "num_matrices >= 1"),
    (dict(start=1.0), "a start between 0"),
    (dict(step=0.1), r"step < 0.2 / s\^2"),
    (dict(num_seeds=0), "num_seeds >= 1"),
  )
  def test_refuses(self, settings, message):
    with self.assertRaisesRegex(ValueError, message):
      deep_linear.run(deep_linear.Config(**settings))


if __name__ == "__main__":
  absltest.main()
