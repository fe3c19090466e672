"""Calibration of small networks, of known probabilities, and gone wrong."""

import dataclasses
import functools
from unittest import mock

import chex
import jax
import numpy as np
from absl.testing import absltest, parameterized
from scipy import special

import nnfun as nf
from experiments.softmax_temperature import (
  calibration,
  calibration_claims,
  calibration_scores,
)
from nnfun import calibration as calibration_lib

_CONFIG = calibration.Config(num_held_out=500, num_epochs=80)


@functools.cache
def _results():
  return calibration.run(_CONFIG)


def _failed(results):
  claims = calibration.STUDY.claims(results)
  return [claim.statement for claim in claims if not claim.holds]


@functools.cache
def _synthetic(scale):
  """Diagnoses logits of which the labels have the probabilities softmax(z).

  What is judged is scale * z, so that the right temperature is the scale.
  """
  rng = np.random.default_rng(0)
  z = 3 * rng.normal(size=(4, 2, 2000, 5))
  labels = np.argmax(z + rng.gumbel(size=z.shape), axis=-1)
  diagnose = functools.partial(calibration_scores.diagnose, num_bins=15)
  with jax.enable_x64(True):
    keys = jax.random.split(jax.random.key(0), 4)
    found = jax.jit(jax.vmap(diagnose))(keys, scale * z, labels)
    return z, labels, jax.tree.map(np.asarray, found)


class ScoresTest(parameterized.TestCase):
  def test_finds_the_temperature_of_known_probabilities(self):
    _, _, found = _synthetic(2.5)
    # 2,000 labels determine c to some 2 %.
    np.testing.assert_allclose(1 / found["c"], 2.5, rtol=0.1)
    before, after = found["ece"].mean(axis=0)
    self.assertGreater(before, 0.05)
    # 4 standard errors: each set's is off by 0.004 or so.
    self.assertLess(abs(after - found["chance_ece"].mean()), 0.008)

  def test_scores_against_numpy(self):
    z, labels, found = _synthetic(2.5)
    for i, scale in enumerate((1.0, found["c"][1])):
      p = special.softmax(scale * 2.5 * z[1, 1], axis=-1)
      y, sure = labels[1, 1], p.max(axis=-1)
      is_right = p.argmax(axis=-1) == y
      expected = {
        "nll": -np.mean(np.log(p[np.arange(len(y)), y])),
        "entropy": np.mean(special.entr(p).sum(axis=-1)),
        "error": np.mean(~is_right),
      }
      for name, value in expected.items():
        np.testing.assert_allclose(
          found[name][1, 1, i], value, rtol=1e-10, err_msg=name
        )
      np.testing.assert_allclose(found["confidence"][1, i], sure.mean())
      last = sure > 14 / 15
      self.assertEqual(found["bin_counts"][1, i, -1], last.sum())
      np.testing.assert_allclose(
        found["bin_accuracy"][1, i, -1], is_right[last].mean()
      )

  def test_right_probabilities_are_not_called_over_confident(self):
    # The negative control: most claims need a network that is too sure.
    failed = _failed(_results() | _synthetic(1.0)[-1])
    for text in ("they are too sure", "over-confident"):
      self.assertTrue(any(text in f for f in failed), failed)


