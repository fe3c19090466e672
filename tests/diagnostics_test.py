"""Diagnostics against closed forms."""

import jax
import numpy as np
from absl.testing import absltest, parameterized
from jax import numpy as jnp

import nnfun as nf
from tests import oracles


class GradientNormByLagTest(parameterized.TestCase):
  @parameterized.parameters("vanilla", "lstm", "lru")
  def test_is_the_gradient_with_respect_to_each_state(self, name):
    with oracles.float64():
      cell = oracles.CELLS[name]()
      loss_fn = oracles.make_loss(cell)
      params = oracles.make_params(cell)
      xs, ys = oracles.make_episode(6)
      actual = nf.diagnostics.gradient_norm_by_lag(
        cell, loss_fn, params, xs, ys[-1]
      )
      states = [oracles.start(cell, params)]
      for x_t in xs:
        states.append(cell.step(params["cell"], states[-1], x_t))
      for lag in range(6):

        def last_loss(state, lag=lag):
          for x_t in xs[6 - lag :]:
            state = cell.step(params["cell"], state, x_t)
          return loss_fn(params, state, ys[-1])

        grads = jax.tree.leaves(jax.grad(last_loss)(states[6 - lag]))
        norm = np.sqrt(sum(np.sum(np.asarray(g) ** 2) for g in grads))
        np.testing.assert_allclose(actual[lag], norm, rtol=1e-10)

  def test_linear_cell_decays_by_its_eigenvalue(self):
    """W = 0.5 Q, Q orthogonal: the norm halves at every step."""
    cell = nf.cells.linear(num_inputs=1, num_units=4)
    theta = cell.init(jax.random.key(0)).at[:, :4].multiply(0.5)
    params = {"cell": theta, "readout": {}}
    norms = nf.diagnostics.gradient_norm_by_lag(
      cell,
      lambda params, h, y: h[0] * y,
      params,
      jnp.ones((8, 1)),
      jnp.float32(3.0),
    )
    np.testing.assert_allclose(norms, 3 * 0.5 ** np.arange(8), rtol=1e-5)


class EstimatorErrorTest(parameterized.TestCase):
  def test_known_bias_and_spread(self):
    """Estimates exact + b + s noise, the noise of unit variance per entry."""
    exact = {"a": jnp.array([3.0, 0.0]), "b": jnp.array([[0.0, 4.0]])}
    noise = jax.random.normal(jax.random.key(0), (10_000, 4))
    samples = jnp.array([[3.0, 0.0, 0.0, 4.0]]) + 0.5 * noise
    samples = samples.at[:, 1].add(1.0)
    estimates = {"a": samples[:, :2], "b": samples[:, 2:].reshape(-1, 1, 2)}
    error = nf.diagnostics.estimator_error(estimates, exact)
    spread = np.sqrt(4 * 0.25)  # of one estimate, over its four entries
    self.assertAlmostEqual(
      float(error.standard_error), spread / 100 / 5, delta=2e-5
    )
    self.assertAlmostEqual(float(error.relative_bias), 1 / 5, delta=0.01)
    self.assertAlmostEqual(
      float(error.relative_deviation), np.sqrt(spread**2 + 1) / 5, delta=0.01
    )
    self.assertAlmostEqual(
      float(error.cosine), 25 / (5 * np.sqrt(26)), delta=0.002
    )

  def test_exact(self):
    exact = {"a": jnp.array([1.0, -2.0])}
    error = nf.diagnostics.estimator_error(
      jax.tree.map(lambda leaf: leaf[None], exact), exact
    )
    self.assertAlmostEqual(float(error.cosine), 1.0, places=6)
    self.assertEqual(float(error.relative_bias), 0.0)
    self.assertTrue(np.isnan(error.standard_error))

  @parameterized.parameters(jnp.bfloat16, jnp.float16)
  def test_narrow_estimates_are_compared_in_float32(self, dtype):
    rng = np.random.default_rng(0)
    exact = jnp.array([300.0, -200.0, 100.0], dtype)  # squares beyond float16
    noise = jnp.asarray(rng.normal(size=(3000, 3)), dtype)
    estimates = exact[None] + noise
    actual = nf.diagnostics.estimator_error(estimates, exact)
    one, all_ = np.asarray(exact, float), np.asarray(estimates, float)
    mean, size = all_.mean(axis=0), np.linalg.norm(one)
    variance = np.sum((all_ - mean) ** 2) / 2999
    expected = (
      mean @ one / (np.linalg.norm(mean) * size),
      np.linalg.norm(mean - one) / size,
      np.sqrt(variance / 3000) / size,
      np.sqrt(np.sum((all_ - one) ** 2) / 3000) / size,
    )
    np.testing.assert_allclose(actual, expected, rtol=1e-3)
    np.testing.assert_allclose(actual[0], expected[0], rtol=1e-6)
    self.assertEqual({x.dtype for x in actual}, {jnp.dtype("float32")})

  @parameterized.parameters(*range(-100, 101, 25))
  def test_is_free_of_scale(self, exponent):
    rng = np.random.default_rng(0)
    exact = rng.normal(size=7)
    for relative in (1.0, 2.0**-10):
      # Estimates about the exact gradient, and much smaller ones.
      estimates = relative * (exact[np.newaxis] + rng.normal(size=(5, 7)))
      mean, size = estimates.mean(axis=0), np.linalg.norm(exact)
      expected = (
        mean @ exact / (np.linalg.norm(mean) * size),
        np.linalg.norm(mean - exact) / size,
        np.sqrt(np.sum((estimates - mean) ** 2) / 4 / 5) / size,
        np.sqrt(np.sum((estimates - exact) ** 2) / 5) / size,
      )
      actual = jax.jit(nf.diagnostics.estimator_error)(
        np.float32(2.0**exponent * estimates), np.float32(2.0**exponent * exact)
      )
      np.testing.assert_allclose(actual, expected, rtol=1e-5)

  def test_structures(self):
    with self.assertRaisesRegex(ValueError, "structure of the exact"):
      nf.diagnostics.estimator_error({"a": jnp.ones((1, 2))}, jnp.ones(2))


