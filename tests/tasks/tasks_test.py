"""Tasks: what they show, what they ask, and their floors."""

import functools
import math

import chex
import jax
import numpy as np
from absl.testing import absltest, parameterized
from jax import numpy as jnp

import nnfun as nf


def _many(task, num_episodes=2000, seed=0):
  keys = jax.random.split(jax.random.key(seed), num_episodes)
  return jax.tree.map(np.asarray, jax.jit(jax.vmap(task.sample))(keys))


class DelayedAdditionTest(parameterized.TestCase):
  @parameterized.parameters((4, 6), (6, 10), (0, 3))
  def test_target_is_the_sum_of_delayed_inputs(self, first, second):
    task = nf.tasks.delayed_addition(num_steps=40, delays=(first, second))
    x, y = task.sample(jax.random.key(0))
    coins = np.asarray(x[:, 0])
    self.assertEqual(set(coins), {0.0, 1.0})
    np.testing.assert_array_equal(x.sum(1), np.ones(40))
    for t in range(40):
      a = coins[t - first] if t >= first else 0.0
      b = coins[t - second] if t >= second else 0.0
      np.testing.assert_allclose(y[t, 0], 0.5 + 0.5 * a - 0.25 * b, rtol=1e-6)
      np.testing.assert_allclose(y[t, 1], 1 - y[t, 0], rtol=1e-6)

  def test_errors(self):
    with self.assertRaisesRegex(ValueError, "delay .* at least 0, got -1"):
      nf.tasks.delayed_addition(num_steps=4, delays=(-1, 2))


