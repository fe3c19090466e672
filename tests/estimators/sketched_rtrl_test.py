"""SnAp-1 with a sketch: its limit, its bound, what it costs."""

import functools

import jax
import numpy as np
from absl.testing import absltest, parameterized
from jax import flatten_util
from jax import numpy as jnp

import nnfun as nf
from tests import oracles

_NUM_STEPS = 12


def _setting(cell_name, gain=1.0, dtype=None):
  cell = oracles.CELLS[cell_name]()
  loss_fn = oracles.make_loss(cell)
  params = oracles.make_params(cell, dtype=dtype)
  params["cell"] = jax.tree.map(lambda w: gain * w, params["cell"])
  return cell, loss_fn, params, *oracles.make_episode(_NUM_STEPS, dtype=dtype)


def _influences(cell, rank):
  """(J as the sketch has it, its bound) after every step, compiled."""
  estimator = nf.estimators.sketched_rtrl(
    cell, nf.estimators.cotangent_loss, rank=rank
  )

  def of_row(theta, state, x_t, row):
    params = {"cell": theta, "readout": {}}
    _, unravel = flatten_util.ravel_pytree(cell.initial_state())
    cotangent = jax.tree.map(lambda c: c[None], unravel(row))
    state, estimate = estimator.update(params, state, x_t[None], cotangent)
    return state, flatten_util.ravel_pytree(estimate.grads["cell"])[0]

  @jax.jit
  def run(theta, xs):
    size = flatten_util.ravel_pytree(cell.initial_state())[0].size
    rows = jnp.eye(size, dtype=xs.dtype)

    def body(state, x_t):
      # Whatever the cotangent, the state after the step is the same.
      states, jacobian = jax.vmap(of_row, (None, None, None, 0))(
        theta, state, x_t, rows
      )
      state = jax.tree.map(lambda leaf: leaf[0], states)
      return state, (jacobian, state.influence.bound)

    params = {"cell": theta, "readout": {}}
    return jax.lax.scan(body, estimator.init(params, jax.random.key(0)), xs)[1]

  return run


def _exact_influences(cell, theta, xs):
  flat, unravel = flatten_util.ravel_pytree(theta)

  @jax.jit
  @jax.jacfwd
  def jacobians(flat):
    def body(state, x_t):
      state = cell.step(unravel(flat), state, x_t)
      return state, flatten_util.ravel_pytree(state)[0]

    return jax.lax.scan(body, oracles.start(cell, {"cell": theta}), xs)[1]

  return jacobians(flat)


