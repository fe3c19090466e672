"""Calibration of small networks, of known probabilities, and gone wrong."""

import dataclasses
import functools
from unittest import mock

import chex
import jax
import numpy as np
from absl.testing import absltest, parameterized
from scipy import optimize, special

import nnfun as nf
from experiments import sweeps
from experiments.softmax_temperature import calibration
from experiments.softmax_temperature.calibration import (
  claims,
  readings,
  run,
  scores,
)
from nnfun import calibration as calibration_lib
from tests.experiments import study_case

_SMALL = run.Config(
  num_held_out=500, hidden_sizes=(50,), num_epochs=60, num_seeds=8
)


def _results(**changes):
  """Results of the small run, some of them replaced, as "test.ece"."""
  results = study_case.results_of(calibration.STUDY, _SMALL)
  for path, value in changes.items():
    part, field = path.split("__")
    inner = getattr(results, part)._replace(**{field: value})
    results = results._replace(**{part: inner})
  return results


def _judged(results):
  return {claim.key: claim.holds for claim in claims.claims(results)}


@functools.cache
def _synthetic(scale):
  """Diagnoses logits of which the labels have the probabilities softmax(z).

  What is judged is scale * z, so that the right temperature is the scale.
  """
  rng = np.random.default_rng(0)
  z = 3 * rng.normal(size=(4, 2, 2000, 5))
  labels = np.argmax(z + rng.gumbel(size=z.shape), axis=-1)
  diagnose = functools.partial(scores.diagnose, num_bins=15)
  with jax.enable_x64(True):
    keys = jax.random.split(jax.random.key(0), 4)
    found = sweeps.sweep(diagnose, keys, scale * z, labels, quick=True)
  return z, labels, *found


def _with_synthetic(scale):
  *_, final, test = _synthetic(scale)
  return _results()._replace(final=final, test=test)


class CaseTest(study_case.StudyCase):
  study = calibration.STUDY
  small = _SMALL


class ScoresTest(parameterized.TestCase):
  def test_finds_the_temperature_of_known_probabilities(self):
    _, _, final, test = _synthetic(2.5)
    # 2,000 labels determine c to some 2 %.
    np.testing.assert_allclose(1 / final.c, 2.5, rtol=0.1)
    before, after = test.ece.mean(axis=0)
    self.assertGreater(before, 0.05)
    # 4 standard errors: each set's is off by 0.004 or so.
    self.assertLess(abs(after - test.chance_ece.mean()), 0.008)

  def test_scores_against_scipy(self):
    z, labels, final, test = _synthetic(2.5)
    log_p = special.log_softmax

    def loss(c, which):
      chances = log_p(c * 2.5 * z[1, which], axis=-1)
      return -np.mean(chances[np.arange(2000), labels[1, which]])

    best = optimize.minimize_scalar(loss, (0.1, 1), args=(0,), tol=1e-10)
    np.testing.assert_allclose(final.c[1], best.x, rtol=1e-6)
    for i, scale in enumerate((1.0, final.c[1])):
      p = special.softmax(scale * 2.5 * z[1, 1], axis=-1)
      expected = {
        "nll": loss(scale, 1),
        "entropy": np.mean(special.entr(p).sum(axis=-1)),
        "error": np.mean(p.argmax(axis=-1) != labels[1, 1]),
      }
      for name, value in expected.items():
        actual = getattr(final, name)[1, 1, i]
        np.testing.assert_allclose(actual, value, rtol=1e-10, err_msg=name)
      np.testing.assert_allclose(test.confidences[1, i], p.max(axis=-1))
      np.testing.assert_array_equal(test.predictions[1, i], p.argmax(axis=-1))

  def test_diagram_by_hand(self):
    confidences = np.array([0.2, 0.5, 0.6, 1.0])  # Of 2 bins: 2 and 2.
    right = np.array([True, False, True, False])
    found = readings.diagram(confidences, right, 2)
    np.testing.assert_allclose(found.counts, [2, 2])
    np.testing.assert_allclose(found.confidence, [0.7, 1.6])
    np.testing.assert_allclose(found.hits, [1, 1])
    error = readings.calibration_error(confidences, right, 2)
    self.assertAlmostEqual(error, (0.3 + 0.6) / 4)

  def test_right_probabilities_are_not_called_over_confident(self):
    # The negative control: most claims need a network that is too sure.
    found = _judged(_with_synthetic(1.0))
    for key in ("too-sure", "calibrates", "loss-and-entropy"):
      self.assertIsNot(found[key], True, key)
    for key in ("same-predictions", "entropy-is-loss", "calibration-error"):
      self.assertTrue(found[key], key)


