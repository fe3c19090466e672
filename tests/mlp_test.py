"""Backpropagation by hand against autodiff, and against printed numbers."""

import math

import chex
import jax
import numpy as np
from absl.testing import absltest, parameterized
from jax import lax
from jax import numpy as jnp

from nnfun import activations, losses, mlp

act = activations


def _partial_sums():
  """An activation whose Jacobian, unlike that of softmax, has no symmetry."""
  tanh = act.tanh
  return act.Activation(
    fn=lambda z: jnp.cumsum(tanh.fn(z)),
    slope=lambda z: jnp.tril(jnp.outer(jnp.ones_like(z), tanh.slope(z))),
    max_slope=math.inf,
  )


# Activations from the first layer to the last, cost, target.
NETWORKS = {
  "one_layer": ([act.sigmoid], losses.quadratic, [0.3, 0.9]),
  "nielsen": ([act.sigmoid] * 2, losses.quadratic, [0.0, 1.0]),
  "cross_entropy": (
    [act.sigmoid, act.tanh, act.sigmoid],
    losses.binary_cross_entropy,
    [0.0, 1.0],
  ),
  "logits": (
    [act.relu, act.leaky_relu(), act.identity],
    losses.sigmoid_cross_entropy,
    [1.0, 0.0],
  ),
  "label": (
    [act.erf, act.hard_tanh, act.identity],
    losses.softmax_cross_entropy_with_integer_labels,
    1,
  ),
  "softmax_layer": (
    [act.tanh, act.softmax_layer(inverse_temperature=2.0)],
    losses.cross_entropy,
    [0.2, 0.8],
  ),
  "softmax_inside": (
    [
      act.softmax_layer(),
      act.scaled_sigmoid(max_slope=4.0),
      act.softmax_layer(),
    ],
    losses.quadratic,
    [0.2, 0.8],
  ),
  "partial_sums": ([_partial_sums()] * 2, losses.quadratic, [0.2, 0.8]),
  "deep": ([act.scaled_tanh(max_slope=1.5)] * 9, losses.quadratic, [0.5, -0.5]),
  "perceptron": (
    [act.tanh, act.threshold, act.identity],
    losses.quadratic,
    [1.0, 0.0],
  ),
}
NUM_INPUTS, NUM_OUTPUTS = 3, 2


def _sizes(layers):
  return [NUM_INPUTS] + [4 + i % 3 for i in range(len(layers) - 1)] + [2]


def _example(layers, y):
  """Parameters, input and target in float64, biases included."""
  rng, sizes = np.random.default_rng(0), _sizes(layers)
  params = tuple(
    {"w": rng.standard_normal((n, m)) / m**0.5, "b": rng.standard_normal(n)}
    for m, n in zip(sizes[:-1], sizes[1:], strict=True)
  )
  return params, rng.standard_normal(NUM_INPUTS), np.array(y)


def _compare_with_autodiff(layers, cost, y):
  with jax.enable_x64(True):
    params, x, y = _example(layers, y)

    @jax.jit
    def both(params, x, y):
      by_hand = mlp.backpropagation(params, x, y, layers, cost)
      autodiff = jax.value_and_grad(lambda p: cost(mlp.apply(p, x, layers), y))
      return by_hand, autodiff(params)

    estimate, (loss, grads) = both(params, x, y)
    chex.assert_trees_all_close(estimate.loss, loss, rtol=1e-12, strict=True)
    chex.assert_trees_all_close(
      estimate.grads, grads, rtol=1e-12, atol=1e-15, strict=True
    )
    return grads