class RunTest(parameterized.TestCase):
  def test_all_claims_hold(self):
    for claim in calibration.STUDY.claims(_results()):
      # So few networks cannot bound the rise of their errors that closely.
      if "0/1 loss" not in claim.statement:
        self.assertTrue(claim.holds, claim)

  def test_every_row_has_claims(self):
    ids = {claim.id for claim in calibration.STUDY.claims(_results())}
    self.assertEqual(ids, {"S2-softmax", "P21"})

  def test_curves_end_where_the_networks_do(self):
    results = _results()
    for name in ("c", "nll", "entropy", "error"):
      last = results[f"curve_{name}"][:, -1]
      np.testing.assert_allclose(last, results[name], rtol=2e-3, err_msg=name)

  def test_leaves_the_precision_as_it_was(self):
    _results()
    chex.assert_type(jax.numpy.ones(2), jax.numpy.float32)

  @parameterized.parameters(
    ("changed", lambda a: a + 1, "how many predictions it changes"),
    ("nll", lambda a: a[..., ::-1], "the cross-entropy falls"),
    ("nll", lambda a: a[..., ::-1], "coincide"),
    ("entropy", lambda a: a[..., ::-1], "the entropy rises"),
    ("entropy", lambda a: a * (1 + 1e-9), "coincide"),
    ("ece", lambda a: a[:, ::-1], "lowers the calibration error"),
    ("ece", np.zeros_like, "lowers the calibration error"),
    ("c", lambda a: 1 / a, "over-confident"),
    ("grid_nll", lambda a: a - 1e-6, "No other temperature is better"),
    ("confidence", lambda a: a[:, ::-1], "they are too sure"),
    ("confidence", lambda a: a[:, ::-1], "nearer to accuracy"),
    ("simplex_error", lambda a: a + 1e-3, "are a distribution"),
    ("loss_error", lambda a: a + 1e-3, "The loss to minimise"),
    ("curve_nll", lambda a: -np.sort(-a, axis=1), "can overfit to NLL"),
    ("curve_error", lambda a: a[:, ::-1], "without overfitting to the 0/1"),
    ("curve_error", lambda a: a[:, ::-1], "a disconnect between"),
    ("curve_c", lambda a: a[:, ::-1], "T rises throughout"),
    ("curve_entropy", np.ones_like, "decreases steadily"),
  )
  def test_wrong_results_are_noticed(self, name, spoil, statement):
    failed = _failed(_results() | {name: spoil(_results()[name])})
    self.assertTrue(any(statement in text for text in failed), failed)

  def test_a_temperature_that_is_off_is_noticed(self):
    fit = calibration_lib.fit_inverse_temperature
    with mock.patch.object(
      calibration_lib, "fit_inverse_temperature", lambda *a: 1.1 * fit(*a)
    ):
      _, _, found = _synthetic.__wrapped__(2.5)
    failed = _failed(_results() | found)
    for text in ("coincide", "No other temperature is better"):
      self.assertTrue(any(text in f for f in failed), failed)

  def test_draws(self):
    self.assertLen(calibration.STUDY.plot(_results()).axes, 4)


class LoadTest(parameterized.TestCase):
  def test_sets_are_disjoint_and_differ_by_seed(self):
    images, train, held_out = calibration._load(_CONFIG)
    self.assertEqual(images.pixels.shape, (1797, 64))
    self.assertEqual(train.shape, (8, 150))
    self.assertEqual(held_out.shape, (8, 2, 500))
    for drawn in zip(train, held_out, strict=True):
      self.assertLen(set(np.concatenate(drawn, axis=None)), 1150)
    self.assertNotEqual(list(train[0]), list(train[1]))
    other = calibration._load(dataclasses.replace(_CONFIG, seed=1))[1]
    self.assertNotEqual(list(train[0]), list(other[0]))

  def test_test_images_of_their_own(self):
    digits = nf.data.digits()
    parts = {
      "train": nf.data.Images(digits.pixels[:900], digits.labels[:900]),
      "test": nf.data.Images(digits.pixels[900:], digits.labels[900:]),
    }
    config = dataclasses.replace(_CONFIG, data_dir="folder")
    with mock.patch.object(
      nf.data, "mnist", lambda folder, split: parts[split]
    ):
      images, train, held_out = calibration._load(config)
      with self.assertRaisesRegex(ValueError, "num_held_out=751"):
        calibration._load(dataclasses.replace(config, num_held_out=751))
    chex.assert_trees_all_equal(images, digits)
    self.assertLess(max(train.max(), held_out[:, 0].max()), 900)
    self.assertGreaterEqual(held_out[:, 1].min(), 900)

  def test_quarters(self):
    np.testing.assert_array_equal(
      calibration_claims.quarters(61), [1, 16, 30, 45, 60]
    )

  @parameterized.parameters(
    (dict(num_train=0), "num_train >= 1, got 0"),
    (dict(num_seeds=1), "num_seeds >= 2, got 1"),
    (dict(num_bins=0), "num_bins >= 1, got 0"),
    (dict(num_train=198), "1797 images.*num_train=198"),
    (dict(num_train=20), "batch_size from 1 to the 20 examples"),
  )
  def test_refuses(self, settings, message):
    with self.assertRaisesRegex(ValueError, message):
      calibration.run(calibration.Config(**settings))


if __name__ == "__main__":
  absltest.main()
