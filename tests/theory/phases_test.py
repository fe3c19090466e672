"""Fixed points and depth scales by closed forms and adaptive quadrature."""

import functools
import math

import jax
import numpy as np
from absl.testing import absltest, parameterized
from jax import numpy as jnp
from scipy import integrate, optimize

from nnfun import activations
from nnfun.theory import mean_field, phases

TANH, ERF, RELU = activations.tanh, activations.erf, activations.relu
# sigma_w^2, sigma_b^2 of Poole et al. and of Schoenholz et al.
SETTINGS = (
  *((s**2, 0.09) for s in (1.3, 2.5, 4.0)),
  *((v, 0.05) for v in (1.3, 1.5, 1.7, 2.0, 2.5, 4.0)),
)


AT, ALONG = np.array([2.5, 0.2]), np.array([1.0, -0.7])


def _all(activation, variance_w, variance_b):
  sigma_w, sigma_b = jnp.sqrt(variance_w), jnp.sqrt(variance_b)
  q = phases.fixed_variance(activation, sigma_w, sigma_b)
  c = phases.fixed_correlation(activation, q, sigma_w, sigma_b)
  return {
    "q": q,
    "c": c,
    "chi_1": mean_field.chi_1(activation, q, sigma_w),
    "xi_q": phases.depth_scale_q(activation, q, sigma_w),
    "xi_c": phases.depth_scale_c(activation, c, q, sigma_w),
  }


@functools.cache
def _tanh():
  with jax.enable_x64(True):
    fn = jax.jit(jax.vmap(functools.partial(_all, TANH)))
    return jax.tree.map(np.asarray, fn(*np.array(SETTINGS).T))


@functools.cache
def _erf():
  """All of one erf network, and how it changes along a direction."""

  def stacked(variances):
    return jnp.stack(list(_all(ERF, *variances).values()))

  with jax.enable_x64(True):
    fn = jax.jit(lambda *args: jax.jvp(stacked, args[:1], args[1:]))
    return jax.tree.map(np.asarray, fn(jnp.array(AT), jnp.array(ALONG)))


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
      q = found["q"][i]
      square = _adaptive(lambda z, s=q**0.5: math.tanh(s * z) ** 2)
      np.testing.assert_allclose(
        variance_w * square + variance_b, q, rtol=1e-11
      )
      slope = _adaptive(lambda z, s=q**0.5: math.cosh(s * z) ** -4)
      np.testing.assert_allclose(
        found["chi_1"][i], variance_w * slope, rtol=1e-11
      )

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
    line = lambda b: phases.critical_sigma_w(TANH, b) ** 2
    sigma_b = np.array([0.05**0.5, 1e-4, 0.4, 0.4 + 1e-5])
    with jax.enable_x64(True):
      fn = jax.jit(jax.vmap(jax.value_and_grad(line)))
      values, slopes = map(np.asarray, fn(sigma_b))
    np.testing.assert_allclose(values[0], 1.76095, atol=6e-6)
    # sigma_w -> 1 without biases, from above.
    self.assertBetween(values[1], 1, 1.005)
    difference = (values[3] - values[2]) / 1e-5
    np.testing.assert_allclose(slopes[2], difference, rtol=1e-4)


class ErfTest(parameterized.TestCase):
  def test_closed_forms(self):
    values, _ = _erf()
    np.testing.assert_allclose(values, _erf_closed(2.5, 0.2), rtol=1e-8)

  def test_derivatives_of_everything(self):
    _, found = _erf()
    step = 1e-4 * np.array(ALONG)
    above, below = (_erf_closed(*(AT + sign * step)) for sign in (1, -1))
    np.testing.assert_allclose(found, (above - below) / 2e-4, rtol=1e-5)


class PiecewiseLinearTest(parameterized.TestCase):
  def test_linear_units(self):
    unit = activations.identity

    def settled(sigma_w, sigma_b):
      q = phases.fixed_variance(unit, sigma_w, sigma_b)
      return q, phases.depth_scale_q(unit, q, sigma_w)

    with jax.enable_x64(True):
      found = jax.jit(settled)(0.9, 0.5)
    np.testing.assert_allclose(
      found, (0.25 / 0.19, -1 / np.log(0.81)), rtol=1e-10
    )

  def test_relu(self):
    kinks = (0.0,)
    fixed = lambda w, b: phases.fixed_variance(RELU, w, b, kinks=kinks)
    fixed = jax.jit(jax.value_and_grad(fixed))
    with jax.enable_x64(True):
      value, slope = fixed(1.2, 0.3)
    np.testing.assert_allclose(value, 0.09 / (1 - 0.72), rtol=1e-10)
    np.testing.assert_allclose(slope, 0.09 * 1.2 / 0.28**2, rtol=1e-10)
    # Beyond sigma_w^2 = 2 variances grow without bound, and at 0 they are not
    # stable either.
    for sigma_b in (0.3, 0.0):
      self.assertTrue(np.isnan(fixed(1.5, sigma_b)[0]))
    # It is critical without biases only.
    with jax.enable_x64(True):
      variances = phases.critical_point(RELU, 1.0, kinks=kinks)
    np.testing.assert_allclose(variances, (2, 0), atol=1e-10)
    line = lambda sigma_b: phases.critical_sigma_w(RELU, sigma_b, kinks=kinks)
    lines = jax.jit(jax.vmap(line))(jnp.logspace(-3, 1, 200))
    self.assertTrue(np.all(np.isnan(lines)), lines)

  def test_rounding_has_no_critical_line(self):
    """With a slope off by rounding ReLU has a q* = sigma_b^2 / 2e-5."""
    rounded = RELU._replace(slope=lambda z: (1 + 1e-5) * RELU.slope(z))
    lines = jax.vmap(
      lambda sigma_b: phases.critical_sigma_w(rounded, sigma_b, kinks=(0.0,))
    )(jnp.logspace(-3, 1, 200))
    self.assertTrue(np.all(np.isnan(lines)), lines)

  def test_tanh_without_biases_dies_out_below_1(self):
    q = jax.jit(lambda w: phases.fixed_variance(TANH, w, 0.0))(0.9)
    np.testing.assert_allclose(q, 0, atol=1e-6)


class ErrorsTest(parameterized.TestCase):
  @parameterized.parameters(
    ("sigma_w", lambda v: phases.fixed_variance(TANH, v, 1.0)),
    ("sigma_b", lambda v: phases.fixed_variance(TANH, 1.0, v)),
    ("q", lambda v: phases.fixed_correlation(TANH, v, 1.0, 1.0)),
    ("sigma_w", lambda v: phases.fixed_correlation(TANH, 1.0, v, 1.0)),
    ("sigma_b", lambda v: phases.fixed_correlation(TANH, 1.0, 1.0, v)),
    ("q", lambda v: phases.depth_scale_q(TANH, v, 1.0)),
    ("sigma_w", lambda v: phases.depth_scale_q(TANH, 1.0, v)),
    ("c", lambda v: phases.depth_scale_c(TANH, v, 1.0, 1.0)),
    ("q", lambda v: phases.depth_scale_c(TANH, 1.0, v, 1.0)),
    ("sigma_w", lambda v: phases.depth_scale_c(TANH, 1.0, 1.0, v)),
    ("q", lambda v: phases.critical_point(TANH, v)),
    ("sigma_b", lambda v: phases.critical_sigma_w(TANH, v)),
  )
  def test_several_numbers_for_one(self, name, call):
    with self.assertRaisesRegex(
      ValueError, rf"expected a scalar {name}, got shape \[2\]"
    ):
      call(np.ones(2))


if __name__ == "__main__":
  absltest.main()
