"""XOR: the source's network by naive loops, and the study at small size."""

import functools
import math
from unittest import mock

import chex
import jax
import numpy as np
from absl.testing import absltest, parameterized
from scipy import special

from experiments.textbook import xor, xor_source

_CONFIG = xor.Config(
  num_seeds=300,
  num_epochs=2000,
  learning_rates=(0.5,),
  num_records=2,
  num_update_checks=3,
)


@functools.cache
def _results():
  return xor.run(_CONFIG)


def _failed(results):
  claims = xor.STUDY.claims(results)
  return [claim.statement for claim in claims if not claim.holds]


def _output(w, u, x, activation):
  """One network by scalars, as equation 1.7 writes it."""
  h = [activation(a * x[0] + b * x[1] + c) for a, b, c in w]
  return [*h, activation(u[0] * h[0] + u[1] * h[1] + u[2])]


class SourceTest(parameterized.TestCase):
  def test_table_is_that_of_scalars(self):
    sigmoid = lambda z: 1 / (1 + math.exp(-z))
    expected = [
      _output(*xor_source.SIGNED, x, sigmoid)
      for x in ((1, 0), (0, 0), (0, 1), (1, 1))
    ]
    actual = xor_source.table(xor_source.SIGNED, special.expit)
    np.testing.assert_allclose(actual, expected, rtol=1e-12)
    # The first row, as printed.
    np.testing.assert_allclose(actual[0], (0.731, 0.119, 0.743), atol=5e-4)

  def test_sign_choices_are_all_and_distinct(self):
    hidden, output = xor_source.sign_choices()
    both = np.concatenate([hidden.reshape(-1, 6), output], axis=1)
    self.assertLen(np.unique(both, axis=0), 512)
    np.testing.assert_array_equal(abs(both[77]), [3, 4, 2, 2, 3, 4, 5, 5, 2])

  @parameterized.parameters(0, 1, 2, 3)
  def test_update_is_the_slope_of_the_loss(self, pattern):
    rng = np.random.default_rng(pattern)
    flat, h = rng.normal(size=9), 1e-5
    x, t = xor_source.PATTERNS[pattern], xor_source.TARGETS[pattern]
    as_weights = lambda v: xor_source.Weights(v[:6].reshape(2, 3), v[6:])
    loss = lambda v: (
      0.5 * (t - _output(*as_weights(v), x, special.expit)[2]) ** 2
    )
    expected = [
      (loss(flat + h * e) - loss(flat - h * e)) / (2 * h) for e in np.eye(9)
    ]
    slope = lambda z: special.expit(z) * special.expit(-z)
    after = xor_source.updated(as_weights(flat), x, t, special.expit, slope)
    actual = flat - np.concatenate([after.hidden.ravel(), after.output])
    np.testing.assert_allclose(actual, expected, atol=1e-9)

  def test_params_and_back(self):
    weights = xor_source.as_weights(xor_source.as_params(xor_source.PRINTED))
    chex.assert_trees_all_equal(weights, xor_source.PRINTED)


class RunTest(parameterized.TestCase):
  def test_all_claims_hold(self):
    self.assertEqual(_failed(_results()), [])

  def test_leaves_the_precision_as_it_was(self):
    _results()
    chex.assert_type(jax.numpy.ones(2), jax.numpy.float32)

  def test_a_wrong_update_is_noticed(self):
    right = xor_source.updated
    wrong = lambda *args, **_: right(*args, misprint=True)
    with mock.patch.object(xor_source, "updated", wrong):
      with jax.enable_x64(True):
        checks = xor._check_updates(_CONFIG)
    failed = _failed({**_results(), **checks})
    self.assertLen(failed, 1)
    self.assertIn("update formulas of all nine weights", failed[0])

  @parameterized.parameters(
    ("table_signed", lambda table: table[::-1], "Erratum: the sigmoid network"),
    ("table_trained", lambda table: table + 1e-6, "printed trained weights"),
    ("reached", lambda weights: weights + 1e-8, "reaches the printed trained"),
    (
      "reached_y",
      lambda y: y + 0.1,
      "leave the same start dead",
    ),
    ("dead_end", np.zeros_like, "stays dead"),
    ("dead_start", np.ones_like, "does XOR"),
    ("error", np.ones_like, "finds weights that do XOR"),
  )
  def test_a_broken_result_is_noticed(self, name, broken, message):
    results = dict(_results())
    results[name] = broken(results[name])
    failed = _failed(results)
    self.assertTrue(any(message in text for text in failed), failed)

  def test_draws(self):
    self.assertLen(xor.STUDY.plot(_results()).axes, 3)

  @parameterized.parameters(
    (dict(num_seeds=1), "num_seeds >= 2, got 1"),
    (dict(num_epochs=7, num_records=2), "got 7 and 2"),
    (dict(learning_rates=()), "one or more positive learning_rates"),
    (dict(learning_rate_printed=0.0), "positive learning_rate_printed"),
  )
  def test_refuses(self, settings, message):
    with self.assertRaisesRegex(ValueError, message):
      xor.run(xor.Config(**settings))


if __name__ == "__main__":
  absltest.main()
