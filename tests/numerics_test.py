"""Norms, logarithms and limits at the ends of what a dtype can hold."""

import math

import chex
import hypothesis
import jax
import numpy as np
import optax
from absl.testing import absltest, parameterized
from hypothesis import strategies as st
from jax import numpy as jnp

from nnfun import numerics
from tests import oracles

INF = math.inf
LARGEST = 3.4e38  # of float32; the smallest normal number is 1.18e-38
SIZES = (1e-36, 1e-25, 1e-12, 1.0, 1e12, 1e25, 1e37)

float32s = st.floats(width=32, allow_nan=False, allow_subnormal=False)
norm_fn = jax.jit(numerics.global_norm)
log_norm_fn = jax.jit(numerics.log_global_norm)
vectors = st.lists(float32s, min_size=4, max_size=4)


def _both_modes(fn, argnums=0):
  """The derivatives in forward and in reverse mode, compiled once."""
  return jax.jit(
    lambda *args: (
      jax.jacfwd(fn, argnums)(*args),
      jax.jacrev(fn, argnums)(*args),
    )
  )


def _exact_norm(entries):
  """Python's hypot takes float64, where nothing of float32 overflows."""
  return math.hypot(*(float(x) for x in entries))


class GlobalNormTest(parameterized.TestCase):
  derivatives = staticmethod(_both_modes(numerics.global_norm))

  @parameterized.parameters(*SIZES)
  def test_is_three_four_five_at_every_size(self, size):
    tree = {"w": jnp.array([[3 * size]]), "b": jnp.float32(4 * size)}
    chex.assert_trees_all_close(norm_fn(tree), jnp.float32(5 * size), rtol=1e-6)

  @parameterized.named_parameters(
    ("zero", [0.0, 0.0], 0.0),
    ("empty", [], 0.0),
    ("one_infinity", [1.0, INF], INF),
    ("minus_infinity", [-INF, 3e38], INF),
    ("nan", [1.0, math.nan], math.nan),
    ("nan_beside_infinity", [INF, math.nan], math.nan),
    ("largest", [LARGEST, 0.0], LARGEST),
    ("smallest", [0.0, -1.2e-38], 1.2e-38),
    ("far_apart", [1e-38, 1e38], 1e38),
    ("beyond_float32", [LARGEST, LARGEST], INF),
  )
  def test_value_at_the_ends(self, entries, expected):
    # Compiled and not: XLA rewrites a division when it sees the whole of it.
    for norm in (numerics.global_norm, norm_fn):
      actual = norm(np.array(entries, np.float32))
      chex.assert_trees_all_close(
        np.asarray(actual), np.float32(expected), rtol=1e-6, strict=True
      )

  @parameterized.parameters(*(s for s in SIZES if s != 1e37))
  def test_xla_cannot_undo_the_scaling(self, size):
    # It tries to where it knows the size while compiling.
    x = size * np.array([3.0, 4.0], np.float32)

    @jax.jit
    def compiled():
      norm, log_norm = numerics.global_norm(x), numerics.log_global_norm(x)
      return norm, log_norm, jax.grad(numerics.global_norm)(x)

    expected = 5 * size, math.log(5 * size), np.array([0.6, 0.8])
    chex.assert_trees_all_close(compiled(), expected, rtol=1e-6)

  @hypothesis.settings(deadline=None, max_examples=60)
  @hypothesis.given(vectors)
  def test_agrees_with_float64(self, entries):
    expected = _exact_norm(entries)
    hypothesis.assume(expected < LARGEST)
    actual = norm_fn(np.array(entries, np.float32))
    np.testing.assert_allclose(actual, expected, rtol=1e-6)

  def test_is_that_of_optax_bit_for_bit_at_ordinary_sizes(self):
    normal = np.random.default_rng(0).standard_normal((3, 5), np.float32)
    optax_norm_fn = jax.jit(optax.tree.norm)
    for size in np.logspace(-8, 8, 20, dtype=np.float32):
      tree = (size * normal, np.ones(2, np.float32))
      chex.assert_trees_all_equal(norm_fn(tree), optax_norm_fn(tree))

  def test_optax_is_wrong_where_this_is_needed(self):
    # The control of the tests above; when it fails, optax has been mended.
    self.assertEqual(optax.tree.norm(jnp.array([3e30, 4e30])), INF)
    self.assertEqual(optax.tree.norm(jnp.array([3e-30, 4e-30])), 0)

  @parameterized.parameters(
    (jnp.float16, jnp.float32),
    (jnp.bfloat16, jnp.float32),
    (jnp.int32, jnp.float32),
    (jnp.float32, jnp.float32),
  )
  def test_is_float32_at_least(self, dtype, expected):
    norm = numerics.global_norm(jnp.full(16, 20000, dtype))
    self.assertEqual(norm.dtype, expected)
    np.testing.assert_allclose(norm, 80000, rtol=2e-3)  # bfloat16 of 20000

  def test_is_float64_if_a_leaf_is(self):
    with jax.enable_x64(True):
      for size in (1e-300, 1e-100, 1.0, 1e100, 1e300):
        tree = (np.float64(3 * size), jnp.float32(0), np.float64(4 * size))
        actual = norm_fn(tree)
        self.assertEqual(actual.dtype, jnp.float64)
        np.testing.assert_allclose(actual, 5 * size, rtol=1e-15)

  @parameterized.parameters(*SIZES)
  def test_derivative_is_the_unit_vector(self, size):
    x = size * np.array([3.0, -4.0, 0.0], np.float32)
    for actual in self.derivatives(x):
      chex.assert_trees_all_close(actual, np.array([0.6, -0.8, 0]), rtol=1e-6)

  def test_cotangent_does_not_overflow(self):
    _, pull = jax.vjp(numerics.global_norm, jnp.array([3e37, 4e37]))
    actual = pull(jnp.float32(1e6))[0]
    chex.assert_trees_all_close(actual, jnp.array([6e5, 8e5]), rtol=1e-6)

  def test_derivative_is_zero_at_zero(self):
    tree = {"w": jnp.zeros((2, 3)), "b": jnp.zeros(3)}
    for actual in self.derivatives(tree):
      chex.assert_trees_all_equal(actual, tree, strict=True)

  @parameterized.parameters(1e-200, 1.0, 1e200)
  def test_second_derivatives(self, size):
    # d^2 norm / d x^2 = (1 - u u^T) / norm, of the logarithm (1 - 2 u u^T) /
    # norm^2, with u = x / norm; here norm = 5, relative to the size.
    u = np.array([0.6, -0.8])

    @jax.jit
    def hessians(x):
      norm = jax.hessian(lambda v: numerics.global_norm(size * v) / size)
      log_norm = jax.hessian(lambda v: numerics.log_global_norm(size * v))
      return norm(x), log_norm(x)

    with jax.enable_x64(True):
      actual = hessians(5 * u)
    outer, unit = np.outer(u, u), np.eye(2)
    expected = (unit - outer) / 5, (unit - 2 * outer) / 25
    chex.assert_trees_all_close(actual, expected, rtol=1e-12, strict=True)

  def test_maps_over_a_batch(self):
    xs = jnp.array([[3e30, 4e30], [0.0, 0.0], [3e-30, 4e-30]])
    actual = jax.vmap(numerics.global_norm)(xs)
    chex.assert_trees_all_close(actual, jnp.array([5e30, 0, 5e-30]), rtol=1e-6)

  def test_complex_leaves_are_refused(self):
    for norm in (numerics.global_norm, numerics.log_global_norm):
      with self.assertRaisesRegex(ValueError, "real leaves.*complex64"):
        norm({"a": jnp.ones(2), "b": jnp.ones(2, jnp.complex64)})


