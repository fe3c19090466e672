"""Programs take turns, and ratios are of one round."""

from unittest import mock

import numpy as np
from absl.testing import absltest

from benchmarks import timing


class TimingTest(absltest.TestCase):
  def test_takes_turns(self):
    calls, clock = [], iter(np.cumsum([0, 1, 5, 2, 5, 3, 5, 4]).tolist())
    runs = {name: lambda name=name: calls.append(name) for name in "ab"}
    with mock.patch.object(timing.time, "perf_counter", lambda: next(clock)):
      rounds = list(timing.interleaved(runs, 2))
    self.assertEqual(calls, ["a", "b", "a", "b"])
    self.assertEqual(rounds, [{"a": 1, "b": 2}, {"a": 3, "b": 4}])

  def test_ratios_are_of_the_same_round(self):
    # A machine twice as slow in the second round changes no ratio.
    ratios = timing.paired([10.0, 20.0, 10.0], [2.0, 4.0, 2.0])
    self.assertEqual(timing.spread(ratios), (5.0, 5.0, 5.0, 5.0))
    with self.assertRaises(ValueError):
      timing.paired([1.0], [1.0, 2.0])

  def test_verdicts(self):
    found = timing.spread([1.0, 2.0, 3.0, 4.0, 50.0])
    self.assertEqual(found, (1.0, 2.0, 3.0, 4.0))
    for bound, at_least, expected in (
      (2.0, True, timing.YES),
      (3.0, True, timing.UNDECIDED),
      (4.5, True, timing.NO),
      (4.0, False, timing.YES),
      (3.0, False, timing.UNDECIDED),
      (1.5, False, timing.NO),
    ):
      self.assertEqual(
        timing.verdict(found, bound, at_least=at_least), expected
      )


if __name__ == "__main__":
  absltest.main()
