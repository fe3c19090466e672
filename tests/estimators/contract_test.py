"""One contract for every exact estimator and every cell."""

import functools
import io
import itertools

import chex
import jax
import numpy as np
import optax
from absl.testing import absltest, parameterized
from jax import flatten_util
from jax import numpy as jnp
from scipy import stats

import nnfun as nf
from tests import oracles
from tests.estimators import tables

_NUM_STEPS = tables.NUM_STEPS
_SEGMENT = 3  # Shorter than the tapes, but for one.

PAIRS = [
  (f"{estimator}_{cell}", estimator, cell)
  for estimator, cell in itertools.product(tables.EXACT, oracles.CELLS)
  if estimator != "diagonal_rtrl" or cell in oracles.DIAGONAL_CELLS
]
# The rest of the contract does not depend on the equations of a cell.
CASES = tables.CASES


@functools.cache
def _whole(cell_name):
  """The sequence and its gradient, in float64, once for all estimators."""
  cell, loss_fn, params, _ = tables.make("truncated_bptt", cell_name)
  xs, ys = oracles.make_episode(_NUM_STEPS)
  return xs, ys, *oracles.whole_gradient(cell, loss_fn, params, xs, ys)


class ExactnessTest(parameterized.TestCase):
  @parameterized.named_parameters(PAIRS)
  def test_summed_gradient_is_the_gradient_of_the_summed_loss(
    self, estimator_name, cell_name
  ):
    with oracles.float64():
      _, _, params, estimator = tables.make(estimator_name, cell_name)
      xs, ys, loss, grads = _whole(cell_name)

      @jax.jit
      def estimate_all(params):
        return [
          nf.training.episode_gradient(
            estimator, params, jax.random.key(0), xs, ys, segment=segment
          )
          for segment in (1, 6)  # Within a tape and beyond it.
        ]

      for estimate in estimate_all(params):
        np.testing.assert_allclose(estimate.loss, loss, rtol=1e-12)
        oracles.assert_same_gradient(estimate.grads, grads)

  @parameterized.named_parameters((name, name) for name in oracles.CELLS)
  def test_truncated_bptt_is_exact_with_one_segment(self, cell_name):
    with oracles.float64():
      _, _, params, estimator = tables.make("truncated_bptt", cell_name)
      xs, ys, _, grads = _whole(cell_name)
      actual = tables.summed(estimator, params, xs, ys, segment=_NUM_STEPS)
      oracles.assert_same_gradient(actual, grads)

  @parameterized.named_parameters(
    case for case in CASES if case[1] in tables.EXACT
  )
  def test_float32(self, estimator_name, cell_name):
    cell, loss_fn, params, estimator = tables.make(estimator_name, cell_name)
    xs, ys = oracles.make_episode(_NUM_STEPS)
    _, grads = oracles.whole_gradient(cell, loss_fn, params, xs, ys)
    estimate = jax.jit(
      functools.partial(nf.training.episode_gradient, estimator, segment=3)
    )(params, jax.random.key(0), xs, ys)
    chex.assert_type(jax.tree.leaves(estimate.grads), jnp.float32)
    oracles.assert_same_gradient(estimate.grads, grads)