class LogGlobalNormTest(parameterized.TestCase):
  derivatives = staticmethod(_both_modes(numerics.log_global_norm))

  @hypothesis.settings(deadline=None, max_examples=60)
  @hypothesis.given(vectors)
  def test_agrees_with_float64(self, entries):
    expected = _exact_norm(entries)
    actual = log_norm_fn(np.array(entries, np.float32))
    if expected == INF or expected == 0:
      expected = INF if expected else -INF
    else:
      expected = math.log(expected)
    np.testing.assert_allclose(actual, expected, rtol=1e-6, atol=1e-6)

  def test_is_finite_where_the_norm_is_not(self):
    tree = jnp.full(10000, LARGEST)
    self.assertEqual(numerics.global_norm(tree), INF)
    expected = math.log(LARGEST) + math.log(100)
    np.testing.assert_allclose(
      numerics.log_global_norm(tree), expected, rtol=1e-6
    )

  @parameterized.parameters(1e-36, 1e-25, 1.0, 1e25, 1e36)
  def test_derivative(self, size):
    x = size * np.array([3.0, -4.0], np.float32)
    expected = np.array([0.12, -0.16]) / size
    for actual in self.derivatives(x):
      chex.assert_trees_all_close(actual, expected, rtol=1e-6)

  def test_at_zero(self):
    zero = np.zeros(2, np.float32)
    self.assertEqual(log_norm_fn(zero), -INF)
    for actual in self.derivatives(zero):
      chex.assert_trees_all_equal(actual, zero)


