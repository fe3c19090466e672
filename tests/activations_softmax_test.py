"""The softmax family over the whole range of the inverse temperature."""

import functools
import itertools
import math

import chex
import hypothesis
import jax
import numpy as np
from absl.testing import absltest, parameterized
from hypothesis import strategies as st
from jax import numpy as jnp
from jax import test_util

from nnfun import activations

INF = math.inf

FAMILY = {
  "softmax": activations.softmax,
  "log_softmax": activations.log_softmax,
  "sparsemax": activations.sparsemax,
}
DISTRIBUTIONS = ("softmax", "sparsemax")

INVERSE_TEMPERATURES = (0.0, 1e-30, 1e-3, 1.0, 60.0, 1e3, 1e30, INF)

hard_max = jax.jit(activations.hard_max)

# Values and both modes of differentiation, compiled once for each shape.
VALUES = {name: jax.jit(fn) for name, fn in FAMILY.items()}
JACOBIANS = {
  name: jax.jit(
    lambda x, c, fn=fn: (
      jax.jacfwd(fn, (0, 1))(x, c),
      jax.jacrev(fn, (0, 1))(x, c),
    )
  )
  for name, fn in FAMILY.items()
}


def _softmax_jacobian(x, c):
  """c (diag p - p p^T) in float64, its diagonal without cancellation."""
  x = np.asarray(x, np.float64)
  p = np.exp(c * (x - x.max()))
  p /= p.sum()
  outer = np.outer(p, p) * (1 - np.eye(p.size))
  return c * (np.diag(outer.sum(axis=1)) - outer)


def _sparsemax_oracle(x):
  """Tries all supports; keeps the one that meets the optimality conditions."""
  candidates = []
  for size in range(1, len(x) + 1):
    for support in itertools.combinations(range(len(x)), size):
      tau = (sum(x[i] for i in support) - 1) / size
      p = np.array([x[i] - tau if i in support else 0 for i in range(len(x))])
      outside = [x[i] - tau for i in range(len(x)) if i not in support]
      if np.all(p >= 0) and all(gap <= 0 for gap in outside):
        candidates.append(p)
  return candidates[0]


