"""Diagnostics of depth against closed forms and automatic differentiation."""

import chex
import jax
import numpy as np
from absl.testing import absltest, parameterized
from jax import numpy as jnp

import nnfun as nf
from nnfun import depth

_ACTIVATIONS = {
  "sigmoid": nf.activations.sigmoid,
  "leaky": nf.activations.leaky_relu(negative_slope=0.2),
}


def _network(num_layers=6, num_units=5, dtype=None):
  """The same network as stacked layers and as a tuple of layers."""
  init = jax.nn.initializers.normal(1.0 / num_units**0.5)
  params = nf.mlp.init(
    jax.random.key(0),
    [num_units] * (num_layers + 1),
    weight_init=init,
    bias_init=jax.nn.initializers.normal(0.5),
    dtype=dtype,
  )
  return jax.tree.map(lambda *leaves: jnp.stack(leaves), *params), params


def _linear(factors, bias=0.0):
  """A deep diagonal linear network, w^l = diag(factors[l])."""
  factors = jnp.asarray(factors)
  w = factors[:, :, jnp.newaxis] * jnp.eye(factors.shape[1])[jnp.newaxis]
  return {"w": w, "b": jnp.full(factors.shape, bias)}


def _ones(output):
  return depth.normalize(jnp.ones_like(output.mantissa))


class ScaledTest(parameterized.TestCase):
  @parameterized.parameters(0.0, -3.0, 2e-38, 3e38)
  def test_normalize_is_exact(self, number):
    vector = jnp.array([number, number / 4])
    scaled = depth.normalize(vector, 7)
    expected, exponent = np.frexp(np.abs(vector).max())
    self.assertEqual(np.max(np.abs(scaled.mantissa)), expected)
    self.assertEqual(scaled.exponent, exponent + 7)
    back = depth.value(scaled._replace(exponent=scaled.exponent - 7))
    np.testing.assert_array_equal(back[0], vector[0])

  def test_rows_and_matrices(self):
    """Each row has an exponent, or the matrix has one."""
    matrix = jnp.array([[1.0, 0.0], [3.0, 12.0]])
    rows = depth.normalize(matrix)
    np.testing.assert_array_equal(rows.exponent, [1, 4])
    np.testing.assert_array_equal(depth.value(rows), matrix)
    whole = depth.normalize(matrix, ndim=2)
    np.testing.assert_array_equal(whole.exponent, 4)
    np.testing.assert_array_equal(16 * whole.mantissa, matrix)

  def test_log_norm(self):
    scaled = depth.Scaled(jnp.array([0.6, 0.8]), jnp.int32(-4000))
    norm = depth.log_norm(scaled)
    np.testing.assert_allclose(norm, -4000 * np.log(2), rtol=1e-6)
    zero = depth.normalize(jnp.zeros(3))
    self.assertEqual(depth.log_norm(zero), -np.inf)


class LayerNormsTest(absltest.TestCase):
  def test_are_those_of_each_layer(self):
    grads = (
      {"w": jnp.array([[3.0, 4.0]]), "b": jnp.array([2.0])},
      {"w": jnp.array([[1e30], [1e30]]), "b": jnp.array([0.0, 0.0])},
    )
    norms = jax.jit(depth.layer_norms)(grads)
    np.testing.assert_allclose(norms.w, [5, 2**0.5 * 1e30], rtol=1e-6)
    np.testing.assert_array_equal(norms.b, [2, 0])


class JacobianTest(parameterized.TestCase):
  def test_product_is_the_jacobian_of_the_network(self):
    with jax.enable_x64(True):
      params = nf.mlp.init(jax.random.key(1), [4, 6, 3], dtype=jnp.float64)
      activations = [nf.activations.tanh, nf.activations.softmax_layer()]
      x = jnp.linspace(-1, 1, 4)

      @jax.jit
      def compare(params):
        jacobians = depth.layer_jacobians(params, x, activations)
        chex.assert_shape(jacobians, [(6, 4), (3, 6)])
        product = depth.product(jacobians)
        expected = jax.jacobian(nf.mlp.apply, 1)(params, x, activations)
        return product, depth.log_singular_values(product), expected

      actual, logs, expected = compare(params)
      np.testing.assert_allclose(
        np.ldexp(actual.mantissa, actual.exponent), expected, rtol=1e-12
      )
      values = np.linalg.svd(expected, compute_uv=False)[:2]
      np.testing.assert_allclose(np.exp(logs)[:2], values, rtol=1e-9)

  @parameterized.parameters(0.5, 3.0)
  def test_a_thousand_layers_in_float32(self, factor):
    """J = diag(f^1000, (0.9999 f)^1000), beyond the format at both ends."""
    matrices = jnp.tile(
      jnp.diag(jnp.array([factor, 0.9999 * factor])), (1000, 1, 1)
    )
    values = depth.log_singular_values(depth.product(matrices))
    expected = 1000 * np.log([factor, 0.9999 * factor])
    np.testing.assert_allclose(values, expected, atol=2e-3)
    chex.assert_type(values, jnp.float32)

  def test_sequence_and_stack_agree(self):
    matrices = jax.random.normal(jax.random.key(0), (4, 3, 3))
    chex.assert_trees_all_close(
      depth.product(matrices), depth.product(list(matrices)), rtol=1e-5
    )


