"""Patterns of Jacobians against the Jacobians themselves."""

import jax
import numpy as np
from absl.testing import absltest, parameterized
from jax import flatten_util
from jax import numpy as jnp
from scipy import sparse

from nnfun import sparsity
from tests import oracles


def _nonzero(function, *args):
  """Which entries differ from zero in one of a few random points."""
  flat, unravels = zip(*map(flatten_util.ravel_pytree, args), strict=True)

  def of_flat(*flat):
    values = function(*[u(f) for u, f in zip(unravels, flat, strict=True)])
    return flatten_util.ravel_pytree(values)[0]

  jacobians_fn = jax.jit(jax.jacrev(of_flat, tuple(range(len(args)))))
  rng, found = np.random.default_rng(0), [False] * len(args)
  for _ in range(4):
    point = [rng.normal(size=f.shape).astype(f.dtype) for f in flat]
    found = [
      f | (np.asarray(j) != 0)
      for f, j in zip(found, jacobians_fn(*point), strict=True)
    ]
  return found


def _pattern(function, *args):
  return [p.toarray() for p in sparsity.jacobian_pattern(function, *args)]


@jax.custom_jvp
def _surrogate(x):
  """Nothing, with the derivative of a sine."""
  return jnp.zeros_like(x)


_surrogate.defjvp(lambda x, t: (_surrogate(*x), t[0] * jnp.cos(x[0])))


@jax.custom_vjp
def _masked(x, mask):
  return mask * x


_masked.defvjp(
  lambda x, m: (m * x, m), lambda m, g: (m[::-1] * g, jnp.zeros_like(m))
)


def _with_rule(function, pull):
  """A function whose cotangents come back in another way."""
  ruled = jax.custom_vjp(function)
  ruled.defvjp(lambda x: (function(x), None), lambda _, g: (pull(g),))
  return ruled


# Of a vector [4]; no entry but those of the Jacobian, and all of them.
_SHARP = {
  "shift": lambda x: jnp.roll(x, 1) * x,
  "pieces": lambda x: jnp.concatenate([x[2:], 2 * x[:1], jnp.ones(1)]),
  "stack": lambda x: jnp.stack([x, jnp.flip(x)]).T,
  "pad": lambda x: jnp.pad(x[1:3], (1, 2)),
  "sum": lambda x: x.reshape(2, 2).sum(0),
  "masked": lambda x: x * jnp.array([1.0, 0.0, 0.0, 2.0]),
  "chosen": lambda x: jnp.where(jnp.arange(4) < 2, x, x[::-1]),
  "gather": lambda x: x[jnp.array([3, 3, 0])],
  "matrix": lambda x: jnp.tril(jnp.ones((4, 4))) @ x,
  "row times matrix": lambda x: x @ jnp.tril(jnp.ones((4, 4))),
  "einsum": lambda x: jnp.einsum("ij,jk->ki", x.reshape(2, 2), jnp.eye(2)),
  "batch": lambda x: jax.vmap(jnp.dot)(x.reshape(2, 2), x.reshape(2, 2)),
  "inner": lambda x: jax.nn.softmax(x.reshape(2, 2)),
  "custom": lambda x: jax.nn.relu(x) + jax.nn.silu(x),
  "rule forward": lambda x: _surrogate(x) * jnp.arange(4.0),
  "rule back": _with_rule(lambda x: 0 * x, lambda g: jnp.roll(g, 1)),
  "rule of a mask": lambda x: _masked(x, jnp.array([1.0, 0.0, 0.0, 1.0])),
  "complex rule": lambda x: jnp.real(_surrogate(x + 0j)),
  "rule of a product": lambda x: jnp.tril(jnp.ones((4, 4))) @ _surrogate(x),
  "jit": lambda x: jax.jit(jnp.sin)(x),
  "checkpoint": lambda x: jax.checkpoint(jnp.cos)(x) ** 2,
  "where": lambda x: jnp.where(x > 0, x, 0.5 * x),
}
# Which need not be known: too much is allowed, too little is not.
_BLUNT = {
  "sort": jnp.sort,
  "cumsum": jnp.cumsum,
  "scan": lambda x: jax.lax.scan(lambda c, y: (c + y, c * y), 0.0, x)[1],
  "cond": lambda x: jax.lax.cond(x[0] > 0, jnp.sin, jnp.flip, x),
  "filled": lambda x: (
    x.at[jnp.array([0, 9, 1, 3])].get(mode="fill", fill_value=1.0) * x
  ),
  "lookup": lambda x: x.reshape(2, 2)[jnp.int32(x[0] > 0)],
  "written": lambda x: jnp.zeros(4).at[1].set(x[0]),
  "noise": lambda x: x * jax.random.normal(jax.random.key(3), (4,)),
  "index": lambda x: x[jnp.argmax(x)],
  "norm": lambda x: x / jnp.linalg.norm(x),
  "rule beside": _with_rule(lambda x: jnp.sin(x), jnp.cumsum),
  "rule of several": lambda x: jax.vmap(_surrogate)(x.reshape(2, 2)) * x[0],
}


