"""Temporal order: places, classes and refusals."""

import chex
import jax
import numpy as np
from absl.testing import absltest, parameterized

import nnfun as nf


def _episodes(num_episodes=2000, **settings):
  task = nf.tasks.temporal_order(**settings)
  keys = jax.random.split(jax.random.key(0), num_episodes)
  return jax.tree.map(np.asarray, jax.jit(jax.vmap(task.sample))(keys))


class TemporalOrderTest(parameterized.TestCase):
  # Places as in the authors' code: randint(int(0.1 T)) + int(0.1 T) and
  # randint(int(0.1 T)) + int(0.5 T); 4 is the tenth of their text.
  @parameterized.parameters(
    (20, 5, {2, 3}, {10, 11}),
    (20, 4, {2, 3}, {8, 9}),
    (25, 5, {2, 3}, {12, 13}),
    (10, 9, {1}, {9}),
  )
  def test_two_letters_in_noise(self, num_steps, tenth, first, second):
    x, y = _episodes(num_steps=num_steps, second_tenth=tenth)
    chex.assert_shape(x, (2000, num_steps, 6))
    symbols = np.argmax(x, axis=2)
    np.testing.assert_array_equal(x.sum(axis=2), np.ones(symbols.shape))
    is_letter = symbols < 2
    np.testing.assert_array_equal(is_letter.sum(axis=1), np.full(2000, 2))
    places = np.nonzero(is_letter)[1].reshape(2000, 2)
    self.assertEqual(set(places[:, 0]), first)
    self.assertEqual(set(places[:, 1]), second)
    letters = np.take_along_axis(symbols, places, axis=1)
    classes = letters[:, 0] + 2 * letters[:, 1]
    np.testing.assert_array_equal(y.value, np.tile(classes, (num_steps, 1)).T)
    weight = np.zeros_like(y.weight)
    weight[:, -1] = 1
    np.testing.assert_array_equal(y.weight, weight)

  def test_classes_and_noise_are_equally_frequent(self):
    """So that guessing costs ln 4 and errs three times in four."""
    x, y = _episodes(num_steps=20)
    for counts, total in (
      (np.bincount(y.value[:, 0], minlength=4), 2000),
      (x.sum(axis=(0, 1))[2:], 2000 * 18),
    ):
      error = np.sqrt(total * 0.25 * 0.75)
      self.assertLess(np.abs(counts - total / 4).max(), 4 * error)

  @parameterized.parameters((9, 5), (20, 1), (20, 10))
  def test_refuses(self, num_steps, tenth):
    with self.assertRaisesRegex(ValueError, f"got ({num_steps}|{tenth})$"):
      nf.tasks.temporal_order(num_steps=num_steps, second_tenth=tenth)


if __name__ == "__main__":
  absltest.main()
