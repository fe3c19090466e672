"""Moments by standard error, structure exactly."""

import chex
import jax
import numpy as np
from absl.testing import absltest, parameterized
from jax import numpy as jnp

from nnfun import activations, initializers, mlp

ALL = {
  "mean_field_w": initializers.mean_field(1.5, 0.3)[0],
  "mean_field_b": initializers.mean_field(1.5, 0.3)[1],
  "sparse": initializers.sparse(3),
  "with_spectral_radius": initializers.with_spectral_radius(
    initializers.sparse(3), 0.9
  ),
}


class ContractTest(parameterized.TestCase):
  @parameterized.named_parameters(*ALL.items())
  def test_is_an_initializer(self, init):
    key = jax.random.key(3)
    compiled = jax.jit(init, static_argnums=(1, 2))
    weights = compiled(key, (6, 6))
    self.assertEqual(weights.dtype, jnp.float32)
    chex.assert_shape(weights, (6, 6))
    other = compiled(jax.random.key(4), (6, 6))
    self.assertGreater(np.abs(weights - other).max(), 0.01)
    with jax.enable_x64(True):
      for dtype, expected in ((None, jnp.float64), (jnp.float32, jnp.float32)):
        drawn = jax.eval_shape(lambda k, d=dtype: init(k, (6, 6), d), key)
        self.assertEqual(drawn.dtype, expected)


class MeanFieldTest(parameterized.TestCase):
  @parameterized.parameters((1.0, 1.0), (1.5, 0.3), (0.0, 0.0))
  def test_moments(self, sigma_w, sigma_b):
    weight_init, bias_init = initializers.mean_field(sigma_w, sigma_b)
    num_units, num_inputs = 400, 50
    key_w, key_b = jax.random.split(jax.random.key(0))
    w = np.asarray(weight_init(key_w, (num_units, num_inputs)), np.float64)
    b = np.asarray(bias_init(key_b, (20000,)), np.float64)
    for entries, sigma in ((w, sigma_w / num_inputs**0.5), (b, sigma_b)):
      # The variance of n Gaussian numbers has a relative error sqrt(2 / n).
      error = 4 * (2 / entries.size) ** 0.5
      np.testing.assert_allclose(entries.var(), sigma**2, rtol=error)
      self.assertLessEqual(abs(entries.mean()), 4 * sigma / entries.size**0.5)

  def test_fan_in_is_the_last_axis(self):
    # The control of the moments: the other axis would be 8 times as large.
    w = initializers.mean_field(1.0)[0](jax.random.key(0), (400, 50))
    self.assertGreater(np.var(w), 4 / 400)

  def test_a_wide_linear_layer_keeps_the_length(self):
    weight_init, _ = initializers.mean_field(1.0)
    x = jnp.ones(200)
    w = weight_init(jax.random.key(1), (20000, 200))
    q = np.mean(np.square(w @ x))  # E = x^T x / 200 = 1
    np.testing.assert_allclose(q, 1, rtol=4 * (2 / 20000) ** 0.5)

  @parameterized.parameters((-1.0, 0.0), (1.0, -0.1), (float("nan"), 0.0))
  def test_errors(self, sigma_w, sigma_b):
    with self.assertRaisesRegex(ValueError, "sigma_w >= 0 and sigma_b >= 0"):
      initializers.mean_field(sigma_w, sigma_b)


class SparseTest(parameterized.TestCase):
  @parameterized.parameters((1, 7), (15, 50), (7, 7))
  def test_each_unit_has_so_many_inputs(self, num_incoming, num_inputs):
    init = initializers.sparse(num_incoming)
    draw = jax.jit(init, static_argnums=1)
    weights = np.asarray(draw(jax.random.key(0), (30, num_inputs)))
    np.testing.assert_array_equal((weights != 0).sum(axis=1), num_incoming)

  def test_the_choice_is_uniform_and_independent(self):
    num_units, num_inputs, k = 20000, 5, 2
    init = initializers.sparse(k)
    draw = jax.jit(init, static_argnums=1)
    chosen = np.asarray(draw(jax.random.key(0), (num_units, num_inputs))) != 0
    # A column is in each row with probability k / n, a pair of columns with
    # k (k - 1) / (n (n - 1)).
    single, pair = k / num_inputs, 1 / (num_inputs * (num_inputs - 1) / 2)
    counts = chosen.astype(float).T @ chosen / num_units
    for i in range(num_inputs):
      for j in range(num_inputs):
        p = single if i == j else pair
        error = 4 * (p * (1 - p) / num_units) ** 0.5
        self.assertLess(abs(counts[i, j] - p), error)

  def test_deviation(self):
    draw = jax.jit(initializers.sparse(4, stddev=0.5), static_argnums=1)
    weights = np.asarray(draw(jax.random.key(0), (4000, 9)))
    nonzero = weights[weights != 0]
    error = 4 * (2 / nonzero.size) ** 0.5
    np.testing.assert_allclose(nonzero.var(), 0.25, rtol=error)

  def test_errors(self):
    with self.assertRaisesRegex(ValueError, "num_incoming >= 1, got 0"):
      initializers.sparse(0)
    init = initializers.sparse(5)
    for shape in ((3, 4), (8,), (2, 8, 8)):
      with self.assertRaisesRegex(ValueError, "with in >= 5, got"):
        init(jax.random.key(0), shape)


