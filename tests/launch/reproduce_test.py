"""Reproducing: children side by side, a crash shown, Ctrl-C obeyed."""

import contextlib
import io
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
from unittest import mock

from absl.testing import absltest

from experiments import records
from launch import reproduce

_HEAD = """
from experiments import cli
from tests.experiments import dummy_study
import os
import pathlib
import time
"""
_TAIL = """
if __name__ == "__main__":
  cli.main(STUDY)
"""
_MODULES = {
  # While it runs, a file exists; the one that must be alone looks for it.
  "beside": """
def run(config):
  marker = pathlib.Path(os.environ["MARKER"])
  marker.touch()
  time.sleep(0.5)
  marker.unlink()
  return dummy_study.run(config)
STUDY = dummy_study.STUDY._replace(name="dummy/beside", run=run)
""",
  "crashing": """
def run(config):
  raise RuntimeError("<boom>")
STUDY = dummy_study.STUDY._replace(name="dummy/crashing", run=run)
""",
  "alone": """
def run(config):
  assert not pathlib.Path(os.environ["MARKER"]).exists()
  return dummy_study.run(config)
STUDY = dummy_study.STUDY._replace(name="dummy/alone", run=run, exclusive=True)
""",
  "reading": """
import dataclasses
@dataclasses.dataclass(frozen=True)
class Config(dummy_study.Config):
  data_dir: str = ""
def run(config):
  return dummy_study.run(config) | {"is_given": config.data_dir == "some/where"}
STUDY = dummy_study.STUDY._replace(
  name="dummy/reading", Config=Config, run=run, full=Config(num_terms=10)
)
""",
  "unimportable": "import no_such_module",
  "endless": """
def run(config):
  pathlib.Path(os.environ["MARKER"]).write_text(str(os.getpid()))
  time.sleep(600)
STUDY = dummy_study.STUDY._replace(name="dummy/endless", run=run)
""",
}


class ReproduceTest(absltest.TestCase):
  def setUp(self):
    super().setUp()
    self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
    self.runs_dir = self.folder / "runs"
    self.marker = self.folder / "marker"
    for name, text in _MODULES.items():
      (self.folder / f"{name}.py").write_text(_HEAD + text + _TAIL)
    path = os.pathsep.join([str(records.ROOT), str(self.folder)])
    self.enterContext(
      mock.patch.dict(
        os.environ, {"PYTHONPATH": path, "MARKER": str(self.marker)}
      )
    )
    self.enterContext(
      mock.patch.object(sys, "path", [*sys.path, str(self.folder)])
    )
    self.addCleanup(lambda: [sys.modules.pop(name, 0) for name in _MODULES])

  def reproduce(self, *modules, **kwargs):
    with contextlib.redirect_stdout(io.StringIO()) as output:
      status = reproduce.reproduce(modules, runs_dir=self.runs_dir, **kwargs)
    return status, output.getvalue()

  def claims(self):
    text = (self.runs_dir / "report" / "claims.json").read_text()
    return [claim["study"] for claim in json.loads(text)]

  def test_a_crash_stops_nothing_else(self):
    status, output = self.reproduce(
      "crashing", "alone", "beside", "unimportable"
    )
    self.assertEqual(status, 1)
    self.assertIn("4 claims held, 2 failed (3 of 4 studies run", output)
    self.assertIn("Crashed: dummy/crashing", output)
    self.assertIn("Crashed: unimportable", output)
    self.assertEqual(self.claims(), ["dummy/alone"] * 3 + ["dummy/beside"] * 3)
    page = (self.runs_dir / "report" / "index.html").read_text()
    self.assertIn("RuntimeError: &lt;boom&gt;", page)
    self.assertIn("No module named &#39;no_such_module&#39;", page)
    log = self.runs_dir / "dummy" / "crashing" / "quick" / "log.txt"
    self.assertIn("RuntimeError: <boom>", log.read_text())
    self.assertEmpty(list(self.runs_dir.rglob("status.json")))

    # What is finished is not run again; failed claims are no error.
    status, output = self.reproduce("alone", "beside")
    self.assertEqual(status, 0)
    self.assertIn("4 claims held, 2 failed (0 of 2 studies run", output)

  def test_data_goes_to_the_studies_that_read_it(self):
    status, _ = self.reproduce(
      "reading", "alone", data_dir="some/where", report="report-only"
    )
    self.assertEqual(status, 0)
    arrays = list((self.runs_dir / "dummy" / "reading").glob("*/arrays.npz"))
    self.assertLen(arrays, 1)
    self.assertTrue(records.load_arrays(arrays[0].parent)["is_given"])
    self.assertTrue((self.runs_dir / "report-only" / "index.html").exists())
    self.assertFalse((self.runs_dir / "report").exists())

  def test_an_interrupt_ends_the_children(self):
    code = (
      "import signal; from experiments import registry;"
      # A process in the background may have been started to ignore it.
      "signal.signal(signal.SIGINT, signal.default_int_handler);"
      "from launch import reproduce; registry.MODULES = ('endless',);"
      "reproduce.main()"
    )
    process = subprocess.Popen(
      [sys.executable, "-c", code, f"--runs_dir={self.runs_dir}"],
      stdout=subprocess.PIPE,
      stderr=subprocess.PIPE,
      text=True,
    )
    while not (self.marker.exists() and self.marker.read_text()):
      self.assertIsNone(process.poll())
      time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    self.assertEqual(process.returncode, 1)
    self.assertEqual(errors, "Interrupted; finished studies are kept.\n")
    with self.assertRaises(ProcessLookupError):
      os.kill(int(self.marker.read_text()), 0)


if __name__ == "__main__":
  absltest.main()
