"""Streams as they come: episodes that end, padding, errors from outside."""

import functools
import itertools

import chex
import jax
import numpy as np
from absl.testing import absltest, parameterized
from jax import numpy as jnp

import nnfun as nf
from tests import oracles
from tests.estimators import tables

_LENGTHS = (7, 1, 10)  # Of the episodes: two are longer than a tape.
_CASES = tables.CASES


def _stream():
  """Episodes one after another, and where each begins."""
  xs, ys = map(np.array, oracles.make_episode(sum(_LENGTHS)))
  firsts = np.cumsum((0, *_LENGTHS[:-1]))
  resets = np.isin(np.arange(len(xs)), firsts)
  pieces = [
    (xs[first : first + length], ys[first : first + length])
    for first, length in zip(firsts, _LENGTHS, strict=True)
  ]
  return xs, ys, resets, pieces


def _follow(estimator, params, xs, ys, resets=None):
  """The cell's state and the estimate after every step."""
  update, result = jax.jit(estimator.update), []
  state = jax.jit(estimator.init)(params, jax.random.key(0))
  for t in range(len(xs)):
    step = jax.tree.map(lambda leaf, t=t: leaf[t : t + 1], (xs, ys, resets))
    state, estimate = update(params, state, *step)
    result.append((state.cell, estimate))
  return result


def _apart(estimator, params, pieces, resets=None):
  """Each episode from a fresh state; no step resets.

  Of the episode before nothing is taken over but the key.
  """
  update, result = jax.jit(estimator.update), []
  fresh = before = jax.jit(estimator.init)(params, jax.random.key(0))
  for x, y in pieces:
    state = jax.tree.map(_key_of, fresh, before)
    for t in range(len(x)):
      step = x[t : t + 1], y[t : t + 1]
      state, estimate = update(params, state, *step, resets)
      result.append((state.cell, estimate))
    before = state
  return result


def _key_of(fresh, before):
  is_key = jnp.issubdtype(fresh.dtype, jax.dtypes.prng_key)
  return before if is_key else fresh


class ResetsTest(parameterized.TestCase):
  @parameterized.named_parameters(_CASES)
  def test_a_stream_is_its_episodes_bit_for_bit(self, name, cell_name):
    _, _, params, estimator = tables.make(name, cell_name)
    xs, ys, resets, pieces = _stream()
    together = _follow(estimator, params, xs, ys, resets)
    # By the same program, so that XLA rounds alike.
    apart = _apart(estimator, params, pieces, np.zeros(1, bool))
    chex.assert_trees_all_equal(together, apart, strict=True)
    alone = _apart(estimator, params, pieces)
    for a, e in zip(together, alone, strict=True):
      oracles.assert_same_gradient(a[1].grads, e[1].grads)
    # And it is the resets that make it so.
    without = _follow(estimator, params, xs, ys)
    self.assertFalse(np.array_equal(without[-1][1].loss, apart[-1][1].loss))

  @parameterized.named_parameters(_CASES)
  def test_an_episode_which_diverged_leaves_nothing_behind(
    self, name, cell_name
  ):
    _, _, params, estimator = tables.make(name, cell_name)
    xs, ys, resets, pieces = _stream()
    xs[1 : _LENGTHS[0]] = np.nan
    together = _follow(estimator, params, xs, ys, resets)[_LENGTHS[0] :]
    apart = _apart(estimator, params, pieces, np.zeros(1, bool))
    apart = apart[_LENGTHS[0] :]
    chex.assert_trees_all_equal(together, apart, strict=True)

  @parameterized.named_parameters(
    case for case in _CASES if case[1] in tables.EXACT
  )
  def test_resets_anywhere_in_a_segment(self, name, cell_name):
    """Segments within a tape and beyond it; of one step they are above."""
    with oracles.float64():
      cell, loss_fn, params, estimator = tables.make(name, cell_name)
      xs, ys, resets, pieces = _stream()
      grads = [
        oracles.whole_gradient(cell, loss_fn, params, *piece)[1]
        for piece in pieces
      ]
      expected = jax.tree.map(lambda *g: sum(g), *grads)

      @jax.jit
      def estimate_all(params):
        return [
          nf.training.episode_gradient(
            estimator,
            params,
            jax.random.key(0),
            xs,
            ys,
            segment=segment,
            resets=resets,
          ).grads
          for segment in (3, 18)
        ]

      for actual in estimate_all(params):
        oracles.assert_same_gradient(actual, expected)
      exact = nf.training.exact_gradient(
        cell, loss_fn, params, xs, ys, resets=resets
      )
      oracles.assert_same_gradient(exact.grads, expected)

  @parameterized.parameters("lazy_rtrl", "diagonal_rtrl")
  def test_resets_of_a_batch_at_different_steps(self, name):
    with oracles.float64():
      cell_name = tables.INTERFACE[name][1][0]
      _, _, params, estimator = tables.make(name, cell_name)
      xs, ys, resets, _ = _stream()
      patterns = np.stack([resets, np.roll(resets, 2), np.zeros_like(resets)])
      gradient = functools.partial(
        nf.training.episode_gradient, estimator, segment=2
      )
      run = lambda resets: gradient(
        params, jax.random.key(0), xs, ys, resets=resets
      )
      batched = jax.tree.map(np.asarray, jax.jit(jax.vmap(run))(patterns))
      for i, pattern in enumerate(patterns):
        oracles.assert_same_gradient(
          jax.tree.map(lambda leaf, i=i: leaf[i], batched.grads),
          jax.jit(run)(pattern).grads,
        )

  @parameterized.named_parameters(_CASES)
  def test_without_resets_nothing_is_paid(self, name, cell_name):
    """The initial state, here a number of its own, is not in the program."""
    cell, loss_fn, params, _ = tables.make(name, cell_name)
    start = lambda: jax.tree.map(
      lambda s: jnp.full_like(s, 0.8125),
      oracles.CELLS[cell_name]().initial_state(),
    )
    cell = cell._replace(initial_state=start)
    estimator = tables.INTERFACE[name][0](cell, loss_fn)
    state = jax.eval_shape(estimator.init, params, jax.random.key(0))
    xs, ys = oracles.make_episode(3)

    def program(*resets):
      lowered = jax.jit(estimator.update).lower(params, state, xs, ys, *resets)
      return lowered.as_text()

    self.assertIn("8.125", program(np.zeros(3, bool)))
    self.assertNotIn("8.125", program())


