"""The study of deep linear networks, its closed forms tested apart."""

import numpy as np
from absl.testing import absltest, parameterized

from experiments.gradient_flow import deep_linear
from experiments.gradient_flow.deep_linear import run, theory
from nnfun.theory import deep_linear as library
from tests.experiments import study_case


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


class CaseTest(study_case.StudyCase):
  study = deep_linear.STUDY
  small = run.Config(
    num_nets=20,
    depths=(3, 50),
    max_depth=200,
    factors=(0.4, 1.0, 2.0),
    num_matrices=(1, 2, 5),
    step=0.02,
    duration=5.0,
  )

  def test_all_claims_hold(self):
    failed = [key for key, claim in self.judged().items() if not claim.holds]
    self.assertEqual(failed, [])

  @parameterized.parameters(
    (lambda r: _of_50(r, "gradient"), "gradient-formula"),
    (lambda r: _of_50(r, "gradient"), "any-layer"),
    (lambda r: _of_50(r, "output"), "output-erratum"),
    (lambda r: r._replace(log_gradient=1.01 * r.log_gradient), "unstable"),
    (lambda r: _rolled(r, "log_gradient"), "exponent-apart"),
    (lambda r: r._replace(num_matrices=r.num_matrices + 1), "mode-equation"),
    (lambda r: r._replace(modes=r.modes[:, ::-1]), "mode-equation"),
    (lambda r: r._replace(times=2 * r.times), "finite-delay"),
  )
  def test_wrong_measurements_are_noticed(self, wrong, key):
    claims = deep_linear.STUDY.claims(wrong(self.results()))
    self.assertIn(key, [claim.key for claim in claims if claim.holds is False])

  def test_formula_of_three_layers_by_hand(self):
    """y_hat = 2 3 5 7 + 1 4 6 (-1) = 186, written out."""
    paths = np.array([[5.0, 6.0], [3.0, 4.0], [2.0, 1.0]])
    x, y = np.array([7.0, -1.0]), np.array(6.0)
    self.assertEqual(theory.output(paths, x), 186)
    self.assertEqual(theory.first_layer_gradient(paths, x, y), 180 * 6 * 7)
    self.assertEqual(theory.printed_output(paths, x), 210 - 1 * 3 * 6)

  def test_modes_are_those_of_the_library_and_come_near_the_limit(self):
    """D = 2 is equation 12; very deep nets take the time of the limit."""
    results = self.results()._replace(num_matrices=np.array([2, 10_000]))
    modes = theory.mode_strengths(results)
    for u, s in zip(modes[0].T, results.strengths, strict=True):
      expected = library.mode_strength(results.times, s, 0.2, tau=2.0)
      np.testing.assert_allclose(u, expected, rtol=1e-5)
    time = np.interp(0.5, modes[1, :, 0], results.times)
    limit = theory.limit_time(0.5, 0.2, results.strengths[0])
    np.testing.assert_allclose(time, limit, rtol=1e-3)

  @parameterized.parameters(
    (dict(start=1.0), "start below all strengths"),
    (dict(step=0.1), r"step < 0.2 / s\^2"),
  )
  def test_refuses(self, settings, message):
    with self.assertRaisesRegex(ValueError, message):
      run.Config(**settings)


if __name__ == "__main__":
  absltest.main()
