"""Estimators against their recursions while the parameters change."""

import jax
from absl.testing import absltest, parameterized
from jax import numpy as jnp

import nnfun as nf
from tests import oracles

_NUM_STEPS = 9


def _changing(params, num_steps):
  """A sequence of parameters, each clearly different from the last."""
  sequence = []
  for t in range(num_steps):
    key = jax.random.key(100 + t)
    leaves, structure = jax.tree.flatten(params)
    keys = jax.random.split(key, len(leaves))
    noise = [
      0.1 * jax.random.normal(k, leaf.shape)
      for k, leaf in zip(keys, leaves, strict=True)
    ]
    params = jax.tree.map(
      lambda p, n: p + n, params, structure.unflatten(noise)
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


class RecursionTest(parameterized.TestCase):
  def _check(
    self, cell_name, make_estimator, window=None, num_steps=_NUM_STEPS
  ):
    with oracles.float64():
      cell = oracles.CELLS[cell_name]()
      loss_fn = oracles.make_loss(cell)
      xs, ys = oracles.make_episode(num_steps)
      sequence = _changing(oracles.make_params(cell), num_steps)
      expected = oracles.online_gradients(
        cell, loss_fn, sequence, xs, ys, window
      )
      actual = _follow(make_estimator(cell, loss_fn), sequence, xs, ys)
      for a, e in zip(actual, expected, strict=True):
        oracles.assert_same_gradient(a, e)

  @parameterized.parameters("vanilla", "gru", "stack", "bare")
  def test_rtrl(self, cell_name):
    self._check(cell_name, nf.estimators.rtrl)

  @parameterized.product(
    cell_name=("vanilla", "gru", "stack", "bare_affine"),
    flush_every=(2, 4),
  )
  def test_lazy_rtrl_is_rtrl_at_every_step(self, cell_name, flush_every):
    self._check(
      cell_name,
      lambda *args: nf.estimators.rtrl(*args, flush_every=flush_every),
    )

  def test_lazy_rtrl_which_never_flushes(self):
    self._check("lstm", lambda *args: nf.estimators.rtrl(*args, flush_every=50))

  def test_lazy_rtrl_with_a_tape_longer_than_a_turn_of_its_loop(self):
    """Of up to 11 entries 8 are gone through at once, the others singly."""
    self._check(
      "gru",
      lambda *args: nf.estimators.rtrl(*args, flush_every=11),
      num_steps=24,
    )

  def test_rolling_bptt_with_a_tape_longer_than_a_turn_of_its_loop(self):
    self._check(
      "vanilla",
      lambda *args: nf.estimators.rolling_bptt(*args, window=11),
      window=11,
      num_steps=24,
    )

  def test_empty_entries_may_lie_where_there_is_no_derivative(self):
    """A state of length one: a / |a| has no derivative at the empty a = 0."""

    def activate(a, state_tm1):
      del state_tm1
      return a / jnp.linalg.norm(a)

    with oracles.float64():
      cell = oracles.CELLS["vanilla"]()
      cell = cell._replace(
        step=lambda w, s, x: activate(w @ cell.features(s, x), s),
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
    cell_name=("vanilla", "stack", "bare"), window=(1, 2, 5)
  )
  def test_rolling_bptt(self, cell_name, window):
    self._check(
      cell_name,
      lambda *args: nf.estimators.rolling_bptt(*args, window=window),
      window,
    )

  @parameterized.parameters(((1, 1, 4, 1, 2),), ((4, 1, 1, 1, 2),))
  def test_segments_of_different_lengths(self, lengths):
    """Blocks, single steps and puttings off may follow one another."""
    with oracles.float64():
      cell = oracles.CELLS["vanilla"]()
      loss_fn = oracles.make_loss(cell)
      params = oracles.make_params(cell)
      xs, ys = oracles.make_episode(_NUM_STEPS)
      _, expected = oracles.whole_gradient(cell, loss_fn, params, xs, ys)
      for estimator in (
        nf.estimators.rtrl(cell, loss_fn),
        nf.estimators.rtrl(cell, loss_fn, flush_every=3),
        nf.estimators.rolling_bptt(cell, loss_fn, window=_NUM_STEPS),
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
      for i, grads in enumerate(expected):
        piece = slice(i * segment, (i + 1) * segment)
        state, estimate = estimator.update(params, state, xs[piece], ys[piece])
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