class OtherEstimatesTest(parameterized.TestCase):
  """Those which are the gradient only on average, or something else."""

  @parameterized.named_parameters((name, name) for name in tables.BIASED)
  def test_biased_ones_are_what_their_oracle_says(self, name):
    make, oracle = tables.BIASED[name]
    with oracles.float64():
      cell = oracles.CELLS["gru"]()
      loss_fn, params = oracles.make_loss(cell), oracles.make_params(cell)
      xs, ys = oracles.make_episode(6)
      estimator = make(cell, loss_fn)
      state = jax.jit(estimator.init)(params, jax.random.key(0))
      update = jax.jit(estimator.update)
      for t, expected in enumerate(oracle(cell, loss_fn, params, xs, ys)):
        state, estimate = update(params, state, xs[t : t + 1], ys[t : t + 1])
        oracles.assert_same_gradient(estimate.grads, expected)

  def _largest_deviation(self, make, segment=1):
    """max over parameters of abs(mean - exact) / standard error."""
    with oracles.float64():
      cell = oracles.CELLS["vanilla"]()
      loss_fn, params = oracles.make_loss(cell), oracles.make_params(cell)
      xs, ys = oracles.make_episode(4)
      _, exact = oracles.whole_gradient(cell, loss_fn, params, xs, ys)

      def one(key):
        grads = nf.training.episode_gradient(
          make(cell, loss_fn), params, key, xs, ys, segment=segment
        ).grads
        return flatten_util.ravel_pytree(grads)[0]

      keys = jax.random.split(jax.random.key(0), 10_000)
      samples = np.asarray(jax.jit(jax.vmap(one))(keys))
      exact = np.asarray(flatten_util.ravel_pytree(exact)[0])
      error = np.abs(samples.mean(0) - exact)
      # What does not scatter, as a readout's gradient, has to be exact.
      rounding = 1e-12 * np.max(np.abs(exact))
      deviations = error / (samples.std(0, ddof=1) / 100 + rounding)
      return float(deviations.max()), deviations.size

  @parameterized.named_parameters((name, name) for name in tables.UNBIASED)
  def test_unbiased_ones_are_right_on_average(self, name):
    """One statistic; by chance it fails once in a million."""
    deviation, size = self._largest_deviation(*tables.UNBIASED[name])
    self.assertLess(deviation, stats.norm.isf(1e-6 / 2 / size))

  def test_a_bias_of_a_twentieth_is_seen(self):
    unfair = functools.partial(tables.coin, probability=0.525)
    deviation, size = self._largest_deviation(unfair)
    self.assertGreater(deviation, stats.norm.isf(1e-6 / 2 / size))


# The exact ones are compared with the gradient in every cell, above.
_LIVE = [
  (f"{name}_{cell_name}", name, cell_name)
  for name, cell_name in itertools.product(tables.INTERFACE, oracles.CELLS)
  if name not in tables.EXACT and tables.is_defined(name, cell_name)
]


def _state_loss(params, state_t, y_t):
  """Of the state alone: no decay that would reach every parameter."""
  h_t = flatten_util.ravel_pytree(state_t)[0]
  prediction = params["readout"]["w"] @ jnp.tanh(h_t) + params["readout"]["b"]
  return 0.5 * jnp.sum((prediction - y_t) ** 2)


@functools.cache
def _live(cell_name):
  """Which entries of the exact gradient differ from zero."""
  cell, _, params, _ = tables.make("truncated_bptt", cell_name)
  episode = oracles.make_episode(4)
  _, grads = oracles.whole_gradient(cell, _state_loss, params, *episode)
  return jax.tree.map(lambda g: np.asarray(g) != 0, grads)


class LivenessTest(parameterized.TestCase):
  @parameterized.named_parameters(_LIVE)
  def test_every_parameter_gets_a_gradient(self, name, cell_name):
    cell, _, params, _ = tables.make("truncated_bptt", cell_name)
    estimator = tables.INTERFACE[name][0](cell, _state_loss)
    grads = tables.summed(estimator, params, *oracles.make_episode(4))
    grads = map(np.asarray, jax.tree.leaves(grads))
    paths = jax.tree_util.tree_leaves_with_path(_live(cell_name))
    for (path, live), leaf in zip(paths, grads, strict=True):
      self.assertTrue(np.all(np.isfinite(leaf)), path)
      self.assertTrue(np.any(live), path)
      self.assertGreater(np.mean(leaf[live] != 0), 0.9, path)


def _floating(state):
  """The dtypes of the real numbers in a state."""
  dtypes = {leaf.dtype for leaf in jax.tree.leaves(state)}
  return {dtype for dtype in dtypes if jnp.issubdtype(dtype, jnp.floating)}


def _weak_types(state):
  return [leaf.weak_type for leaf in jax.tree.leaves(state)]