class PatternTest(parameterized.TestCase):
  @parameterized.parameters(*oracles.CELLS)
  def test_of_a_step_of_each_cell(self, name):
    cell = oracles.CELLS[name]()
    theta = oracles.make_params(cell)["cell"]
    state = oracles.start(cell, {"cell": theta})
    args = cell.step, theta, state, jnp.ones(oracles.NUM_INPUTS)
    for actual, expected in zip(_pattern(*args), _nonzero(*args), strict=True):
      np.testing.assert_array_equal(actual, expected)

  @parameterized.parameters(*_SHARP)
  def test_is_exact(self, name):
    x = jnp.arange(4.0)
    (actual,), (expected,) = (
      _pattern(_SHARP[name], x),
      _nonzero(_SHARP[name], x),
    )
    np.testing.assert_array_equal(actual, expected)

  @parameterized.parameters(*_BLUNT)
  def test_is_never_too_small(self, name):
    x = jnp.arange(4.0)
    (actual,), (expected,) = (
      _pattern(_BLUNT[name], x),
      _nonzero(_BLUNT[name], x),
    )
    self.assertTrue(np.all(actual | ~expected))

  def test_is_not_one_of_values(self):
    """Units that are saturated, or not there yet, stay in."""
    saturated = jnp.full(4, 1e4)
    (actual,) = _pattern(jnp.tanh, saturated)
    self.assertFalse(np.any(jax.jacfwd(jnp.tanh)(saturated)))
    np.testing.assert_array_equal(actual, np.eye(4, dtype=bool))
    weights = jnp.zeros((4, 4))
    of_weights, of_x = _pattern(jnp.dot, weights, saturated)
    self.assertTrue(of_x.all())
    self.assertEqual(of_weights.sum(), 16)

  def test_of_a_function_with_traced_constants(self):
    @jax.jit
    def traced(scale):
      (pattern,) = _pattern(lambda x: jnp.sin(scale * x), jnp.ones(3))
      return jnp.asarray(pattern)

    np.testing.assert_array_equal(traced(jnp.zeros(3)), np.eye(3, dtype=bool))

  def test_is_found_once_for_each_function_and_shapes(self):
    calls = []

    def function(x):
      calls.append(1)
      return jnp.sin(x)

    for size in (3, 3, 4, 3):
      (pattern,) = sparsity.cached_pattern(function, jnp.ones(size))
      np.testing.assert_array_equal(pattern.toarray(), np.eye(size, dtype=bool))
    self.assertLen(calls, 2)

  def test_of_a_function_without_a_hash(self):
    class Scaled:
      __hash__ = None

      def __call__(self, x):
        return 2 * x

    (pattern,) = sparsity.cached_pattern(Scaled(), jnp.ones(3))
    np.testing.assert_array_equal(pattern.toarray(), np.eye(3, dtype=bool))


class ColorsTest(parameterized.TestCase):
  @parameterized.product(seed=(0, 1, 2, 3), density=(0.0, 0.05, 0.3, 1.0))
  def test_rows_of_one_colour_do_not_meet(self, seed, density):
    pattern = np.random.default_rng(seed).random((12, 30)) < density
    colors = sparsity.colors(sparse.csr_array(pattern))
    self.assertEqual(set(colors), set(range(colors.max() + 1)))
    for color in range(colors.max() + 1):
      self.assertLessEqual(pattern[colors == color].sum(0).max(initial=0), 1)
    # No more than the greedy bound: neighbours of a row, and itself.
    meets = pattern.astype(int) @ pattern.T > 0
    self.assertLessEqual(colors.max(), max(1, meets.sum(1).max()) - 1)

  def test_diagonal_needs_one_and_dense_as_many_as_rows(self):
    for pattern, expected in ((np.eye(5), 1), (np.ones((5, 5)), 5)):
      colors = sparsity.colors(sparse.csr_array(pattern.astype(bool)))
      self.assertEqual(colors.max() + 1, expected)


if __name__ == "__main__":
  absltest.main()
