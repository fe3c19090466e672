"""Losses against their closed forms, and at the ends of the number line."""

import functools
import math

import chex
import hypothesis
import jax
import numpy as np
import optax
from absl.testing import absltest, parameterized
from hypothesis import strategies as st
from jax import numpy as jnp
from scipy import special

from nnfun import losses

INF = math.inf

A = np.array([0.1, 0.6, 0.3])  # a distribution, and probabilities
Z = np.array([-1.5, 2.0, 0.5])
Y = np.array([0.2, 0.35, 0.45])
SIGMA = 1 / (1 + np.exp(-Z))
SOFTMAX = np.exp(Z) / np.exp(Z).sum()

# loss, first argument, value and derivative in closed form
CLOSED_FORMS = {
  "quadratic": (losses.quadratic, A, 0.5 * np.sum((A - Y) ** 2), A - Y),
  "binary_cross_entropy": (
    losses.binary_cross_entropy,
    A,
    -np.sum(Y * np.log(A) + (1 - Y) * np.log(1 - A)),
    (A - Y) / (A * (1 - A)),
  ),
  "sigmoid_cross_entropy": (
    losses.sigmoid_cross_entropy,
    Z,
    -np.sum(Y * np.log(SIGMA) + (1 - Y) * np.log(1 - SIGMA)),
    SIGMA - Y,
  ),
  "cross_entropy": (
    losses.cross_entropy,
    A,
    -np.sum(Y * np.log(A)),
    -Y / A,
  ),
  "softmax_cross_entropy": (
    losses.softmax_cross_entropy,
    Z,
    -np.sum(Y * np.log(SOFTMAX)),
    SOFTMAX - Y,
  ),
}


@functools.cache
def _everything(loss):
  """Value, forward and reverse derivative and Hessian, in one program."""
  return jax.jit(
    lambda a, y: (
      loss(a, y),
      jax.jacfwd(loss)(a, y),
      jax.jacrev(loss)(a, y),
      jax.jacfwd(jax.jacrev(loss))(a, y),
    )
  )


class ClosedFormTest(parameterized.TestCase):
  @parameterized.named_parameters((k, *v) for k, v in CLOSED_FORMS.items())
  def test_value_and_derivatives(self, loss, argument, value, slope):
    with jax.enable_x64(True):
      actual, forward, reverse, hessian = _everything(loss)(argument, Y)
      np.testing.assert_allclose(actual, value, rtol=1e-13)
      np.testing.assert_allclose(forward, slope, rtol=1e-12)
      np.testing.assert_allclose(reverse, slope, rtol=1e-12)
      self.assertTrue(np.all(np.isfinite(hessian)))

  @parameterized.named_parameters((k, *v) for k, v in CLOSED_FORMS.items())
  def test_is_a_scalar_of_the_predictions_dtype(self, loss, argument, *_):
    for dtype in (jnp.bfloat16, jnp.float32):
      actual = jax.jit(loss)(jnp.asarray(argument, dtype), Y)
      chex.assert_shape(actual, ())
      self.assertEqual(actual.dtype, dtype)

  @parameterized.named_parameters((k, *v) for k, v in CLOSED_FORMS.items())
  def test_errors(self, loss, *_):
    with self.assertRaisesRegex(ValueError, r"one shape.*\[3\] and \[3, 1\]"):
      loss(jnp.ones(3), jnp.ones((3, 1)))
    with self.assertRaisesRegex(ValueError, "floating dtype, got int32"):
      loss(jnp.ones(3, jnp.int32), jnp.ones(3))

  def test_labels(self):
    with jax.enable_x64(True):
      loss = losses.softmax_cross_entropy_with_integer_labels
      for label in range(3):
        actual, forward, reverse, _ = _everything(loss)(Z, label)
        slope = SOFTMAX - np.eye(3)[label]
        np.testing.assert_allclose(actual, -np.log(SOFTMAX[label]), rtol=1e-13)
        np.testing.assert_allclose(forward, slope, rtol=1e-12)
        np.testing.assert_allclose(reverse, slope, rtol=1e-12)

  def test_a_batch_is_a_vmap(self):
    logits = np.random.default_rng(0).standard_normal((4, 3))
    labels = np.array([0, 2, 1, 1])
    actual = jax.vmap(losses.softmax_cross_entropy_with_integer_labels)(
      logits, labels
    )
    expected = optax.losses.softmax_cross_entropy_with_integer_labels(
      jnp.asarray(logits), labels
    )
    chex.assert_trees_all_close(actual, expected, rtol=1e-6)


