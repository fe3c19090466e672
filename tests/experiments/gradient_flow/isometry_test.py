"""Isometry: networks against naive loops, a small study, controls."""

import math
from unittest import mock

import jax
import numpy as np
from absl.testing import absltest, parameterized
from jax import numpy as jnp
from scipy import special

from experiments.gradient_flow import isometry
from experiments.gradient_flow.isometry import networks, readings, run, theory
from nnfun.theory import spectra
from tests.experiments import study_case

_SMALL = run.Config(
  width=48,
  depth=2,
  num_seeds=60,
  num_spectra=20,
  num_points=100,
  shapes=((12,) * 3, (24,) * 6, (16, 24) * 3),
  shape_seeds=1500,
  narrow_shapes=((16,), (8, 16)),
  narrow_seeds=5000,
)
_FUNCTIONS = (
  lambda z: z,
  lambda z: np.maximum(z, 0),
  lambda z: np.clip(z, -1, 1),
  lambda z: special.erf(np.pi**0.5 / 2 * z),
)


def _small():
  return study_case.results_of(isometry.STUDY, _SMALL)


def _failed(results):
  claims = isometry.STUDY.claims(results)
  return [claim.key for claim in claims if claim.holds is False]


class CaseTest(study_case.StudyCase):
  study = isometry.STUDY
  small = _SMALL


class NetworksTest(parameterized.TestCase):
  def test_log_norms_are_those_of_a_loop(self):
    # Of the first draw of the study.
    found = _small().norms.log_norms[0]
    keys = run._keys(_SMALL, 2, _SMALL.shape_seeds, 6)[0]
    draws = [np.asarray(jax.random.normal(key, (24, 24))) for key in keys]
    for i, shape in enumerate(_SMALL.shapes):
      signal, tangent = np.ones(shape[0]), np.eye(shape[0])[0]
      fan_ins = (shape[0], *shape[:-1])
      start = np.array([np.mean(signal**2), np.mean(tangent**2)])
      for draw, fan_in, size in zip(draws, fan_ins, shape, strict=False):
        w = draw[:size, :fan_in] * (2 / fan_in) ** 0.5
        active = w @ signal > 0
        signal, tangent = active * (w @ signal), active * (w @ tangent)
      after = np.array([np.mean(signal**2), np.mean(tangent**2)])
      np.testing.assert_allclose(
        found[:, i], np.log(after / start), rtol=1e-4, atol=1e-5
      )

  def test_haar_is_orthogonal_with_a_positive_triangle(self):
    gaussian = np.random.default_rng(0).normal(size=(5, 5))
    with jax.enable_x64(True):
      q, raw = map(np.asarray, networks.haar(jnp.asarray(gaussian)))
    np.testing.assert_allclose(q @ q.T, np.eye(5), atol=1e-12)
    triangle = q.T @ gaussian
    np.testing.assert_allclose(np.tril(triangle, -1), 0, atol=1e-12)
    self.assertTrue(np.all(np.diag(triangle) > 0))
    np.testing.assert_allclose(np.abs(raw), np.abs(q))

  def test_jacobian_is_that_of_the_network(self):
    # Finite differences through the first network of the study.
    width = _SMALL.width
    with jax.enable_x64(True):
      variances_w, variances_b = run._critical(_SMALL)
    keys = run._keys(_SMALL, 1, _SMALL.num_seeds, 2)[0]
    draws = [
      np.asarray(jax.random.normal(k, (width, width + 1)), float) for k in keys
    ]
    haar = []
    for draw in draws:
      q, r = np.linalg.qr(draw[:, :-1])
      haar.append(q * np.sign(np.diag(r)))
    for i, fn in enumerate(_FUNCTIONS):
      w, b = variances_w[i], variances_b[i]
      for j in (0, 1):

        def network(x, j=j, fn=fn, w=w, b=b):
          for draw, q in zip(draws, haar, strict=True):
            matrix = draw[:, :-1] / width**0.5 if j == 0 else q
            x = fn(w**0.5 * (matrix @ x) + b**0.5 * draw[:, -1])
          return x

        x = np.full(width, ((0.5 - b) / w) ** 0.5)
        steps = 1e-6 * np.eye(width)
        jacobian = [(network(x + s) - network(x - s)) / 2e-6 for s in steps]
        squares = np.linalg.svd(np.array(jacobian), compute_uv=False) ** 2
        whole = _small().whole
        found = whole.mean[0, -1, i, j], whole.mean_square[0, -1, i, j]
        expected = np.mean(squares), np.mean(squares**2)
        np.testing.assert_allclose(found, expected, rtol=2e-4)


