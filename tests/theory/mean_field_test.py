"""Fixed points and depth scales against closed forms, adaptive quadrature and
random layers."""

import functools
import math

import jax
import numpy as np
from absl.testing import absltest, parameterized
from jax import numpy as jnp
from scipy import integrate, optimize

from nnfun import activations
from nnfun.theory import mean_field

TANH, ERF, RELU = activations.tanh, activations.erf, activations.relu
# sigma_w^2, sigma_b^2 of Poole et al. and of Schoenholz et al.
SETTINGS = (
  *((s**2, 0.09) for s in (1.3, 2.5, 4.0)),
  *((v, 0.05) for v in (1.3, 1.5, 1.7, 2.0, 2.5, 4.0)),
)


def _all(activation, variance_w, variance_b):
  sigma_w, sigma_b = jnp.sqrt(variance_w), jnp.sqrt(variance_b)
  q = mean_field.fixed_variance(activation, sigma_w, sigma_b)
  c = mean_field.fixed_correlation(activation, q, sigma_w, sigma_b)
  return {
    "q": q,
    "c": c,
    "chi_1": mean_field.chi_1(activation, q, sigma_w),
    "xi_q": mean_field.depth_scale_q(activation, q, sigma_w),
    "xi_c": mean_field.depth_scale_c(activation, c, q, sigma_w),
  }


@functools.cache
def _tanh():
  with jax.enable_x64(True):
    fn = jax.jit(jax.vmap(functools.partial(_all, TANH)))
    return jax.tree.map(np.asarray, fn(*np.array(SETTINGS).T))


@functools.cache
def _erf():
  """All of one erf network, and all derivatives by the two variances."""

  def stacked(variances):
    return jnp.stack(list(_all(ERF, *variances).values()))

  with jax.enable_x64(True):
    at = jnp.array([2.5, 0.2])
    both = lambda v: (stacked(v), jax.jacfwd(stacked)(v))
    return jax.tree.map(np.asarray, jax.jit(both)(at))


def _adaptive(fn):
  pdf = lambda z: math.exp(-z * z / 2) / math.sqrt(2 * math.pi)
  return integrate.quad(
    lambda z: fn(z) * pdf(z), -12, 12, points=[0], epsabs=1e-13, limit=300
  )[0]


def _erf_closed(variance_w, variance_b):
  """The same as `_all`, by root finding on the arc-sine kernel."""
  kernel = lambda q, c: 2 / np.pi * np.arcsin(np.pi * q * c / (2 + np.pi * q))
  slope = lambda q, c: (
    1 / np.sqrt((1 + np.pi * q / 2) ** 2 - (np.pi * q * c / 2) ** 2)
  )
  variance = lambda q: variance_w * kernel(q, 1) + variance_b
  solve = functools.partial(optimize.brentq, xtol=1e-15, rtol=1e-15)
  q = solve(lambda q: variance(q) - q, 1e-2, 50)
  c_map = lambda c: (variance_w * kernel(q, c) + variance_b) / q
  c = solve(lambda c: c_map(c) - c, 0, 1 - 1e-3)
  h = 1e-5
  q_slope = (variance(q + h) - variance(q - h)) / (2 * h)
  return np.array(
    [
      q,
      c,
      variance_w * slope(q, 1),
      -1 / np.log(q_slope),
      -1 / np.log(variance_w * slope(q, c)),
    ]
  )


class TanhTest(parameterized.TestCase):
  def test_fixed_points_by_adaptive_quadrature(self):
    found = _tanh()
    for i, (variance_w, variance_b) in enumerate(SETTINGS[:3]):
      excess = lambda q, w=variance_w, b=variance_b: (
        w * _adaptive(lambda z: math.tanh(math.sqrt(q) * z) ** 2) + b - q
      )
      q = optimize.brentq(excess, 1e-2, 20, xtol=1e-13)
      chi_1 = variance_w * _adaptive(
        lambda z: math.cosh(math.sqrt(q) * z) ** -4
      )
      np.testing.assert_allclose(found["q"][i], q, rtol=1e-11)
      np.testing.assert_allclose(found["chi_1"][i], chi_1, rtol=1e-11)

  def test_known_figures(self):
    # Computed elsewhere, to the digits they were written down with.
    found = _tanh()
    np.testing.assert_allclose(found["q"][:2], [0.60705, 4.07912], atol=6e-6)
    np.testing.assert_allclose(found["chi_1"][0], 0.93981, atol=6e-6)
    np.testing.assert_allclose(found["c"][:2], [1, 0.1221], atol=6e-5)
    expected = [7.83, 15.8, 74.9, 25.2, 11.8, 6.98]
    np.testing.assert_allclose(found["xi_c"][3:], expected, rtol=4e-3)

  def test_the_settled_correlation_is_a_fixed_point(self):
    found = _tanh()
    with jax.enable_x64(True):
      c_map = jax.jit(
        jax.vmap(functools.partial(mean_field.correlation_map, TANH))
      )
      sigma_w, sigma_b = np.sqrt(np.array(SETTINGS)).T
      after = c_map(found["c"], found["q"], sigma_w, sigma_b)
    np.testing.assert_allclose(after, found["c"], atol=1e-12)
    np.testing.assert_array_equal(found["c"] == 1, found["chi_1"] <= 1)

  def test_critical_line(self):
    line = lambda b: mean_field.critical_sigma_w(TANH, b) ** 2
    sigma_b = np.array([0.05**0.5, 1e-4, 0.4, 0.4 + 1e-5])
    with jax.enable_x64(True):
      fn = jax.jit(jax.vmap(jax.value_and_grad(line)))
      values, slopes = map(np.asarray, fn(sigma_b))
    np.testing.assert_allclose(values[0], 1.76095, atol=6e-6)
    # sigma_w -> 1 without biases, from above.
    self.assertBetween(values[1], 1, 1.005)
    difference = (values[3] - values[2]) / 1e-5
    np.testing.assert_allclose(slopes[2], difference, rtol=1e-4)

  def test_one_random_layer(self):
    # A simulation: 64 layers of 400 units, common inputs of variance 2 and
    # correlation 0.6.
    rng = np.random.default_rng(0)
    frame = np.linalg.qr(rng.normal(size=(400, 2)))[0] * 20
    x = np.stack([frame[:, 0], 0.6 * frame[:, 0] + 0.8 * frame[:, 1]])
    x *= 2**0.5
    w = rng.normal(size=(64, 400, 400)) * 1.5 / 20
    b = rng.normal(size=(64, 1, 400)) * 0.3
    after = np.tanh(x) @ w.transpose(0, 2, 1) + b
    squares = np.mean(after**2, -1)
    c = np.mean(np.prod(after, 1), -1) / np.sqrt(np.prod(squares, 1))
    maps = lambda q, c: (
      mean_field.variance_map(TANH, q, 1.5, 0.3),
      mean_field.correlation_map(TANH, c, q, 1.5, 0.3),
    )
    expected = jax.jit(maps)(2.0, 0.6)
    for measured, expected in zip((squares[:, 0], c), expected, strict=True):
      error = measured.std(ddof=1) / 8
      self.assertLess(abs(measured.mean() - float(expected)), 4 * error)
      self.assertGreater(
        abs(measured.mean() - 0.9 * float(expected)), 4 * error
      )


