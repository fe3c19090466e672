"""Slopes of the elementwise activations against autodiff."""

import functools
import math

import chex
import jax
import numpy as np
from absl.testing import absltest, parameterized
from jax import numpy as jnp

from nnfun import activations

ELEMENTWISE = {
  "identity": lambda: activations.identity,
  "sigmoid": lambda: activations.sigmoid,
  "sigmoid_4": lambda: activations.scaled_sigmoid(max_slope=4.0),
  "sigmoid_16": lambda: activations.scaled_sigmoid(max_slope=16.0),
  "tanh": lambda: activations.tanh,
  "tanh_half": lambda: activations.scaled_tanh(max_slope=0.5),
  "erf": lambda: activations.erf,
  "erf_3": lambda: activations.scaled_erf(max_slope=3.0),
  "hard_tanh": lambda: activations.hard_tanh,
  "relu": lambda: activations.relu,
  "leaky_relu": activations.leaky_relu,
  "leaky_relu_steep": lambda: activations.leaky_relu(negative_slope=-2.0),
  "threshold": lambda: activations.threshold,
}


@functools.cache
def _slopes(name):
  """The slope and that of autodiff from -3 to 3, the kinks included."""
  activation = ELEMENTWISE[name]()
  by_autodiff = jax.vmap(jax.grad(activation.fn))
  with jax.enable_x64(True):
    z = np.arange(-300, 301) / 100
    return jax.jit(lambda z: (activation.slope(z), by_autodiff(z)))(z)


class SlopeTest(parameterized.TestCase):
  @parameterized.parameters(*ELEMENTWISE)
  def test_is_the_derivative_of_fn(self, name):
    actual, autodiff = _slopes(name)
    # 1 - a^2 and 1 - a lose digits in autodiff, hence the absolute tolerance.
    chex.assert_trees_all_close(
      actual, autodiff, rtol=1e-10, atol=1e-13, strict=True
    )

  @parameterized.parameters(*ELEMENTWISE)
  def test_never_exceeds_its_maximum_and_reaches_it(self, name):
    largest = np.max(np.abs(_slopes(name)[0]))
    max_slope = ELEMENTWISE[name]().max_slope
    np.testing.assert_allclose(largest, max_slope, rtol=1e-15)

  @parameterized.named_parameters(*ELEMENTWISE.items())
  def test_keeps_shapes_and_dtypes(self, make):
    for dtype in (jnp.bfloat16, jnp.float32):
      z = jax.ShapeDtypeStruct((2, 3), dtype)
      for fn in (make().fn, make().slope):
        self.assertEqual(jax.eval_shape(fn, z).dtype, dtype)
        self.assertEqual(jax.eval_shape(fn, z).shape, (2, 3))

  def test_a_wrong_slope_is_noticed(self):
    # The control of the first test: the slope of another gain is far off.
    z = np.linspace(-2, 2, 9, dtype=np.float32)
    fn, other = (
      activations.sigmoid.fn,
      activations.scaled_sigmoid(max_slope=0.26),
    )
    expected = jax.jit(jax.vmap(jax.grad(fn)))(z)
    with self.assertRaises(AssertionError):
      np.testing.assert_allclose(other.slope(z), expected, rtol=1e-2)

  @parameterized.parameters((0.25, 700.0), (1.0, 170.0))
  def test_of_a_saturated_sigmoid_keeps_its_digits(self, max_slope, z):
    activation = activations.scaled_sigmoid(max_slope=max_slope)
    with jax.enable_x64(True):
      expected = 4 * max_slope * math.exp(-4 * max_slope * z)
      for side in (z, -z):
        np.testing.assert_allclose(activation.slope(side), expected, rtol=1e-12)
      # The control: autodiff multiplies a by 1 - a, which is 0.
      self.assertEqual(jax.grad(activation.fn)(z), 0)

  def test_of_a_saturated_tanh_keeps_its_digits(self):
    with jax.enable_x64(True):
      actual = activations.tanh.slope(300.0)
      np.testing.assert_allclose(actual, 4 * math.exp(-600), rtol=1e-12)

  def test_values(self):
    with jax.enable_x64(True):
      z = 0.7
      for fn, expected in (
        (activations.sigmoid.fn, 1 / (1 + math.exp(-z))),
        (
          activations.scaled_sigmoid(max_slope=2.0).fn,
          1 / (1 + math.exp(-8 * z)),
        ),
        (activations.scaled_tanh(max_slope=2.0).fn, math.tanh(2 * z)),
        (activations.erf.fn, math.erf(math.sqrt(math.pi) / 2 * z)),
        (activations.leaky_relu().fn, z),
      ):
        np.testing.assert_allclose(fn(z), expected, rtol=1e-14)

  def test_a_record_is_called_like_its_function(self):
    z = jnp.array([-1.0, 0.5])
    chex.assert_trees_all_equal(activations.tanh(z), jnp.tanh(z))

  def test_the_steep_sigmoid_is_the_threshold_except_at_zero(self):
    z = jnp.array([-3.0, -1e-3, 0.0, 1e-3, 3.0])
    sigmoid = activations.scaled_sigmoid(max_slope=1e6).fn(z)
    chex.assert_trees_all_close(sigmoid, jnp.array([0, 0, 0.5, 1, 1]))
    chex.assert_trees_all_equal(
      activations.threshold.fn(z), jnp.array([0.0, 0, 0, 1, 1])
    )

  @parameterized.parameters(0.0, -1.0, math.nan)
  def test_max_slope_must_be_positive(self, max_slope):
    for make in (
      activations.scaled_sigmoid,
      activations.scaled_tanh,
      activations.scaled_erf,
    ):
      with self.assertRaisesRegex(ValueError, "max_slope > 0, got"):
        make(max_slope=max_slope)


if __name__ == "__main__":
  absltest.main()
