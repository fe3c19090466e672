"""Gradients are compared before times are."""

import time

import jax
import numpy as np
from absl.testing import absltest

from benchmarks import measure, problems, programs


class MeasureTest(absltest.TestCase):
  def test_a_wrong_gradient_gets_no_time(self):
    problem = problems.problem("vanilla", 3, 1, 8)
    exact = problems.exact_gradient(problem, 8)

    def program(name, factor, **settings):
      return programs.Program(
        name,
        lambda num_steps: programs.Started(lambda: None, 0.0),
        lambda num_steps: jax.tree.map(lambda g: factor * g, exact),
        **settings,
      )

    right, wrong, exempt, broken = measure.measure_programs(
      problem,
      "moving",
      [
        program("right", 1 + 1e-5),
        program("wrong", 1 + 2e-3),
        program("exempt", 2.0, is_exact=False),
        program("broken", np.nan),
      ],
      num_rounds=3,
    )
    self.assertLen(right.microseconds, 3)
    self.assertLen(exempt.microseconds, 3)
    self.assertIsNone(exempt.gradient_error)
    for row in wrong, broken:
      self.assertEmpty(row.microseconds)
      self.assertIn("its gradient is off by", row.skipped)
    self.assertAlmostEqual(wrong.gradient_error, 2e-3, 5)
    self.assertIsNone(broken.gradient_error)

  def test_long_calls_get_fewer_steps_or_are_left_out(self):
    problem = problems.problem("vanilla", 3, 1, 1024)
    program = programs.Program(
      "any",
      lambda num_steps: programs.Started(lambda: None, 0.0),
      least_steps=64,
    )

    def row(**settings):
      candidates = [program._replace(**settings)]
      return measure.measure_programs(problem, "moving", candidates, 1)[0]

    self.assertEqual(row().steps, 1024)
    self.assertEqual(row(plan_seconds=0.03).steps, 256)
    self.assertEqual(row(plan_seconds=0.2).steps, 64)
    self.assertIn("would take about 32 s", row(plan_seconds=0.5).skipped)
    self.assertIn("GB", row(num_bytes=10**18).skipped)

  def test_a_stall_is_not_hidden_in_the_mean(self):
    """Step by step, over whole periods; elsewhere nothing is timed so."""
    problem = problems.problem("vanilla", 3, 1, 8)
    calls = []

    def step():
      calls.append(None)
      time.sleep(0.01 * (len(calls) % 50 == 0))

    program = programs.Program(
      "lazy",
      lambda num_steps: programs.Started(
        step if num_steps == 1 else lambda: None, 0.0
      ),
      flush_every=50,
    )
    (row,) = measure.measure_programs(problem, "moving", [program], 1)
    self.assertEmpty(calls[400:])
    mean, high = row.call_microseconds
    self.assertBetween(mean, 0.01e6 / 50, 0.01e6)
    self.assertGreaterEqual(high, 0.01e6)
    other = program._replace(flush_every=None)
    (row,) = measure.measure_programs(problem, "moving", [other], 1)
    self.assertIsNone(row.call_microseconds)
    (row,) = measure.measure_programs(problem, "fixed", [program], 1)
    self.assertIsNone(row.call_microseconds)


if __name__ == "__main__":
  absltest.main()