class CountingTest(parameterized.TestCase):
  @parameterized.parameters((40, 5), (1, 3), (7, 1))
  def test_lines_have_as_many_of_both(self, num_steps, max_count):
    x, y = _many(
      nf.tasks.counting(num_steps=num_steps, max_count=max_count), 300
    )
    texts = np.concatenate([np.argmax(x, axis=-1), y[:, -1:]], axis=1)
    np.testing.assert_array_equal(texts[:, 1:], y)
    counts = []
    for text in texts:
      *lines, rest = "".join("ab|"[c] for c in text).split("|")
      for line in lines:
        n = len(line) // 2
        self.assertEqual(line, "a" * n + "b" * n)
      self.assertRegex(rest, "^a*b*$")
      counts += [len(lines[0]) // 2] if lines else []
    if num_steps == 40:
      shares = np.bincount(counts, minlength=6)[1:] / len(counts)
      np.testing.assert_allclose(shares, 1 / 5, atol=0.12)  # 5 errors.

  @parameterized.parameters(
    (10, 2**31 - 2, 300),
    (1000, 10**9, 30),
    (10**5, 10**6, 3),
    (2 * 10**5, 2 * 10**5, 3),
  )
  def test_lines_may_be_longer_than_the_text(
    self, num_steps, max_count, num_texts
  ):
    task = nf.tasks.counting(num_steps=num_steps, max_count=max_count)
    for i in range(num_texts):
      key = jax.random.fold_in(jax.random.key(0), i)
      x, y = task.sample(key)
      # The same counts, written out with integers of any size.
      counts = jax.random.randint(
        key, (num_steps // 3 + 1,), 1, max_count + 1, jnp.int32
      )
      text = ""
      for n in map(int, counts):
        room = max(num_steps + 1 - len(text), 0)
        text += "a" * min(n, room) + "b" * min(n, max(room - n, 0)) + "|"
      expected = np.array(["ab|".index(c) for c in text[: num_steps + 1]])
      np.testing.assert_array_equal(np.argmax(x, axis=-1), expected[:-1])
      np.testing.assert_array_equal(y, expected[1:])

  def test_float64_changes_nothing(self):
    task = nf.tasks.counting(num_steps=20, max_count=4)
    narrow = task.sample(jax.random.key(0))
    with jax.enable_x64(True):
      chex.assert_trees_all_equal(
        task.sample(jax.random.key(0)), narrow, strict=True
      )

  def test_errors(self):
    with self.assertRaisesRegex(ValueError, "max_count .* positive .* got 0"):
      nf.tasks.counting(num_steps=4, max_count=0)


class CopyTest(parameterized.TestCase):
  @parameterized.parameters((1, 0), (3, 0), (4, 5))
  def test_the_answer_is_what_was_shown(self, length, delay):
    task = nf.tasks.copy(
      num_symbols=5, max_length=4, length=length, delay=delay
    )
    x, y = task.sample(jax.random.key(1))
    seen = np.argmax(x, axis=1)
    chex.assert_shape(x, (8 + delay, 7))
    expected = np.full(8 + delay, 5)
    expected[:length] = seen[:length]
    expected[length + delay] = 6
    np.testing.assert_array_equal(seen, expected)
    recalled = slice(length + delay, 2 * length + delay)
    np.testing.assert_array_equal(y.value[recalled], seen[:length])
    weight = np.zeros(8 + delay)
    weight[recalled] = 1
    np.testing.assert_array_equal(y.weight, weight)
    self.assertTrue(np.all(np.asarray(y.value)[weight == 0] == 5))

  def test_curriculum_length_is_traced(self):
    @jax.jit
    @chex.assert_max_traces(n=1)
    def sample(length):
      task = nf.tasks.copy(max_length=6, length=length)
      return task.sample(jax.random.key(0)).y.weight.sum()

    chex.clear_trace_counter()
    self.assertEqual([float(sample(n)) for n in (1, 4, 6)], [1.0, 4.0, 6.0])

  def test_published_floor(self):
    """Arjovsky, Shah, Bengio 2016: 10 ln 8 / (T + 20), 0.1733 at T = 100."""
    task = nf.tasks.copy(delay=99, count_blanks=True)
    y = task.sample(jax.random.key(0)).y
    probabilities = np.where(
      np.asarray(y.value)[:, None] == 8,
      np.eye(9)[8],
      np.append(np.full(8, 1 / 8), 0.0),
    )
    nll = -np.log(probabilities[np.arange(len(y.value)), y.value])
    mean = np.sum(nll * y.weight) / np.sum(y.weight)
    # Their episode has one step more, a blank before the go sign.
    self.assertAlmostEqual(
      mean * np.sum(y.weight) / 120, 10 * math.log(8) / 120, places=6
    )
    self.assertAlmostEqual(10 * math.log(8) / 120, 0.1733, places=4)

  def test_errors(self):
    with self.assertRaisesRegex(ValueError, "max_length = 3, got 4"):
      nf.tasks.copy(max_length=3, length=4)
    with self.assertRaisesRegex(ValueError, "delay .* at least 0, got -1"):
      nf.tasks.copy(delay=-1)


class AddingTest(absltest.TestCase):
  def test_target_and_floor(self):
    """Predicting 1 costs Var(u_1 + u_2) = 1/6, printed as 0.167."""
    x, y = _many(nf.tasks.adding(num_steps=20))
    np.testing.assert_array_equal(x[..., 1].sum(1), np.full(2000, 2.0))
    np.testing.assert_array_equal(x[:, :10, 1].sum(1), np.ones(2000))
    sums = (x[..., 0] * x[..., 1]).sum(1)
    np.testing.assert_allclose(y.value[:, -1], sums, rtol=1e-6)
    np.testing.assert_array_equal(y.weight.sum(1), np.ones(2000))
    squared = (y.value[:, -1] - 1) ** 2
    standard_error = squared.std() / 2000**0.5
    self.assertLess(abs(squared.mean() - 1 / 6), 4 * standard_error)

  def test_errors(self):
    with self.assertRaisesRegex(ValueError, "num_steps .* at least 2, got 1"):
      nf.tasks.adding(num_steps=1)


class SizesTest(parameterized.TestCase):
  @parameterized.parameters(
    (nf.tasks.adding, "num_steps", {}),
    (nf.tasks.brackets, "num_steps", dict(gap=2)),
    (nf.tasks.brackets, "gap", dict(num_steps=3)),
    (nf.tasks.brackets, "num_kinds", dict(num_steps=3, gap=2)),
    (nf.tasks.brackets, "num_letters", dict(num_steps=3, gap=2)),
    (nf.tasks.copy, "num_symbols", {}),
    (nf.tasks.copy, "max_length", {}),
    (nf.tasks.copy, "length", {}),
    (nf.tasks.copy, "delay", {}),
    (nf.tasks.counting, "num_steps", dict(max_count=3)),
    (nf.tasks.counting, "max_count", dict(num_steps=3)),
    (nf.tasks.delayed_addition, "num_steps", {}),
    (nf.tasks.influence_balancing, "num_steps", {}),
    (nf.tasks.influence_balancing_matrices, "num_units", {}),
    (nf.tasks.influence_balancing_matrices, "num_positive", {}),
    (nf.tasks.temporal_order, "num_steps", {}),
    (nf.tasks.temporal_order, "second_tenth", dict(num_steps=20)),
    (functools.partial(nf.tasks.characters, np.arange(9)), "num_steps", {}),
  )
  def test_are_whole_numbers(self, make, name, others):
    for size in (4.0, -3, "4", None if name != "length" else 2.5):
      with self.assertRaisesRegex(ValueError, f"{name} to be a.*got {size!r}"):
        make(**others, **{name: size})

  def test_delays_are_two_whole_numbers(self):
    for delays, message in (
      ((2.0, 4), "a delay .* got 2.0"),
      ((1, 2, 3), r"two delays.*got \(1, 2, 3\)"),
    ):
      with self.assertRaisesRegex(ValueError, message):
        nf.tasks.delayed_addition(num_steps=4, delays=delays)


class InfluenceBalancingTest(absltest.TestCase):
  def test_long_run_influence(self):
    """d s_1 / d theta = e_1 (I - A)^-1 v = 2 sum(v) = 2 (10 - 13)."""
    a, v = nf.tasks.influence_balancing_matrices()
    influence = np.linalg.solve(np.eye(23) - np.asarray(a), np.asarray(v))
    self.assertAlmostEqual(influence[0], -6.0, places=4)

  def test_step(self):
    cell = nf.tasks.influence_balancing_cell(num_units=3, num_positive=1)
    state = cell.step(jnp.float32(2.0), cell.initial_state(), jnp.zeros(0))
    np.testing.assert_allclose(state, [1 + 2, 1 - 2, 0.5 - 2], rtol=1e-6)
    self.assertEqual(float(cell.init(jax.random.key(0))), 0.5)
    episode = nf.tasks.influence_balancing(num_steps=4).sample(
      jax.random.key(0)
    )
    chex.assert_shape(episode.x, (4, 0))
    np.testing.assert_array_equal(episode.y, np.ones(4))

  def test_errors(self):
    with self.assertRaisesRegex(ValueError, "got 5 and 3"):
      nf.tasks.influence_balancing_matrices(num_units=3, num_positive=5)


if __name__ == "__main__":
  absltest.main()