class FamilyTest(parameterized.TestCase):
  @parameterized.product(
    name=list(FAMILY),
    dtype=(jnp.float16, jnp.bfloat16, jnp.float32, jnp.float64),
  )
  def test_nothing_is_nan_at_any_temperature(self, name, dtype):
    # A near-tie, a tie far below, a masked entry, and gaps that overflow.
    small, large = float(jnp.finfo(dtype).eps), float(jnp.finfo(dtype).max)
    xs = [
      [1.0, 1.0 - small, -3.0, -3.0],
      [0.5, -INF, 0.0, 0.25],
      [large, -large, -large, 0.0],
    ]

    @jax.jit
    @functools.partial(jax.vmap, in_axes=(0, None))
    @functools.partial(jax.vmap, in_axes=(None, 0))
    def table(x, c):
      fn = FAMILY[name]
      return fn(x, c), jax.jacfwd(fn)(x, c), jax.jacrev(fn)(x, c)

    with jax.enable_x64(dtype == jnp.float64):
      cs = np.array(INVERSE_TEMPERATURES)
      values, *jacobians = table(np.array(xs, dtype), cs)
      self.assertEqual(values.dtype, dtype)
    self.assertFalse(np.any(np.isnan(values)))
    for jacobian in jacobians:
      self.assertFalse(np.any(np.isnan(jacobian)))
      # A derivative of 1e30 overflows in float16, and only there.
      moderate = np.asarray(jacobian)[:, cs < 1e30]
      self.assertTrue(np.all(np.isfinite(moderate)))
      if dtype != jnp.float16:
        self.assertTrue(np.all(np.isfinite(jacobian)))
    if name in DISTRIBUTIONS:
      total = np.sum(np.asarray(values, np.float64), axis=-1)
      np.testing.assert_allclose(total, 1, rtol=2e-2)

  @parameterized.parameters(*DISTRIBUTIONS)
  def test_limits(self, name):
    fn, x = VALUES[name], np.array([1.0, 3.0, -2.0, 3.0], np.float32)
    chex.assert_trees_all_equal(fn(x, 0.0), jnp.full(4, 0.25))
    chex.assert_trees_all_close(fn(x, 1e-30), jnp.full(4, 0.25))
    for c in (1e3, 1e30, INF):
      chex.assert_trees_all_equal(fn(x, c), hard_max(x))

  @parameterized.parameters(*DISTRIBUTIONS)
  def test_derivatives_vanish_in_the_limit(self, name):
    for entries, c in (([1.0, 3.0, 2.0], 1e30), ([1.0, 3.0, 3.0], INF)):
      for by_x, by_c in JACOBIANS[name](np.array(entries, np.float32), c):
        chex.assert_trees_all_equal(by_x, np.zeros((3, 3)))
        chex.assert_trees_all_equal(by_c, np.zeros(3))

  @parameterized.parameters(*FAMILY)
  def test_infinite_entries(self, name):
    def p(x, c):
      values = VALUES[name](np.array(x, np.float32), c)
      return np.exp(values) if name == "log_softmax" else values

    cases = (
      ([1.0, -INF, 1.0], [0.5, 0, 0.5]),
      ([INF, 3.0, INF], [0.5, 0, 0.5]),
      ([-INF, -INF], [0.5, 0.5]),
      ([7.0], [1.0]),
    )
    for c in (0.0, 1.0, INF):
      for x, expected in cases:
        np.testing.assert_allclose(p(x, c), expected, rtol=1e-6)
    self.assertTrue(np.all(np.isnan(p([1.0, math.nan], 1.0))))

  @parameterized.named_parameters(*FAMILY.items())
  def test_derivatives_by_finite_differences(self, fn):
    x, c = np.array([0.3, -0.2, 0.5, 0.1]), 1.7
    with jax.enable_x64(True):
      test_util.check_grads(jax.jit(fn), (x, c), order=1, rtol=1e-6)

  @parameterized.parameters(*FAMILY)
  def test_maps_over_inputs_and_temperatures(self, name):
    xs = np.array([[1.0, 2.0, 2.0], [0.0, -INF, 1e30]], np.float32)
    cs = np.array([0.0, 1.0, INF], np.float32)
    table = jax.vmap(jax.vmap(VALUES[name], (None, 0)), (0, None))(xs, cs)
    loop = np.array([[VALUES[name](x, c) for c in cs] for x in xs])
    chex.assert_trees_all_close(table, loop, rtol=1e-6, strict=True)

  @parameterized.parameters(*FAMILY)
  def test_takes_integers(self, name):
    actual = VALUES[name](np.array([2, 0, 1, 0]), 1.0)
    expected = VALUES[name](np.float32([2, 0, 1, 0]), 1.0)
    chex.assert_trees_all_equal(actual, expected, strict=True)

  @parameterized.named_parameters(*FAMILY.items())
  def test_errors(self, fn):
    for shape in ((), (2, 3), (0,)):
      with self.assertRaisesRegex(ValueError, r"one vector \[N\].*got shape"):
        fn(jnp.zeros(shape))
    for make in (int, float, np.float32, np.float64, np.array, jnp.float32):
      negative = functools.partial(fn, inverse_temperature=make(-1))
      for call in (negative, jax.jit(negative)):
        with self.assertRaisesRegex(
          ValueError, "inverse_temperature >= 0, got -1"
        ):
          call(jnp.zeros(2))
    # One that is traced cannot be looked at.
    chex.assert_shape(jax.jit(fn)(jnp.zeros(2), -1.0), (2,))


