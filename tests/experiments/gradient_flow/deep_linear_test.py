"""The study of deep linear networks, its closed forms tested apart."""

import math

import jax
import numpy as np
from absl.testing import absltest, parameterized

from experiments.gradient_flow import deep_linear
from experiments.gradient_flow.deep_linear import run, theory
from nnfun.theory import deep_linear as library
from tests.experiments import study_case

_SMALL = run.Config(
  num_nets=20,
  formula_depths=(3, 50),
  max_depth=200,
  factors=(0.4, 1.0, 2.0),
  num_matrices=(1, 5),
  num_seeds=2,
  step=0.04,
  duration=5.0,
)


class CaseTest(study_case.StudyCase):
  study = deep_linear.STUDY
  small = _SMALL

  def test_all_claims_hold(self):
    failed = [key for key, claim in self.judged().items() if not claim.holds]
    self.assertEqual(failed, [])

  @parameterized.parameters(
    (lambda r: _of_50(r, "gradient"), "gradient-formula"),
    (lambda r: _of_50(r, "gradient"), "any-layer"),
    (lambda r: _of_50(r, "output"), "output-erratum"),
    (lambda r: r._replace(log_gradient=1.01 * r.log_gradient), "vanishes"),
    (lambda r: r._replace(log_gradient=1.01 * r.log_gradient), "explodes"),
    (lambda r: _rolled(r, "log_gradient"), "exponent-apart"),
    (lambda r: _rolled(r, "float32"), "plain-float32"),
    (lambda r: r._replace(num_matrices=r.num_matrices + 1), "mode-equation"),
    (lambda r: r._replace(times=2 * r.times), "finite-delay"),
  )
  def test_wrong_measurements_are_noticed(self, wrong, key):
    claims = deep_linear.STUDY.claims(wrong(self.results()))
    self.assertIn(key, [claim.key for claim in claims if claim.holds is False])


def _rolled(results, name):
  """As if each gradient were that of a net three layers deeper."""
  rolled = np.roll(getattr(results, name), 3, axis=1)
  return results._replace(**{name: rolled})


def _of_50(results, name):
  """Scrambles what was found for the nets of 50 layers."""
  found = results.formula["50"]
  wrong = np.roll(getattr(found, name), 1, axis=-1 if name == "output" else 1)
  formula = results.formula | {"50": found._replace(**{name: wrong})}
  return results._replace(formula=formula)


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


class ConfigTest(parameterized.TestCase):
  @parameterized.parameters(
    (dict(formula_depths=(2,)), "formula_depths >= 3"),
    (dict(max_depth=100), "max_depth >= 200"),
    (dict(start=1.0), "a start below all strengths"),
    (dict(step=0.1), r"step < 0.2 / s\^2"),
  )
  def test_refuses(self, settings, message):
    with self.assertRaisesRegex(ValueError, message):
      run.Config(**settings)


if __name__ == "__main__":
  absltest.main()