class SketchedRtrlTest(parameterized.TestCase):
  @parameterized.parameters("vanilla", "lstm", "lru", "flax")
  def test_of_full_rank_it_is_exact(self, cell_name):
    with oracles.float64():
      cell, loss_fn, params, xs, ys = _setting(cell_name)
      _, expected = oracles.whole_gradient(cell, loss_fn, params, xs, ys)
      actual = jax.jit(
        functools.partial(
          nf.training.episode_gradient,
          nf.estimators.sketched_rtrl(cell, loss_fn, rank=8),
          segment=3,
        )
      )(params, jax.random.key(0), xs, ys)
      oracles.assert_same_gradient(actual.grads, expected)

  @parameterized.product(
    cell_name=("vanilla", "lstm", "sparse"), rank=(1, 2, 4)
  )
  def test_bound_is_never_violated(self, cell_name, rank):
    """Where the state forgets, and where its influence grows."""
    for wide in (False, True):
      with oracles.float64():
        dtype = jnp.float64 if wide else jnp.float32
        cell, _, params, xs, _ = _setting(cell_name, dtype=dtype)
        run = _influences(cell, rank)
        # At 3 it is chaotic: float32 is soon at another state.
        for gain in (0.3, 1.0, 3.0) if wide else (0.3, 1.0):
          theta = jax.tree.map(lambda w, g=gain: g * w, params["cell"])
          exact = _exact_influences(
            cell,
            jax.tree.map(lambda w: w.astype(jnp.float64), theta),
            xs.astype(jnp.float64),
          )
          approximate, bounds = run(theta, xs)
          errors = np.linalg.norm(exact - approximate, axis=(1, 2))
          # A few roundings of each step, which no bound on the sketch knows.
          rounding = 4 * _NUM_STEPS * jnp.finfo(dtype).eps
          rounding *= np.linalg.norm(exact, axis=(1, 2))
          excess = errors - np.asarray(bounds) - rounding
          self.assertLessEqual(excess.max(), 0.0)
          if wide and rank == 1:
            self.assertGreater(errors.max(), 1e-3)

  def test_bound_is_of_the_size_of_the_error(self):
    """Within a factor of ten over a dozen steps, where the state forgets."""
    with oracles.float64():
      cell, _, params, xs, _ = _setting("vanilla")
      exact = _exact_influences(cell, params["cell"], xs)
      approximate, bounds = _influences(cell, 1)(params["cell"], xs)
      errors = np.linalg.norm(exact - approximate, axis=(1, 2))
      self.assertLess(np.max(bounds[2:] / errors[2:]), 10)

  @parameterized.parameters("vanilla", "lstm", "flax")
  def test_an_error_grows_by_the_norm_of_a_step(self, cell_name):
    """With nothing thrown away: by the largest singular value of Phi."""
    with oracles.float64():
      cell, loss_fn, params, xs, ys = _setting(cell_name)
      estimator = nf.estimators.sketched_rtrl(cell, loss_fn, rank=8)
      state = estimator.init(params, jax.random.key(0))
      state, _ = estimator.update(params, state, xs[:3], ys[:3])
      one = jnp.ones_like(state.influence.bound)
      wrong = state.influence._replace(bound=one)
      after, _ = estimator.update(
        params, state._replace(influence=wrong), xs[3:4], ys[3:4]
      )
      flat, unravel = flatten_util.ravel_pytree(state.cell)

      def step(flat):
        state_t = cell.step(params["cell"], unravel(flat), xs[3])
        return flatten_util.ravel_pytree(state_t)[0]

      norm = np.linalg.norm(jax.jacfwd(step)(flat), 2)
      growth = float(after.influence.bound) / norm
      self.assertBetween(growth, 1.0, 1.002)

  def test_error_falls_with_the_rank(self):
    with oracles.float64():
      cell, _, params, xs, _ = _setting("vanilla")
      exact = _exact_influences(cell, params["cell"], xs)
      errors = [
        np.linalg.norm(exact - _influences(cell, rank)(params["cell"], xs)[0])
        for rank in (1, 2, 4)
      ]
      self.assertLess(errors[1], 0.7 * errors[0])
      self.assertLess(errors[2], 1e-9)

  def test_memory_follows_the_rank(self):
    cell = nf.cells.vanilla(num_inputs=3, num_units=32)
    params = {"cell": cell.init(jax.random.key(0)), "readout": {}}
    for rank, expected in ((2, 2), (5, 5), (100, 32)):
      estimator = nf.estimators.sketched_rtrl(
        cell, nf.estimators.cotangent_loss, rank=rank
      )
      state = jax.eval_shape(estimator.init, params, jax.random.key(0))
      (right,) = state.influence.right
      self.assertEqual(right.shape, (expected, params["cell"].size))

  def test_arguments(self):
    cell, loss_fn = oracles.CELLS["bare"](), oracles.make_loss(None)
    with self.assertRaisesRegex(ValueError, "defined for cells with an input_"):
      nf.estimators.sketched_rtrl(cell, loss_fn, rank=2)
    with self.assertRaisesRegex(ValueError, "rank to be a positive integer"):
      nf.estimators.sketched_rtrl(oracles.CELLS["gru"](), loss_fn, rank=0)


if __name__ == "__main__":
  absltest.main()
