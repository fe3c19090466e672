"""Pascanu's penalty against loops in NumPy, its gradient as he defines it."""

import functools

import jax
import numpy as np
from absl.testing import absltest, parameterized
from jax import flatten_util
from jax import numpy as jnp

import nnfun as nf
from tests import oracles

_NUM_STEPS = 4


@functools.cache
def _setting(name):
  """Cell, loss, parameters, inputs, targets, and what was backpropagated."""
  cell = oracles.CELLS[name]()
  loss_fn = oracles.make_loss(cell)
  params = oracles.make_params(cell)
  xs, ys = oracles.make_episode(_NUM_STEPS)
  passed = _backpropagate(cell, loss_fn)(params, xs, ys)
  return cell, loss_fn, params, xs, ys, passed


@functools.cache
def _backpropagate(cell, loss_fn):
  return jax.jit(
    functools.partial(nf.regularizers.backpropagate, cell, loss_fn)
  )


def _penalty(cell, theta, passed, xs, **settings):
  return nf.regularizers.norm_preservation(
    cell, theta, passed.states_tm1, xs, passed.errors, **settings
  )


def _vanilla_loop(w_rec, states, errors, power):
  """Equations 9 (power 1) and 10 (power 2) for h_t = tanh(W h_tm1 + ...)."""
  omega = 0.0
  for h_t, error in zip(states[1:], errors, strict=True):
    carried = (error * (1 - h_t**2)) @ w_rec
    ratio = np.linalg.norm(carried) / np.linalg.norm(error)
    omega += (ratio**power - 1) ** 2
  return omega


class BackpropagateTest(parameterized.TestCase):
  @parameterized.parameters("vanilla", "lstm")
  def test_is_the_derivative_with_respect_to_each_state(self, name):
    with oracles.float64():
      cell, loss_fn, params, xs, ys, passed = _setting(name)

      def total(params, nudges):
        state, loss, before = oracles.start(cell, params), 0.0, []
        for x_t, y_t, nudge in zip(xs, ys, nudges, strict=True):
          before.append(state)
          state = cell.step(params["cell"], state, x_t)
          state = jax.tree.map(jnp.add, state, nudge)
          loss += loss_fn(params, state, y_t)
        return loss, before

      zeros = [oracles.start(cell, params)] * _NUM_STEPS  # All cells start so.
      (loss, before), (grads, errors) = jax.jit(
        jax.value_and_grad(total, (0, 1), has_aux=True)
      )(params, zeros)
      np.testing.assert_allclose(passed.loss, loss, rtol=1e-12)
      oracles.assert_same_gradient(passed.grads, grads)
      stack = lambda trees: jax.tree.map(lambda *x: jnp.stack(x), *trees)
      oracles.assert_same_gradient(passed.errors, stack(errors))
      oracles.assert_same_gradient(passed.states_tm1, stack(before))