class PaddingTest(parameterized.TestCase):
  @parameterized.parameters(3, 4)
  def test_steps_of_weight_zero_change_nothing(self, segment):
    with oracles.float64():
      cell = oracles.CELLS["vanilla"]()
      plain_fn, params = oracles.make_loss(cell), oracles.make_params(cell)
      loss_fn = lambda params, s, y: y.weight * plain_fn(params, s, y.value)
      xs, ys = oracles.make_episode(7)
      (xs_padded, values), weights = nf.training.pad((xs, ys), segment)
      self.assertEqual(len(xs_padded) % segment, 0)
      self.assertLess(len(xs_padded), 7 + segment)
      expected = oracles.whole_gradient(cell, plain_fn, params, xs, ys)
      for estimator in (
        nf.estimators.rtrl(cell, loss_fn),
        nf.estimators.rtrl(cell, loss_fn, flush_every=4),
      ):
        gradient = functools.partial(
          nf.training.episode_gradient, estimator, segment=segment
        )
        actual = jax.jit(gradient)(
          params, jax.random.key(0), xs_padded, nf.Target(values, weights)
        )
        np.testing.assert_allclose(actual.loss, expected[0], rtol=1e-12)
        oracles.assert_same_gradient(actual.grads, expected[1])

  def test_packed_sequences_of_unequal_length(self):
    """A batch of episodes as one stream, each padded to whole segments."""
    with oracles.float64():
      cell = oracles.CELLS["lstm"]()
      plain_fn, params = oracles.make_loss(cell), oracles.make_params(cell)
      loss_fn = lambda params, s, y: y.weight * plain_fn(params, s, y.value)
      episodes = [oracles.make_episode(n, seed=n) for n in (5, 2, 7)]
      packed = []
      for episode in episodes:
        (x, y), weights = nf.training.pad(episode, 3)
        resets = jnp.arange(len(x)) == 0
        packed.append((x, nf.Target(y, weights), resets))
      join = lambda *leaves: jnp.concatenate(leaves)
      xs, ys, resets = jax.tree.map(join, *packed)
      gradient = functools.partial(
        nf.training.episode_gradient,
        nf.estimators.rtrl(cell, loss_fn, flush_every=4),
        segment=3,
      )
      actual = jax.jit(gradient)(
        params, jax.random.key(0), xs, ys, resets=resets
      )
      grads = [
        oracles.whole_gradient(cell, plain_fn, params, *e)[1] for e in episodes
      ]
      oracles.assert_same_gradient(
        actual.grads, jax.tree.map(lambda *g: sum(g), *grads)
      )


@functools.cache
def _errors(cell_name):
  """Errors at the states of eight steps, and what they are by the weights."""
  cell = oracles.CELLS[cell_name]()
  params = oracles.make_params(cell)
  xs, _ = oracles.make_episode(8)

  def states(theta):
    def step(state, x_t):
      state = cell.step(theta, state, x_t)
      return state, state

    return jax.lax.scan(step, oracles.start(cell, params), xs)[1]

  @jax.jit
  def pulled(theta):
    reached, pull = jax.vjp(states, theta)
    errors = jax.tree.map(lambda s: jnp.cos(7 * s + 1), reached)
    return errors, *pull(errors)

  return pulled(params["cell"])


