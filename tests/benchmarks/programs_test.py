"""All programs give the same gradient."""

import chex
import jax
import numpy as np
from absl.testing import absltest, parameterized

from benchmarks import measure, others, problems, programs


def _programs(problem, regime):
  found = [*programs.ours(problem, regime), *others.others(problem, regime)]
  return [p for p in found if isinstance(p, programs.Program)]


class GradientTest(parameterized.TestCase):
  @parameterized.parameters(
    ("vanilla", 1, "moving"),
    ("gru", 2, "fixed"),
    ("lru", 2, "moving"),
    ("lstm", 2, "sequence"),
  )
  def test_all_programs_give_the_gradient(self, cell, batch_size, regime):
    problem = problems.problem(cell, 4, batch_size, 12)
    exact = problems.exact_gradient(problem, 12)
    self.assertGreater(np.abs(exact["readout"]).max(), 0.1)
    for program in _programs(problem, regime):
      found = program.gradient(12)
      chex.assert_trees_all_equal_shapes(found, exact)
      # Rolling BPTT too: its window is longer than the stream.
      self.assertLess(measure.relative_error(found, exact), 1e-5, program.name)

  def test_a_batch_is_the_mean_of_its_streams(self):
    problem = problems.problem("vanilla", 3, 2, 5)
    alone = [
      problems.exact_gradient(
        problem._replace(
          batch_size=1, xs=problem.xs[:, i], ys=problem.ys[:, i]
        ),
        5,
      )
      for i in range(2)
    ]
    mean = jax.tree.map(lambda a, b: (a + b) / 2, *alone)
    together = problems.exact_gradient(problem, 5)
    self.assertLess(measure.relative_error(together, mean), 1e-5)
    self.assertGreater(measure.relative_error(together, alone[0]), 1e-2)

  def test_a_moving_stream_goes_on(self):
    problem = problems.problem("vanilla", 3, 1, 8)
    (program, *_) = programs.ours(problem, "moving")
    started = program.start(8)
    self.assertGreater(started.first_seconds, 0)
    started.run()
    started.run()  # The state of the first call was given away.


if __name__ == "__main__":
  absltest.main()
