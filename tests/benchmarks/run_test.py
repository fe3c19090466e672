"""The command writes what it promises."""

import io
import json
import pathlib
import sys
import tempfile
from unittest import mock

from absl import flags
from absl.testing import absltest
from rich import console as rich_console

from benchmarks import measure, others, programs, run


class RunTest(absltest.TestCase):
  def _flags(self, *args):
    values = flags.FlagValues()
    run.define(values)
    values(["bench", *args])
    return values

  def _folder(self):
    folder = tempfile.TemporaryDirectory()
    self.addCleanup(folder.cleanup)
    return pathlib.Path(folder.name)

  def test_writes_what_is_promised(self):
    path = self._folder() / "new" / "bench.json"
    values = self._flags(
      "--cells=vanilla",
      "--units=3",
      "--batches=1",
      "--regimes=moving,sequence",
      "--rounds=2",
      "--steps=8",
      "--seeds_epochs=0",
      f"--output={path}",
    )
    console = rich_console.Console(file=io.StringIO(), width=100)
    absent = dict.fromkeys(("torch", "braintrace"))
    with mock.patch.dict(sys.modules, absent):
      run.run(values, console)
    content = json.loads(path.read_text())
    self.assertTrue(content["finished"])
    environment = content["environment"]
    self.assertContainsSubset(
      {"jax", "jaxlib", "nnfun", "numpy"}, environment["versions"]
    )
    self.assertContainsSubset(
      {"device", "processor", "cores", "date"}, environment
    )
    self.assertEqual(content["settings"]["steps"], 8)
    rows = {(r["regime"], r["program"]): r for r in content["rows"]}
    lazy = rows["moving", programs.LAZY]
    self.assertEqual(lazy["flush_every"], 1)
    self.assertLess(lazy["gradient_error"], 1e-5)
    self.assertGreater(lazy["first_seconds"], 0)
    self.assertGreater(lazy["model_microseconds"], 0)
    self.assertLen(lazy["microseconds"], 2)
    self.assertGreaterEqual(lazy["median"], lazy["best"])
    self.assertLen(lazy["quartiles"], 2)
    self.assertIn("torch is not", rows["moving", others.TORCH_RTRL]["skipped"])
    self.assertIn(("sequence", programs.BPTT), rows)
    self.assertIn("lazy (default) / textbook", str(content["findings"]))
    text = console.file.getvalue()
    self.assertIn("vanilla, batch of 1, moving", text)
    self.assertIn("torch.bmm RTRL: skipped: torch is not installed", text)

  def test_an_interrupted_run_keeps_what_it_has(self):
    path = self._folder() / "bench.json"
    values = self._flags(
      "--cells=lru", "--units=2,3", "--batches=1", f"--output={path}"
    )
    finished = [
      measure.Row(
        "lru",
        2,
        1,
        "moving",
        programs.LAZY,
        steps=8,
        first_seconds=1.0,
        microseconds=(1.0,),
      )
    ]
    with mock.patch.object(measure, "measure") as measured:
      measured.side_effect = [finished, KeyboardInterrupt]
      with self.assertRaises(KeyboardInterrupt):
        run.run(values, rich_console.Console(quiet=True))
    content = json.loads(path.read_text())
    self.assertFalse(content["finished"])
    self.assertLen(content["rows"], 1)

  def test_misspelt_values(self):
    for argument, text in (
      ("--cells=vanila", "gru, lstm, lru, sparse, got 'vanila'"),
      ("--regimes=", "fixed, sequence, approximate, got nothing"),
      ("--units=64,x", "expected positive integers, got 'x'"),
      ("--batches=0", "expected positive integers, got '0'"),
      ("--rounds=0", "not a positive integer"),
    ):
      with self.assertRaisesRegex(flags.Error, text):
        self._flags(argument)


if __name__ == "__main__":
  absltest.main()