@functools.cache
def _descent(name, cell_name):
  """A compiled step of gradient descent, which may be traced once."""
  estimator = tables.make(name, cell_name)[-1]
  chex.clear_trace_counter()
  update = chex.assert_max_traces(estimator.update, n=1)

  @jax.jit
  def step(state, x, y):
    params, state = state
    state, estimate = update(params, state, x, y)
    return jax.tree.map(lambda p, g: p - 0.1 * g, params, estimate.grads), state

  return step


def _through_a_file(state):
  """The arrays of a state, written and read."""
  leaves, structure = jax.tree.flatten(state)
  for i, leaf in enumerate(leaves):
    is_key = jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
    file = io.BytesIO()
    np.save(file, jax.random.key_data(leaf) if is_key else leaf)
    file.seek(0)
    read = jnp.asarray(np.load(file, allow_pickle=False))
    leaves[i] = jax.random.wrap_key_data(read) if is_key else read
  return structure.unflatten(leaves)


class InterfaceTest(parameterized.TestCase):
  @parameterized.named_parameters(CASES)
  def test_state_keeps_structure_and_dtypes(self, estimator_name, cell_name):
    """Float64 inputs do not widen a float32 network with x64 switched on.

    Where the inputs are remembered, in room for float32, they are refused.
    """
    remembers = estimator_name in ("lazy_rtrl", "short_rolling_bptt")
    with oracles.float64():
      for dtype in (jnp.float32, jnp.float64):
        _, _, params, estimator = tables.make(
          estimator_name, cell_name, dtype=dtype
        )
        state = jax.eval_shape(estimator.init, params, jax.random.key(0))
        self.assertEqual(_floating(state), {jnp.dtype(dtype)})
        xs, ys = oracles.make_episode(_SEGMENT, dtype=jnp.float64)
        if remembers and dtype == jnp.float32:
          with self.assertRaisesRegex(ValueError, "input_spec.*got float64"):
            jax.eval_shape(estimator.update, params, state, xs, ys)
          xs = xs.astype(dtype)
        after, estimate = jax.eval_shape(
          estimator.update, params, state, xs, ys
        )
        chex.assert_trees_all_equal_shapes_and_dtypes(after, state)
        chex.assert_trees_all_equal_shapes_and_dtypes(estimate.grads, params)
        self.assertEqual(estimate.loss.shape, ())
        # A weak type that comes or goes would be traced again.
        self.assertEqual(*map(_weak_types, (after, state)))

  def test_flax_cell_with_two_parts_and_shared_weights_takes_float64(self):
    with oracles.float64():
      for name in ("rtrl", "lazy_rtrl", "rolling_bptt"):
        _, _, params, estimator = tables.make(name, "flax", dtype=jnp.float64)
        state = jax.eval_shape(estimator.init, params, jax.random.key(0))
        self.assertLen(jax.tree.leaves(state.cell), 2)
        self.assertLen(jax.tree.leaves(params["cell"]), 4)
        self.assertEqual(_floating(state), {jnp.dtype(jnp.float64)})

  @parameterized.named_parameters(CASES)
  def test_jit_and_vmap_change_nothing(self, estimator_name, cell_name):
    with oracles.float64():
      _, _, params, estimator = tables.make(estimator_name, cell_name)
      state = jax.jit(estimator.init)(params, jax.random.key(0))
      pieces = [oracles.make_episode(_SEGMENT, seed) for seed in range(2)]
      state, _ = jax.jit(estimator.update)(params, state, *pieces[0])
      batched = jax.jit(jax.vmap(estimator.update, (None, None, 0, 0)))(
        params, state, *jax.tree.map(lambda *x: np.stack(x), *pieces)
      )[1]
      batched = jax.tree.map(np.asarray, batched.grads)
      # Alone without jit for the first, alone and compiled for the second.
      for i, update in enumerate((estimator.update, jax.jit(estimator.update))):
        oracles.assert_same_gradient(
          jax.tree.map(lambda leaf, i=i: leaf[i], batched),
          update(params, state, *pieces[i])[1].grads,
        )

  def test_batched_flushes_need_not_coincide(self):
    """Streams of different ages in one batch flush at different steps."""
    with oracles.float64():
      _, _, params, estimator = tables.make("lazy_rtrl", "vanilla")
      xs, ys = map(np.asarray, oracles.make_episode(14))
      update = jax.jit(estimator.update)
      states = []
      for age in (0, 3, 4):
        state = jax.jit(estimator.init)(params, jax.random.key(0))
        for t in range(age):
          state, _ = update(params, state, xs[t : t + 1], ys[t : t + 1])
        states.append(state)
      batched = jax.tree.map(lambda *leaves: np.stack(leaves), *states)
      update_all = jax.jit(jax.vmap(estimator.update, (None, 0, None, None)))
      for t in range(6, 14):
        piece = xs[t : t + 1], ys[t : t + 1]
        batched, estimates = update_all(params, batched, *piece)
        for i, state in enumerate(states):
          states[i], estimate = update(params, state, *piece)
          oracles.assert_same_gradient(
            jax.tree.map(lambda g, i=i: np.asarray(g)[i], estimates.grads),
            estimate.grads,
          )

  @parameterized.named_parameters(CASES)
  def test_a_state_may_be_donated(self, estimator_name, cell_name):
    """No buffer is there twice, none belongs to the caller."""
    _, _, params, estimator = tables.make(estimator_name, cell_name)
    key = jax.random.key(0)
    state = estimator.init(params, key)
    arrays = [  # Kept, so that no address is used again.
      jax.random.key_data(leaf)
      if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
      else leaf
      for leaf in jax.tree.leaves((params, key, state))
      if leaf.size
    ]
    pointers = [array.unsafe_buffer_pointer() for array in arrays]
    self.assertLen(set(pointers), len(pointers))

  @parameterized.named_parameters(CASES)
  def test_a_stream_cut_anywhere_goes_on_bit_for_bit(
    self, estimator_name, cell_name
  ):
    """And no step after the first is traced."""
    _, _, params, estimator = tables.make(estimator_name, cell_name)
    xs, ys = map(np.asarray, oracles.make_episode(10))
    step = _descent(estimator_name, cell_name)

    def follow(state, steps):
      for t in steps:
        state = step(state, xs[t : t + 1], ys[t : t + 1])
      return state

    begin = params, estimator.init(params, jax.random.key(0))
    whole = follow(begin, range(10))
    for cut in (1, 7):
      restored = _through_a_file(follow(begin, range(cut)))
      resumed = follow(restored, range(cut, 10))
      chex.assert_trees_all_equal(resumed, whole, strict=True)

  @parameterized.named_parameters(
    (name, name)
    for name in ("rtrl", "lazy_rtrl", "rolling_bptt", "diagonal_rtrl")
  )
  def test_memory_of_an_online_run_does_not_depend_on_its_length(self, name):
    cell_name = "lru" if name == "diagonal_rtrl" else "vanilla"
    _, _, params, estimator = tables.make(name, cell_name)

    optimizer = optax.sgd(0.01)

    def temporary_bytes(num_steps):
      def run(params, xs, ys):
        state = nf.training.stream_init(
          estimator, optimizer, params, jax.random.key(0)
        )
        return nf.training.train_stream(
          estimator, optimizer, state, xs, ys, segment=1
        )

      episode = oracles.make_episode(num_steps)
      compiled = jax.jit(run).lower(params, *episode).compile()
      return compiled.memory_analysis().temp_size_in_bytes

    self.assertEqual(temporary_bytes(16), temporary_bytes(1024))

    def bptt_bytes(num_steps):
      estimator = nf.estimators.truncated_bptt(
        oracles.CELLS[cell_name](), oracles.make_loss(None)
      )
      state = estimator.init(params, jax.random.key(0))
      episode = oracles.make_episode(num_steps)
      compiled = jax.jit(estimator.update).lower(params, state, *episode)
      return compiled.compile().memory_analysis().temp_size_in_bytes

    # The measure can see it: what BPTT keeps grows with T.
    self.assertGreater(bptt_bytes(1024), 10 * bptt_bytes(16))


if __name__ == "__main__":
  absltest.main()
