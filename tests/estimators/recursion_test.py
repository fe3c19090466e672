"""Estimators against their recursions while the parameters change."""

import functools
import itertools
from unittest import mock

import jax
import numpy as np
from absl.testing import absltest, parameterized
from jax import numpy as jnp

import nnfun as nf
from nnfun import loops
from tests import oracles

_NUM_STEPS = 9


def _changing(params, num_steps):
  """A sequence of parameters, each clearly different from the last."""
  rng, sequence = np.random.default_rng(100), []
  for _ in range(num_steps):
    params = jax.tree.map(
      lambda p: p + jnp.asarray(0.1 * rng.normal(size=p.shape), p.dtype), params
    )
    sequence.append(params)
  return sequence


def _follow(estimator, sequence, xs, ys):
  """The estimator's gradient at every step, parameters changing under it."""
  state = estimator.init(sequence[0], jax.random.key(0))
  update, result = jax.jit(estimator.update), []
  for t, params in enumerate(sequence):
    state, estimate = update(params, state, xs[t : t + 1], ys[t : t + 1])
    result.append(estimate.grads)
  return result


def _leaky_cell():
  """An affine cell with what a vanilla cell does not have.

  The state reaches its successor beside the matrix too, and the features are
  not a linear function of it.
  """

  def features(h_tm1, x_t):
    return jnp.concatenate([jnp.sin(h_tm1) * x_t[0], x_t])

  def activate(a, h_tm1):
    return 0.3 * h_tm1**2 + 0.7 * jnp.tanh(a)

  def init(key):
    shape = oracles.NUM_UNITS, oracles.NUM_UNITS + oracles.NUM_INPUTS
    return jax.random.normal(key, shape) / 2

  return nf.AffineCell(
    init=init,
    initial_state=lambda: jnp.zeros(oracles.NUM_UNITS),
    step=nf.base.affine_step(features, activate),
    features=features,
    activate=activate,
    input_spec=jax.ShapeDtypeStruct((oracles.NUM_INPUTS,), jnp.float32),
  )


@functools.cache
def _problem(cell_name, num_steps):
  cell = _leaky_cell() if cell_name == "leaky" else oracles.CELLS[cell_name]()
  sequence = _changing(oracles.make_params(cell), num_steps)
  return cell, oracles.make_loss(cell), sequence


@functools.cache
def _expected(cell_name, window, num_steps):
  cell, loss_fn, sequence = _problem(cell_name, num_steps)
  xs, ys = oracles.make_episode(num_steps)
  return oracles.online_gradients(cell, loss_fn, sequence, xs, ys, window)


