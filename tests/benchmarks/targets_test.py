"""Comparisons and their targets."""

from absl.testing import absltest

from benchmarks import measure, others, programs, targets, timing


def _row(program, microseconds, units=128):
  return measure.Row(
    "vanilla",
    units,
    1,
    "moving",
    program,
    steps=8,
    first_seconds=4.0,
    microseconds=tuple(microseconds),
  )


class TargetsTest(absltest.TestCase):
  def test_findings(self):
    rows = [
      _row(programs.TEXTBOOK, [30.0, 60.0]),
      _row(programs.LAZY, [2.0, 4.0]),
      _row(others.TORCH_RTRL, [90.0, 180.0]),
      _row(others.BRAINTRACE, [38.0, 82.0]),
    ]
    found = {f.name: f for f in targets.findings(rows)}
    lazy = found["textbook / lazy"]
    self.assertEqual(lazy.value.median, 15)
    self.assertEqual((lazy.target, lazy.verdict), (">= 10", timing.YES))
    # braintrace is the quicker one, and the ratios are 19 and 20.5.
    best = found["best of the others / lazy"]
    self.assertEqual(best.value.median, 19.75)
    self.assertEqual((best.target, best.verdict), (">= 20", "undecided"))
    first = found["first call of lazy RTRL [s]"]
    self.assertEqual((first.target, first.verdict), ("<= 3", timing.NO))
    elsewhere = targets.findings(rows, judged=False)
    self.assertEqual({f.verdict for f in elsewhere}, {""})
    small = [r._replace(units=16) for r in rows]
    self.assertEqual(targets.findings(small)[0].verdict, "")


if __name__ == "__main__":
  absltest.main()
