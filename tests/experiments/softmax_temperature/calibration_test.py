"""Calibration of small networks, of known probabilities, and gone wrong."""

import chex
import jax
import numpy as np
from absl.testing import absltest, parameterized
from scipy import optimize, special

from experiments.softmax_temperature import calibration
from experiments.softmax_temperature.calibration import run
from tests.experiments import study_case

_NUM_EXAMPLES = 500


def _known(scale):
  """Logits scale * z of which the labels have the probabilities softmax(z).

  So the right temperature is the scale.
  """
  rng = np.random.default_rng(0)
  z = 3 * rng.normal(size=(8, 2, _NUM_EXAMPLES, 10))
  labels = np.argmax(z + rng.gumbel(size=z.shape), axis=-1)
  return scale * z, labels.astype(np.int32)


def _diagnosed(scale):
  with jax.enable_x64(True):
    keys = jax.random.split(jax.random.key(0), 8)
    found = run.diagnose(keys, *_known(scale))
  return jax.tree.map(np.asarray, found)


class CalibrationTest(study_case.StudyCase):
  study = calibration.STUDY
  small = run.Config(
    num_held_out=_NUM_EXAMPLES, num_epochs=50, num_seeds=8, num_hidden=50
  )

  def judge(self, **changes):
    """The verdicts, some results replaced, as "test.ece"."""
    results = self.results()
    for path, value in changes.items():
      part, field = path.split("__")
      inner = getattr(results, part)._replace(**{field: value})
      results = results._replace(**{part: inner})
    found = self.study.claims(results)
    return {claim.key: claim.holds for claim in found}

  def test_nothing_fails(self):
    for key, holds in self.judge().items():
      self.assertIsNot(holds, False, key)

  def test_curves_end_where_the_networks_do(self):
    last = jax.tree.map(lambda leaf: leaf[:, -1], self.results().curve)
    final = jax.tree.map(np.float32, self.results().final)
    chex.assert_trees_all_close(last, final, rtol=2e-3)

  @parameterized.parameters(
    ("test", "simplex_error", lambda a: a + 1e-3, "distribution"),
    ("test", "num_changed", lambda a: a + 1, "same-predictions"),
    ("test", "ece", lambda a: a[:, ::-1], "calibrates"),
    ("final", "confidence", lambda a: a - 0.2, "too-sure"),
    ("final", "entropy", lambda a: a * (1 + 1e-9), "entropy-is-loss"),
    ("curve", "nll", lambda a: -np.sort(-a, axis=1), "disconnect"),
    ("curve", "c", lambda a: 1 / (1 + a), "temperature-rises"),
    ("curve", "entropy", np.ones_like, "temperature-rises"),
  )
  def test_wrong_results_are_noticed(self, part, field, spoil, key):
    value = spoil(getattr(getattr(self.results(), part), field))
    self.assertIsNot(self.judge(**{f"{part}__{field}": value})[key], True)

  def test_known_probabilities(self):
    # The negative control: these are right, so that nothing is too sure.
    final, test = _diagnosed(1.0)
    found = self.study.claims(self.results()._replace(final=final, test=test))
    found = {claim.key: claim.holds for claim in found}
    for key in ("too-sure", "calibrates"):
      self.assertIsNot(found[key], True, key)
    for key in ("same-predictions", "entropy-is-loss", "distribution"):
      self.assertTrue(found[key], key)

  def test_scores_against_scipy(self):
    final, test = _diagnosed(2.5)
    logits, labels = (x[1] for x in _known(2.5))

    def loss(c, which):
      log_p = special.log_softmax(c * logits[which], axis=-1)
      return -np.mean(log_p[np.arange(_NUM_EXAMPLES), labels[which]])

    best = optimize.minimize_scalar(loss, (0.1, 1), args=(0,), tol=1e-10)
    np.testing.assert_allclose(final.c[1], best.x, rtol=1e-6)
    # 4,000 labels determine the temperature to some 2 %.
    np.testing.assert_allclose(np.mean(1 / final.c), 2.5, rtol=0.1)
    for i, scale in enumerate((1.0, final.c[1])):
      p = special.softmax(scale * logits[1], axis=-1)
      is_right = p.argmax(axis=-1) == labels[1]
      expected = {
        "nll": loss(scale, 1),
        "entropy": np.mean(special.entr(p).sum(axis=-1)),
        "confidence": np.mean(p.max(axis=-1)),
        "error": np.mean(~is_right),
      }
      for name, value in expected.items():
        actual = getattr(final, name)[1, 1, i]
        np.testing.assert_allclose(actual, value, rtol=1e-6, err_msg=name)
      # The calibration error by a count, equation 3 of the paper.
      bins = np.ceil(15 * p.max(axis=-1))
      gaps = [np.sum((is_right - p.max(axis=-1))[bins == b]) for b in set(bins)]
      ece = np.sum(np.abs(gaps)) / _NUM_EXAMPLES
      np.testing.assert_allclose(test.ece[1, i], ece, rtol=1e-6)
    before, after = test.ece.mean(axis=0)
    self.assertGreater(before, 0.05)
    # 4 standard errors: each set's is off by 0.01 or so.
    self.assertLess(abs(after - test.chance_ece.mean()), 0.014)

  def test_sets_are_disjoint_and_differ_by_seed(self):
    train, held_out = run.draw_sets(self.small, 1797)
    chex.assert_shape([train, held_out], [(8, 150), (8, 2, _NUM_EXAMPLES)])
    for drawn in zip(train, held_out, strict=True):
      self.assertLen(set(np.concatenate(drawn, axis=None)), 1150)
    self.assertNotEqual(list(train[0]), list(train[1]))

  @parameterized.parameters(
    (dict(num_seeds=1), "num_seeds to be a finite number >= 2"),
    (dict(num_train=198), "1797 images.*num_train=198"),
  )
  def test_refuses(self, settings, message):
    with self.assertRaisesRegex(ValueError, message):
      run.draw_sets(run.Config(**settings), 1797)


if __name__ == "__main__":
  absltest.main()