class RecursionTest(parameterized.TestCase):
  def _check(
    self, cell_name, make_estimator, window=None, num_steps=_NUM_STEPS
  ):
    with oracles.float64():
      cell, loss_fn, sequence = _problem(cell_name, num_steps)
      expected = _expected(cell_name, window, num_steps)
      xs, ys = oracles.make_episode(num_steps)
      actual = _follow(make_estimator(cell, loss_fn), sequence, xs, ys)
      for a, e in zip(actual, expected, strict=True):
        oracles.assert_same_gradient(a, e)

  @parameterized.parameters("vanilla", "gru", "stack", "bare")
  def test_rtrl(self, cell_name):
    self._check(cell_name, nf.estimators.rtrl)

  @parameterized.product(
    cell_name=("vanilla", "gru", "stack", "leaky", "bare_affine"),
    flush_every=(2, 4),
  )
  def test_lazy_rtrl_is_rtrl_at_every_step(self, cell_name, flush_every):
    self._check(
      cell_name,
      lambda *args: nf.estimators.rtrl(*args, flush_every=flush_every),
    )

  def test_lazy_rtrl_which_never_flushes(self):
    self._check("lstm", lambda *args: nf.estimators.rtrl(*args, flush_every=50))

  def test_lazy_rtrl_with_a_longer_tape(self):
    self._check(
      "gru",
      lambda *args: nf.estimators.rtrl(*args, flush_every=11),
      num_steps=24,
    )

  def test_derivatives_of_an_online_run(self):
    """Of every gradient on the way, with respect to the learning rate."""
    with oracles.float64():
      cell, loss_fn, (params, *_) = _problem("leaky", 1)
      xs, ys = oracles.make_episode(6)

      def run(estimator, rate):
        def body(carry, step):
          params, state = carry
          state, estimate = estimator.update(params, state, *step)
          params = jax.tree.map(
            lambda p, g: p - rate * g, params, estimate.grads
          )
          return (params, state), estimate.grads["cell"]

        start = params, estimator.init(params, jax.random.key(0))
        return jax.lax.scan(body, start, (xs[:, None], ys[:, None]))[1]

      def derivatives(estimator):
        forward = jax.jacfwd(lambda rate: run(estimator, rate))(0.1)
        reverse = jax.grad(lambda rate: jnp.sum(run(estimator, rate)))(0.1)
        return forward, reverse

      derivatives_fn = jax.jit(derivatives, static_argnums=0)
      expected, total = derivatives_fn(nf.estimators.rtrl(cell, loss_fn))
      self.assertGreater(float(jnp.max(jnp.abs(expected[-1]))), 1e-3)
      np.testing.assert_allclose(total, jnp.sum(expected), rtol=1e-10)
      for estimator in (
        nf.estimators.rtrl(cell, loss_fn, flush_every=4),
        nf.estimators.rolling_bptt(cell, loss_fn, window=6),
      ):
        forward, reverse = derivatives_fn(estimator)
        oracles.assert_same_gradient(forward, expected)
        np.testing.assert_allclose(reverse, total, rtol=1e-9)

  @parameterized.parameters("vanilla", "lstm", "bare", "gru_original")
  def test_the_way_of_an_accelerator(self, cell_name):
    """Unrolled and without decisions, on whatever device there is."""
    with mock.patch.object(loops, "on_accelerator", lambda: True):
      self._check(
        cell_name, functools.partial(nf.estimators.rtrl, flush_every=4)
      )
      self._check(
        cell_name,
        functools.partial(nf.estimators.rolling_bptt, window=3),
        window=3,
      )

  def test_an_input_which_its_cell_did_not_declare(self):
    """It has to fit into the room made for inputs, from which steps are run."""
    cell = oracles.CELLS["vanilla"]()
    declared = jax.ShapeDtypeStruct((oracles.NUM_INPUTS,), jnp.int32)
    cell = nf.Cell(
      cell.init, cell.initial_state, cell.step, input_spec=declared
    )
    loss_fn = oracles.make_loss(cell)
    params = oracles.make_params(cell)
    xs, ys = oracles.make_episode(1)
    estimator = nf.estimators.rtrl(cell, loss_fn, flush_every=4)
    state = estimator.init(params, jax.random.key(0))
    with self.assertRaisesRegex(ValueError, r"int32\[3\], got float32\[3\]"):
      estimator.update(params, state, xs, ys)

  def test_parameters_and_tapes_of_a_batch(self):
    """Each example at its own place of the tape and with its own parameters."""
    with oracles.float64():
      cell, loss_fn, sequence = _problem("vanilla", 8)
      xs, ys = oracles.make_episode(8)
      estimator = nf.estimators.rtrl(cell, loss_fn, flush_every=3)
      starts = (2, 1, 0)
      expected = [
        oracles.online_gradients(
          cell, loss_fn, sequence[s:][:6], xs[s:][:6], ys[s:][:6]
        )
        for s in starts
      ]
      batch = jax.tree.map(lambda *leaves: jnp.stack(leaves), *sequence)
      update = jax.jit(jax.vmap(estimator.update))

      def examples(tree, steps):
        return jax.tree.map(lambda leaf: leaf[jnp.array(steps)], tree)

      # Steps before its episode are taken back by a reset at its start.
      state = jax.vmap(estimator.init, (0, None))(
        examples(batch, (0, 0, 0)), jax.random.key(0)
      )
      for t in range(8):
        steps = [min(t, s + 5) for s in starts]
        piece = lambda tree, steps=steps: examples(tree, steps)[:, None]
        state, estimate = update(
          examples(batch, steps),
          state,
          piece(xs),
          piece(ys),
          jnp.array([[t == s] for s in starts]),
        )
        for i, s in enumerate(starts):
          if s <= t < s + 6:
            a = jax.tree.map(lambda g: g[i], estimate.grads)  # noqa: B023
            oracles.assert_same_gradient(a, expected[i][t - s])

  def test_rolling_bptt_with_a_longer_tape(self):
    self._check(
      "vanilla",
      lambda *args: nf.estimators.rolling_bptt(*args, window=11),
      window=11,
      num_steps=24,
    )

  @parameterized.parameters(1, 2)
  def test_empty_entries_may_lie_where_there_is_no_derivative(self, num_rows):
    """A state of length one: a / |a| has no derivative at the empty a = 0.

    With one pre-activation a unit, or a second which is added.
    """

    def activate(a, state_tm1):
      del state_tm1
      first, *others = jnp.split(a, num_rows)
      return sum(others, first / jnp.linalg.norm(first))

    with oracles.float64():
      cell = oracles.CELLS["vanilla"]()
      init_one = cell.init
      cell = cell._replace(
        init=lambda key: jnp.concatenate(
          [init_one(k) for k in jax.random.split(key, num_rows)]
        ),
        step=nf.base.affine_step(cell.features, activate),
        activate=activate,
      )
      params = oracles.make_params(cell)
      xs, ys = oracles.make_episode(6)
      loss_fn = oracles.make_loss(cell)
      expected = oracles.online_gradients(cell, loss_fn, [params] * 6, xs, ys)
      for estimator in (
        nf.estimators.rtrl(cell, loss_fn, flush_every=4),
        nf.estimators.rolling_bptt(cell, loss_fn, window=6),
      ):
        actual = _follow(estimator, [params] * 6, xs, ys)
        for a, e in zip(actual, expected, strict=True):
          oracles.assert_same_gradient(a, e)

  @parameterized.parameters(*oracles.DIAGONAL_CELLS)
  def test_diagonal_rtrl(self, cell_name):
    self._check(cell_name, nf.estimators.diagonal_rtrl)

  @parameterized.product(
    cell_name=("vanilla", "stack", "leaky", "bare"), window=(1, 2, 5)
  )
  def test_rolling_bptt(self, cell_name, window):
    self._check(
      cell_name,
      lambda *args: nf.estimators.rolling_bptt(*args, window=window),
      window,
    )

  def test_segments_of_different_lengths(self):
    """Blocks, single steps and puttings off may follow one another."""
    with oracles.float64():
      cell, loss_fn, (params, *_) = _problem("leaky", 1)
      xs, ys = oracles.make_episode(_NUM_STEPS)
      _, expected = oracles.whole_gradient(cell, loss_fn, params, xs, ys)
      for estimator, lengths in itertools.product(
        (
          nf.estimators.rtrl(cell, loss_fn),
          nf.estimators.rtrl(cell, loss_fn, flush_every=3),
          nf.estimators.rtrl(cell, loss_fn, flush_every=5),
          nf.estimators.rolling_bptt(cell, loss_fn, window=_NUM_STEPS),
        ),
        ((1, 1, 4, 1, 2), (4, 1, 1, 1, 2), (1, 2, 1, 2, 3)),
      ):
        state = estimator.init(params, jax.random.key(0))
        update = jax.jit(estimator.update)
        total, begin = None, 0
        for length in lengths:
          piece = slice(begin, begin + length)
          begin += length
          state, estimate = update(params, state, xs[piece], ys[piece])
          total = (
            estimate.grads
            if total is None
            else jax.tree.map(lambda a, b: a + b, total, estimate.grads)
          )
        oracles.assert_same_gradient(total, expected)

  @parameterized.parameters(1, 3)
  def test_truncated_bptt(self, segment):
    with oracles.float64():
      cell = oracles.CELLS["gru"]()
      loss_fn = oracles.make_loss(cell)
      params = oracles.make_params(cell)
      xs, ys = oracles.make_episode(_NUM_STEPS)
      expected = oracles.truncated_gradients(
        cell, loss_fn, params, xs, ys, segment
      )
      estimator = nf.estimators.truncated_bptt(cell, loss_fn)
      state = estimator.init(params, jax.random.key(0))
      update = jax.jit(estimator.update)
      for i, grads in enumerate(expected):
        piece = slice(i * segment, (i + 1) * segment)
        state, estimate = update(params, state, xs[piece], ys[piece])
        oracles.assert_same_gradient(estimate.grads, grads)

  def test_rolling_bptt_sums_over_a_segment(self):
    with oracles.float64():
      cell = oracles.CELLS["vanilla"]()
      loss_fn = oracles.make_loss(cell)
      params = oracles.make_params(cell)
      xs, ys = oracles.make_episode(_NUM_STEPS)
      steps = oracles.online_gradients(
        cell, loss_fn, [params] * _NUM_STEPS, xs, ys, window=4
      )
      estimator = nf.estimators.rolling_bptt(cell, loss_fn, window=4)
      for segment in (3, _NUM_STEPS):
        estimate = nf.training.episode_gradient(
          estimator, params, jax.random.key(0), xs, ys, segment=segment
        )
        oracles.assert_same_gradient(
          estimate.grads, jax.tree.map(lambda *g: sum(g), *steps)
        )


if __name__ == "__main__":
  absltest.main()
