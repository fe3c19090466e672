"""Random cuts: one by one, on the average, and how far they scatter."""

import functools

import jax
import numpy as np
from absl.testing import absltest, parameterized
from jax import numpy as jnp
from scipy import stats

import nnfun as nf
from tests import oracles

_NUM_STEPS = 10


def _weights(key, num_steps, probability):
  """The weights m_t which an update draws with this key, read off a probe.

  Where s_t = s_tm1 + w_t and the loss is the sum of all s_t, the derivative by
  w_t is delta_t = 1 + m_{t+1} delta_{t+1}.
  """
  cell = nf.Cell(None, lambda: jnp.zeros(()), lambda w, s, x: s + w @ x)
  estimator = nf.estimators.artbp(
    cell, lambda params, s, y: s + 0 * y, stop_probability=probability
  )
  params = {"cell": jnp.zeros(num_steps), "readout": {}}
  state = estimator.init(params, key)
  ones = jnp.eye(num_steps), jnp.zeros(num_steps)
  delta = np.asarray(estimator.update(params, state, *ones)[1].grads["cell"])
  return np.concatenate([[1.0], (delta[:-1] - 1) / delta[1:]])


def _given_cuts(cell, loss_fn, params, xs, ys, weights):
  """A loop in which the state before step t has the derivative m_t."""

  @jax.jit
  def total(params):
    state, losses = oracles.start(cell, params), []
    for x_t, y_t, m in zip(xs, ys, weights, strict=True):
      state = jax.tree.map(
        lambda s, m=m: m * s + jax.lax.stop_gradient((1 - m) * s), state
      )
      state = cell.step(params["cell"], state, x_t)
      losses.append(loss_fn(params, state, y_t))
    return sum(losses)

  return jax.grad(total)(params)


