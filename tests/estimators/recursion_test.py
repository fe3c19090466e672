"""Estimators against their recursions while the parameters change."""

import functools
import itertools

import jax
import numpy as np
from absl.testing import absltest, parameterized
from jax import numpy as jnp

import nnfun as nf
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


def _moving(params, pattern):
  """Parameters which move where the letter of the pattern does."""
  letters = sorted(set(pattern))
  versions = dict(zip(letters, _changing(params, len(letters)), strict=True))
  return [versions[letter] for letter in pattern]


def _leaky_cell(*, linear=True):
  """One pre-activation a unit, with what a vanilla cell does not have.

  The state reaches its successor beside the matrix too, and the features need
  not be a linear function of it.
  """

  def features(h_tm1, x_t):
    h_tm1 = h_tm1 if linear else jnp.sin(h_tm1) * x_t[0]
    return jnp.concatenate([h_tm1, x_t])

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


# Steps under the same parameters: but one, lately, and across a flush; back to
# earlier parameters, which are not those of the step before.
_PATTERNS = ("aaaaaabaaaaaa", "abcdefffffffg", "aabbbbbbccccc")


@functools.cache
def _problem(cell_name, num_steps):
  cell = oracles.CELLS[cell_name]()
  sequence = _changing(oracles.make_params(cell), num_steps)
  return cell, oracles.make_loss(cell), sequence


@functools.cache
def _expected(cell_name, window, num_steps):
  cell, loss_fn, sequence = _problem(cell_name, num_steps)
  xs, ys = oracles.make_episode(num_steps)
  return oracles.online_gradients(cell, loss_fn, sequence, xs, ys, window)


@functools.cache
def _leaky(linear):
  cell = _leaky_cell(linear=linear)
  return cell, oracles.make_loss(cell)


@functools.cache
def _leaky_estimator(linear, name):
  if name == "rolling":
    return nf.estimators.rolling_bptt(*_leaky(linear), window=5)
  flush_every = 4 if name == "lazy" else 11
  return nf.estimators.rtrl(*_leaky(linear), flush_every=flush_every)


