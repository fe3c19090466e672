"""XOR: the source's network by scalars, and claims that can fail."""

import jax
import numpy as np
from absl.testing import absltest, parameterized

import nnfun as nf
from experiments import sweeps
from experiments.textbook import xor
from experiments.textbook.xor import formulas, readings, run
from tests.experiments import study_case


def _sigmoid(z):
  return 1 / (1 + np.exp(-z))


def _by_hand(network, x):
  """h_0, h_1 and y by scalars, as equation 1.7 writes it."""
  w, u = network[:2], network[2]
  h = [_sigmoid(a * x[0] + b * x[1] + c) for a, b, c in w]
  return [*h, _sigmoid(u[0] * h[0] + u[1] * h[1] + u[2])]


class CaseTest(study_case.StudyCase):
  study = xor.STUDY
  small = run.Config(num_seeds=100, num_epochs=2000, learning_rate=0.5)

  def test_table_is_that_of_scalars(self):
    expected = [_by_hand(readings.SIGNED, x) for x in readings.PATTERNS]
    # The first row, as printed.
    np.testing.assert_allclose(expected[0], (0.731, 0.119, 0.743), atol=5e-4)
    actual = self.results().tables["signed, sigmoid"]
    np.testing.assert_allclose(actual, expected, rtol=1e-12)

  def test_update_is_the_slope_of_the_loss(self):
    network, h = np.random.default_rng(0).normal(size=9), 1e-5
    patterns = readings.PATTERNS, readings.TARGETS

    def losses(v):
      y = [_by_hand(v.reshape(3, 3), x)[2] for x in readings.PATTERNS]
      return 0.5 * (readings.TARGETS - y) ** 2

    expected = [
      (losses(network + h * e) - losses(network - h * e)) / (2 * h)
      for e in np.eye(9)
    ]
    with jax.enable_x64(True):
      update = sweeps.sweep(
        lambda x, t: formulas._update(
          network.reshape(3, 3), x, t, nf.activations.sigmoid
        ),
        *patterns,
        quick=True,
      )
    np.testing.assert_allclose(update.reshape(4, 9).T, expected, atol=1e-9)

  def failing(self, **changes):
    found = self.study.claims(self.results()._replace(**changes))
    return {claim.key for claim in found if claim.holds is not True}

  def test_claims_hold(self):
    self.assertEmpty(self.failing())

  @parameterized.parameters(
    ("table", "tables", None, lambda table: table[::-1]),
    ("updates", "update_error", None, lambda error: error + 1e-6),
    ("trained-outputs", "tables", None, lambda table: table + 1e-6),
    ("printed-weights", "reached", "networks", lambda w: w + 1e-8),
    ("learning-rate", "reached", "outputs", lambda y: y + 0.1),
    ("one-dead", "starts", "does_xor", np.ones_like),
    ("some-starts", "starts", "does_xor", np.zeros_like),
    ("leaky", "starts", "does_xor", np.logical_not),
    ("misprints", "misprints", None, lambda errors: errors[::-1]),
  )
  def test_a_broken_result_is_noticed(self, key, part, name, change):
    def broken(part):
      if isinstance(part, dict):
        return {k: broken(v) for k, v in part.items()}
      if name is None:
        return change(part)
      return part._replace(**{name: change(getattr(part, name))})

    new = broken(getattr(self.results(), part))
    self.assertIn(key, self.failing(**{part: new}))


if __name__ == "__main__":
  absltest.main()