class PropagateTest(parameterized.TestCase):
  @parameterized.parameters(
    ("sigmoid", False, "float64"),
    ("leaky", True, "float64"),
    ("leaky", True, "float32"),
  )
  def test_is_automatic_differentiation(self, name, homogeneous, dtype):
    rtol = {"float32": 2e-5, "float64": 1e-12}[dtype]
    with jax.enable_x64(True):
      layers, params = _network(dtype=dtype)
      x, y = jnp.linspace(-1, 1, 5, dtype=dtype), jnp.ones(5, dtype)
      activation = _ACTIVATIONS[name]
      cost = nf.losses.quadratic

      @jax.jit
      def compare(layers, params):
        result = depth.propagate(
          layers,
          x,
          depth.gradient_of(cost, y),
          activation,
          homogeneous=homogeneous,
        )
        apply = lambda p: nf.mlp.apply(p, x, [activation] * len(params))
        grads = jax.grad(lambda p: cost(apply(p), y))(params)
        norms = depth.log_layer_norms(result), depth.layer_norms(grads)
        return result, grads, norms

      result, grads, (actual, expected) = compare(layers, params)
      chex.assert_type(actual, dtype)
      chex.assert_trees_all_close(
        actual, jax.tree.map(jnp.log, expected), atol=rtol
      )
      b = np.stack([g["b"] for g in grads])
      w = np.stack([g["w"] for g in grads])
      deltas, inputs = (
        np.ldexp(v.mantissa, v.exponent[:, None])
        for v in (result.deltas, result.inputs)
      )
      np.testing.assert_allclose(deltas, b, rtol=rtol, atol=rtol * 1e-2)
      outer = deltas[:, :, None] * inputs[:, None, :]
      np.testing.assert_allclose(outer, w, rtol=rtol, atol=rtol * 1e-2)

  @parameterized.parameters(0.5, 2.0)
  def test_a_thousand_linear_layers_in_float32(self, scale):
    """log abs(delta^l_i) is the sum of log abs(w^k_ii) over k > l."""
    rng = np.random.default_rng(0)
    factors = scale * np.exp(0.1 * rng.normal(size=(1000, 2)))
    factors *= rng.choice([-1, 1], size=factors.shape)
    result = jax.jit(
      lambda layers: depth.propagate(
        layers, jnp.ones(2), _ones, nf.activations.identity, homogeneous=True
      )
    )(_linear(np.float32(factors)))
    logs = np.log(np.abs(np.float32(factors).astype(np.float64)))
    expected = np.cumsum(logs[::-1], axis=0)[::-1]
    self.assertGreater(np.max(np.abs(expected)), 600)  # exp of it overflows
    deltas = np.asarray(result.deltas.mantissa, np.float64)
    actual = np.log(np.abs(deltas)) + np.log(2) * np.asarray(
      result.deltas.exponent[:, None]
    )
    np.testing.assert_allclose(actual[:-1], expected[1:], atol=1e-4)
    inputs = depth.log_norm(result.inputs)[-1]
    forward = np.logaddexp(*(2 * np.sum(logs[:-1], axis=0))) / 2
    np.testing.assert_allclose(inputs, forward, atol=1e-3)

  @parameterized.parameters(0.5, 2.0)
  def test_a_bias_enters_at_its_own_size(self, factor):
    """a^L = f^L + b (f^L - 1) / (f - 1) of one linear unit."""
    layers = _linear(np.full((300, 1), factor, np.float32), bias=0.25)
    result = depth.propagate(
      layers, jnp.ones(1), _ones, nf.activations.identity, homogeneous=True
    )
    power = factor**300
    expected = power + 0.25 * (power - 1) / (factor - 1)
    np.testing.assert_allclose(
      depth.log_norm(result.output), np.log(expected), rtol=1e-5
    )

  def test_nothing_comes_from_a_dead_layer(self):
    layers = {"w": -jnp.ones((3, 2, 2)), "b": jnp.zeros((3, 2))}
    result = depth.propagate(
      layers, jnp.ones(2), _ones, nf.activations.relu, homogeneous=True
    )
    norms = depth.log_layer_norms(result)
    np.testing.assert_array_equal(norms.b, [-np.inf] * 3)

  @parameterized.parameters(
    ((3, 2, 2), (3, 2), (3,)),
    ((3, 2, 3), (3, 2), (2,)),
    ((2, 2), (2,), (2,)),
    ((3, 2, 2), (2, 2), (2,)),
  )
  def test_refuses(self, w, b, x):
    layers = {"w": jnp.ones(w), "b": jnp.ones(b)}
    with self.assertRaisesRegex(ValueError, r"stacked layers w \[L, N, N\]"):
      depth.propagate(layers, jnp.ones(x), _ones, nf.activations.tanh)


if __name__ == "__main__":
  absltest.main()
