"""Deep linear learning curves against an integrated equation and limits."""

import jax
import numpy as np
from absl.testing import absltest, parameterized
from jax import numpy as jnp
from jax import test_util
from scipy import integrate

from nnfun.theory import deep_linear


def _integrated(s, u_0, tau, num_layers, times):
  """Gradient flow of the weights themselves, N_l - 1 equal factors."""
  power = num_layers - 1

  def flow(_, a):
    return a ** (power - 1) * (s - a**power) / tau

  solution = integrate.solve_ivp(
    flow,
    (0, times[-1]),
    [u_0 ** (1 / power)],
    t_eval=times,
    rtol=1e-11,
    atol=1e-13,
  )
  return solution.y[0] ** power


class DeepLinearTest(parameterized.TestCase):
  def setUp(self):
    super().setUp()
    self.enterContext(jax.enable_x64(True))

  @parameterized.parameters((3.0, 1e-3), (0.5, 0.2), (1.0, 2.5))
  def test_strength_is_the_integrated_flow(self, s, u_0):
    times = np.linspace(0.1, 9, 7)
    actual = deep_linear.mode_strength(times, s, u_0, tau=2.0)
    expected = _integrated(s, u_0, 2.0, 3, times)
    np.testing.assert_allclose(actual, expected, rtol=1e-8)

  @parameterized.parameters(2, 3, 4, 6)
  def test_rate_is_that_of_the_integrated_flow(self, num_layers):
    s, u_0, tau, h = 1.7, 0.3, 3.0, 1e-3
    before, after = _integrated(s, u_0, tau, num_layers, [0.4 - h, 0.4 + h])
    u = np.sqrt(before * after)
    actual = deep_linear.mode_rate(u, s, num_layers=num_layers, tau=tau)
    # The difference quotient is exact to second order in h.
    np.testing.assert_allclose(actual, (after - before) / (2 * h), rtol=1e-5)

  def test_without_a_target_the_mode_decays_as_one_over_t(self):
    actual = deep_linear.mode_strength(5.0, 0.0, 0.4, tau=2.0)
    np.testing.assert_allclose(actual, 0.4 / (1 + 0.4 * 5.0), rtol=1e-14)

  def test_starts_at_u_0_stays_at_zero_and_ends_at_s(self):
    strength = lambda t, u_0: deep_linear.mode_strength(t, 2.0, u_0, tau=1.0)
    self.assertEqual(strength(0.0, 0.3), 0.3)
    self.assertEqual(strength(10.0, 0.0), 0.0)
    np.testing.assert_allclose(strength(1e4, 1e-6), 2.0, rtol=1e-15)

  @parameterized.parameters(jnp.float32, jnp.float64)
  def test_nothing_grows_from_zero_at_any_time(self, dtype):
    t, s = np.meshgrid(np.logspace(-3, 30, 34), [0.0, 0.1, 1.0, 30.0])
    strength = lambda u_0: deep_linear.mode_strength(
      jnp.asarray(t, dtype), jnp.asarray(s, dtype), u_0, tau=1.0
    )
    u, by_u_0 = jax.jit(
      lambda u_0: jax.jvp(strength, (u_0,), (jnp.ones_like(u_0),))
    )(jnp.zeros([], dtype))
    np.testing.assert_array_equal(u, np.zeros_like(t))
    # The linearised flow: du / du_0 = exp(2 s t / tau), where its square fits.
    x = 2 * s * t
    fits = x < 40
    rtol = 1e-4 if dtype == jnp.float32 else 1e-12
    np.testing.assert_allclose(by_u_0[fits], np.exp(x[fits]), rtol=rtol)

  def test_time_is_the_inverse_of_strength(self):
    u_f = np.array([1e-6, 0.01, 1.0, 2.9])
    t = deep_linear.learning_time(u_f, 3.0, 1e-6, tau=2000.0)
    back = deep_linear.mode_strength(t, 3.0, 1e-6, tau=2000.0)
    np.testing.assert_allclose(back, u_f, rtol=1e-12)
    self.assertTrue(np.isnan(deep_linear.learning_time(3.1, 3.0, 0.1, tau=1.0)))

  def test_differentiable_in_every_argument(self):
    def all_forms(u_f, t, s, u_0, tau):
      return (
        deep_linear.mode_strength(t, s, u_0, tau=tau),
        deep_linear.mode_strength(t, 0 * s, u_0, tau=tau),
        deep_linear.learning_time(u_f, s, u_0, tau=tau),
        deep_linear.mode_rate(u_f, s, num_layers=4, tau=tau),
      )

    args = (0.6, 1.3, 0.7, 0.1, 2.0)
    test_util.check_grads(jax.jit(all_forms), args, 1, modes="rev", eps=1e-4)

  def test_refuses_a_single_layer(self):
    with self.assertRaisesRegex(ValueError, "num_layers >= 2, got 1"):
      deep_linear.mode_rate(0.1, 1.0, num_layers=1, tau=1.0)


if __name__ == "__main__":
  absltest.main()