def _clip(max_norm, updates, clip=numerics.clip_by_global_norm):
  def update(max_norm, updates):
    transformation = clip(max_norm)
    return transformation.update(updates, transformation.init(updates))[0]

  return jax.jit(update, static_argnums=0)(max_norm, updates)


class ClipByGlobalNormTest(parameterized.TestCase):
  @parameterized.parameters(*(s for s in SIZES if s >= 1))
  def test_shortens_and_keeps_the_direction(self, size):
    updates = {"w": size * jnp.array([[3.0, 0.0]]), "b": size * jnp.array(-4.0)}
    expected = {"w": jnp.array([[0.3, 0.0]]), "b": jnp.array(-0.4)}
    chex.assert_trees_all_close(_clip(0.5, updates), expected, rtol=1e-6)

  def test_optax_stops_training_instead(self):
    # The control of the test above; when it fails, optax has been mended.
    updates = jnp.array([3e30, 4e30])
    actual = _clip(0.5, updates, optax.clip_by_global_norm)
    chex.assert_trees_all_equal(actual, jnp.zeros(2))

  @parameterized.parameters(0.0, 1e-38, 1e-30, 1e-3, 0.99)
  def test_leaves_what_is_short(self, size):
    updates = jnp.array([0.6, -0.8]) * size
    chex.assert_trees_all_equal(_clip(1.0, updates), updates)

  def test_clips_to_a_tiny_norm(self):
    actual = _clip(1e-30, jnp.array([3e30, 4e30]))
    chex.assert_trees_all_close(actual, jnp.array([6e-31, 8e-31]), rtol=1e-6)

  def test_is_that_of_optax_at_ordinary_sizes(self):
    updates = jax.random.normal(jax.random.key(0), (50,))
    for max_norm in (0.1, 1.0, 5.0, 100.0):
      chex.assert_trees_all_close(
        _clip(max_norm, updates),
        _clip(max_norm, updates, optax.clip_by_global_norm),
        rtol=1e-6,
        strict=True,
      )

  def test_infinity_stays_visible(self):
    actual = _clip(1.0, jnp.array([1.0, INF]))
    chex.assert_trees_all_equal(jnp.isnan(actual), jnp.array([False, True]))
    self.assertTrue(jnp.all(jnp.isnan(_clip(1.0, jnp.array([1, math.nan])))))

  def test_keeps_dtypes(self):
    updates = (jnp.full(4, 6e4, jnp.float16), jnp.ones(2))
    clipped = _clip(1.0, updates)
    chex.assert_trees_all_equal_dtypes(clipped, updates)
    np.testing.assert_allclose(clipped[0], 0.5, rtol=1e-3)

  def test_takes_a_traced_norm(self):
    updates = jnp.array([3e30, 4e30])

    @jax.jit
    def clip(max_norm):
      transformation = numerics.clip_by_global_norm(max_norm)
      return transformation.update(updates, optax.EmptyState())[0]

    actual = jax.vmap(clip)(jnp.array([1.0, 10.0]))
    expected = jnp.array([[0.6, 0.8], [6.0, 8.0]])
    chex.assert_trees_all_close(actual, expected, rtol=1e-6)

  @parameterized.parameters(0.0, -1.0, math.nan)
  def test_norm_must_be_positive(self, max_norm):
    with self.assertRaisesRegex(ValueError, "max_norm > 0, got"):
      numerics.clip_by_global_norm(max_norm)