# loss, the formula in NumPy, prediction, target: what a float16 cannot hold on
# the way to a loss that it can.
NARROW = {
  "large_square": (
    losses.quadratic,
    lambda a, y: 0.5 * np.sum((a - y) ** 2),
    np.full(1, 300.0),
    np.zeros(1),
  ),
  "small_squares": (
    losses.quadratic,
    lambda a, y: 0.5 * np.sum((a - y) ** 2),
    np.full(10_000, 1e-3),
    np.zeros(10_000),
  ),
  "small_probabilities": (
    losses.binary_cross_entropy,
    lambda a, y: -np.sum(special.xlogy(y, a) + special.xlog1py(1 - y, -a)),
    np.full(10_000, 1e-3),
    np.full(10_000, 1e-6),
  ),
  "small_sigmoids": (
    losses.sigmoid_cross_entropy,
    lambda z, y: np.sum(np.logaddexp(0, z) - y * z),
    np.full(10_000, -11.0),
    np.full(10_000, 1e-6),
  ),
  "many_classes": (
    losses.cross_entropy,
    lambda a, y: -np.sum(special.xlogy(y, a)),
    np.full(70_000, 1 / 8192),
    np.full(70_000, 1 / 70_000),
  ),
  "many_logits": (
    losses.softmax_cross_entropy,
    lambda z, y: special.logsumexp(z) * np.sum(y) - y @ z,
    np.zeros(70_000),
    np.full(70_000, 1 / 70_000),
  ),
  "label_of_many": (
    losses.softmax_cross_entropy_with_integer_labels,
    lambda z, y: special.logsumexp(z) - z[y],
    np.zeros(70_000),
    69_999,
  ),
}


class NarrowTest(parameterized.TestCase):
  @parameterized.product(name=tuple(NARROW), dtype=(jnp.bfloat16, jnp.float16))
  def test_a_loss_is_rounded_once(self, name, dtype):
    loss, formula, a, y = NARROW[name]
    a = jnp.asarray(a, dtype)
    y = np.int32(y) if isinstance(y, int) else np.float32(y)
    actual = loss(a, y)
    self.assertEqual(actual.dtype, dtype)
    expected = formula(np.asarray(a, np.float64), y)
    np.testing.assert_allclose(
      np.float64(actual), expected, rtol=0.51 * float(jnp.finfo(dtype).eps)
    )

  @parameterized.parameters(
    (5, np.int8), (127, np.int8), (5, np.uint8), (255, np.uint8)
  )
  def test_a_label_narrower_than_the_classes(self, label, dtype):
    for num_classes in (1000, 1024, 70_000):
      actual = losses.softmax_cross_entropy_with_integer_labels(
        jnp.zeros(num_classes), jnp.asarray(label, dtype)
      )
      np.testing.assert_allclose(actual, math.log(num_classes), rtol=1e-6)


class SaturationTest(parameterized.TestCase):
  @parameterized.parameters(
    # a, y, value, derivative
    (0.0, 0.0, 0.0, 1.0),
    (1.0, 1.0, 0.0, -1.0),
    (0.0, 1.0, INF, -INF),
    (1.0, 0.0, INF, INF),
  )
  def test_certain_probabilities(self, a, y, value, slope):
    fn = jax.jit(jax.value_and_grad(losses.binary_cross_entropy))
    chex.assert_trees_all_equal(fn(a, y), (jnp.array(value), jnp.array(slope)))

  @parameterized.parameters(
    # z, y, value, derivative
    (INF, 1.0, 0.0, 0.0),
    (-INF, 0.0, 0.0, 0.0),
    (INF, 0.0, INF, 1.0),
    (-INF, 1.0, INF, -1.0),
    (80.0, 1.0, math.exp(-80), -math.exp(-80)),
    (-1e30, 1.0, 1e30, -1.0),
    (1e4, 0.5, 5e3, 0.5),
  )
  def test_certain_logits(self, z, y, value, slope):
    fn = _everything(losses.sigmoid_cross_entropy)
    actual, forward, reverse, _ = fn(np.float32(z), np.float32(y))
    np.testing.assert_allclose(actual, value, rtol=1e-5)
    np.testing.assert_allclose(forward, slope, rtol=1e-5)
    np.testing.assert_allclose(reverse, slope, rtol=1e-5)

  def test_small_probabilities_keep_their_digits(self):
    actual = losses.binary_cross_entropy(jnp.float32(1e-12), jnp.float32(0))
    np.testing.assert_allclose(actual, 1e-12, rtol=1e-6)

  def test_masked_logits(self):
    z = jnp.array([0.0, -INF, math.log(3.0)])
    y = jnp.array([1.0, 0.0, 0.0])
    value, *slopes, hessian = _everything(losses.softmax_cross_entropy)(z, y)
    np.testing.assert_allclose(value, math.log(4), rtol=1e-6)
    for slope in slopes:
      np.testing.assert_allclose(slope, [-0.75, 0, 0.75], rtol=1e-6)
    expected = np.array([[1.0, 0, -1], [0, 0, 0], [-1, 0, 1]]) * 3 / 16
    np.testing.assert_allclose(hessian, expected, rtol=1e-5)
    # The control; when it fails, optax has been mended.
    theirs = jax.jit(jax.jacfwd(optax.losses.safe_softmax_cross_entropy))(z, y)
    self.assertTrue(np.any(np.isnan(theirs)))

  def test_masked_logits_with_a_label(self):
    loss = losses.softmax_cross_entropy_with_integer_labels
    z = jnp.array([0.0, -INF, math.log(3.0)])
    value, *slopes, _ = _everything(loss)(z, 0)
    np.testing.assert_allclose(value, math.log(4), rtol=1e-6)
    for slope in slopes:
      np.testing.assert_allclose(slope, [-0.75, 0, 0.75], rtol=1e-6)
    self.assertEqual(loss(z, 1), INF)
    self.assertEqual(losses.softmax_cross_entropy(z, jnp.eye(3)[1]), INF)

  def test_large_logits_keep_their_differences(self):
    z = jnp.array([2.0**24, 2.0**24 - 1])
    expected = math.log1p(math.exp(1.0))
    for actual in (
      losses.softmax_cross_entropy_with_integer_labels(z, 1),
      losses.softmax_cross_entropy(z, jnp.array([0.0, 1.0])),
    ):
      np.testing.assert_allclose(actual, expected, rtol=1e-6)

  @parameterized.parameters(-1, 3, 255)
  def test_a_label_that_is_no_class(self, label):
    loss = losses.softmax_cross_entropy_with_integer_labels
    self.assertTrue(np.isnan(loss(jnp.zeros(3), label)))

  def test_errors_of_labels_and_logits(self):
    loss = losses.softmax_cross_entropy_with_integer_labels
    for label in (1.0, jnp.array([1]), jnp.eye(3)[0]):
      with self.assertRaisesRegex(ValueError, "one integer label, got shape"):
        loss(jnp.zeros(3), label)
    for fn, y in ((loss, 0), (losses.softmax_cross_entropy, jnp.ones((2, 3)))):
      with self.assertRaisesRegex(ValueError, r"logits \[N\].*\[2, 3\]"):
        fn(jnp.zeros((2, 3)), y)