class BackpropagationTest(parameterized.TestCase):
  @parameterized.named_parameters((k, *v) for k, v in NETWORKS.items())
  def test_equals_autodiff(self, layers, cost, y):
    grads = _compare_with_autodiff(layers, cost, y)
    self.assertGreater(np.abs(grads[-1]["w"]).max(), 1e-4)

  @parameterized.product(
    params_dtype=(jnp.bfloat16, jnp.float16, jnp.float32, jnp.float64),
    x_dtype=(jnp.bfloat16, jnp.float32, jnp.float64),
  )
  def test_gradients_have_the_dtypes_of_autodiff(self, params_dtype, x_dtype):
    layers, cost, y = NETWORKS["nielsen"]
    with jax.enable_x64(True):
      params, x, y = _example(layers, y)
      params = jax.tree.map(lambda p: jnp.asarray(p, params_dtype), params)
      params[1]["b"] = params[1]["b"].astype(jnp.float32)  # Of its own.
      x, y = jnp.asarray(x, x_dtype), jnp.asarray(y, x_dtype)
      loss_fn = lambda p: cost(mlp.apply(p, x, layers), y)
      expected = jax.jit(jax.value_and_grad(loss_fn))(params)
      actual = jax.jit(lambda p: mlp.backpropagation(p, x, y, layers, cost))(
        params
      )
    chex.assert_trees_all_equal_dtypes(tuple(actual), expected)
    for leaf, other in zip(
      *map(jax.tree.leaves, (actual, expected)), strict=True
    ):
      np.testing.assert_allclose(
        np.float64(leaf), np.float64(other), rtol=0.05, atol=1e-3
      )

  def test_a_wrong_slope_is_noticed(self):
    # The control of the test above, in the first and in the last layer.
    right = act.sigmoid
    wrong = right._replace(slope=lambda z: (1 + 1e-9) * right.slope(z))
    for layers in ([wrong, right], [right, wrong]):
      with self.assertRaisesRegex(AssertionError, "rtol=1e-12"):
        _compare_with_autodiff(layers, losses.quadratic, [0.0, 1.0])

  def test_softmax_with_a_diagonal_slope_is_noticed(self):
    # The control of the Jacobian: a_i (1 - a_i) alone is not the derivative.
    layer = act.softmax_layer()
    diagonal = layer._replace(slope=lambda z: jnp.diag(layer.slope(z)))
    with self.assertRaisesRegex(AssertionError, "rtol=1e-12"):
      _compare_with_autodiff([act.tanh, diagonal], losses.quadratic, [0.2, 0.8])

  def test_a_chain_of_single_units(self):
    # Nielsen, chapter 5: dC / d b_1 = sigma'(z_1) w_2 sigma'(z_2) w_3
    # sigma'(z_3) dC / da_3.
    def sigma(z):
      return 1 / (1 + math.exp(-z))

    weights, biases, x, y = [0.7, -1.3, 2.1], [0.1, 0.4, -0.2], 0.6, 1.0
    a, slopes = x, []
    for w, b in zip(weights, biases, strict=True):
      a = sigma(w * a + b)
      slopes.append(a * (1 - a))
    expected = slopes[0] * -1.3 * slopes[1] * 2.1 * slopes[2] * (a - y)
    with jax.enable_x64(True):
      params = tuple(
        {"w": np.array([[w]]), "b": np.array([b])}
        for w, b in zip(weights, biases, strict=True)
      )
      by_hand = jax.jit(mlp.backpropagation, static_argnums=(3, 4))
      layers = (act.sigmoid,) * 3
      loss, grads = by_hand(
        params, np.array([x]), np.array([y]), layers, losses.quadratic
      )
    np.testing.assert_allclose(loss, (a - y) ** 2 / 2, rtol=1e-12)
    np.testing.assert_allclose(grads[0]["b"], [expected], rtol=1e-12)
    np.testing.assert_allclose(grads[0]["w"], [[expected * x]], rtol=1e-12)

  @parameterized.parameters((0.6, 0.9, 0.0940), (2.0, 2.0, 0.2028))
  def test_one_saturated_neuron_learns_as_published(self, w, b, expected):
    # Nielsen, chapter 3: x = 1, y = 0, quadratic cost, eta = 0.15, 300 epochs.
    x, y, layers = jnp.ones(1), jnp.zeros(1), [act.sigmoid]

    def epoch(params, _):
      grads = mlp.backpropagation(params, x, y, layers, losses.quadratic).grads
      params = jax.tree.map(lambda p, g: p - 0.15 * g, params, grads)
      return params, mlp.apply(params, x, layers)[0]

    start = ({"w": jnp.full((1, 1), w), "b": jnp.full(1, b)},)
    _, outputs = jax.jit(lambda p: lax.scan(epoch, p, length=300))(start)
    self.assertAlmostEqual(float(outputs[-1]), expected, delta=5e-5)
    if w == 2.0:
      self.assertAlmostEqual(float(outputs[149]), 0.9334, delta=5e-5)

  def test_saturated_output_needs_the_cost_on_logits(self):
    # z = 200: a = 1 in float32, and the derivative of the cost by a infinite.
    params = ({"w": jnp.full((1, 1), 200.0), "b": jnp.zeros(1)},)
    x, y = jnp.ones(1), jnp.zeros(1)
    grads = {}
    for name, layer, cost in (
      ("a", act.sigmoid, losses.binary_cross_entropy),
      ("z", act.identity, losses.sigmoid_cross_entropy),
    ):
      by_hand = jax.jit(mlp.backpropagation, static_argnums=(3, 4))
      estimate = by_hand(params, x, y, (layer,), cost)
      grads[name] = float(estimate.grads[0]["b"][0])
    self.assertEqual(grads["z"], 1.0)
    self.assertFalse(math.isfinite(grads["a"]))

  def test_a_batch_is_a_vmap_and_compiles_once(self):
    layers, cost, _ = NETWORKS["cross_entropy"]
    params = jax.tree.map(np.float32, _example(layers, 0)[0])
    rng = np.random.default_rng(1)
    xs = rng.standard_normal((5, NUM_INPUTS)).astype(np.float32)
    ys = rng.random((5, NUM_OUTPUTS)).astype(np.float32)

    def one(params, x, y):
      return mlp.backpropagation(params, x, y, layers, cost)

    @jax.jit
    @chex.assert_max_traces(n=1)
    def batch(params, xs, ys):
      return jax.vmap(one, (None, 0, 0))(params, xs, ys)

    actual = batch(params, xs, ys)
    compiled = jax.jit(one)
    loop = [compiled(params, x, y) for x, y in zip(xs, ys, strict=True)]
    expected = jax.tree.map(lambda *leaves: jnp.stack(leaves), *loop)
    chex.assert_trees_all_close(actual, expected, rtol=2e-5, atol=1e-7)
    batch(jax.tree.map(lambda g: g[0], actual.grads), xs, ys)


