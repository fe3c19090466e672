"""All ways to train do the same updates; what is timed is what it says."""

from unittest import mock

import chex
import jax
import numpy as np
from absl.testing import absltest

from benchmarks import seeds
from nnfun import data


def _images(num_images):
  rng = np.random.default_rng(0)
  pixels = rng.random((num_images, 784), np.float32)
  labels = rng.integers(0, 10, num_images, np.int32)
  return data.Images(pixels, labels)


class SeedsTest(absltest.TestCase):
  def test_all_do_the_same_updates(self):
    # One mini-batch is the whole set, so that order does not matter.
    pixels, labels = _images(seeds.BATCH_SIZE)
    ys = np.eye(10, dtype=np.float32)[labels]
    # Smaller weights than those timed: sigmoids that are not saturated.
    params = jax.tree.map(
      lambda leaf: 0.1 * np.asarray(leaf), seeds.init(jax.random.key(0))
    )
    order = np.tile(np.arange(seeds.BATCH_SIZE), 4)
    before = jax.tree.map(np.copy, params)
    textbook = seeds.textbook(params, pixels, ys, order)
    matrix = seeds.matrix(params, pixels, ys, order)
    ours = seeds.train(jax.random.key(1), params, pixels, ys, num_epochs=4)
    chex.assert_trees_all_equal(params, before)
    chex.assert_trees_all_close(textbook, matrix, rtol=1e-4, atol=1e-5)
    chex.assert_trees_all_close(textbook, ours, rtol=1e-4, atol=1e-5)
    moved = np.abs(textbook[0]["w"] - params[0]["w"]).max()
    self.assertGreater(moved, 1e-2)

  def test_jobs(self):
    jobs = seeds.jobs(_images(20), num_seeds=3, num_epochs=2)
    amounts = {name: job.amount for name, job in jobs.items()}
    self.assertEqual(
      amounts,
      {
        "float64": 1,
        "textbook": 1,
        "matrix": 1,
        "alone": 2,
        "together": 6,
        "one order": 6,
      },
    )
    # The runs, two of each, take 1, 2 ... 12 s, and 12, 11 ... 1 s of CPU time.
    with mock.patch.object(seeds, "time") as clock:
      clock.perf_counter.side_effect = [
        second for i in range(12) for second in (100 * i, 100 * i + 1 + i)
      ]
      clock.process_time.side_effect = [
        second for i in range(12) for second in (50 * i, 50 * i + 12 - i)
      ]
      best = seeds.best_seconds(jobs, 2)
    self.assertEqual(
      best,
      {
        "float64": (1, 6),
        "textbook": (2, 5),
        "matrix": (3, 4),
        "alone": (4 / 2, 3 / 2),
        "together": (5 / 6, 2 / 6),
        "one order": (6 / 6, 1 / 6),
      },
    )
    self.assertEqual(jobs["float64"].run()[0]["w"].dtype, np.float64)
    self.assertEqual(jobs["textbook"].run()[0]["w"].dtype, np.float32)
    chex.assert_tree_shape_prefix(jobs["together"].run(), (3,))

  def test_words_the_ratio_of_cpu_times(self):
    times = dict(float64=3.0, textbook=2.0, matrix=0.5, alone=0.2)
    times |= {"together": 0.1, "one order": 0.05}
    best = {k: seeds.Seconds(9 * t, t) for k, t in times.items()}
    ratios = list(seeds.table(best).columns[-1].cells)
    self.assertEqual(ratios, ["30.0", "20.0", "5.0", "2.0", "1.0", "0.5"])

  def test_takes_the_shortest_time_per_epoch_and_seed(self):
    calls = []
    job = seeds.Job(lambda: calls.append(0), 1e-3)
    fewer = seeds.Job(lambda: calls.append(0), 1e3)
    best = seeds.best_seconds({"many": job, "few": fewer}, 5)
    self.assertLen(calls, 10)
    self.assertGreater(best["many"].wall, best["few"].wall)

  def test_random_images_look_like_mnist(self):
    pixels, labels = seeds.images("")
    chex.assert_shape([pixels, labels], [(50_000, 784), (50_000,)])
    self.assertEqual(pixels.dtype, np.float32)
    self.assertAlmostEqual(float(np.mean(pixels > 0)), 0.2, 2)
    self.assertEqual(set(labels.tolist()), set(range(10)))


if __name__ == "__main__":
  absltest.main()