class SoftmaxTest(parameterized.TestCase):
  def test_second_derivatives_are_those_of_jax(self):
    x, c = np.array([0.3, -0.2, 0.5]), 1.7
    with jax.enable_x64(True):
      for ours, theirs in (
        (activations.softmax, jax.nn.softmax),
        (activations.log_softmax, jax.nn.log_softmax),
      ):
        actual = jax.jit(jax.hessian(ours, (0, 1)))(x, c)
        scaled = jax.hessian(lambda x, c, fn=theirs: fn(c * x), (0, 1))
        chex.assert_trees_all_close(
          actual, jax.jit(scaled)(x, c), rtol=1e-10, atol=1e-14, strict=True
        )

  @parameterized.parameters(0.0, 0.1, 1.0, 7.0, 300.0)
  def test_is_that_of_jax_where_jax_is_right(self, c):
    with jax.enable_x64(True):
      x = np.random.default_rng(0).standard_normal(9)
      for ours, theirs in (
        (activations.softmax, jax.nn.softmax),
        (activations.log_softmax, jax.nn.log_softmax),
      ):
        chex.assert_trees_all_close(
          jax.jit(ours)(x, c), theirs(c * x), rtol=1e-12, strict=True
        )

  def test_near_ties_of_large_entries(self):
    x = np.float32([2.0**24, 2.0**24 - 1])
    expected = 1 / (1 + math.exp(-1.1))
    actual = VALUES["softmax"](x, 1.1)[0]
    np.testing.assert_allclose(actual, expected, rtol=1e-6)
    # The control: after the scaling the gap is a rounding error.
    late = jax.nn.softmax(np.float32(1.1) * x)[0]
    self.assertGreater(abs(late - expected), 1e-2)

  @parameterized.parameters(jnp.float16, jnp.bfloat16)
  def test_inverse_temperature_beyond_a_narrow_dtype(self, dtype):
    gap = 2.0**-17  # exact in both; c = 2^20 is infinite in float16
    x = np.array([gap, 0.0], dtype)
    p = np.float32(VALUES["softmax"](x, 2.0**20))
    log_p = np.float32(VALUES["log_softmax"](x, 2.0**20))
    np.testing.assert_allclose(p[0], 1 / (1 + math.exp(-8)), rtol=4e-3)
    np.testing.assert_allclose(log_p[1], -8, rtol=4e-3)

  @hypothesis.settings(deadline=None, max_examples=50)
  @hypothesis.given(
    st.lists(st.floats(-1e3, 1e3, width=32), min_size=4, max_size=4),
    st.floats(0, 1e30),
  )
  def test_error_of_the_limit(self, entries, c):
    # norm_1(softmax - hard_max) / 2 <= (n - 1) exp(-c gap) over k maxima.
    x = np.array(entries, np.float32)
    p = VALUES["softmax"](x, c)
    lower = x[x < x.max()].astype(np.float64)
    gap = np.float64(x.max()) - lower.max() if lower.size else INF
    bound = 3 * math.exp(-min(c * gap, 700)) if gap < INF else 0
    error = np.abs(p - hard_max(x)).sum() / 2
    self.assertLessEqual(error, bound + 1e-6)
    self.assertTrue(np.all(p >= 0))
    np.testing.assert_allclose(np.sum(p), 1, rtol=1e-6)

  @parameterized.parameters(1.0, 10.0, 30.0, 100.0, 300.0, 1000.0)
  def test_jacobian_keeps_its_relative_precision(self, c):
    x = np.array([1.0, 0.3, -0.2, 0.9], np.float32)
    expected = _softmax_jacobian(x, c)
    layer = activations.softmax_layer(inverse_temperature=c)
    forward, reverse = JACOBIANS["softmax"](x, c)
    for actual in (forward[0], reverse[0], layer.slope(x)):
      error = np.linalg.norm(actual - expected)
      self.assertLess(error, 2e-6 * np.linalg.norm(expected))

  def test_jacobian_of_jax_does_not(self):
    # The control of the test above.
    x = np.array([1.0, 0.3, -0.2, 0.9], np.float32)
    expected = _softmax_jacobian(x, 300.0)
    actual = 300.0 * jax.jit(jax.jacrev(jax.nn.softmax))(300.0 * x)
    error = np.linalg.norm(actual - expected)
    self.assertGreater(error, 0.1 * np.linalg.norm(expected))

  def test_jacobian_of_the_layer(self):
    layer = activations.softmax_layer(inverse_temperature=2.5)
    x = np.array([0.2, -1.0, 0.7])
    with jax.enable_x64(True):
      both = jax.jit(lambda x: (layer.slope(x), jax.jacfwd(layer.fn)(x)))
      actual, expected = both(x)
      chex.assert_trees_all_close(actual, expected, rtol=1e-12, strict=True)
    limit = activations.softmax_layer(inverse_temperature=INF)
    chex.assert_trees_all_equal(limit.slope(jnp.ones(2)), jnp.zeros((2, 2)))

  @parameterized.parameters(0.1, 1.0, 8.0)
  def test_lipschitz_constant_is_reached(self, c):
    layer = activations.softmax_layer(inverse_temperature=c)
    norm = np.linalg.norm(layer.slope(jnp.zeros(2)), ord=2)
    np.testing.assert_allclose(norm, layer.max_slope, rtol=1e-6)
    np.testing.assert_allclose(norm, c / 2, rtol=1e-6)

  def test_derivative_by_the_temperature(self):
    # d p / d c = p (x - <p, x>), and of the logarithm x - <p, x>.
    x, c = np.array([0.3, -0.2, 0.5]), 4.0
    with jax.enable_x64(True):
      p = np.asarray(VALUES["softmax"](x, c))
      centred = x - p @ x
      for name, expected in (
        ("softmax", p * centred),
        ("log_softmax", centred),
      ):
        for _, actual in JACOBIANS[name](x, c):
          np.testing.assert_allclose(actual, expected, rtol=1e-12)

  def test_a_masked_entry_takes_no_part(self):
    x, kept = np.float32([0.3, -INF, 0.5]), np.array([0, 2])
    full = JACOBIANS["softmax"](x, 3.0)
    reduced = JACOBIANS["softmax"](x[kept], 3.0)
    for mode in zip(full, reduced, strict=True):
      (by_x, by_c), (kept_x, kept_c) = jax.tree.map(np.asarray, mode)
      chex.assert_trees_all_close(by_x[np.ix_(kept, kept)], kept_x, rtol=1e-6)
      chex.assert_trees_all_close(by_c[kept], kept_c, rtol=1e-6)
      self.assertEqual(np.abs(by_x[1]).max() + abs(by_c[1]), 0)

  def test_large_log_probabilities(self):
    actual = VALUES["log_softmax"](np.float32([0, -1e30, -INF]), 1e5)
    np.testing.assert_allclose(actual, [0, -1e35, -INF], rtol=1e-6)

  def test_layer_refuses_a_negative_temperature(self):
    with self.assertRaisesRegex(ValueError, "inverse_temperature >= 0"):
      activations.softmax_layer(inverse_temperature=-2.0)