def _pair(by_logits, by_probabilities, squash):
  """Value and derivative by the logits, of both."""
  return (
    jax.jit(jax.value_and_grad(by_logits)),
    jax.jit(jax.value_and_grad(lambda z, y: by_probabilities(squash(z), y))),
  )


PAIRS = (
  _pair(
    losses.sigmoid_cross_entropy, losses.binary_cross_entropy, jax.nn.sigmoid
  ),
  _pair(losses.softmax_cross_entropy, losses.cross_entropy, jax.nn.softmax),
)


class RelationTest(parameterized.TestCase):
  @hypothesis.settings(deadline=None, max_examples=30)
  @hypothesis.given(
    st.lists(st.floats(-8, 8), min_size=3, max_size=3),
    st.lists(st.floats(0, 1), min_size=3, max_size=3),
  )
  def test_of_logits_and_of_probabilities_agree(self, logits, weights):
    z, y = np.array(logits), np.array(weights)
    with jax.enable_x64(True):
      for by_logits, by_probabilities in PAIRS:
        actual, slope = by_logits(z, y)
        expected, other = by_probabilities(z, y)
        np.testing.assert_allclose(actual, expected, rtol=1e-11, atol=1e-14)
        np.testing.assert_allclose(slope, other, rtol=1e-8, atol=1e-11)

  def test_cross_entropy_is_least_at_the_target(self):
    # Its value there is the entropy of y: 0 only for y = 0 or 1.
    with jax.enable_x64(True):
      fn = jax.jit(jax.value_and_grad(losses.binary_cross_entropy))
      for y in (0.1, 0.5, 0.93):
        entropy = -y * math.log(y) - (1 - y) * math.log(1 - y)
        value, slope = fn(y, y)
        np.testing.assert_allclose(value, entropy, rtol=1e-14)
        np.testing.assert_allclose(slope, 0, atol=1e-14)
        self.assertGreater(fn(y + 0.01, y)[0], value)
        self.assertGreater(fn(y - 0.01, y)[0], value)

  def test_quadratic_and_cross_entropy_slow_down_differently(self):
    # The control of the closed forms: behind a sigmoid they differ by sigma'.
    z, y = 4.0, 0.0
    a = 1 / (1 + math.exp(-z))
    slow = jax.grad(lambda z: losses.quadratic(jax.nn.sigmoid(z), y))
    fast = jax.grad(lambda z: losses.sigmoid_cross_entropy(z, y))
    ratio = jax.jit(lambda z: slow(z) / fast(z))(z)
    np.testing.assert_allclose(ratio, a * (1 - a), rtol=1e-5)


if __name__ == "__main__":
  absltest.main()
