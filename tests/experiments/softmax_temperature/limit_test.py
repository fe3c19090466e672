"""The limit of softmax: closed forms against search, and broken results."""

import numpy as np
from absl.testing import absltest, parameterized
from scipy import optimize, special

from experiments.softmax_temperature import limit
from experiments.softmax_temperature.limit import run, theory
from tests.experiments import study_case


class LimitTest(study_case.StudyCase):
  study = limit.STUDY
  small = run.Config(
    num_classes=5,
    num_vectors=10,
    num_inverse_temperatures=11,
    num_draws=10_000,
  )

  def failed(self, **changes):
    results = self.results()._replace(**changes)
    found = self.study.claims(results)
    return [claim.key for claim in found if claim.holds is False]

  def test_all_but_the_noisy_hold(self):
    for key, claim in self.judged().items():
      self.assertTrue(claim.holds or key == "gumbel-max", claim)

  def test_logits_tie_as_they_should(self):
    logits = self.results().logits
    for k, z in enumerate(logits, 1):
      np.testing.assert_array_equal(theory.maxima(z).sum(axis=-1), k)
    # Ties are not always the first classes.
    self.assertGreater(len(np.unique(logits[0].argmax(axis=-1))), 2)

  @parameterized.parameters(
    ("limits", lambda a: np.where(a > 0.1, 1, 0), "limit"),
    ("limits", lambda a: a[..., ::-1], "limit"),
    ("softmax", lambda a: np.roll(a, 1, axis=2), "rate"),
    ("softmax", lambda a: np.roll(a, -1, axis=2), "rate"),
    ("softmax", lambda a: a[..., ::-1], "slopes"),
    ("sparsemax", lambda a: 2 * a, "slopes"),
    ("brinks", lambda a: a[:, :, ::-1], "sparsemax-threshold"),
    ("jacobian_norms", lambda a: 1.01 * a, "lipschitz"),
    ("jacobian_norms", lambda a: 0.99 * a, "lipschitz"),
    ("jacobian_norms", lambda a: a[:, ::-1], "rate"),
    ("pair_norms", lambda a: 1.01 * a, "peak"),
    ("cost_gradients", lambda a: -a, "gradient"),
    ("picked", lambda a: a[::-1], "gumbel-max"),
  )
  def test_wrong_results_are_noticed(self, name, spoil, key):
    value = spoil(getattr(self.results(), name))
    self.assertIn(key, self.failed(**{name: value}))

  @parameterized.parameters(
    ("float32", "values", lambda a: 1.02 * a, "format-errors"),
    ("float32", "slopes", lambda a: 1.02 * a, "format-errors"),
    ("float64", "slopes", lambda a: np.where(a == 0, np.nan, a), "no-nan"),
    ("bfloat16", "values", lambda a: np.where(a == 1, np.inf, a), "format-e"),
  )
  def test_wrong_formats_are_noticed(self, dtype, name, spoil, key):
    formats = dict(self.results().formats)
    spoilt = {name: spoil(getattr(formats[dtype], name))}
    formats[dtype] = formats[dtype]._replace(**spoilt)
    self.assertIn(key, " ".join(self.failed(formats=formats)))

  def test_softmax_of_the_scaled_logits_is_noticed(self):
    found = self.results().formats["float16"]
    with np.errstate(all="ignore"):
      z, c = found.logits[:, None], found.cs[:, None].astype(np.float16)
      p = np.exp(c * z.astype(np.float16))
      naive = (p / p.sum(axis=-1, keepdims=True))[:, :, None]
    formats = {"float16": found._replace(values=naive)}
    self.assertIn("no-nan", self.failed(formats=formats))


class TheoryTest(absltest.TestCase):
  def test_softmax_and_its_jacobian(self):
    rng = np.random.default_rng(0)
    z, c = rng.normal(size=(7, 4)), rng.uniform(0.1, 9, size=7)
    expected = special.softmax(c[:, None] * z, axis=-1)
    np.testing.assert_allclose(theory.softmax(z, c), expected, rtol=1e-13)
    jacobian = theory.softmax_jacobian(z, c)
    for j in range(4):
      step = 1e-6 * np.eye(4)[j]
      slope = (theory.softmax(z + step, c) - theory.softmax(z - step, c)) / 2e-6
      np.testing.assert_allclose(jacobian[..., j], slope, atol=1e-8)

  def test_peak_by_search(self):
    def negative(x):
      return -np.linalg.norm(theory.softmax_jacobian(np.eye(2)[0], x), 2)

    found = optimize.minimize_scalar(
      lambda x: negative(np.array(x)), bounds=(0.1, 30), method="bounded"
    )
    np.testing.assert_allclose(found.x, theory.PEAK_AT, rtol=1e-5)
    np.testing.assert_allclose(-found.fun, theory.PEAK, rtol=1e-6)

  def test_maxima(self):
    z = np.array([[1.0, 3, 3, 2], [5, 0, 1, 2]])
    np.testing.assert_array_equal(theory.gaps(z), [1, 3])
    mass = theory.mass_off_maxima(np.full(z.shape, 0.25), z)
    np.testing.assert_array_equal(mass, [0.5, 0.75])


if __name__ == "__main__":
  absltest.main()