class NormPreservationTest(parameterized.TestCase):
  @parameterized.parameters((False, 1), (True, 2))
  def test_is_a_loop_and_its_gradient_holds_all_but_w(self, squared, power):
    with oracles.float64():
      cell, _, params, xs, _, passed = _setting("vanilla")
      theta, size = params["cell"], oracles.NUM_UNITS
      penalty = functools.partial(_penalty, cell, squared=squared)
      value, slope = jax.jit(jax.value_and_grad(penalty))(theta, passed, xs)
      w = np.asarray(theta)
      states = [np.zeros(size)]
      for x_t in np.asarray(xs):
        states.append(np.tanh(w @ np.concatenate([states[-1], x_t, [1]])))
      errors, w_rec = np.asarray(passed.errors), w[:, :size]
      expected = _vanilla_loop(w_rec, states, errors, power)
      self.assertGreater(expected, 0.01)
      np.testing.assert_allclose(value, expected, rtol=1e-10)
      # States and errors held: only W varies. Central differences.
      for i, j in np.ndindex(size, size):
        nudge = np.zeros((size, size))
        nudge[i, j] = 1e-5
        difference = _vanilla_loop(w_rec + nudge, states, errors, power)
        difference -= _vanilla_loop(w_rec - nudge, states, errors, power)
        np.testing.assert_allclose(
          slope[i, j], difference / 2e-5, rtol=1e-5, atol=1e-8
        )
      np.testing.assert_array_equal(slope[:, size:], 0)

  @parameterized.parameters(jnp.bfloat16, jnp.float16)
  def test_narrow_cells(self, dtype):
    cell, loss_fn, *arrays, _ = _setting("vanilla")
    params, xs, ys = jax.tree.map(lambda a: jnp.asarray(a, dtype), arrays)
    passed = _backpropagate(cell, loss_fn)(params, xs, ys)
    penalty = jax.jit(jax.value_and_grad(functools.partial(_penalty, cell)))
    value, slope = penalty(params["cell"], passed, xs)
    self.assertEqual(slope.dtype, dtype)
    w, errors, states = (
      np.asarray(a, np.float64)
      for a in (params["cell"], passed.errors, passed.states_tm1)
    )
    last = np.tanh(w @ np.concatenate([states[-1], xs[-1], [1]]))
    w_rec = w[:, : oracles.NUM_UNITS]
    expected = _vanilla_loop(w_rec, [*states, last], errors, 1)
    np.testing.assert_allclose(value, expected, rtol=4 * jnp.finfo(dtype).eps)

  def test_the_whole_derivative_is_another(self):
    """The control: were states and errors not held, the slope would differ."""
    with oracles.float64():
      cell, loss_fn, params, xs, ys, _ = _setting("vanilla")
      theta = 2 * params["cell"]  # Where tanh bends.
      params = {**params, "cell": theta}
      passed = _backpropagate(cell, loss_fn)(params, xs, ys)
      penalty = jax.jit(functools.partial(_penalty, cell))
      slope = jax.jit(jax.grad(functools.partial(_penalty, cell)))(
        theta, passed, xs
      )

      def whole(theta):
        moved = {**params, "cell": theta}
        return penalty(theta, _backpropagate(cell, loss_fn)(moved, xs, ys), xs)

      size = np.linalg.norm(slope)
      step = 1e-5 * np.asarray(slope) / size
      actual = (whole(theta + step) - whole(theta - step)) / 2e-5
      self.assertGreater(abs(actual / size - 1), 0.05)

  @parameterized.parameters("lstm", "gru")
  def test_value_from_the_jacobian_of_the_step(self, name):
    with oracles.float64():
      cell, _, params, xs, _, passed = _setting(name)
      flat, unravel = flatten_util.ravel_pytree(oracles.start(cell, params))

      def step(s, x_t):
        state_t = cell.step(params["cell"], unravel(s), x_t)
        return flatten_util.ravel_pytree(state_t)[0]

      # The parts of a state in the order in which they are flattened.
      states, errors = (
        np.concatenate(jax.tree.leaves(tree), axis=1)
        for tree in (passed.states_tm1, passed.errors)
      )
      self.assertEqual(states.shape, (_NUM_STEPS, flat.size))
      jacobians = jax.jit(jax.vmap(jax.jacobian(step)))(states, xs)
      carried = np.einsum("ti,tij->tj", errors, jacobians)
      ratios = np.linalg.norm(carried, axis=1) / np.linalg.norm(errors, axis=1)
      actual = jax.jit(functools.partial(_penalty, cell))(
        params["cell"], passed, xs
      )
      np.testing.assert_allclose(actual, np.sum((ratios - 1) ** 2), rtol=1e-10)


def _read_first(params, h_t, y_t):
  del params
  return h_t[0] * y_t


class OrthogonalLinearTest(parameterized.TestCase):
  """W = g Q: every ratio is g."""

  @classmethod
  def setUpClass(cls):
    super().setUpClass()
    cls.cell = nf.cells.linear(num_inputs=1, num_units=4)
    cls.theta = cls.cell.init(jax.random.key(0))
    cls.xs = jnp.ones((6, 1))

  def penalty(self, gain, ys, **settings):
    """Returns Omega and its slope."""
    theta = self.theta.at[:, :4].multiply(gain)
    params = {"cell": theta, "readout": {}}
    passed = _backpropagate(self.cell, _read_first)(params, self.xs, ys)
    function = functools.partial(_penalty, self.cell, **settings)
    return jax.jit(jax.value_and_grad(function))(theta, passed, self.xs)

  @parameterized.parameters((1.0, False, 0.0), (0.5, False, 0.25),
                            (0.5, True, 0.5625))  # fmt: skip
  def test_omega_is_known(self, gain, squared, of_one_step):
    """T (g - 1)^2, or T (g^2 - 1)^2."""
    value, slope = self.penalty(gain, jnp.ones(6), squared=squared)
    np.testing.assert_allclose(value, 6 * of_one_step, rtol=1e-5, atol=1e-9)
    if gain == 1:
      np.testing.assert_allclose(slope, np.zeros_like(slope), atol=1e-5)
    else:  # Against the slope is growth.
      growth = np.sum(slope[:, :4] * self.theta[:, :4])
      self.assertLess(growth, -0.1)

  def test_steps_without_error_do_not_count(self):
    """The loss is that of step 2: nothing later has an error."""
    ys = jnp.array([0.0, 1.0, 0.0, 0.0, 0.0, 0.0])
    value, slope = self.penalty(0.5, ys)
    np.testing.assert_allclose(value, 2 * 0.25, rtol=1e-5)
    self.assertTrue(np.all(np.isfinite(slope)))
    # Errors of norm 1 and 1/2; what is below the bound does not count either.
    value, _ = self.penalty(0.5, ys, min_error=0.7)
    np.testing.assert_allclose(value, 0.25, rtol=1e-5)

  def test_refuses_a_cell_without_a_matrix_of_its_own(self):
    cell = nf.cells.lru(num_inputs=1, num_units=2)
    with self.assertRaisesRegex(ValueError, "AffineCell.*DiagonalCell"):
      nf.regularizers.norm_preservation(cell, {}, None, None, None)


if __name__ == "__main__":
  absltest.main()
