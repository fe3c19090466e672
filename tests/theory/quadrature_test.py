"""Gaussian means against closed forms, at kinks, at jumps and near c = 1."""

import functools
import math

import chex
import jax
import numpy as np
from absl.testing import absltest, parameterized
from jax import numpy as jnp
from scipy import integrate

from nnfun import activations
from nnfun.theory import quadrature

RELU, ERF, HARD_TANH = (
  activations.relu,
  activations.erf,
  activations.hard_tanh,
)
QS = (0.01, 1.0, 12.6, 1000.0)
CS = (-1.0, -0.9, 0.0, 0.5, 0.99, 1 - 1e-6, 1.0)
STEP = lambda u: (u > 0).astype(u.dtype)


def _arc_cosine(q, c):
  """E[relu(u) relu(v)] (Cho, Saul, Kernel methods for deep learning, 2009)."""
  angle = np.arccos(c)
  return q * (np.sin(angle) + (np.pi - angle) * c) / (2 * np.pi)


def _arc_sine(q, c):
  """E[erf(sqrt(pi) u / 2) ...] (Williams, Infinite networks, 1997)."""
  return 2 / np.pi * np.arcsin(np.pi * q * c / (2 + np.pi * q))


def _hard_tanh_square(q):
  x = 1 / math.sqrt(2 * q)
  inside = math.erf(x) - math.exp(-(x**2)) * math.sqrt(2 / (math.pi * q))
  return q * inside + math.erfc(x)


def _sech_mean(power, q):
  """E[sech(v)^power] over v ~ N(0, q), by SciPy's adaptive rule."""
  density = lambda v: np.exp(-(v**2) / (2 * q)) / np.sqrt(2 * np.pi * q)
  half, _ = integrate.quad(
    lambda v: density(v) / np.cosh(v) ** power,
    0,
    min(30, 40 * q**0.5),
    limit=200,
    epsabs=0,
    epsrel=1e-13,
  )
  return 2 * half


@functools.cache
def _pairs():
  """Means, and their derivatives by c, of ReLU, erf and a step [Q, C]."""

  def one(q, c):
    relu = lambda c: quadrature.gaussian_pair_mean(
      RELU.fn, q, c, slope_fn=RELU.slope, kinks=(0.0,)
    )
    erf = lambda c: quadrature.gaussian_pair_mean(
      ERF.fn, q, c, slope_fn=ERF.slope
    )
    step = lambda c: quadrature.gaussian_pair_mean(STEP, q, c, kinks=(0.0,))
    found = {}
    for name, fn in (("relu", relu), ("erf", erf), ("step", step)):
      found[name], found[f"{name}_dot"] = jax.jvp(fn, (c,), (jnp.ones_like(c),))
    return found

  with jax.enable_x64(True):
    q, c = np.meshgrid(QS, CS, indexing="ij")
    found = jax.jit(jax.vmap(jax.vmap(one)))(q, c)
    return q, c, jax.tree.map(np.asarray, found)


class PairTest(parameterized.TestCase):
  def test_relu_is_the_arc_cosine_kernel(self):
    q, c, found = _pairs()
    expected = _arc_cosine(q, c)
    np.testing.assert_allclose(found["relu"] / q, expected / q, atol=2e-12)
    # How much is missing to c = 1, which says how fast inputs become alike.
    near = c == 1 - 1e-6
    gap = (q / 2 - expected)[near]
    np.testing.assert_allclose((q / 2 - found["relu"])[near], gap, rtol=1e-5)

  def test_erf_is_the_arc_sine_kernel(self):
    q, c, found = _pairs()
    np.testing.assert_allclose(found["erf"], _arc_sine(q, c), atol=1e-10)

  def test_step_is_the_angle(self):
    _, c, found = _pairs()
    angle = np.arccos(c)
    expected = (np.pi - angle) / (2 * np.pi)
    np.testing.assert_allclose(found["step"], expected, atol=3e-6)
    away = np.abs(c) < 0.999
    np.testing.assert_allclose(found["step"][away], expected[away], atol=1e-11)

  def test_derivatives_by_c_also_at_1(self):
    q, c, found = _pairs()
    angle = np.arccos(c)
    expected = q * (np.pi - angle) / (2 * np.pi)
    np.testing.assert_allclose(found["relu_dot"] / q, expected / q, atol=3e-6)
    x = np.pi * q / (2 + np.pi * q)
    expected = 2 / np.pi * x / np.sqrt(1 - (x * c) ** 2)
    np.testing.assert_allclose(found["erf_dot"], expected, rtol=1e-7)
    away = np.abs(c) < 0.999
    expected = 1 / (2 * np.pi * np.sqrt(1 - c[away] ** 2))
    np.testing.assert_allclose(found["step_dot"][away], expected, rtol=1e-8)

  def test_derivatives_by_q(self):
    fn = lambda q: quadrature.gaussian_pair_mean(
      HARD_TANH.slope, q, 0.0, kinks=(-1.0, 1.0)
    )
    with jax.enable_x64(True):
      value, slope = jax.jit(jax.value_and_grad(fn))(0.7)
    x = 1 / math.sqrt(2 * 0.7)
    single = math.erf(x)
    by_q = -2 / math.sqrt(math.pi) * math.exp(-(x**2)) * (2 * 0.7) ** -1.5
    np.testing.assert_allclose(value, single**2, rtol=1e-11)
    np.testing.assert_allclose(slope, 2 * single * by_q, rtol=1e-10)


