"""Spectra against closed forms and against matrices multiplied in NumPy."""

import functools

import jax
import numpy as np
from absl.testing import absltest, parameterized
from jax import numpy as jnp
from scipy import integrate

from nnfun import activations
from nnfun.theory import spectra

HARD_TANH, ERF = activations.hard_tanh, activations.erf


@functools.cache
def _density(orthogonal):
  """Density of four layers of erf units at q = 1 / 2, sigma_w^2 mu_1 = 1."""
  sigma_w = (1 + np.pi / 2) ** 0.25
  with jax.enable_x64(True):
    # The support of the orthogonal one ends at sigma_w^8 at the latest.
    x = np.geomspace(1e-4, sigma_w**8 if orthogonal else 60, 150)
    density = lambda x: spectra.density(
      x, ERF, 0.5, sigma_w, depth=4, orthogonal=orthogonal
    )
    return x, np.asarray(jax.jit(density)(x))


@functools.cache
def _compiled_slope_ratios():
  def both(q):
    return (
      (spectra.slope_ratio(activations.identity, q), 1.0),
      (spectra.slope_ratio(activations.relu, q, kinks=(0.0,)), 2.0),
      (
        spectra.slope_ratio(HARD_TANH, q, kinks=(-1.0, 1.0)),
        spectra.hard_tanh_slope_ratio(q),
      ),
      (spectra.slope_ratio(ERF, q), spectra.erf_slope_ratio(q)),
    )

  return jax.jit(both)


def _slope_ratios(q):
  """By quadrature and in closed form, for each unit."""
  with jax.enable_x64(True):
    return jax.tree.map(np.asarray, _compiled_slope_ratios()(q))


class SlopeRatioTest(parameterized.TestCase):
  @parameterized.parameters(0.05, 0.5, 4.0)
  def test_closed_forms(self, q):
    for found, expected in _slope_ratios(q):
      np.testing.assert_allclose(found, expected, rtol=1e-12)

  def test_table(self):
    # Table 1 of Pennington et al.: L, 0; 2 L, L.
    ratios, depth = np.array([1.0, 2.0]), 7
    gaussian = spectra.relative_variance(ratios, depth, orthogonal=False)
    orthogonal = spectra.relative_variance(ratios, depth, orthogonal=True)
    np.testing.assert_array_equal(gaussian, [7, 14])
    np.testing.assert_array_equal(orthogonal, [0, 7])

  def test_refuses_vectors(self):
    with self.assertRaisesRegex(ValueError, r"a scalar q, got shape \[3\]"):
      spectra.slope_ratio(ERF, jnp.ones(3))


class DensityTest(parameterized.TestCase):
  def test_linear_gaussian_is_fuss_catalan(self):
    # Penson, Zyczkowski, Product of Ginibre matrices, 2011, parametrised.
    depth, angle = 3, np.linspace(0.02, np.pi / 4 - 0.05, 9)
    a, b, c = np.sin(angle), np.sin(depth * angle), np.sin((depth + 1) * angle)
    x = c ** (depth + 1) / (a * b**depth)
    expected = a**2 * b ** (depth - 1) / (np.pi * c**depth)
    with jax.enable_x64(True):
      density = lambda x: spectra.density(
        x, activations.identity, 1.0, 1.0, depth=depth, orthogonal=False
      )
      found = jax.jit(density)(jnp.asarray(x))
    np.testing.assert_allclose(found, expected, rtol=1e-6)

  @parameterized.parameters(False, True)
  def test_moments_are_those_of_the_table(self, orthogonal):
    x, density = _density(orthogonal)
    moment = lambda k: integrate.trapezoid(density * x ** (k + 1), np.log(x))
    ratio = spectra.erf_slope_ratio(0.5)
    variance = spectra.relative_variance(ratio, 4, orthogonal=orthogonal)
    np.testing.assert_allclose(moment(1), 1, atol=5e-3)
    np.testing.assert_allclose(moment(2) - 1, variance, rtol=1e-2)
    other = spectra.relative_variance(ratio, 4, orthogonal=not orthogonal)
    self.assertGreater(abs(moment(2) - 1 - other), 1)

  def test_singular_values_of_random_matrices(self):
    rng = np.random.default_rng(0)
    width, gain = 300, (1 + np.pi / 2) ** 0.5
    jacobian = np.eye(width)
    for _ in range(4):
      # Independent slopes: the ensemble itself, rather than a network.
      u = rng.normal(size=(width, 1)) * 0.5**0.5
      w = rng.normal(size=(width, width)) * (gain / width) ** 0.5
      jacobian = np.exp(-np.pi / 4 * u**2) * (w @ jacobian)
    squares = np.sort(np.linalg.svd(jacobian, compute_uv=False) ** 2)
    x, density = _density(False)
    above = [
      integrate.trapezoid((density * x)[i:], np.log(x)[i:])
      for i in range(len(x) - 1)
    ]
    found = 1 - np.searchsorted(squares, x[:-1]) / width
    np.testing.assert_allclose(found, above, atol=5 / width)

  @parameterized.parameters(
    ((), (), r"x \[K\], got shape \[\]"),
    ((2, 3), (), r"x \[K\], got shape \[2, 3\]"),
    ((3,), (3,), r"a scalar q, got shape \[3\]"),
  )
  def test_refuses(self, x_shape, q_shape, message):
    x, q = jnp.ones(x_shape), jnp.ones(q_shape)
    with self.assertRaisesRegex(ValueError, message):
      spectra.density(x, ERF, q, 1.0, depth=4, orthogonal=False)


if __name__ == "__main__":
  absltest.main()