class SpectralRadiusTest(parameterized.TestCase):
  @parameterized.parameters(0.0, 0.95, 1.3)
  def test_radius(self, radius):
    for inner in (initializers.sparse(15), jax.nn.initializers.normal(10.0)):
      init = initializers.with_spectral_radius(inner, radius)
      key = jax.random.key(0)
      weights, drawn = init(key, (50, 50)), inner(key, (50, 50))
      eigenvalues = np.linalg.eigvals(np.asarray(weights, np.float64))
      actual = np.abs(eigenvalues).max()
      np.testing.assert_allclose(actual, radius, rtol=1e-5, atol=1e-9)
      factor = radius / np.abs(np.linalg.eigvals(drawn)).max()
      np.testing.assert_allclose(weights, factor * drawn, rtol=1e-4)

  @parameterized.parameters(jnp.bfloat16, jnp.float16, jnp.float32)
  def test_any_dtype(self, dtype):
    for inner in (initializers.sparse(15), jax.nn.initializers.normal(10.0)):
      init = initializers.with_spectral_radius(inner, 0.95)
      key = jax.random.key(0)
      weights = init(key, (50, 50), dtype)
      self.assertEqual(weights.dtype, dtype)
      drawn = np.asarray(inner(key, (50, 50), dtype), np.float64)
      factor = 0.95 / np.abs(np.linalg.eigvals(drawn)).max()
      # Rounded once.
      rtol = float(jnp.finfo(dtype).eps) / 2 + 1e-4
      np.testing.assert_allclose(
        np.asarray(weights, np.float64), factor * drawn, rtol=rtol, atol=1e-6
      )

  def test_a_nilpotent_matrix_stays(self):
    def strictly_upper(key, shape, dtype=None, out_sharding=None):
      del key, dtype, out_sharding
      return jnp.triu(jnp.ones(shape), 1)

    init = initializers.with_spectral_radius(strictly_upper, 0.9)
    actual = init(jax.random.key(0), (3, 3))
    chex.assert_trees_all_equal(actual, jnp.triu(jnp.ones((3, 3)), 1))

  def test_errors(self):
    normal = jax.nn.initializers.normal()
    with self.assertRaisesRegex(ValueError, "spectral_radius >= 0, got -1"):
      initializers.with_spectral_radius(normal, -1.0)
    init = initializers.with_spectral_radius(normal, 1.0)
    for shape in ((3, 4), (3,)):
      with self.assertRaisesRegex(ValueError, "square shape"):
        init(jax.random.key(0), shape)


class LsuvTest(parameterized.TestCase):
  def setUp(self):
    super().setUp()
    self.xs = 7 * np.random.default_rng(0).standard_normal((64, 20)) + 3

  def _params(self, bias=0.0):
    rng, sizes = np.random.default_rng(1), [20, 30, 30, 5]
    return tuple(
      {"w": rng.standard_normal((n, m)) / m**0.5, "b": np.full(n, bias)}
      for m, n in zip(sizes[:-1], sizes[1:], strict=True)
    )

  @parameterized.parameters("tanh", "relu")
  def test_every_layer_has_unit_variance(self, name):
    layers = [getattr(activations, name)] * 2 + [activations.identity]
    fns = [activation.fn for activation in layers]

    @jax.jit
    def deviations(params):
      forward = jax.vmap(lambda x: mlp.forward(params, x, layers))
      return jnp.array([jnp.std(z) for z in forward(self.xs).preactivations])

    with jax.enable_x64(True):
      params = self._params()
      scaled = jax.jit(lambda p: initializers.lsuv(p, self.xs, fns))(params)
      np.testing.assert_allclose(deviations(scaled), 1, rtol=1e-12)
      # The control: before, none of them had.
      self.assertGreater(np.abs(deviations(params) - 1).min(), 0.01)
    for before, after in zip(params, scaled, strict=True):
      ratio = np.asarray(after["w"]) / before["w"]
      np.testing.assert_allclose(ratio, ratio[0, 0], rtol=1e-9)
      chex.assert_trees_all_equal(after["b"], before["b"])

  def test_biases_pass_through_the_activations(self):
    # The first layer is dead with these biases: nothing reaches the second.
    params = jax.tree.map(np.float32, self._params(bias=-1e6))
    fns = [jax.nn.relu, jax.nn.relu, jax.nn.identity]
    scaled = jax.jit(lambda p, xs: initializers.lsuv(p, xs, fns))(
      params, np.float32(self.xs)
    )
    self.assertFalse(np.allclose(scaled[0]["w"], params[0]["w"]))
    chex.assert_trees_all_equal(scaled[1:], params[1:])

  def test_errors(self):
    params, xs = self._params(), jnp.ones((4, 20))
    with self.assertRaisesRegex(ValueError, "each of 3 layers.*got 2"):
      initializers.lsuv(params, xs, [jnp.tanh] * 2)
    with self.assertRaisesRegex(ValueError, r"\[B, in\], got 3.*\[20\]"):
      initializers.lsuv(params, xs[0], [jnp.tanh] * 3)


if __name__ == "__main__":
  absltest.main()
