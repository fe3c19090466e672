"""Windows that follow the decay of gradients, where that is known."""

import functools

import chex
import jax
import numpy as np
from absl.testing import absltest, parameterized
from jax import numpy as jnp

import nnfun as nf
from tests import oracles

_NUM_STEPS = 8


def _fading(rates):
  """s_t = rates s_tm1 + w x_t: a loss fades by the rates, unit for unit."""
  spec = jax.ShapeDtypeStruct((), jnp.float64)
  return nf.Cell(
    None,
    lambda: jnp.zeros(len(rates)),
    lambda w, s, x: jnp.asarray(rates, w.dtype) * s + w * x,
    input_spec=spec,
  )


def _sum_of_states(params, state_t, y_t):
  del params
  return y_t * jnp.sum(state_t)


def _follow(rates, num_steps, ys=None, **settings):
  """The state and the last gradient of w after some steps of input 1."""
  cell = _fading(rates)
  estimator = nf.estimators.adaptive_bptt(cell, _sum_of_states, **settings)
  params = {"cell": jnp.ones(len(rates)), "readout": {}}
  xs = jnp.ones(num_steps)
  ys = xs if ys is None else ys
  state = estimator.init(params, jax.random.key(0))
  update = jax.jit(estimator.update)
  state, _ = update(params, state, xs[:-1], ys[:-1])
  state, estimate = update(params, state, xs[-1:], ys[-1:])
  return state, np.asarray(estimate.grads["cell"])


class WindowTest(parameterized.TestCase):
  @parameterized.product(rate=(0.5, 0.8), tolerance=(0.3, 0.03, 0.003))
  def test_of_one_rate_it_is_known(self, rate, tolerance):
    """phi_k = r^k, E(K) = r^K / (1 - r), c_J = (1 - r^J) / (1 - r), hence
    r^K < tolerance (1 - 2 r^W), for c_J - E(J) is largest at W.
    """
    with oracles.float64():
      room = 40
      # The last step of 120 is a measurement, or is not.
      state, grad = _follow(
        [rate],
        3 * room,
        tolerance=tolerance,
        max_window=room,
        measure_every=5 if tolerance > 0.01 else 16,
      )
      bound = tolerance * (1 - 2 * rate**room)
      expected = int(np.floor(np.log(bound) / np.log(rate))) + 1
      self.assertEqual(int(state.window), expected)
      # And that many steps are credited.
      credited = (1 - rate**expected) / (1 - rate)
      np.testing.assert_allclose(grad, [credited], rtol=1e-10)
      np.testing.assert_allclose(
        state.decay.norms / state.decay.weights,
        rate ** np.arange(room),
        rtol=1e-10,
      )

  @parameterized.parameters(0.3, 0.1, 0.01)
  def test_the_bias_is_less_than_the_tolerance(self, tolerance):
    """With several rates, of which the slowest governs."""
    with oracles.float64():
      rates = np.array([0.8, 0.6, -0.5, 0.1])
      state, grad = _follow(
        list(rates), 150, tolerance=tolerance, max_window=50
      )
      exact = 1 / (1 - rates)
      bias = np.linalg.norm(grad - exact) / np.linalg.norm(exact)
      self.assertLess(bias, tolerance)
      # Not by taking all that there is.
      self.assertLess(int(state.window), 35)
      self.assertGreater(bias, tolerance / 20)

  def test_it_grows_as_the_tolerance_falls(self):
    with oracles.float64():
      run = lambda tolerance: int(
        _follow([0.9, 0.7], 200, tolerance=tolerance, max_window=60)[0].window
      )
      windows = [run(t) for t in (0.5, 0.1, 0.02)]
      self.assertEqual(windows, sorted(set(windows)))
      self.assertLess(windows[-1], 60)

  @parameterized.parameters(1.0, 1.1)
  def test_where_nothing_decays_it_is_the_longest(self, rate):
    with oracles.float64():
      state, _ = _follow([rate], 60, tolerance=0.5, max_window=10)
      self.assertEqual(int(state.window), 10)
      # The same program finds less where something does.
      state, _ = _follow([0.3], 60, tolerance=0.5, max_window=10)
      self.assertEqual(int(state.window), 1)

  def test_what_is_gone_at_once_has_decayed(self):
    """No numbers to fit, only zeros."""
    with oracles.float64():
      state, grad = _follow([0.0, 0.0], 60, tolerance=0.1, max_window=10)
      self.assertEqual(int(state.window), 1)
      np.testing.assert_allclose(grad, [1.0, 1.0])

  def test_errors_of_both_signs_ask_for_more(self):
    """The mean of the gradient is small, and its bias is not."""
    with oracles.float64():
      signs = (-1.0) ** jnp.arange(400)
      settings = dict(tolerance=0.1, max_window=40, measure_every=3, decay=0.95)
      steady, _ = _follow([0.7], 400, **settings)
      mixed, _ = _follow([0.7], 400, ys=signs, **settings)
      self.assertGreater(int(mixed.window), int(steady.window))

  def test_it_follows_a_change(self):
    """Running means forget; nothing changes between two measurements."""
    with oracles.float64():
      cell = nf.Cell(
        None,
        lambda: jnp.zeros(1),
        lambda w, s, x: x * s + w,
        input_spec=jax.ShapeDtypeStruct((), jnp.float64),
      )
      estimator = nf.estimators.adaptive_bptt(
        cell,
        _sum_of_states,
        tolerance=0.1,
        max_window=20,
        measure_every=5,
        decay=0.5,
      )
      params = {"cell": jnp.ones(1), "readout": {}}
      rates = jnp.where(jnp.arange(300) < 150, 0.3, 0.7)

      def body(state, rate):
        state, _ = estimator.update(params, state, rate[None], jnp.ones(1))
        return state, state.window

      start = estimator.init(params, jax.random.key(0))
      windows = np.asarray(
        jax.jit(lambda state: jax.lax.scan(body, state, rates))(start)[1]
      )
      self.assertEqual(windows[0], 20)
      changes = np.flatnonzero(np.diff(windows)) + 1
      np.testing.assert_array_equal(changes % 5, 4)
      self.assertEqual(windows[149], 2)
      self.assertEqual(windows[-1], 7)  # 0.7^7 < 0.1 (1 - 2 0.7^20) < 0.7^6