class CotangentsTest(parameterized.TestCase):
  @parameterized.parameters(
    (name, cell_name, segment)
    for name, cell_name, segment in itertools.product(
      tables.EXACT, ("lstm", "elstm"), (1, 4)
    )
    if name != "diagonal_rtrl" or cell_name == "elstm"
  )
  def test_errors_from_outside(self, name, cell_name, segment):
    """What is pulled back is what the learner brings, through every state."""
    with oracles.float64():
      cell = oracles.CELLS[cell_name]()
      params = {"cell": oracles.make_params(cell)["cell"], "readout": {}}
      xs, _ = oracles.make_episode(8)
      errors, expected = _errors(cell_name)
      estimator = tables.EXACT[name](cell, nf.estimators.cotangent_loss)
      grads = tables.summed(estimator, params, xs, errors, segment)
      oracles.assert_same_gradient(grads["cell"], expected)

  def test_an_error_in_another_structure(self):
    cell = oracles.CELLS["lstm"]()
    params = {"cell": oracles.make_params(cell)["cell"], "readout": {}}
    estimator = nf.estimators.rtrl(cell, nf.estimators.cotangent_loss)
    state = estimator.init(params, jax.random.key(0))
    with self.assertRaisesRegex(ValueError, "structure and shapes of the st"):
      estimator.update(params, state, jnp.ones((1, 3)), jnp.ones((1, 4)))

  def test_temporal_differences_with_an_error_that_comes_a_step_late(self):
    """Semi-gradient TD(0): delta_t grad V(s_t), one exact gradient a step."""
    with oracles.float64():
      cell = oracles.CELLS["gru"]()
      params = {
        "cell": oracles.make_params(cell)["cell"],
        "readout": jnp.linspace(-1, 1, oracles.NUM_UNITS),
      }
      value_fn = lambda params, h_t, _: params["readout"] @ h_t
      xs, rewards = oracles.make_episode(6)[0], jnp.arange(6.0)
      discount = 0.9
      estimator = nf.estimators.rtrl(cell, value_fn, flush_every=3)
      state = estimator.init(params, jax.random.key(0))
      update = jax.jit(estimator.update)
      total, previous = jax.tree.map(jnp.zeros_like, params), None
      for t in range(6):
        nothing = jnp.zeros(1)
        state, now = update(params, state, xs[t : t + 1], nothing)
        if previous is not None:
          error = rewards[t] + discount * now.loss - previous.loss
          total = jax.tree.map(
            lambda s, g, e=error: s + e * g, total, previous.grads
          )
        previous = now

      def objective(params):  # Its gradient is the semi-gradient.
        state, values = oracles.start(cell, params), []
        for x_t in xs:
          state = cell.step(params["cell"], state, x_t)
          values.append(value_fn(params, state, None))
        values = jnp.stack(values)
        errors = rewards[1:] + discount * values[1:] - values[:-1]
        return jnp.sum(jax.lax.stop_gradient(errors) * values[:-1])

      expected = jax.jit(jax.grad(objective))(params)
      oracles.assert_same_gradient(total, expected)


class FeedbackTest(parameterized.TestCase):
  def _grads(self, name, feedback, segment=2):
    cell = oracles.CELLS["elstm"]()
    params = {
      "cell": oracles.make_params(cell)["cell"],
      "readout": jax.random.normal(jax.random.key(4), (2, oracles.NUM_UNITS)),
    }
    feedback = params["readout"] if feedback is None else feedback

    def loss_fn(params, state_t, y_t):
      prediction = nf.estimators.feedback_readout(
        params["readout"], feedback, state_t.h
      )
      return 0.5 * jnp.sum((prediction - y_t) ** 2)

    xs, ys = oracles.make_episode(8)
    estimator = tables.EXACT[name](cell, loss_fn)

    def by_hand(theta):
      """The errors e_t, fixed, returning through B."""

      def step(state, now):
        x_t, y_t = now
        state = cell.step(theta, state, x_t)
        error = jax.lax.stop_gradient(params["readout"] @ state.h - y_t)
        return state, (feedback.T @ error) @ state.h

      return jnp.sum(
        jax.lax.scan(step, oracles.start(cell, params), (xs, ys))[1]
      )

    return (
      tables.summed(estimator, params, xs, ys, segment),
      jax.jit(jax.grad(by_hand))(params["cell"]),
    )

  @parameterized.parameters(*tables.EXACT)
  def test_the_error_returns_through_a_fixed_random_matrix(self, name):
    with oracles.float64():
      feedback = jax.random.normal(jax.random.key(5), (2, oracles.NUM_UNITS))
      grads, expected = self._grads(name, feedback)
      oracles.assert_same_gradient(grads["cell"], expected)
      true_grads, true_expected = self._grads(name, None)
      oracles.assert_same_gradient(true_grads["cell"], true_expected)
      # The readout's own gradient is the true one either way.
      chex.assert_trees_all_equal(grads["readout"], true_grads["readout"])
      difference = jax.tree.map(jnp.subtract, grads, true_grads)["cell"]
      self.assertGreater(
        float(nf.numerics.global_norm(difference)),
        0.1 * float(nf.numerics.global_norm(true_grads["cell"])),
      )


if __name__ == "__main__":
  absltest.main()