class LogarithmTest(parameterized.TestCase):
  def test_safe_log(self):
    x = jnp.array([0.0, 0.5, 1.0, INF])
    chex.assert_trees_all_equal(numerics.safe_log(x), jnp.log(x))
    chex.assert_trees_all_equal(
      jax.vmap(jax.grad(numerics.safe_log))(x), jnp.array([0.0, 2.0, 1.0, 0.0])
    )
    self.assertTrue(jnp.isnan(numerics.safe_log(-1.0)))

  def test_xlogx(self):
    with jax.enable_x64(True):
      x = np.array([0.0, 1e-300, 0.25, 1.0, 7.0])
      positive = x[1:]
      expected = np.append(0.0, positive * np.log(positive))
      slope = np.append(0.0, 1 + np.log(positive))
      np.testing.assert_allclose(numerics.xlogx(x), expected, rtol=1e-14)
      actual = jax.vmap(jax.grad(numerics.xlogx))(x)
      np.testing.assert_allclose(actual, slope, rtol=1e-14)

  def test_entropy_of_a_saturated_softmax(self):
    def entropy(z, xlogx):
      return -jnp.sum(xlogx(jax.nn.softmax(z)))

    z = jnp.array([0.0, -200.0])
    for actual in _both_modes(lambda z: entropy(z, numerics.xlogx))(z):
      chex.assert_trees_all_equal(actual, jnp.zeros(2))
    # The control: the obvious formula fails here.
    naive = _both_modes(lambda z: entropy(z, lambda p: p * jnp.log(p)))(z)
    self.assertTrue(np.any(np.isnan(naive)))

  @parameterized.parameters(
    # x, y, value, d / dx, d / dy
    (0.0, 0.0, 0.0, 0.0, 0.0),
    (0.0, 0.5, 0.0, math.log(0.5), 0.0),
    (0.5, 0.25, 0.5 * math.log(0.25), math.log(0.25), 2.0),
  )
  def test_xlogy(self, x, y, value, by_x, by_y):
    with jax.enable_x64(True):
      functions = (numerics.xlogy, lambda x, y: numerics.xlog1py(x, y - 1))
      for fn in functions:
        np.testing.assert_allclose(fn(x, y), value, rtol=1e-14)
        for actual in _both_modes(fn, (0, 1))(x, y):
          np.testing.assert_allclose(actual, (by_x, by_y), rtol=1e-14)

  def test_xlogy_is_infinite_where_it_is(self):
    value, slopes = jax.value_and_grad(numerics.xlogy, (0, 1))(1.0, 0.0)
    chex.assert_trees_all_equal((value, *slopes), (-INF, -INF, INF))

  def test_xlog1py_keeps_small_numbers(self):
    actual = numerics.xlog1py(1.0, jnp.float32(1e-12))
    np.testing.assert_allclose(actual, 1e-12, rtol=1e-6)