class MeanTest(parameterized.TestCase):
  def test_closed_forms(self):
    square = lambda fn: lambda u: fn(u) ** 2

    def means(q):
      mean = quadrature.gaussian_mean
      return (
        mean(square(RELU.fn), q, kinks=(0.0,)),
        mean(square(ERF.fn), q),
        mean(square(HARD_TANH.fn), q, kinks=(-1.0, 1.0)),
        mean(HARD_TANH.slope, q, kinks=(-1.0, 1.0)),
        mean(lambda u: u**6, q),
      )

    with jax.enable_x64(True):
      found = jax.jit(jax.vmap(means))(jnp.asarray(QS))
    for q, *row in zip(QS, *found, strict=True):
      expected = (
        q / 2,
        _arc_sine(q, 1.0),
        _hard_tanh_square(q),
        math.erf(1 / math.sqrt(2 * q)),
        15 * q**3,
      )
      np.testing.assert_allclose(row, expected, rtol=1e-12)

  @parameterized.parameters(0.25, 1.0, 16.0)
  def test_steep_sigmoids(self, s):
    # Slopes: s sech(s u)^2, s sech(2 s u)^2 and s exp(-pi (s u)^2 / 4).
    sigmas = [
      make(max_slope=s)
      for make in (
        activations.scaled_tanh,
        activations.scaled_sigmoid,
        activations.scaled_erf,
      )
    ]

    def means(q):
      mean = quadrature.gaussian_mean
      slopes = [mean(lambda u, f=f: f.slope(u) ** 2, q) for f in sigmas]
      return *slopes, mean(lambda u: sigmas[0].fn(u) ** 2, q)

    steepness = np.logspace(-2, 6, 9)  # s^2 q
    with jax.enable_x64(True):
      qs = jnp.asarray(steepness / s**2)
      found = np.transpose(jax.jit(jax.vmap(means))(qs))
    for v, row in zip(steepness, found, strict=True):
      expected = (
        s**2 * _sech_mean(4, v),
        s**2 * _sech_mean(4, 4 * v),
        s**2 / math.sqrt(1 + math.pi * v),
        1 - _sech_mean(2, v),
      )
      np.testing.assert_allclose(row, expected, rtol=1e-11 if v < 1 else 3e-13)

  def test_kinks_left_out_are_missed(self):
    mean = lambda q: quadrature.gaussian_mean(HARD_TANH.slope, q)
    with jax.enable_x64(True):
      found = jax.jit(mean)(0.7)
    error = abs(float(found) - math.erf(1 / math.sqrt(1.4)))
    self.assertGreater(error, 1e-6)

  def test_gauss_hermite_would_not_do(self):
    # What the module's docstring says of 100 nodes.
    nodes, weights = np.polynomial.hermite_e.hermegauss(100)
    hermite = weights @ np.cosh(12.6**0.5 * nodes) ** -4.0 / np.sum(weights)
    slope_squared = lambda u: activations.tanh.slope(u) ** 2
    with jax.enable_x64(True):
      mean = lambda q: quadrature.gaussian_mean(slope_squared, q)
      found = jax.jit(mean)(12.6)
    self.assertGreater(abs(hermite / float(found) - 1), 0.04)

  def test_no_variance(self):
    mean = lambda q: quadrature.gaussian_mean(lambda u: (u + 2) ** 2, q)
    mean = jax.jit(jax.value_and_grad(mean))
    with jax.enable_x64(True):
      value, slope = mean(0.0)
      undefined = mean(jnp.nan)[0]
    np.testing.assert_allclose(value, 4, rtol=1e-12)
    self.assertEqual(float(slope), 0)
    self.assertTrue(np.isnan(undefined))

  def test_float32(self):
    mean = lambda q, c: quadrature.gaussian_pair_mean(
      RELU.fn, q, c, slope_fn=RELU.slope, kinks=(0.0,)
    )
    found = jax.jit(mean)(2.0, 0.3)
    chex.assert_type(found, jnp.float32)
    np.testing.assert_allclose(found, _arc_cosine(2.0, 0.3), rtol=1e-5)

  def test_refuses_vectors(self):
    vector = jnp.ones(3)
    for fn in (
      lambda: quadrature.gaussian_nodes(vector),
      lambda: quadrature.gaussian_mean(jnp.tanh, vector),
      lambda: quadrature.gaussian_pair_mean(jnp.tanh, vector, 0.5),
    ):
      with self.assertRaisesRegex(ValueError, r"a scalar q, got shape \[3\]"):
        fn()
    with self.assertRaisesRegex(ValueError, r"a scalar c, got shape \[3\]"):
      quadrature.gaussian_pair_mean(jnp.tanh, 1.0, vector)


if __name__ == "__main__":
  absltest.main()