class ErfTest(parameterized.TestCase):
  def test_closed_forms(self):
    values, _ = _erf()
    np.testing.assert_allclose(values, _erf_closed(2.5, 0.2), rtol=1e-8)

  def test_derivatives_of_everything(self):
    _, jacobian = _erf()
    h = 1e-4
    for i, step in enumerate(h * np.eye(2)):
      above, below = (
        _erf_closed(*(np.array([2.5, 0.2]) + sign * step)) for sign in (1, -1)
      )
      np.testing.assert_allclose(
        jacobian[:, i], (above - below) / (2 * h), rtol=1e-5, atol=1e-8
      )

  def test_chi_2(self):
    # E[phi''^2] = pi^2 / 4 q (1 + pi q)^(-3/2).
    found = jax.jit(lambda q: mean_field.chi_2(ERF, q, 1.5))(0.8)
    expected = 2.25 * np.pi**2 / 4 * 0.8 * (1 + np.pi * 0.8) ** -1.5
    np.testing.assert_allclose(found, expected, rtol=1e-5)


class PiecewiseLinearTest(parameterized.TestCase):
  def test_linear_units(self):
    found = jax.jit(lambda w, b: _all(activations.identity, w, b))(0.81, 0.3)
    q = 0.3 / 0.19
    expected = {"q": q, "c": 1, "chi_1": 0.81}
    for name, value in expected.items():
      np.testing.assert_allclose(found[name], value, rtol=1e-5)
    for name in ("xi_q", "xi_c"):
      np.testing.assert_allclose(found[name], -1 / np.log(0.81), rtol=1e-4)

  def test_relu(self):
    kinks = (0.0,)
    fixed = lambda w, b: mean_field.fixed_variance(RELU, w, b, kinks=kinks)
    fixed = jax.jit(jax.value_and_grad(fixed))
    value, slope = fixed(1.2, 0.3)
    np.testing.assert_allclose(value, 0.09 / (1 - 0.72), rtol=1e-5)
    np.testing.assert_allclose(slope, 0.09 * 1.2 / 0.28**2, rtol=1e-4)
    # Beyond sigma_w^2 = 2 variances grow without bound, and at 0 they are not
    # stable either.
    for sigma_b in (0.3, 0.0):
      self.assertTrue(np.isnan(fixed(1.5, sigma_b)[0]))
    # It is critical without biases only.
    critical = lambda q, sigma_b: (
      mean_field.critical_point(RELU, q, kinks=kinks),
      mean_field.critical_sigma_w(RELU, sigma_b, kinks=kinks),
    )
    variances, line = jax.jit(critical)(1.0, 0.1)
    np.testing.assert_allclose(variances, (2, 0), atol=1e-6)
    self.assertTrue(np.isnan(line))

  def test_chi_of_relu_is_the_angle(self):
    with jax.enable_x64(True):
      chi = lambda c: mean_field.chi(RELU, c, 1.0, 1.3, kinks=(0.0,))
      value, slope = jax.jit(jax.value_and_grad(chi))(0.5)
    angle = np.arccos(0.5)
    expected = 1.69 * (np.pi - angle) / (2 * np.pi)
    np.testing.assert_allclose(value, expected, rtol=1e-11)
    expected = 1.69 / (2 * np.pi * np.sin(angle))
    np.testing.assert_allclose(slope, expected, rtol=1e-8)

  def test_tanh_without_biases_dies_out_below_1(self):
    q = jax.jit(lambda w: mean_field.fixed_variance(TANH, w, 0.0))(0.9)
    np.testing.assert_allclose(q, 0, atol=1e-6)


if __name__ == "__main__":
  absltest.main()