class SparsemaxTest(parameterized.TestCase):
  @hypothesis.settings(deadline=None, max_examples=40)
  @hypothesis.given(
    st.lists(st.floats(-1.5, 1.5, width=16), min_size=4, max_size=4)
  )
  def test_is_the_projection(self, entries):
    actual = VALUES["sparsemax"](np.array(entries, np.float32), 1.0)
    np.testing.assert_allclose(actual, _sparsemax_oracle(entries), atol=1e-6)

  @parameterized.parameters(2, 3, 6, 7, 20, 50)
  def test_support_is_that_of_float64(self, size):
    # By sorting, algorithm 1 of the paper.
    xs = np.random.default_rng(size).normal(size=(300, size)) * 3
    xs = np.float32(xs)
    ps = jax.vmap(VALUES["sparsemax"], (0, None))(xs, 1.0)
    descending = -np.sort(-np.float64(xs), axis=1)
    excess = np.cumsum(descending, axis=1) - 1
    k = np.arange(1, size + 1)[np.newaxis]
    num_kept = np.sum(k * descending > excess, axis=1, keepdims=True)
    tau = np.take_along_axis(excess, num_kept - 1, axis=1) / num_kept
    expected = np.maximum(xs - tau, 0)
    np.testing.assert_array_equal(ps > 0, expected > 0)
    np.testing.assert_allclose(ps, expected, atol=1e-6)

  @parameterized.parameters(-2.0, -1.0, -0.3, 0.0, 0.9, 1.0, 5.0)
  def test_of_two_is_a_ramp(self, difference):
    # A closed form of Martins & Astudillo 2016.
    actual = VALUES["sparsemax"](np.float32([difference, 0]), 1.0)[0]
    expected = min(max((difference + 1) / 2, 0), 1)
    np.testing.assert_allclose(actual, expected, rtol=1e-6, atol=1e-6)

  @parameterized.parameters(1, 2, 3)
  def test_is_its_limit_exactly_from_a_finite_temperature(self, num_maxima):
    # Martins & Astudillo 2016, proposition 2: c gap (number of maxima) >= 1.
    gap = 0.25
    x = np.float32([1.0] * num_maxima + [1.0 - gap] * 2)
    limit, critical = hard_max(x), 1 / (gap * num_maxima)
    sparsemax = VALUES["sparsemax"]
    for c in (critical, 1.01 * critical, 1e30):
      chex.assert_trees_all_close(sparsemax(x, c), limit, atol=1e-6)
      self.assertEqual(sparsemax(x, 1.01 * c)[-1], 0)
    below = sparsemax(x, 0.9 * critical)
    self.assertGreater(below[-1], 0.01)

  def test_jacobian(self):
    # The closed form for the support {0, 2}.
    x, c = np.float32([0.2, -0.9, 0.3]), 2.0
    s = np.array([1.0, 0.0, 1.0])
    expected = c * (np.diag(s) - np.outer(s, s) / 2)
    for by_x, by_c in JACOBIANS["sparsemax"](x, c):
      np.testing.assert_allclose(by_x, expected, atol=1e-6)
      np.testing.assert_allclose(by_c, expected @ x / c, atol=1e-6)
    # The control: it is not the Jacobian of softmax.
    other = JACOBIANS["softmax"](x, c)[0][0]
    self.assertGreater(np.abs(other - expected).max(), 0.1)

  @parameterized.parameters(jnp.float16, jnp.float32)
  def test_narrow_dtypes_where_64_bits_are_on(self, dtype):
    x, s = np.array([0.25, -1.0, 0.5], dtype), np.array([1.0, 0.0, 1.0])
    with jax.enable_x64(True):
      jacobians = JACOBIANS["sparsemax"](x, 2.0)
    for by_x, _ in jacobians:
      self.assertEqual(by_x.dtype, dtype)
      np.testing.assert_array_equal(by_x, 2 * np.diag(s) - np.outer(s, s))

  def test_large_entries(self):
    x = np.float32([1e6 + 0.25, 1e6, -3e38, -3e38])
    expected = np.float32([0.625, 0.375, 0, 0])
    chex.assert_trees_all_close(VALUES["sparsemax"](x, 1.0), expected)


class HardMaxTest(parameterized.TestCase):
  @parameterized.parameters(jnp.float16, jnp.bfloat16, jnp.float32)
  def test_is_uniform_over_the_maxima(self, dtype):
    for entries in ([3.0, 1.0, 3.0, 2.0], [INF, 1.0, INF, -INF]):
      actual = hard_max(np.array(entries, dtype))
      expected = np.array([0.5, 0.0, 0.5, 0.0], dtype)
      chex.assert_trees_all_equal(np.asarray(actual), expected, strict=True)

  def test_has_no_slope(self):
    actual = jax.jit(jax.jacrev(hard_max))(np.float32([1, 2, 2]))
    chex.assert_trees_all_equal(actual, np.zeros((3, 3)))


if __name__ == "__main__":
  absltest.main()