class TheoryTest(parameterized.TestCase):
  def test_units_are_in_the_order_of_the_networks(self):
    self.assertEqual(tuple(networks.UNITS), theory.UNITS)

  @parameterized.product(
    case=list(enumerate((1.0, 2.0, None, None))), orthogonal=(False, True)
  )
  def test_table_is_the_library_s(self, case, orthogonal):
    i, ratio = case
    with jax.enable_x64(True):
      unit, kinks = networks.UNITS[theory.UNITS[i]]
      ratio = ratio or spectra.slope_ratio(unit, 0.5, kinks=kinks)
      expected = spectra.relative_variance(ratio, 5, orthogonal=orthogonal)
    found = theory.table(theory.UNITS[i], orthogonal, 5, 0.5)
    np.testing.assert_allclose(found, expected, rtol=1e-6)

  def test_log_second_moment_of_a_log_normal(self):
    samples = np.random.default_rng(0).normal(0.3, 0.5, 40_000)
    found = readings.log_second_moment(samples)
    low, high = found.limits(0.9999)
    self.assertBetween(0.25, low, high)
    self.assertLess(found.error, 0.01)


class ClaimsTest(parameterized.TestCase):
  def test_small_run(self):
    self.assertEmpty(_failed(_small()))

  def test_matrices_with_the_signs_of_lapack_are_noticed(self):
    def broken(gaussian):
      raw = haar(gaussian)[1]
      return raw, raw

    haar = networks.haar
    with jax.enable_x64(True):
      variances = run._critical(_SMALL)
    with mock.patch.object(networks, "haar", broken):
      half, _ = run._jacobians(_SMALL, 0, variances)
    self.assertIn("haar", _failed(_small()._replace(half=half)))

  def test_gaussian_matrices_passed_off_as_orthogonal_are_noticed(self):
    def wrong(spectra):
      swapped = {
        name: getattr(spectra, name)[..., [0, 0]]
        for name in ("mean", "mean_square")
      }
      return spectra._replace(**swapped)

    results = _small()
    failed = _failed(
      results._replace(half=wrong(results.half), whole=wrong(results.whole))
    )
    self.assertContainsSubset(
      ["spread-orthogonal", "linear-orthogonal"], failed
    )

  def test_a_gain_off_the_critical_line_is_noticed(self):
    half = _small().half
    half = half._replace(mean=1.2 * half.mean)
    self.assertIn("mean-one", _failed(_small()._replace(half=half)))

  def test_densities_of_other_panels_are_noticed(self):
    results = _small()._replace(density=_small().density[::-1])
    self.assertIn("distribution", _failed(results))

  def test_other_laws_are_noticed(self):
    # Without the luck of which units are active it is 4 for 5; for linear
    # units 2.
    norms, narrow = _small().norms, _small().narrow
    norms = norms._replace(log_variance=4 * readings.sums(norms))
    moments = [math.prod(1 + 2 / n for n in s) for s in _SMALL.narrow_shapes]
    narrow = narrow._replace(second_moment=np.array(moments))
    failed = _failed(_small()._replace(norms=norms, narrow=narrow))
    self.assertEqual(failed, ["log-variance", "second-moment"])


class ConfigTest(parameterized.TestCase):
  @parameterized.parameters(
    (dict(width=7), "even width"),
    (dict(depth=1), "depth >= 2"),
    (dict(shapes=((3,), (4, 0))), "shapes"),
  )
  def test_refuses(self, settings, message):
    with self.assertRaisesRegex(ValueError, message):
      run.Config(**settings)


if __name__ == "__main__":
  absltest.main()