class ApplyTest(parameterized.TestCase):
  @parameterized.parameters(
    # x_1, x_2, h_1, h_2, y: the table of the untrained XOR network (course
    # notes on neural networks, chapter 1, section 1.4), all units sigmoid.
    (1.0, 0.0, 0.731, 0.119, 0.743),
    (0.0, 0.0, 0.119, 0.018, 0.183),
    (0.0, 1.0, 0.881, 0.269, 0.743),
    (1.0, 1.0, 0.993, 0.731, 0.334),
  )
  def test_printed_table(self, x_1, x_2, h_1, h_2, y):
    params = (
      {"w": jnp.array([[3.0, 4], [2, 3]]), "b": jnp.array([-2.0, -4])},
      {"w": jnp.array([[5.0, -5]]), "b": jnp.array([-2.0])},
    )
    layers, x = [act.sigmoid] * 2, jnp.array([x_1, x_2])
    hidden, output = mlp.forward(params, x, layers).outputs
    np.testing.assert_allclose(hidden, [h_1, h_2], atol=5e-4)
    np.testing.assert_allclose(output, [y], atol=5e-4)
    chex.assert_trees_all_equal(mlp.apply(params, x, layers), output)

  def test_forward_is_a_loop(self):
    layers = [act.tanh, act.relu, act.softmax_layer()]
    with jax.enable_x64(True):
      params, a, _ = _example(layers, 0)
      forward = jax.jit(lambda x: mlp.forward(params, x, layers))
      preactivations, outputs = forward(a)
      for layer, activation, z, output in zip(
        params, layers, preactivations, outputs, strict=True
      ):
        expected = np.sum(np.asarray(layer["w"]) * a[np.newaxis], axis=1)
        np.testing.assert_allclose(z, expected + layer["b"], rtol=1e-13)
        np.testing.assert_allclose(output, activation.fn(z), rtol=1e-13)
        a = np.asarray(output)

  def test_takes_plain_functions(self):
    records, functions = [act.tanh, act.identity], [jnp.tanh, jax.nn.identity]
    params, x, _ = jax.tree.map(np.float32, _example(records, 0.0))
    chex.assert_trees_all_equal(
      mlp.apply(params, x, records), mlp.apply(params, x, functions)
    )

  def test_linear_layers_are_one_matrix(self):
    layers = [act.identity] * 3
    with jax.enable_x64(True):
      params, x, _ = _example(layers, 0)
      w, b = np.eye(NUM_INPUTS), np.zeros(NUM_INPUTS)
      for layer in params:
        w, b = layer["w"] @ w, layer["w"] @ b + layer["b"]
      actual = mlp.apply(params, x, layers)
      np.testing.assert_allclose(actual, w @ x + b, rtol=1e-12)