class RunTest(parameterized.TestCase):
  def test_nothing_fails(self):
    for key, holds in _judged(_results()).items():
      self.assertIsNot(holds, False, key)

  def test_curves_end_where_the_networks_do(self):
    curve, final = _results().curve, _results().final
    last = jax.tree.map(lambda leaf: leaf[:, -1], curve)
    chex.assert_trees_all_close(
      last._asdict(),
      jax.tree.map(np.float32, final._asdict()),
      rtol=2e-3,
    )

  def test_leaves_the_precision_as_it_was(self):
    _results()
    chex.assert_type(jax.numpy.ones(2), jax.numpy.float32)


class ClaimsTest(parameterized.TestCase):
  @parameterized.parameters(
    ("test", "simplex_error", lambda a: a + 1e-3, "distribution"),
    ("test", "loss_error", lambda a: a + 1e-3, "printed-loss"),
    ("test", "predictions", lambda a: a + [[0], [1]], "same-predictions"),
    ("test", "confidences", lambda a: a - 0.2, "too-sure"),
    ("test", "confidences", np.square, "calibration-error"),
    ("test", "ece", np.square, "calibration-error"),
    ("test", "ece", lambda a: a[:, ::-1], "calibrates"),
    ("final", "entropy", lambda a: a * (1 + 1e-9), "entropy-is-loss"),
    ("final", "entropy", lambda a: a[..., ::-1], "loss-and-entropy"),
    ("final", "nll", lambda a: a[..., ::-1], "loss-and-entropy"),
    ("curve", "nll", lambda a: -np.sort(-a, axis=1), "disconnect"),
    ("curve", "c", lambda a: 1 / (1 + a), "temperature-rises"),
    ("curve", "entropy", np.ones_like, "temperature-rises"),
  )
  def test_wrong_results_are_noticed(self, part, field, spoil, key):
    value = spoil(getattr(getattr(_results(), part), field))
    found = _judged(_results(**{f"{part}__{field}": value}))
    self.assertIsNot(found[key], True)

  def test_a_calibration_error_of_squares_is_noticed(self):
    def squared(confidences, is_correct, *, num_bins):
      bins = calibration_lib.reliability(
        confidences, is_correct, num_bins=num_bins
      )
      gaps = (bins.accuracy - bins.confidence) ** 2
      return (bins.counts * gaps).sum() / bins.counts.sum()

    with mock.patch.object(
      calibration_lib, "expected_calibration_error", squared
    ):
      *_, final, test = _synthetic.__wrapped__(2.5)
    found = _judged(_results()._replace(final=final, test=test))
    self.assertIs(found["calibration-error"], False)
    self.assertTrue(_judged(_with_synthetic(2.5))["calibration-error"])

  def test_a_temperature_that_is_off_is_noticed(self):
    fit = calibration_lib.fit_inverse_temperature
    with mock.patch.object(
      calibration_lib, "fit_inverse_temperature", lambda *a: 1.1 * fit(*a)
    ):
      *_, final, test = _synthetic.__wrapped__(2.5)
    found = _judged(_results()._replace(final=final, test=test))
    self.assertIs(found["entropy-is-loss"], False)

  def test_quarters(self):
    np.testing.assert_array_equal(claims.quarters(61), [1, 16, 30, 45, 60])


class LoadTest(parameterized.TestCase):
  def test_sets_are_disjoint_and_differ_by_seed(self):
    pixels, _, train, held_out = run._load(_SMALL)
    self.assertEqual(pixels.shape, (1797, 64))
    self.assertEqual(train.shape, (8, 150))
    self.assertEqual(held_out.shape, (8, 2, 500))
    for drawn in zip(train, held_out, strict=True):
      self.assertLen(set(np.concatenate(drawn, axis=None)), 1150)
    self.assertNotEqual(list(train[0]), list(train[1]))
    other = run._load(dataclasses.replace(_SMALL, seed=1))[2]
    self.assertNotEqual(list(train[0]), list(other[0]))

  def test_test_images_of_their_own(self):
    digits = nf.data.digits()
    parts = {
      "train": nf.data.Images(digits.pixels[:900], digits.labels[:900]),
      "test": nf.data.Images(digits.pixels[900:], digits.labels[900:]),
    }
    config = dataclasses.replace(_SMALL, data_dir="folder")
    with mock.patch.object(
      nf.data, "mnist", lambda folder, split: parts[split]
    ):
      *images, train, held_out = run._load(config)
      with self.assertRaisesRegex(ValueError, "num_held_out=751"):
        run._load(dataclasses.replace(config, num_held_out=751))
    chex.assert_trees_all_equal(nf.data.Images(*images), digits)
    self.assertLess(max(train.max(), held_out[:, 0].max()), 900)
    self.assertGreaterEqual(held_out[:, 1].min(), 900)

  @parameterized.parameters(
    (dict(num_seeds=1), "num_seeds >= 2 .*num_seeds=1"),
    (dict(num_train=20), "batch_size <= num_train"),
    (dict(num_train=198), "1797 images.*num_train=198"),
  )
  def test_refuses(self, settings, message):
    with self.assertRaisesRegex(ValueError, message):
      run._load(run.Config(**settings))


if __name__ == "__main__":
  absltest.main()