class FirstNonfiniteStepTest(parameterized.TestCase):
  @parameterized.parameters((np.nan, 3), (np.inf, 0), (-np.inf, 6))
  def test_locates(self, value, step):
    tree = {"loss": jnp.ones(7), "grads": jnp.ones((7, 2, 3))}
    tree["grads"] = tree["grads"].at[step:, 1, 2].set(value)
    tree["loss"] = tree["loss"].at[6].set(jnp.nan)
    self.assertEqual(int(nf.diagnostics.first_nonfinite_step(tree)), step)

  def test_none(self):
    found = jax.jit(nf.diagnostics.first_nonfinite_step)(jnp.ones((7, 2)))
    self.assertEqual(int(found), 7)

  @parameterized.parameters(((0,),), ((0, 3),), ((0, 3, 2),))
  def test_no_steps(self, shape):
    found = jax.jit(nf.diagnostics.first_nonfinite_step)(jnp.ones(shape))
    self.assertEqual(int(found), 0)

  @parameterized.parameters(
    ((np.float32(1),), r"got shapes \[\[\]\]"),
    ((np.ones(7), np.float32(1)), r"got shapes \[\[7\], \[\]\]"),
    ((np.ones(7), np.ones((6, 2))), r"got shapes \[\[7\], \[6, 2\]\]"),
    ((), r"got shapes \[\]"),
  )
  def test_refuses(self, tree, message):
    with self.assertRaisesRegex(ValueError, "one number T.*" + message):
      nf.diagnostics.first_nonfinite_step(tree)


class NonfiniteTest(parameterized.TestCase):
  def test_says_which_leaves(self):
    values = jnp.array([1.0, jnp.nan, jnp.inf, -jnp.inf])
    params = {"a": jnp.ones((2, 3)), "b": values[:2], "n": jnp.arange(2)}
    estimate = nf.base.Estimate(values[0], {"a": values[2:], "b": values[:1]})
    found = jax.jit(nf.diagnostics.nonfinite)(params, estimate)
    self.assertEqual(
      jax.tree.map(bool, found),
      nf.diagnostics.NonFinite(
        {"a": False, "b": True, "n": False}, False, {"a": True, "b": False}
      ),
    )


if __name__ == "__main__":
  absltest.main()