@functools.cache
def _in_blocks(linear):
  return (
    nf.estimators.rtrl(*_leaky(linear)),
    nf.estimators.rtrl(*_leaky(linear), flush_every=3),
    nf.estimators.rtrl(*_leaky(linear), flush_every=5),
    nf.estimators.rolling_bptt(*_leaky(linear), window=_NUM_STEPS),
  )


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

  def test_lazy_rtrl_with_a_longer_tape(self):
    self._check(
      "gru",
      lambda *args: nf.estimators.rtrl(*args, flush_every=11),
      num_steps=24,
    )

  @parameterized.parameters(
    *itertools.product(
      _PATTERNS, ("lazy", "lazy, long tape", "rolling"), (True,)
    ),
    ("aaaaaaaaaaaaa", "lazy, long tape", False),
    ("aaaaaaaaaaaaa", "rolling", False),
  )
  def test_parameters_which_move_now_and_then(self, pattern, estimator, linear):
    """The way back is another one through steps of the same Jacobian."""
    window = 5 if estimator == "rolling" else None
    with oracles.float64():
      cell, loss_fn = _leaky(linear)
      sequence = _moving(oracles.make_params(cell), pattern)
      xs, ys = oracles.make_episode(len(pattern))
      expected = oracles.online_gradients(
        cell, loss_fn, sequence, xs, ys, window
      )
      made = _leaky_estimator(linear, estimator)
      actual = _follow(made, sequence, xs, ys)
      for a, e in zip(actual, expected, strict=True):
        oracles.assert_same_gradient(a, e)

  @parameterized.parameters(
    ("aaaa", True, True), ("aaab", True, False), ("aaaa", False, False)
  )
  def test_the_shorter_way_back_is_taken(self, pattern, linear, taken):
    """What the test above cannot see: the long way has the same result."""
    cell = _leaky_cell(linear=linear)
    loss_fn = oracles.make_loss(cell)
    xs, ys = oracles.make_episode(4)
    estimator = nf.estimators.rtrl(cell, loss_fn, flush_every=4)
    params = oracles.make_params(cell)
    state = estimator.init(params, jax.random.key(0))
    update = jax.jit(estimator.update)
    for t, params_t in enumerate(_moving(params, pattern)):
      if t == 3:
        # Of the Jacobians of three steps the shorter way needs the last.
        memory = state.influence.memory
        lost = [j.at[:2].set(jnp.nan) for j in memory.entries.jacobian]
        entries = memory.entries._replace(jacobian=lost)
        influence = state.influence._replace(
          memory=memory._replace(entries=entries)
        )
        state = state._replace(influence=influence)
      piece = slice(t, t + 1)
      state, estimate = update(params_t, state, xs[piece], ys[piece])
    finite = bool(jnp.all(jnp.isfinite(estimate.grads["cell"])))
    self.assertEqual(finite, taken)

  @parameterized.parameters(0.0, 0.1)
  def test_forward_derivatives_of_an_online_run(self, rate):
    """At a rate of 0 the parameters stay, and yet depend on the rate."""
    with oracles.float64():
      cell = _leaky_cell()
      loss_fn = oracles.make_loss(cell)
      params = oracles.make_params(cell)
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

      def derivative(estimator):
        return jax.jit(jax.jacfwd(lambda rate: run(estimator, rate)))(rate)

      expected = derivative(nf.estimators.rtrl(cell, loss_fn))
      self.assertGreater(float(jnp.max(jnp.abs(expected[-1]))), 1e-3)
      for estimator in (
        nf.estimators.rtrl(cell, loss_fn, flush_every=4),
        nf.estimators.rolling_bptt(cell, loss_fn, window=6),
      ):
        oracles.assert_same_gradient(derivative(estimator), expected)

  def test_the_count_of_a_long_stream_stays_bounded(self):
    cell = oracles.CELLS["vanilla"]()
    estimator = nf.estimators.rtrl(cell, oracles.make_loss(cell), flush_every=4)
    params = oracles.make_params(cell)
    xs, ys = oracles.make_episode(12)
    state = estimator.init(params, jax.random.key(0))
    update = jax.jit(estimator.update)
    for t in range(12):
      state, _ = update(params, state, xs[t : t + 1], ys[t : t + 1])
    self.assertEqual(state.influence.memory.num_alike, 4)

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

  def test_parameters_of_a_batch_which_move_at_different_steps(self):
    with oracles.float64():
      cell = oracles.CELLS["vanilla"]()
      loss_fn = oracles.make_loss(cell)
      params = oracles.make_params(cell)
      sequences = [_moving(params, pattern) for pattern in _PATTERNS]
      xs, ys = oracles.make_episode(len(_PATTERNS[0]))
      estimator = nf.estimators.rtrl(cell, loss_fn, flush_every=4)
      expected = [
        oracles.online_gradients(cell, loss_fn, s, xs, ys) for s in sequences
      ]

      def follow(sequence, xs, ys):
        def body(state, step):
          params, x_t, y_t = step
          state, estimate = estimator.update(params, state, x_t, y_t)
          return state, estimate.grads

        first = jax.tree.map(lambda p: p[0], sequence)
        state = estimator.init(first, jax.random.key(0))
        return jax.lax.scan(body, state, (sequence, xs[:, None], ys[:, None]))[
          1
        ]

      stack = lambda *leaves: jnp.stack(leaves)
      batch = jax.tree.map(stack, *(jax.tree.map(stack, *s) for s in sequences))
      # Also a batch of batches, of which the outer shares the parameters.
      follow = jax.vmap(jax.vmap(follow, (0, None, None)), (None, 0, 0))
      actual = jax.jit(follow)(batch, jnp.stack([xs, xs]), jnp.stack([ys, ys]))
      for i, steps in enumerate(expected):
        for t, e in enumerate(steps):
          a = jax.tree.map(lambda leaf: leaf[1, i, t], actual)  # noqa: B023
          oracles.assert_same_gradient(a, e)

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
    cell_name=("vanilla", "stack", "bare"), window=(1, 2, 5)
  )
  def test_rolling_bptt(self, cell_name, window):
    self._check(
      cell_name,
      lambda *args: nf.estimators.rolling_bptt(*args, window=window),
      window,
    )

  @parameterized.parameters(
    ((1, 1, 4, 1, 2), True), ((4, 1, 1, 1, 2), True), ((1, 2, 1, 2, 3), False)
  )
  def test_segments_of_different_lengths(self, lengths, linear):
    """Blocks, single steps and puttings off may follow one another."""
    with oracles.float64():
      cell, loss_fn = _leaky(linear)
      params = oracles.make_params(cell)
      xs, ys = oracles.make_episode(_NUM_STEPS)
      _, expected = oracles.whole_gradient(cell, loss_fn, params, xs, ys)
      for estimator in _in_blocks(linear):
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
