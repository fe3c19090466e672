"""The benchmark measures what it says, not how fast it is."""

import chex
import jax
import numpy as np
from absl.testing import absltest

from launch import bench


class BenchTest(absltest.TestCase):
  def test_what_is_compared_is_the_same_gradient(self):
    cell, params, (xs, ys) = bench.setup(8)
    xs, ys = xs[:20], ys[:20]
    textbook, lazy = (
      jax.jit(bench.gradient_fn(cell, flush_every))(params, xs, ys)
      for flush_every in (1, 4)
    )
    chex.assert_trees_all_close(textbook, lazy, rtol=1e-4, atol=1e-4)
    self.assertGreater(np.abs(lazy.grads["cell"]).max(), 0.1)

  def test_times_every_function(self):
    best = bench.best_microseconds(
      {
        "short": (lambda x: x + 1, (np.zeros(10),), 1),
        "long": (
          lambda x: jax.lax.fori_loop(0, 3000, lambda i, y: y @ x, x),
          (np.eye(64),),
          1,
        ),
      },
      num_rounds=3,
    )
    self.assertGreater(best["short"], 0)
    self.assertGreater(best["long"], best["short"])


if __name__ == "__main__":
  absltest.main()
