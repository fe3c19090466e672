"""Training: every scan against a loop in Python."""

import functools

import chex
import jax
import numpy as np
import optax
from absl.testing import absltest, parameterized
from jax import numpy as jnp

import nnfun as nf
from tests import oracles


def _setup():
  cell = oracles.CELLS["vanilla"]()
  loss_fn = oracles.make_loss(cell)
  return cell, loss_fn, oracles.make_params(cell)


def _random_task(num_steps):
  def sample(key):
    key_x, key_y = jax.random.split(key)
    return nf.Episode(
      jax.random.normal(key_x, (num_steps, oracles.NUM_INPUTS)),
      jax.random.normal(key_y, (num_steps, oracles.NUM_OUTPUTS)),
    )

  return nf.Task(sample)


class StreamTest(parameterized.TestCase):
  @parameterized.parameters(1, 4)
  def test_is_the_loop(self, segment):
    """SGD on the mean loss of each segment, the gradient by the oracle."""
    with oracles.float64():
      cell, loss_fn, params = _setup()
      xs, ys = oracles.make_episode(8)
      optimizer = optax.sgd(0.1)
      estimator = nf.estimators.truncated_bptt(cell, loss_fn)
      state = nf.training.stream_init(
        estimator, optimizer, params, jax.random.key(0)
      )
      state, losses = jax.jit(
        lambda state: nf.training.train_stream(
          estimator, optimizer, state, xs, ys, segment=segment
        )
      )(state)
      hidden = oracles.start(cell, params)
      for i in range(8 // segment):
        piece = slice(i * segment, (i + 1) * segment)

        def mean_loss(params, hidden=hidden, piece=piece):
          values, last = oracles.losses(
            cell, loss_fn, params, xs[piece], ys[piece], hidden
          )
          return sum(values) / segment, last

        value_and_grad = jax.value_and_grad(mean_loss, has_aux=True)
        (loss, hidden), grads = jax.jit(value_and_grad)(params)
        np.testing.assert_allclose(losses[i], loss, rtol=1e-12)
        params = jax.tree.map(lambda p, g: p - 0.1 * g, params, grads)
      chex.assert_trees_all_close(state.params, params, rtol=1e-10)

  def test_with_resets_is_one_episode_after_another(self):
    """Parameters and optimiser go on, the estimator starts afresh."""
    with oracles.float64():
      cell, loss_fn, params = _setup()
      xs, ys = oracles.make_episode(12)
      optimizer = optax.adam(0.1)
      for estimator in (
        nf.estimators.rtrl(cell, loss_fn),
        nf.estimators.rtrl(cell, loss_fn, flush_every=3),
      ):
        start = nf.training.stream_init(
          estimator, optimizer, params, jax.random.key(0)
        )
        train = jax.jit(
          lambda state, xs, ys, resets=None, e=estimator: (
            nf.training.train_stream(
              e, optimizer, state, xs, ys, segment=1, resets=resets
            )
          )
        )
        firsts = jnp.isin(jnp.arange(12), jnp.array([0, 5, 7]))
        state, losses = train(start, xs, ys, firsts)
        apart, expected = start, []
        for piece in (slice(0, 5), slice(5, 7), slice(7, 12)):
          fresh = estimator.init(apart.params, jax.random.key(0))
          apart = apart._replace(estimator=fresh)
          apart, values = train(apart, xs[piece], ys[piece])
          expected.append(values)
        np.testing.assert_allclose(
          losses, jnp.concatenate(expected), rtol=1e-12
        )
        chex.assert_trees_all_close(state.params, apart.params, rtol=1e-10)
        unreset, _ = train(start, xs, ys)
        self.assertGreater(
          float(optax.tree.norm(optax.tree.sub(state.params, unreset.params))),
          1e-3,
        )

  def test_in_two_pieces_is_the_same_bit_for_bit(self):
    cell, loss_fn, params = _setup()
    xs, ys = oracles.make_episode(12)
    optimizer = optax.adam(0.01)
    estimator = nf.estimators.rtrl(cell, loss_fn, flush_every=5)
    train = jax.jit(
      lambda state, xs, ys: nf.training.train_stream(
        estimator, optimizer, state, xs, ys, segment=1
      )
    )
    start = nf.training.stream_init(
      estimator, optimizer, params, jax.random.key(0)
    )
    whole, losses = train(start, xs, ys)
    state, first = train(start, xs[:7], ys[:7])
    state, second = train(state, xs[7:], ys[7:])
    chex.assert_trees_all_equal(state, whole, strict=True)
    np.testing.assert_array_equal(jnp.concatenate([first, second]), losses)

  def test_learning_rates_and_seeds_in_one_compile(self):
    cell, loss_fn, _ = _setup()
    xs, ys = oracles.make_episode(6)

    traces = []

    def all_losses(learning_rate, seed):
      traces.append(learning_rate)
      estimator = nf.estimators.rtrl(cell, loss_fn)
      theta = cell.init(jax.random.fold_in(jax.random.key(0), seed))
      readout = {"w": jnp.ones((2, 4)), "b": jnp.zeros(2)}
      params = {"cell": theta, "readout": readout}
      optimizer = optax.sgd(learning_rate)
      state = nf.training.stream_init(
        estimator, optimizer, params, jax.random.key(0)
      )
      return nf.training.train_stream(
        estimator, optimizer, state, xs, ys, segment=1
      )[1]

    grid = jax.jit(jax.vmap(jax.vmap(all_losses, (None, 0)), (0, None)))
    grid(jnp.array([0.2, 0.3]), jnp.arange(3) + 7)
    losses = grid(jnp.array([0.0, 0.1]), jnp.arange(3))
    chex.assert_shape(losses, (2, 3, 6))
    self.assertLen(traces, 1)
    for i, rate in enumerate((0.0, 0.1)):
      np.testing.assert_allclose(
        losses[i, 2], jax.jit(all_losses)(jnp.float32(rate), 2), rtol=1e-5
      )


class OptimizersTest(parameterized.TestCase):
  def test_the_loss_and_the_gradient_are_passed_on(self):
    """Seen by a transformation that records what it is given."""

    def record(updates, state, params=None, *, value, grad):
      del state, params
      return updates, (jnp.asarray(value), grad)

    cell, loss_fn, params = _setup()
    recorder = optax.GradientTransformationExtraArgs(
      lambda params: (jnp.zeros([]), params), record
    )
    optimizer = optax.chain(recorder, optax.sgd(0.1))
    xs, ys = oracles.make_episode(4)
    estimator = nf.estimators.truncated_bptt(cell, loss_fn)
    state = nf.training.stream_init(
      estimator, optimizer, params, jax.random.key(0)
    )
    state, losses = nf.training.train_stream(
      estimator, optimizer, state, xs, ys, segment=4
    )
    value, grad = state.optimizer[0]
    expected = oracles.whole_gradient(cell, loss_fn, params, xs, ys)
    np.testing.assert_allclose(value, expected[0] / 4, rtol=1e-5)
    np.testing.assert_allclose(value, losses[0], rtol=1e-6)
    oracles.assert_same_gradient(
      grad, jax.tree.map(lambda g: g / 4, expected[1])
    )

  @parameterized.parameters(
    lambda: optax.chain(
      optax.adam(1e-2), optax.contrib.reduce_on_plateau(patience=1)
    ),
    lambda: optax.polyak_sgd(max_learning_rate=0.1),
    lambda: optax.contrib.momo(1e-2),
  )
  def test_optimizers_that_ask_for_the_loss(self, make_optimizer):
    cell, loss_fn, params = _setup()
    estimator, optimizer = nf.estimators.rtrl(cell, loss_fn), make_optimizer()
    xs, ys = oracles.make_episode(8)
    state = nf.training.stream_init(
      estimator, optimizer, params, jax.random.key(0)
    )
    state, losses = jax.jit(
      lambda state: nf.training.train_stream(
        estimator, optimizer, state, xs, ys, segment=1
      )
    )(state)
    self.assertTrue(np.all(np.isfinite(losses)))
    state = nf.training.episodes_init(optimizer, params, jax.random.key(0))
    for online in (False, True):
      _, losses = jax.jit(
        lambda state, online=online: nf.training.train_episodes(
          estimator,
          optimizer,
          _random_task(4),
          state,
          num_episodes=1,
          segment=2,
          online=online,
        )
      )(state)
      self.assertTrue(np.all(np.isfinite(losses)))

  def test_a_line_search_is_refused(self):
    cell, loss_fn, params = _setup()
    estimator, optimizer = nf.estimators.rtrl(cell, loss_fn), optax.lbfgs()
    state = nf.training.stream_init(
      estimator, optimizer, params, jax.random.key(0)
    )
    with self.assertRaisesRegex(ValueError, "line search"):
      nf.training.train_stream(
        estimator, optimizer, state, *oracles.make_episode(4), segment=1
      )

  @parameterized.parameters("vanilla", "lstm", "stack")
  def test_a_state_can_be_donated(self, cell_name):
    cell = oracles.CELLS[cell_name]()
    loss_fn, params = oracles.make_loss(cell), oracles.make_params(cell)
    # A user's cell whose state is one array twice.
    zeros = jnp.zeros(oracles.NUM_UNITS)
    twice = nf.Cell(
      lambda key: jnp.ones((4, 4)) / 4,
      lambda: (zeros, zeros),
      lambda w, s, x: (s[1], jnp.tanh(w @ s[0] + x[0])),
    )
    optimizer = optax.adam(0.01)
    xs, ys = oracles.make_episode(4)
    for its_cell, its_params in (
      (cell, params),
      (twice, oracles.make_params(twice)),
    ):
      estimator = nf.estimators.rtrl(its_cell, loss_fn, flush_every=2)
      state = nf.training.stream_init(
        estimator, optimizer, its_params, jax.random.key(0)
      )
      train = jax.jit(
        lambda state, e=estimator: nf.training.train_stream(
          e, optimizer, state, xs, ys, segment=1
        ),
        donate_argnums=0,
      )
      state, first = train(state)
      _, second = train(state)
      self.assertTrue(np.all(np.isfinite(first)) and np.any(first != second))
      chex.assert_tree_all_finite(its_params)  # Still there.

  def test_a_state_of_episodes_can_be_donated(self):
    cell, loss_fn, params = _setup()
    estimator, optimizer = (
      nf.estimators.truncated_bptt(cell, loss_fn),
      optax.sgd(1),
    )
    key = jax.random.key(0)
    state = nf.training.episodes_init(optimizer, params, key)
    train = jax.jit(
      lambda state: nf.training.train_episodes(
        estimator, optimizer, _random_task(4), state, num_episodes=1, segment=4
      ),
      donate_argnums=0,
    )
    train(state)
    chex.assert_tree_all_finite(
      (params, jax.random.normal(key))
    )  # Still there.


class HooksTest(parameterized.TestCase):
  def test_reports_at_a_stride(self):
    cell, loss_fn, params = _setup()
    estimator, optimizer = nf.estimators.rtrl(cell, loss_fn), optax.sgd(0.1)
    xs, ys = oracles.make_episode(12)
    seen = []
    on_update = nf.training.every(3, lambda i, m: seen.append((i, m)))
    state = nf.training.stream_init(
      estimator, optimizer, params, jax.random.key(0)
    )
    train = jax.jit(
      lambda state: nf.training.train_stream(
        estimator, optimizer, state, xs, ys, segment=1
      )
    )
    _, losses = jax.jit(
      lambda state: nf.training.train_stream(
        estimator, optimizer, state, xs, ys, segment=1, on_update=on_update
      )
    )(state)
    jax.effects_barrier()
    seen.sort(key=lambda pair: pair[0])  # Callbacks keep no order.
    self.assertEqual([i for i, _ in seen], [0, 3, 6, 9])
    np.testing.assert_allclose([m["loss"] for _, m in seen], losses[::3])
    _, first = oracles.whole_gradient(cell, loss_fn, params, xs[:1], ys[:1])
    np.testing.assert_allclose(
      seen[0][1]["gradient_norm"], optax.tree.norm(first), rtol=1e-5
    )
    # Watching changes nothing.
    np.testing.assert_allclose(train(state)[1], losses, rtol=1e-6)

  def test_numbers_go_on_from_piece_to_piece(self):
    cell, loss_fn, params = _setup()
    estimator, optimizer = nf.estimators.rtrl(cell, loss_fn), optax.sgd(0.1)
    xs, ys = oracles.make_episode(5)
    seen = []
    on_update = nf.training.every(4, lambda i, _: seen.append(i))
    train = jax.jit(
      lambda state, first: nf.training.train_stream(
        estimator,
        optimizer,
        state,
        xs,
        ys,
        segment=1,
        on_update=on_update,
        first_update=first,
      )
    )
    state = nf.training.stream_init(
      estimator, optimizer, params, jax.random.key(0)
    )
    for first in (0, 5):
      state, _ = train(state, first)
    jax.effects_barrier()
    self.assertEqual(sorted(seen), [0, 4, 8])

  def test_members_of_a_batch_and_episodes(self):
    cell, loss_fn, params = _setup()
    estimator, optimizer = nf.estimators.rtrl(cell, loss_fn), optax.sgd(0.1)
    seen = []
    on_update = nf.training.every(
      4, lambda i, norm: seen.append((i, float(norm))), _norm_of_readout
    )

    def train(key):
      state = nf.training.episodes_init(optimizer, params, key)
      return nf.training.train_episodes(
        estimator,
        optimizer,
        _random_task(4),
        state,
        num_episodes=4,
        segment=2,
        online=True,
        on_update=on_update,
      )

    jax.jit(jax.vmap(train))(jax.random.split(jax.random.key(0), 3))
    jax.effects_barrier()
    self.assertEqual(sorted(i for i, _ in seen), [0, 0, 0, 4, 4, 4])
    self.assertLen({norm for _, norm in seen}, 4)  # At 0 all are the same.


def _norm_of_readout(params, estimate):
  del estimate
  return optax.tree.norm(params["readout"])


class ExactGradientTest(absltest.TestCase):
  def test_is_the_oracle(self):
    with oracles.float64():
      cell, loss_fn, params = _setup()
      xs, ys = oracles.make_episode(7)
      expected = oracles.whole_gradient(cell, loss_fn, params, xs, ys)
      actual = nf.training.exact_gradient(cell, loss_fn, params, xs, ys)
      np.testing.assert_allclose(actual.loss, expected[0], rtol=1e-12)
      oracles.assert_same_gradient(actual.grads, expected[1])

  def test_lengths_may_be_numpy_integers(self):
    cell, loss_fn, params = _setup()
    xs, ys = oracles.make_episode(8)
    estimator = nf.estimators.rtrl(cell, loss_fn)
    grads = [
      nf.training.episode_gradient(
        estimator, params, jax.random.key(0), xs, ys, segment=segment
      ).grads
      for segment in (4, np.int64(4))
    ]
    chex.assert_trees_all_equal(*grads)


class EpisodesTest(parameterized.TestCase):
  @parameterized.parameters(False, True)
  def test_is_the_loop(self, online):
    with oracles.float64():
      cell, loss_fn, params = _setup()
      task, optimizer = _random_task(6), optax.sgd(0.05)
      estimator = nf.estimators.rtrl(cell, loss_fn)
      state = nf.training.episodes_init(optimizer, params, jax.random.key(3))
      state, losses = jax.jit(
        lambda state: nf.training.train_episodes(
          estimator,
          optimizer,
          task,
          state,
          num_episodes=2,
          segment=3,
          batch_size=2,
          online=online,
        )
      )(state)
      for i in range(2):
        key = jax.random.fold_in(jax.random.key(3), i)
        key_task, _ = jax.random.split(key)
        episodes = [task.sample(k) for k in jax.random.split(key_task, 2)]
        params, loss = self._episode(
          cell, loss_fn, estimator, params, episodes, online
        )
        np.testing.assert_allclose(losses[i], loss, rtol=1e-10)
      chex.assert_trees_all_close(state.params, params, rtol=1e-9)
      self.assertEqual(int(state.num_episodes), 2)

  def _episode(self, cell, loss_fn, estimator, params, episodes, online):
    """One batch of episodes: the state is fresh, gradients are averaged."""
    if not online:
      loss, grads = 0.0, []
      for x, y in episodes:
        value, g = oracles.whole_gradient(cell, loss_fn, params, x, y)
        loss += value / 12
        grads.append(g)
      mean = jax.tree.map(lambda a, b: (a + b) / 2 / 6, *grads)
      return jax.tree.map(lambda p, g: p - 0.05 * g, params, mean), loss
    states = [estimator.init(params, jax.random.key(0)) for _ in episodes]
    loss = 0.0
    for piece in (slice(0, 3), slice(3, 6)):
      estimates = []
      for i, (x, y) in enumerate(episodes):
        states[i], estimate = estimator.update(
          params, states[i], x[piece], y[piece]
        )
        estimates.append(estimate)
      loss += sum(e.loss for e in estimates) / 12
      mean = jax.tree.map(
        lambda a, b: (a + b) / 2 / 3, *[e.grads for e in estimates]
      )
      params = jax.tree.map(lambda p, g: p - 0.05 * g, params, mean)
    return params, loss

  def test_in_two_pieces_is_the_same_bit_for_bit(self):
    cell, loss_fn, params = _setup()
    task, optimizer = _random_task(4), optax.adam(0.01)
    estimator = nf.estimators.truncated_bptt(cell, loss_fn)

    def train(state, num_episodes):
      return nf.training.train_episodes(
        estimator,
        optimizer,
        task,
        state,
        num_episodes=num_episodes,
        segment=4,
      )

    start = nf.training.episodes_init(optimizer, params, jax.random.key(0))
    whole, losses = train(start, 5)
    state, first = train(start, 2)
    state, second = train(state, 3)
    chex.assert_trees_all_equal(state.params, whole.params, strict=True)
    np.testing.assert_array_equal(jnp.concatenate([first, second]), losses)

  def test_learns(self):
    """Delayed addition with delays (1, 2): both floors are passed."""
    cell = nf.cells.vanilla(num_inputs=2, num_units=8)

    def loss_fn(params, h_t, y_t):
      logits = params["readout"]["w"] @ h_t + params["readout"]["b"]
      return optax.softmax_cross_entropy(logits, y_t)

    params = {
      "cell": cell.init(jax.random.key(0)),
      "readout": {"w": jnp.zeros((2, 8)), "b": jnp.zeros(2)},
    }
    optimizer = optax.adam(0.01)
    task = nf.tasks.delayed_addition(num_steps=24, delays=(1, 2))
    state = nf.training.episodes_init(optimizer, params, jax.random.key(1))
    _, losses = jax.jit(
      lambda state: nf.training.train_episodes(
        nf.estimators.rtrl(cell, loss_fn, flush_every=4),
        optimizer,
        task,
        state,
        num_episodes=300,
        segment=1,
        batch_size=8,
      )
    )(state)
    self.assertGreater(float(losses[0]), 0.65)
    # Knowing both inputs costs 0.4545 nats at best, knowing one 0.5192.
    self.assertLess(float(losses[-20:].mean()), 0.48)

  def test_errors(self):
    cell, loss_fn, params = _setup()
    optimizer = optax.sgd(0.1)
    estimator = nf.estimators.rtrl(cell, loss_fn)
    state = nf.training.episodes_init(optimizer, params, jax.random.key(0))
    for keywords, message in (
      (dict(num_episodes=0, segment=2), "num_episodes .* got 0"),
      (dict(num_episodes=1, segment=2, batch_size=0), "batch_size .* got 0"),
      (dict(num_episodes=1, segment=5), "divides the 4 steps"),
      (dict(num_episodes=1, segment=5, online=True), "divides the 4 steps"),
    ):
      with self.assertRaisesRegex(ValueError, message):
        nf.training.train_episodes(
          estimator, optimizer, _random_task(4), state, **keywords
        )
    stream = nf.training.stream_init(
      estimator, optimizer, params, jax.random.key(0)
    )
    xs, ys = oracles.make_episode(4)
    train_stream = functools.partial(
      nf.training.train_stream, estimator, optimizer, segment=1
    )
    with self.assertRaisesRegex(ValueError, "stream_init .* got a dict"):
      train_stream(params, xs, ys)
    with self.assertRaisesRegex(ValueError, "episodes_init .* a StreamS"):
      nf.training.train_episodes(
        estimator, optimizer, _random_task(4), stream, num_episodes=1, segment=2
      )
    with self.assertRaisesRegex(ValueError, "booleans .*, got a list"):
      train_stream(stream, xs, ys, resets=[False] * 4)
    with self.assertRaisesRegex(ValueError, "at least one step"):
      nf.training.cut(jnp.zeros((0, 2)), 1)
    with self.assertRaisesRegex(ValueError, r"one length, got .*\[3, 4\]"):
      nf.training.cut((jnp.zeros(3), jnp.zeros(4)), 1)


if __name__ == "__main__":
  absltest.main()
