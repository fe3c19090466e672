"""Sums of products made shorter, against all signs and closed forms."""

import itertools

import chex
import jax
import numpy as np
from absl.testing import absltest, parameterized
from jax import numpy as jnp

from nnfun.estimators import low_rank
from tests import oracles

_KEY = jax.random.key(0)


def _matrices(kind, seed=0):
  rng = np.random.default_rng(seed)
  left, right = rng.normal(size=(6, 7)), rng.normal(size=(6, 8))
  if kind == "graded":
    left *= 10.0 ** -np.arange(6)[:, None]
  if kind == "narrow":
    right = right[:, :3]
  if kind == "equal":
    left = right = np.eye(6)
  if kind == "one":
    left[1:] = 0
  if kind == "zero":
    left[:] = 0
  if kind == "dependent":
    left[3:] = left[:3]
    right[3:] = right[:3]
  return jnp.asarray(left), jnp.asarray(right)


def _least_variance(values, rank):
  """(sum of the mixed)^2 / k - sum of their squares, largest ones kept."""
  values = np.append(np.sort(values)[::-1], np.zeros(rank))
  for num_kept in range(rank):
    mixed = values[num_kept:]
    k = rank - num_kept
    if k * mixed[0] <= mixed.sum() * (1 + 1e-12):
      return mixed.sum() ** 2 / k - np.sum(mixed**2)
  return 0.0


class BalanceTest(parameterized.TestCase):
  @parameterized.product(
    left=(0.0, 1e-40, 1e-25, 1.0, 1e25, 3e38, np.inf),
    right=(0.0, 1e-40, 1e-25, 1.0, 1e25, 3e38, np.inf),
    dtype=("float32", "bfloat16", "float64"),
  )
  def test_factors_are_numbers_whatever_comes(self, left, right, dtype):
    with oracles.float64():
      pair = ([jnp.full(3, size, dtype)] for size in (left, right))
      factors = np.array(low_rank.balance(*pair))
      self.assertTrue(np.all(np.isfinite(factors) & (factors > 0)), factors)
      np.testing.assert_allclose(factors[0] * factors[1], 1, rtol=1e-6)
      is_plain = all(1e-30 < size < 1e30 for size in (left, right))
      if is_plain and dtype == "float64":
        expected = np.sqrt(right / left)
        np.testing.assert_allclose(factors[0], expected, rtol=1e-12)

  def test_no_parameters(self):
    chex.assert_trees_all_close(low_rank.balance([], []), (1.0, 1.0))


class ReduceRankTest(parameterized.TestCase):
  @parameterized.product(
    kind=("plain", "graded", "narrow", "equal", "one", "zero", "dependent"),
    rank=(1, 2, 4, 5),
  )
  def test_mean_and_variance_over_all_signs(self, kind, rank):
    with oracles.float64():
      left, right = _matrices(kind)
      signs = jnp.asarray(list(itertools.product((1.0, -1.0), repeat=6)))
      reduce = lambda s: low_rank.reduce_with_signs(s, left, right, rank)
      lefts, rights = jax.jit(jax.vmap(reduce))(signs)
      self.assertEqual(lefts.shape[1:], (rank, left.shape[1]))
      self.assertEqual(rights.shape[1:], (rank, right.shape[1]))
      products = np.einsum("kri,krj->kij", lefts, rights)
      exact = np.asarray(left.T @ right)
      np.testing.assert_allclose(products.mean(0), exact, atol=1e-10)
      variance = np.mean(np.sum((products - exact) ** 2, (1, 2)))
      values = np.linalg.svd(exact, compute_uv=False)
      least = _least_variance(values, rank)
      scale = np.sum(values) ** 2
      np.testing.assert_allclose(variance, least, rtol=1e-8, atol=1e-12 * scale)
      if kind == "plain":
        # Products with random signs in `rank` groups.
        plain = [
          (np.sum(a**2, 1), np.sum(b**2, 1))
          for a, b in (
            (np.asarray(left)[i::rank], np.asarray(right)[i::rank])
            for i in range(rank)
          )
        ]
        grouped = sum(
          np.sum(a[:, None] * b[None]) - np.sum(a * b) for a, b in plain
        )
        self.assertLess(variance, grouped)

  def test_full_rank_is_exact_however_far_apart_the_values_are(self):
    rng = np.random.default_rng(0)
    u, v, w = (
      np.linalg.qr(rng.normal(size=(100, 14, 14)))[0] for _ in range(3)
    )
    d = 10.0 ** -rng.uniform(0, 8, size=(100, 1, 13))
    rights = (w[..., :13] * d) @ v[..., :13, :13]
    with oracles.float64():
      lefts, rights = map(jnp.asarray, (u, rights))
      reduce = jax.vmap(lambda a, b: low_rank.reduce_rank(_KEY, a, b, 13))
      found = [
        np.einsum("kri,krj->kij", *f)
        for f in (reduce(lefts, rights), (lefts, rights))
      ]
    np.testing.assert_allclose(*found, atol=1e-12)

  @parameterized.product(
    kind=("plain", "graded", "one", "zero", "dependent"),
    dtype=("float32", "bfloat16"),
  )
  def test_shorter_numbers(self, kind, dtype):
    left, right = (m.astype(dtype) for m in _matrices(kind))
    keys = jax.random.split(jax.random.key(0), 64)
    reduce = lambda key: low_rank.reduce_rank(key, left, right, 3)
    lefts, rights = jax.jit(jax.vmap(reduce))(keys)
    self.assertEqual((lefts.dtype, rights.dtype), (dtype, dtype))
    chex.assert_tree_all_finite((lefts, rights))

  def test_a_sum_that_is_short_enough_stays_what_it_is(self):
    left, right = _matrices("plain")
    actual = low_rank.reduce_rank(jax.random.key(0), left, right, 7)
    np.testing.assert_array_equal(actual[0][:6], left)
    np.testing.assert_array_equal(actual[1][:6], right)
    self.assertFalse(np.any(actual[0][6:]))

  def test_decomposition_of_many_rows(self):
    with oracles.float64():
      rng = np.random.default_rng(0)
      full, narrow = rng.normal(size=(33, 33)), rng.normal(size=(33, 9))
      for matrix in (full, narrow @ narrow.T):
        u_t, d, v_t = jax.jit(low_rank._svd)(jnp.asarray(matrix))
        np.testing.assert_allclose((u_t.T * d[None]) @ v_t, matrix, atol=1e-11)
        np.testing.assert_allclose(u_t @ u_t.T, np.eye(33), atol=1e-11)
        is_kept = np.diag(np.asarray(d > 0, float))
        np.testing.assert_allclose(v_t @ v_t.T, is_kept, atol=1e-9)
        values = np.linalg.svd(matrix, compute_uv=False)
        np.testing.assert_allclose(np.sort(d)[::-1], values, atol=1e-11)


if __name__ == "__main__":
  absltest.main()
