"""Perceptrons: oracles by hand and by loops, and claims that can fail."""

from unittest import mock

import jax
import numpy as np
from absl.testing import absltest, parameterized

import nnfun as nf
from experiments.textbook import perceptrons
from experiments.textbook.perceptrons import boundaries, run, thresholds
from tests.experiments import study_case

_SIZES = (3, 3, 2)


def _by_hand(activation, scale):
  """All neurons of the first network for all inputs: z and a, [8, 5]."""
  zs, outputs = [], []
  for x in thresholds.binary_inputs(3):
    for layer in thresholds.draw(0, _SIZES, 5):
      z = scale * (layer["w"][0] @ x + layer["b"][0])
      x = activation(z)
      zs, outputs = [*zs, *z], [*outputs, *x]
  return np.reshape(zs, (8, 5)), np.reshape(outputs, (8, 5))


class OraclesTest(parameterized.TestCase):
  @parameterized.parameters(
    ([0, 1, 1, 0], 3), ([0, 0, 1, 1], 4), ([1, 1, 0, 1], 4)
  )
  def test_best_line_on_the_square(self, ys, expected):
    xs = thresholds.binary_inputs(2)
    found = boundaries.best_line(xs, np.array(ys))
    self.assertEqual(np.sum(found), expected)


class CaseTest(study_case.StudyCase):
  study = perceptrons.STUDY
  small = run.Config(sizes=_SIZES, num_networks=5, num_epochs=300)

  def failing(self, **changes):
    found = self.study.claims(self.results()._replace(**changes))
    return {claim.key for claim in found if claim.holds is not True}

  def test_limit_is_that_of_a_loop(self):
    found = self.results().limit
    z, hard = _by_hand(lambda z: np.where(z > 0, 1.0, 0.0), 1.0)
    c = found.times[12] / np.min(np.abs(z))
    _, soft = _by_hand(lambda z: 1 / (1 + np.exp(-z)), c)
    worst = np.max(np.abs(soft - hard))
    self.assertBetween(worst, 0.01, 0.99)
    np.testing.assert_allclose(found.exponents[0, 12], -np.log(worst))

  def test_claims_hold(self):
    self.assertEmpty(self.failing())
    # Muroga, Threshold logic and its applications, 1971: 14 of 16.
    self.assertEqual(np.sum(self.results().computed), 14)

  def test_another_sigmoid_is_noticed(self):
    wrong = nf.activations.scaled_sigmoid(max_slope=0.24)
    patch = mock.patch.object(thresholds._act, "sigmoid", wrong)
    with patch, jax.enable_x64(True):
      limit = thresholds.limit(0, _SIZES, 5)
    self.assertEqual(self.failing(limit=limit), {"rate"})

  @parameterized.parameters(
    ("scaling", "num_firing", lambda v: v + 1, "zero-scale"),
    (
      "scaling",
      "num_changed",
      lambda v: v | {"real": v["real"] + 1},
      "scaling",
    ),
    ("cost_changes", None, np.ones_like, "flat"),
    ("limit", "exponents", lambda v: 1.01 * v, "rate"),
    ("boundaries", "is_right", lambda v: 0 * v, "bent"),
    ("boundaries", "errors", lambda v: v[::-1], "surrogate"),
    ("regressions", None, lambda v: v + 1e-3, "regression"),
    ("on_threshold", None, lambda v: 0 * v, "another-network"),
    ("computed", None, np.ones_like, "xor-perceptron"),
    ("xor", "errors", lambda v: v + 0.25, "xor-network"),
  )
  def test_a_broken_result_is_noticed(self, part, name, change, key):
    def broken(part):
      if isinstance(part, dict):
        return {k: broken(v) for k, v in part.items()}
      if name is None:
        return change(part)
      return part._replace(**{name: change(getattr(part, name))})

    new = broken(getattr(self.results(), part))
    self.assertIn(key, self.failing(**{part: new}))

  @parameterized.parameters(
    (dict(sizes=(8, 1)), "two or more layers"),
    (dict(sizes=(13, 2, 1)), "2 to 12 inputs"),
  )
  def test_refuses(self, changes, message):
    with self.assertRaisesRegex(ValueError, message):
      run.Config(**changes)


if __name__ == "__main__":
  absltest.main()
