"""The limit of softmax: closed forms against search, and broken results."""

from unittest import mock

import chex
import jax
import numpy as np
from absl.testing import absltest, parameterized
from scipy import optimize, special

import nnfun as nf
from experiments.softmax_temperature import limit
from experiments.softmax_temperature.limit import claims, extremes, run, theory
from tests.experiments import study_case

_SMALL = run.Config(
  num_classes=5,
  num_vectors=10,
  num_inverse_temperatures=11,
  num_keys=20,
  num_samples=200,
  temperatures=(1.0, 4.0),
)


def _small():
  return study_case.results_of(limit.STUDY, _SMALL)


def _failed(results):
  return [c.key for c in claims.claims(results) if c.holds is False]


class CaseTest(study_case.StudyCase):
  study = limit.STUDY
  small = _SMALL


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
      c = np.array(x)
      return -np.linalg.norm(theory.softmax_jacobian(np.array([1.0, 0]), c), 2)

    found = optimize.minimize_scalar(
      negative, bounds=(0.1, 30), method="bounded", options={"xatol": 1e-9}
    )
    np.testing.assert_allclose(found.x, theory.PEAK_AT, rtol=1e-6)
    np.testing.assert_allclose(-found.fun, theory.PEAK, rtol=1e-6)

  def test_maxima(self):
    z = np.array([[1.0, 3, 3, 2], [5, 0, 1, 2]])
    np.testing.assert_array_equal(theory.gaps(z), [1, 3])
    np.testing.assert_array_equal(
      theory.uniform_over_maxima(z), [[0, 0.5, 0.5, 0], [1, 0, 0, 0]]
    )
    mass = theory.mass_off_maxima(np.full(z.shape, 0.25), z)
    np.testing.assert_array_equal(mass, [0.5, 0.75])


class RunTest(parameterized.TestCase):
  def test_logits_tie_as_they_should(self):
    logits = _small().logits
    for k, z in enumerate(logits, 1):
      np.testing.assert_array_equal(theory.maxima(z).sum(axis=-1), k)
    # Ties are not always the first classes.
    self.assertGreater(len(np.unique(logits[0].argmax(axis=-1))), 2)

  def test_leaves_the_precision_as_it_was(self):
    _small()
    chex.assert_type(jax.numpy.ones(2), jax.numpy.float32)

  @parameterized.parameters(
    (dict(max_maxima=1), "2 <= max_maxima < num_classes"),
    (dict(num_classes=3), "max_maxima=3, num_classes=3"),
    (dict(num_vectors=1), "num_vectors >= 2, got num_vectors=1"),
    (dict(num_inverse_temperatures=1), "num_inverse_temperatures >= 2"),
  )
  def test_refuses(self, settings, message):
    with self.assertRaisesRegex(ValueError, message):
      run.Config(**settings)


class ClaimsTest(parameterized.TestCase):
  def test_all_but_the_noisy_hold(self):
    for claim in claims.claims(_small()):
      self.assertTrue(claim.holds or claim.id == "P22", claim)

  def test_every_row_has_claims(self):
    ids = {claim.id for claim in claims.claims(_small())}
    self.assertEqual(ids, {"S0-3.2", "S0-3.3", "P19", "P20", "P22"})

  @parameterized.parameters(
    ("ends", lambda a: np.where(a > 0.1, 1, 0), "ties"),
    ("ends", lambda a: a[:, :, ::-1], "no-scale"),
    ("ends", lambda a: a[..., ::-1], "one-maximum"),
    ("softmax", lambda a: np.roll(a, 1, axis=2), "rate"),
    ("softmax", lambda a: np.roll(a, -1, axis=2), "rate"),
    ("softmax", lambda a: a[..., ::-1], "slopes"),
    ("sparsemax", lambda a: 2 * a, "slopes"),
    ("thresholds", lambda a: 1.001 * a, "sparsemax-threshold"),
    ("jacobian_norms", lambda a: 2 * a, "lipschitz"),
    ("jacobian_norms", lambda a: a[::-1], "jacobian-vanishes"),
    ("jacobian_norms", lambda a: 0.9 * a, "jacobian-at-ties"),
    ("half_norms", lambda a: 0.99 * a, "attained"),
    ("peak_norms", lambda a: 1.01 * a, "peak"),
    ("cost_gradients", lambda a: -a, "gradient"),
    ("cost_gradients", lambda a: 0 * a, "gradient-stays"),
  )
  def test_wrong_results_are_noticed(self, name, spoil, key):
    results = _small()._replace(**{name: spoil(getattr(_small(), name))})
    self.assertIn(key, _failed(results))

  @parameterized.parameters(
    ("float32", "values", lambda a: 1.02 * a, "format-errors"),
    ("float32", "slopes", lambda a: 1.02 * a, "format-errors"),
    ("float64", "slopes", lambda a: np.where(a == 0, np.nan, a), "no-nan"),
    ("bfloat16", "values", lambda a: np.where(a == 1, np.inf, a), "no-nan"),
  )
  def test_wrong_formats_are_noticed(self, dtype, name, spoil, key):
    formats = dict(_small().formats)
    spoilt = {name: spoil(getattr(formats[dtype], name))}
    formats[dtype] = formats[dtype]._replace(**spoilt)
    self.assertIn(key, _failed(_small()._replace(formats=formats)))

  def test_another_temperature_is_noticed(self):
    results = _small()._replace(picked=_small().picked[::-1])
    self.assertIn("gumbel-max", _failed(results))

  def test_softmax_of_the_scaled_logits_is_noticed(self):
    def naive(x, c):
      return jax.nn.softmax(c.astype(x.dtype) * x)

    whole, table = _small(), extremes._table  # Not under the patch: cached.
    with (
      # Another function, or the compiled one is used again.
      mock.patch.object(extremes, "_table", lambda *a: table(*a)),
      mock.patch.object(nf.activations, "softmax", naive),
      jax.enable_x64(True),
    ):
      found = {"float16": extremes.evaluate("float16")}
    judged = {c.key: c for c in claims.claims(whole._replace(formats=found))}
    self.assertGreater(judged["no-nan"].measurement.value, 100)
    self.assertIs(judged["no-nan"].holds, False)


if __name__ == "__main__":
  absltest.main()
