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
    calls, period = [], 1

    def step():
      calls.append(None)
      time.sleep(0.01 * (len(calls) % period == 0))

    program = programs.Program(
      "lazy",
      lambda num_steps: programs.Started(
        step if num_steps == 1 else lambda: None, 0.0
      ),
    )

    def row(regime="moving", **settings):
      calls.clear()
      candidates = [program._replace(**settings)]
      return measure.measure_programs(problem, regime, candidates, 1)[0]

    for period in (50, 200):  # One of them too rare for a percentile.
      mean, high, longest = row(flush_every=period).call_microseconds
      self.assertLen(calls, 400)
      self.assertBetween(mean, 0.01e6 / period, 0.01e6)
      self.assertGreaterEqual(longest, 0.01e6)
      if period == 50:
        self.assertGreaterEqual(high, 0.01e6)
    row(flush_every=50, plan_seconds=0.1)
    self.assertLen(calls, 100)
    for other in (row(), row(flush_every=1), row("fixed", flush_every=50)):
      self.assertIsNone(other.call_microseconds)

  def test_where_there_is_no_room_for_it_the_rest_is_kept(self):
    def start(num_steps):
      if num_steps == 1:
        raise RuntimeError("out of memory\nand more")
      return programs.Started(lambda: None, 0.0)

    problem = problems.problem("vanilla", 3, 1, 8)
    program = programs.Program("lazy", start, flush_every=2)
    (row,) = measure.measure_programs(problem, "moving", [program], 1)
    self.assertLen(row.microseconds, 1)
    self.assertEqual(row.note, "step by step: out of memory")


if __name__ == "__main__":
  absltest.main()