class EstimateTest(parameterized.TestCase):
  @parameterized.parameters("vanilla", "bare", "elstm")
  def test_without_tolerance_it_is_rolling_bptt(self, cell_name):
    with oracles.float64():
      cell = oracles.CELLS[cell_name]()
      loss_fn, params = oracles.make_loss(cell), oracles.make_params(cell)
      xs, ys = oracles.make_episode(_NUM_STEPS)
      resets = jnp.zeros(_NUM_STEPS, bool).at[5].set(True)
      run = functools.partial(
        nf.training.episode_gradient,
        params=params,
        key=jax.random.key(0),
        xs=xs,
        ys=ys,
        segment=4,
        resets=resets,
      )
      actual, expected = (
        jax.jit(functools.partial(run, estimator))()
        for estimator in (
          nf.estimators.adaptive_bptt(
            cell, loss_fn, tolerance=0.0, max_window=3, measure_every=2
          ),
          nf.estimators.rolling_bptt(cell, loss_fn, window=3),
        )
      )
      chex.assert_trees_all_close(actual, expected, rtol=1e-12, atol=1e-12)

  def test_a_window_that_was_found_is_that_of_rolling_bptt(self):
    """A dense cell, with a window in the state that is less than its room."""
    with oracles.float64():
      cell = oracles.CELLS["vanilla"]()
      loss_fn, params = oracles.make_loss(cell), oracles.make_params(cell)
      xs, ys = oracles.make_episode(_NUM_STEPS)
      make = functools.partial(
        nf.estimators.adaptive_bptt, cell, loss_fn, max_window=6
      )
      for measure_every, tolerance in ((100, 0.0), (1, 1e6)):
        estimator = make(tolerance=tolerance, measure_every=measure_every)
        state = estimator.init(params, jax.random.key(0))
        state = state._replace(window=jnp.asarray(2, jnp.int32))
        rolling = nf.estimators.rolling_bptt(cell, loss_fn, window=2)
        other = rolling.init(params, jax.random.key(0))
        for t in range(3):
          step = xs[t : t + 1], ys[t : t + 1]
          state, estimate = estimator.update(params, state, *step)
          other, expected = rolling.update(params, other, *step)
          if measure_every == 1:
            # Fewer than 4 lags: measured, and not yet believed.
            self.assertEqual(int(state.window), 6)
          else:
            oracles.assert_same_gradient(estimate.grads, expected.grads)

  def test_a_reset_forgets_what_was_measured(self):
    with oracles.float64():
      settings = dict(tolerance=0.3, max_window=10, measure_every=3)
      cell = _fading([0.5])
      estimator = nf.estimators.adaptive_bptt(cell, _sum_of_states, **settings)
      params = {"cell": jnp.ones(1), "readout": {}}
      xs = jnp.ones(31)
      resets = jnp.zeros(31, bool).at[30].set(True)
      fresh = estimator.init(params, jax.random.key(0))
      before, _ = estimator.update(params, fresh, xs[:30], xs[:30])
      self.assertLess(int(before.window), 10)
      self.assertGreater(float(before.decay.weights.min()), 0)
      after, _ = estimator.update(params, fresh, xs, xs, resets)
      alone, _ = estimator.update(params, fresh, xs[30:], xs[30:])
      strip = lambda state: state._replace(
        tape=(state.tape.position, state.tape.count)
      )
      chex.assert_trees_all_equal(strip(after), strip(alone))

  @parameterized.parameters(
    (dict(tolerance=-0.1), "tolerance >= 0, got -0.1"),
    (dict(tolerance=float("nan")), "tolerance >= 0, got nan"),
    (dict(tolerance=0.1, decay=1.0), "decay < 1, got 1.0"),
    (dict(tolerance=0.1, max_window=0), "max_window to be a positive integer"),
    (dict(tolerance=0.1, measure_every=2.5), "measure_every to be a positive"),
  )
  def test_settings_are_checked(self, settings, message):
    cell = oracles.CELLS["vanilla"]()
    with self.assertRaisesRegex(ValueError, message):
      nf.estimators.adaptive_bptt(cell, oracles.make_loss(cell), **settings)


if __name__ == "__main__":
  absltest.main()