class ExprelTest(parameterized.TestCase):
  value_and_slope = staticmethod(jax.jit(jax.value_and_grad(numerics.exprel)))

  @parameterized.parameters(-700.0, -30.0, -1.0, -0.999, 0.5, 1.0, 3.0, 600.0)
  def test_is_the_quotient_away_from_zero(self, x):
    expected = math.expm1(x) / x
    slope = (math.exp(x) - expected) / x
    with jax.enable_x64(True):
      actual = self.value_and_slope(x)
    np.testing.assert_allclose(actual, (expected, slope), rtol=1e-13)

  def test_all_derivatives_near_zero(self):
    # The k-th derivative at 0 is 1 / (k + 1), and 1 / (k + 2) its slope.
    fns = [numerics.exprel]
    for _ in range(3):
      fns.append(jax.grad(fns[-1]))
    derivatives = jax.jit(lambda x: [fn(x) for fn in fns])
    with jax.enable_x64(True):
      for x in (0.0, 1e-300, -1e-9, 1e-5):
        expected = [1 / (k + 1) + x / (k + 2) for k in range(4)]
        np.testing.assert_allclose(derivatives(x), expected, rtol=1e-9)

  def test_geometric_sum_through_ratio_one(self):
    @jax.jit
    @jax.value_and_grad
    def geometric_sum(r):
      log_r = jnp.log(r)
      return 10 * numerics.exprel(10 * log_r) / numerics.exprel(log_r)

    with jax.enable_x64(True):
      for r in (0.5, 1 - 1e-12, 1.0, 1 + 1e-9, 1.5):
        powers = r ** np.arange(10)
        slope = sum(k * r ** (k - 1) for k in range(1, 10))
        value, actual = geometric_sum(r)
        np.testing.assert_allclose(value, powers.sum(), rtol=1e-14)
        np.testing.assert_allclose(actual, slope, rtol=1e-12)

  def test_dtypes(self):
    for dtype in (jnp.float16, jnp.bfloat16, jnp.float32):
      actual = jax.jit(numerics.exprel)(np.array([-8.0, 0.0, 0.5], dtype))
      self.assertEqual(actual.dtype, dtype)
      expected = np.array([math.expm1(-8) / -8, 1, math.expm1(0.5) / 0.5])
      np.testing.assert_allclose(np.float32(actual), expected, rtol=1e-2)
    self.assertEqual(jax.jit(numerics.exprel)(0), 1.0)


class BatchMeanTest(parameterized.TestCase):
  @parameterized.parameters(
    (np.arange(4), "int32.*4"), (np.zeros((0, 3)), "0, 3"), (1.5, r"\[\]$")
  )
  def test_something_else_than_a_batch(self, leaf, message):
    with self.assertRaisesRegex(ValueError, f"B >= 1, got .*{message}"):
      numerics.batch_mean({"a": leaf})

  @parameterized.parameters(
    (jnp.float32, 30), (jnp.bfloat16, 1), (jnp.float64, 30)
  )
  def test_is_the_mean_of_every_leaf(self, dtype, num_roundings):
    with oracles.float64():
      keys = jax.random.split(jax.random.key(0))
      tree = {
        "a": jax.random.normal(keys[0], (700, 2, 3), dtype) + 3,
        "b": jax.random.normal(keys[1], (700,), dtype),
      }
      found = numerics.batch_mean(tree, 1 / 4)
      chex.assert_type(list(found.values()), dtype)
      # Of a sum of 700; in bfloat16 it is rounded once.
      tolerance = num_roundings * float(jnp.finfo(dtype).eps)
      for name, leaf in tree.items():
        expected = np.asarray(leaf, np.float64).mean(0) / 4
        np.testing.assert_allclose(
          np.asarray(found[name], np.float64), expected, tolerance, tolerance
        )


if __name__ == "__main__":
  absltest.main()