class InitTest(parameterized.TestCase):
  def test_shapes_dtypes_and_moments(self):
    params = mlp.init(jax.random.key(0), [300, 200, 10])
    chex.assert_shape([params[0]["w"], params[0]["b"]], [(200, 300), (200,)])
    chex.assert_shape([params[1]["w"], params[1]["b"]], [(10, 200), (10,)])
    chex.assert_trees_all_equal_dtypes(
      params, jax.tree.map(jnp.float32, params)
    )
    np.testing.assert_allclose(np.var(params[0]["w"]), 1 / 300, rtol=0.03)
    chex.assert_trees_all_equal(params[0]["b"], jnp.zeros(200))

  def test_layers_and_keys_differ(self):
    first, second = mlp.init(jax.random.key(0), [4, 4, 4])
    other, _ = mlp.init(jax.random.key(1), [4, 4, 4])
    self.assertGreater(np.abs(first["w"] - second["w"]).max(), 0.1)
    self.assertGreater(np.abs(first["w"] - other["w"]).max(), 0.1)

  def test_initializers_and_dtype(self):
    ones = jax.nn.initializers.ones
    params = mlp.init(
      jax.random.key(0), (2, 3), weight_init=ones, bias_init=ones,
      dtype=jnp.bfloat16,
    )  # fmt: skip
    expected = (
      {"w": jnp.ones((3, 2), jnp.bfloat16), "b": jnp.ones(3, jnp.bfloat16)},
    )
    chex.assert_trees_all_equal(params, expected, strict=True)

  def test_weights_and_biases_have_their_own_keys(self):
    normal = jax.nn.initializers.normal(1.0)
    (layer,) = mlp.init(
      jax.random.key(0), [1, 5], weight_init=normal, bias_init=normal
    )
    self.assertGreater(np.abs(layer["w"][:, 0] - layer["b"]).max(), 0.1)

  @parameterized.parameters(np.int64, np.int32, np.uint8)
  def test_numpy_sizes(self, dtype):
    # In uint8 200 + 200, for the variance, would be 144.
    normal = jax.nn.initializers.variance_scaling(1.0, "fan_avg", "normal")
    init = lambda sizes: mlp.init(jax.random.key(0), sizes, weight_init=normal)
    expected = init([200, 200])
    for sizes in (np.array([200, 200], dtype), [dtype(200), 200]):
      chex.assert_trees_all_equal(init(sizes), expected, strict=True)

  @parameterized.parameters(
    ([3],), ([],), ([3, 0],), ([2.0, 3],), (np.ones((2, 2), int),)
  )
  def test_sizes(self, sizes):
    with self.assertRaisesRegex(ValueError, "two or more positive integers"):
      mlp.init(jax.random.key(0), sizes)


class ErrorsTest(parameterized.TestCase):
  def setUp(self):
    super().setUp()
    self.layers = [act.tanh, act.identity]
    self.params = jax.tree.map(np.float32, _example(self.layers, 0)[0])

  def test_number_of_activations(self):
    with self.assertRaisesRegex(ValueError, "got 1 activations and 2 layers"):
      mlp.apply(self.params, jnp.ones(3), self.layers[:1])
    with self.assertRaisesRegex(ValueError, "got 0 activations and 0 layers"):
      mlp.apply((), jnp.ones(3), [])

  @parameterized.parameters(
    ((4,), r"\[4\]"), ((5, 3), r"\[5, 3\]"), ((), r"\[\]")
  )
  def test_input(self, shape, text):
    with self.assertRaisesRegex(ValueError, "layer 1.*and x " + text):
      mlp.apply(self.params, jnp.ones(shape), self.layers)

  def test_layers_that_do_not_fit(self):
    first, second = self.params
    broken = (first, {"w": second["w"][:, :3], "b": second["b"]})
    text = r"layer 2.*w \[2, 3\].*output of layer 1 \[4\]"
    with self.assertRaisesRegex(ValueError, text):
      mlp.apply(broken, jnp.ones(3), self.layers)
    broken = (first, {"w": second["w"], "b": second["b"][:1]})
    with self.assertRaisesRegex(ValueError, r"layer 2.*b \[1\]"):
      mlp.apply(broken, jnp.ones(3), self.layers)

  def test_shape_of_a_slope(self):
    wrong = self.layers[0]._replace(slope=lambda z: jnp.ones(7))
    with self.assertRaisesRegex(ValueError, r"slope.*\[4\].*got \[7\]"):
      mlp.backpropagation(
        self.params, jnp.ones(3), jnp.ones(2), [wrong, self.layers[1]],
        losses.quadratic,
      )  # fmt: skip

  def test_target(self):
    with self.assertRaisesRegex(ValueError, r"\[2\] and \[3\]"):
      mlp.backpropagation(
        self.params, jnp.ones(3), jnp.ones(3), self.layers, losses.quadratic
      )


if __name__ == "__main__":
  absltest.main()
