"""Tasks that are texts: characters of a given one, and brackets."""

import collections
import itertools
import math

import jax
import numpy as np
from absl.testing import absltest, parameterized

import nnfun as nf


class CharactersTest(parameterized.TestCase):
  def test_reads_on_from_a_random_place(self):
    codes = np.random.default_rng(0).permutation(50)  # Every code once.
    task = nf.tasks.characters(codes, num_steps=6)
    starts = set()
    for seed in range(5):
      x, y = task.sample(jax.random.key(seed))
      self.assertEqual((x.shape, y.shape), ((6, 50), (6,)))
      start = int(np.flatnonzero(codes == np.argmax(x[0]))[0])
      np.testing.assert_array_equal(np.argmax(x, 1), codes[start : start + 6])
      np.testing.assert_array_equal(y, codes[start + 1 : start + 7])
      starts.add(start)
    self.assertGreater(len(starts), 2)

  def test_reaches_both_ends_of_the_text(self):
    task = nf.tasks.characters(np.array([0, 1, 2]), num_steps=1)
    keys = jax.random.split(jax.random.key(0), 50)
    _, y = jax.vmap(task.sample)(keys)
    self.assertEqual(set(np.asarray(y).ravel()), {1, 2})

  def test_num_symbols(self):
    task = nf.tasks.characters(np.zeros(5, int), num_steps=2, num_symbols=7)
    self.assertEqual(task.sample(jax.random.key(0)).x.shape, (2, 7))

  @parameterized.parameters(
    (np.zeros(5), {}, "integers of shape"),
    (np.zeros((5, 2), int), {}, "integers of shape"),
    (np.zeros(2, int), {}, "num_steps < 2.*got 2"),
    (np.arange(5), {"num_symbols": 3}, r"0 \.\.\. 2, got codes in 0 \.\.\. 4"),
  )
  def test_errors(self, codes, options, message):
    with self.assertRaisesRegex(ValueError, message):
      nf.tasks.characters(codes, num_steps=2, **options)


class BracketsTest(parameterized.TestCase):
  @parameterized.parameters((4, 2, 3), (1, 3, 1), (2, 1, 2))
  def test_every_bracket_is_closed_after_the_gap(self, gap, kinds, letters):
    task = nf.tasks.brackets(
      num_steps=300, gap=gap, num_kinds=kinds, num_letters=letters
    )
    x, y = jax.tree.map(np.asarray, task.sample(jax.random.key(0)))
    self.assertEqual(x.shape, (300, 2 * kinds + letters))
    text = np.argmax(x, axis=1)
    np.testing.assert_array_equal(text[1:], y[:-1])
    opening = np.flatnonzero(text < kinds)
    np.testing.assert_array_equal(np.diff(opening), gap + 1)
    symbols = 2 * kinds + (letters if gap > 1 else 0)
    self.assertEqual(set(text), set(range(symbols)))
    for start in opening[:-1]:
      self.assertEqual(text[start + gap], kinds + text[start])
      self.assertTrue(np.all(text[start + 1 : start + gap] >= 2 * kinds))

  def test_starts_at_every_place_of_a_block(self):
    task = nf.tasks.brackets(num_steps=8, gap=3, num_kinds=1)
    keys = jax.random.split(jax.random.key(0), 60)
    x = np.asarray(jax.vmap(task.sample)(keys).x)
    first = [np.flatnonzero(row[:, 0])[0] for row in x]
    self.assertEqual(set(first), {0, 1, 2, 3})

  @parameterized.product(
    gap=(1, 2, 3), kinds=(1, 2), letters=(1, 2), window=(1, 2, 3, 4)
  )
  def test_entropy_is_that_of_all_texts(self, gap, kinds, letters, window):
    expected = _entropy(_windows(gap, kinds, letters, window))
    sizes = {"gap": gap, "num_kinds": kinds, "num_letters": letters}
    found = nf.tasks.brackets_entropy(window, **sizes)
    self.assertAlmostEqual(found, expected, places=12)
    least = nf.tasks.brackets_entropy(None, **sizes)
    self.assertLessEqual(least, found + 1e-12)

  def test_entropy_by_hand(self):
    """Gap 2, one kind, one letter: ( a ) ( a ) ..., nothing to learn."""
    self.assertAlmostEqual(
      nf.tasks.brackets_entropy(1, gap=2, num_kinds=1, num_letters=1), 0.0
    )
    # Gap 3, two kinds, one letter, n = 1: after a letter either a letter or one
    # of two closing brackets, (1/2, 1/4, 1/4), 1.5 bits, at 2 places of 4; and
    # one bit for the opening bracket.
    self.assertAlmostEqual(
      nf.tasks.brackets_entropy(1, gap=3, num_kinds=2, num_letters=1), 1.0
    )

  def test_errors(self):
    with self.assertRaisesRegex(ValueError, "gap .* positive integer, got 0"):
      nf.tasks.brackets(num_steps=3, gap=0)
    with self.assertRaisesRegex(
      ValueError, "num_steps .* positive integer, got 0"
    ):
      nf.tasks.brackets(num_steps=0, gap=2)
    with self.assertRaisesRegex(
      ValueError, "window .* positive integer, got 0"
    ):
      nf.tasks.brackets_entropy(0, gap=2)


def _windows(gap, kinds, letters, window):
  """The chance of every text of n + 1 characters, by writing down all texts."""
  length = window + 1
  chances = collections.Counter()
  num_blocks = length // (gap + 1) + 2
  blocks = [
    (kind, *middle, kinds + kind)
    for kind in range(kinds)
    for middle in itertools.product(
      range(2 * kinds, 2 * kinds + letters), repeat=gap - 1
    )
  ]
  texts = list(itertools.product(blocks, repeat=num_blocks))
  for text in texts:
    text = sum(text, ())
    for start in range(gap + 1):
      chances[text[start : start + length]] += 1 / (len(texts) * (gap + 1))
  return chances


def _entropy(chances):
  """The entropy of the last character given those before it, in bits."""
  before = collections.Counter()
  for text, chance in chances.items():
    before[text[:-1]] += chance
  return -sum(
    chance * math.log2(chance / before[text[:-1]])
    for text, chance in chances.items()
  )


if __name__ == "__main__":
  absltest.main()
