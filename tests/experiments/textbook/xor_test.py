"""XOR: the source's network by naive loops, and claims that can fail."""

import math
from unittest import mock

import jax
import numpy as np
from absl.testing import absltest, parameterized
from scipy import special

import nnfun as nf
from experiments.textbook import xor
from experiments.textbook.xor import formulas, readings, run
from tests.experiments import study_case

_SMALL = run.Config(
  num_seeds=100,
  num_epochs=2000,
  learning_rates=(0.5,),
  num_records=2,
  num_update_checks=3,
)


def _output(w, u, x, activation):
  """One network by scalars, as equation 1.7 writes it."""
  h = [activation(a * x[0] + b * x[1] + c) for a, b, c in w]
  return [*h, activation(u[0] * h[0] + u[1] * h[1] + u[2])]


def _sigmoid(z):
  return 1 / (1 + math.exp(-z))


class FormulasTest(parameterized.TestCase):
  def setUp(self):
    super().setUp()
    self.enterContext(jax.enable_x64(True))

  def test_table_is_that_of_scalars(self):
    expected = [
      _output(*readings.SIGNED, x, _sigmoid)
      for x in ((1, 0), (0, 0), (0, 1), (1, 1))
    ]
    actual = run._tables().signed
    np.testing.assert_allclose(actual, expected, rtol=1e-12)
    # The first row, as printed.
    np.testing.assert_allclose(actual[0], (0.731, 0.119, 0.743), atol=5e-4)

  def test_sign_choices_are_all_and_distinct(self):
    hidden, output = readings.sign_choices()
    both = np.concatenate([hidden.reshape(-1, 6), output], axis=1)
    self.assertLen(np.unique(both, axis=0), 512)
    np.testing.assert_array_equal(abs(both[77]), [3, 4, 2, 2, 3, 4, 5, 5, 2])
    np.testing.assert_array_equal(both[0], abs(both[0]))

  @parameterized.parameters(0, 1, 2, 3)
  def test_update_is_the_slope_of_the_loss(self, pattern):
    flat, h = np.random.default_rng(pattern).normal(size=9), 1e-5
    x, t = readings.PATTERNS[pattern], readings.TARGETS[pattern]

    def loss(v):
      y = _output(v[:6].reshape(2, 3), v[6:], x, _sigmoid)[2]
      return 0.5 * (t - y) ** 2

    expected = [
      (loss(flat + h * e) - loss(flat - h * e)) / (2 * h) for e in np.eye(9)
    ]
    hidden, output = formulas._updates(
      readings.Weights(flat[None, :6].reshape(1, 2, 3), flat[None, 6:]),
      special.expit,
      lambda z: special.expit(z) * special.expit(-z),
      misprint="",
    )
    actual = np.append(hidden[0, pattern], output[0, pattern])
    np.testing.assert_allclose(actual, expected, atol=1e-9)

  def test_params_and_back(self):
    hidden, output = formulas.as_weights(formulas.as_params(readings.PRINTED))
    np.testing.assert_array_equal(hidden, readings.PRINTED.hidden)
    np.testing.assert_array_equal(output, readings.PRINTED.output)


class CaseTest(study_case.StudyCase):
  study = xor.STUDY
  small = _SMALL

  def verdict(self, key, results):
    return {claim.key: claim for claim in self.study.claims(results)}[key].holds

  def test_claims_hold(self):
    for claim in self.judged().values():
      self.assertTrue(claim.holds, claim)

  @parameterized.parameters(
    ("table", "tables", "signed", lambda table: table[::-1]),
    ("printed-matrices", "tables", "signs", lambda table: 0 * table),
    ("trained-outputs", "tables", "trained", lambda table: table + 1e-6),
    ("printed-weights", "reached", "output", lambda u: u + 1e-8),
    ("learning-rate", "reached", "y", lambda y: y + 0.1),
    ("dead-stays", "starts", "moved", lambda moved: moved + 1e-6),
    ("one-dead", "starts", "error", lambda error: 0 * error),
    ("leaky", "starts", "error", lambda error: 1 / error),
  )
  def test_a_broken_result_is_noticed(self, key, part, name, change):
    def broken(part):
      return part._replace(**{name: change(getattr(part, name))})

    old = getattr(self.results(), part)
    is_family = isinstance(old, dict)
    new = {k: broken(v) for k, v in old.items()} if is_family else broken(old)
    results = self.results()._replace(**{part: new})
    self.assertIs(self.verdict(key, results), False)

  @parameterized.named_parameters(
    ("slope", formulas._SLOPE_AT_X_I),
    ("sum", formulas._SUM_OVER_H),
    ("factor", formulas._FACTOR_X_I),
  )
  def test_a_misprinted_update_is_noticed(self, misprint):
    right = formulas._updates
    wrong = lambda *args: right(*args[:3], misprint)
    with mock.patch.object(formulas, "_updates", wrong), jax.enable_x64(True):
      error = np.asarray(formulas.update_error(0, 3))
      misprints = formulas.misprints(0, 3)
    results = self.results()._replace(update_error=error, misprints=misprints)
    self.assertIs(self.verdict("updates", results), False)
    self.assertIs(self.verdict("misprints", results), False)

  def test_a_steeper_sigmoid_is_noticed(self):
    steep = nf.activations.scaled_sigmoid(max_slope=0.5)
    with mock.patch.object(run._act, "sigmoid", steep), jax.enable_x64(True):
      results = self.results()._replace(tables=run._tables())
    self.assertIs(self.verdict("table", results), False)

  @parameterized.parameters(
    (dict(num_seeds=1), "num_seeds >= 2"),
    (dict(num_epochs=7, num_records=2), "a multiple of num_records"),
  )
  def test_refuses(self, changes, message):
    with self.assertRaisesRegex(ValueError, message):
      run.Config(**changes)


if __name__ == "__main__":
  absltest.main()