class ArtbpTest(parameterized.TestCase):
  @parameterized.product(cell_name=("lstm", "stack"), remat=(False, True))
  def test_with_given_cuts(self, cell_name, remat):
    with oracles.float64():
      cell = oracles.CELLS[cell_name]()
      loss_fn, params = oracles.make_loss(cell), oracles.make_params(cell)
      xs, ys = oracles.make_episode(_NUM_STEPS)
      estimator = nf.estimators.artbp(
        cell, loss_fn, stop_probability=0.3, remat=remat
      )
      key = jax.random.key(2)
      weights = _weights(key, _NUM_STEPS, 0.3)
      # Some of either kind, or nothing is tried.
      np.testing.assert_allclose(
        sorted(set(weights[1:].round(9))), [0, 1 / 0.7], atol=1e-6
      )
      state = estimator.init(params, key)
      _, estimate = estimator.update(params, state, xs, ys)
      expected = _given_cuts(cell, loss_fn, params, xs, ys, weights)
      oracles.assert_same_gradient(estimate.grads, expected)

  @parameterized.parameters(5, _NUM_STEPS)
  def test_without_cuts_it_is_truncated_bptt(self, segment):
    with oracles.float64():
      cell = oracles.CELLS["gru"]()
      loss_fn, params = oracles.make_loss(cell), oracles.make_params(cell)
      xs, ys = oracles.make_episode(_NUM_STEPS)
      actual, expected = (
        nf.training.episode_gradient(
          estimator, params, jax.random.key(0), xs, ys, segment=segment
        )
        for estimator in (
          nf.estimators.artbp(cell, loss_fn, stop_probability=0.0),
          nf.estimators.truncated_bptt(cell, loss_fn),
        )
      )
      oracles.assert_same_gradient(actual.grads, expected.grads)

  def test_the_mean_over_the_cuts_is_the_gradient(self):
    """Of one segment; of two it is the truncated one. Wrong once in a million.

    The readout does not depend on the cuts: it is right to rounding.
    """
    with oracles.float64():
      cell = oracles.CELLS["vanilla"]()
      loss_fn, params = oracles.make_loss(cell), oracles.make_params(cell)
      xs, ys = oracles.make_episode(4)
      estimator = nf.estimators.artbp(cell, loss_fn, stop_probability=0.3)
      _, exact = oracles.whole_gradient(cell, loss_fn, params, xs, ys)
      pieces = oracles.truncated_gradients(cell, loss_fn, params, xs, ys, 2)
      truncated = jax.tree.map(lambda *g: sum(g), *pieces)

      def deviation(segment, expected):
        run = lambda key: nf.training.episode_gradient(
          estimator, params, key, xs, ys, segment=segment
        )
        keys = jax.random.split(jax.random.key(0), 10_000)
        grads = jax.jit(jax.vmap(run))(keys).grads
        mean = jax.tree.map(lambda g: g.mean(0), grads)
        oracles.assert_same_gradient(mean["readout"], exact["readout"])
        samples = np.asarray(grads["cell"]).reshape(len(keys), -1)
        error = samples.mean(0) - np.asarray(expected["cell"]).ravel()
        return np.max(np.abs(error) / (samples.std(0, ddof=1) / 100))

      bound = stats.norm.isf(1e-6 / 2 / params["cell"].size)
      self.assertLess(deviation(4, exact), bound)
      self.assertLess(deviation(2, truncated), bound)
      self.assertGreater(deviation(2, exact), bound)

  @parameterized.product(probability=(0.1, 0.3), num_steps=(3, 8))
  def test_the_variance_is_known(self, probability, num_steps):
    """Of s_t = a s_tm1 + w x_t, and the last state for a loss.

    With M_k the product of k weights, g = sum_k a^k x_{T-k} M_k, and
    E M_j M_k = (1 - c)^-min(j, k), hence
    var g = sum_jk b_j b_k ((1 - c)^-min(j, k) - 1), b_k = a^k x_{T-k}.
    """
    with oracles.float64():
      a, num_keys = 0.95, 20_000
      cell = nf.Cell(None, lambda: jnp.zeros(()), lambda w, s, x: a * s + w * x)
      loss_fn = lambda params, s, y: s * y
      estimator = nf.estimators.artbp(
        cell, loss_fn, stop_probability=probability
      )
      params = {"cell": jnp.array(0.5), "readout": {}}
      xs = np.random.default_rng(0).normal(size=num_steps)
      ys = jnp.zeros(num_steps).at[-1].set(1)

      def one(key):
        state = estimator.init(params, key)
        return estimator.update(params, state, jnp.asarray(xs), ys)[1]

      keys = jax.random.split(jax.random.key(0), num_keys)
      samples = np.asarray(jax.jit(jax.vmap(one))(keys).grads["cell"])
      lags = np.arange(num_steps)
      b = a**lags * xs[::-1]
      moments = (1 - probability) ** -np.minimum(*np.meshgrid(lags, lags)) * 1.0
      expected = b @ (moments - 1) @ b
      squares = (samples - b.sum()) ** 2
      error = squares.std() / num_keys**0.5
      # Five standard errors, and these small enough to tell.
      self.assertLess(error, 0.06 * expected)
      self.assertLess(abs(squares.mean() - expected), 5 * error)

  def test_a_cut_stops_what_is_not_a_number(self):
    """Behind a cut the derivative overflows, and no one is told."""
    with oracles.float64():
      key, steps = jax.random.key(2), 12
      weights = _weights(key, steps, 0.5)
      last = int(np.flatnonzero(weights[1:] == 0)[-1]) + 1

      # Of the root at 0 the derivative is infinite, times 0 it is NaN.
      def step(w, s, x):
        root = jnp.sqrt(jnp.where(x > 0, 0 * s, 1.0))
        return jnp.where(x > 0, root, s) + w

      cell = nf.Cell(None, lambda: jnp.ones(()), step)
      estimator = nf.estimators.artbp(
        cell, lambda params, s, y: y * s, stop_probability=0.5
      )
      params = {"cell": jnp.array(0.5), "readout": {}}
      ys = jnp.zeros(steps).at[-1].set(1)
      self.assertLess(last + 1, steps)
      for place, is_finite in ((last, True), (last + 1, False)):
        xs = jnp.zeros(steps).at[place].set(1)
        state = estimator.init(params, key)
        grads = estimator.update(params, state, xs, ys)[1].grads
        self.assertEqual(bool(jnp.isfinite(grads["cell"])), is_finite)

  def test_short_numbers_have_no_bias_of_their_own(self):
    """1 / (1 - c) is rounded in bfloat16, forty times over."""
    steps, count = 40, 10_000
    cell = nf.Cell(None, lambda: jnp.zeros(()), lambda w, s, x: s + w * x)
    estimator = nf.estimators.artbp(
      cell, lambda params, s, y: y * s, stop_probability=0.02
    )
    params = {"cell": jnp.ones((), jnp.bfloat16), "readout": {}}
    xs = jnp.zeros(steps, jnp.bfloat16).at[0].set(1)
    ys = jnp.zeros(steps).at[-1].set(1)

    def one(key):
      state = estimator.init(params, key)
      return estimator.update(params, state, xs, ys)[1].grads["cell"]

    keys = jax.random.split(jax.random.key(0), count)
    samples = np.asarray(jax.jit(jax.vmap(one))(keys), np.float64)
    error = samples.std(ddof=1) / count**0.5
    self.assertLess(abs(samples.mean() - 1), 5 * error)  # 6e-7 by chance.

  @parameterized.parameters(-0.1, 1.0, float("nan"))
  def test_the_probability_is_checked(self, value):
    cell = oracles.CELLS["vanilla"]()
    make = functools.partial(nf.estimators.artbp, cell, oracles.make_loss(cell))
    with self.assertRaisesRegex(
      ValueError, f"stop_probability < 1, got {value}"
    ):
      make(stop_probability=value)


if __name__ == "__main__":
  absltest.main()
