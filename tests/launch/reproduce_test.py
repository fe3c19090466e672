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

from experiments import records, registry
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
  data_dir: str = ""  # Folder.
def run(config):
  assert config.data_dir == os.environ["MARKER"] + ".d"
  return dummy_study.run(config)
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
    self.assertStartsWith(output, "3 of 4 studies run in ")
    self.assertIn("4 claims hold, 2 fail, 0 undecided, 2 not run", output)
    self.assertIn("Crashed: dummy/crashing", output)
    self.assertIn("Crashed: unimportable", output)
    self.assertEqual(self.claims(), ["dummy/alone"] * 4 + ["dummy/beside"] * 4)
    page = (self.runs_dir / "report" / "index.html").read_text()
    self.assertIn("RuntimeError: &lt;boom&gt;", page)
    self.assertIn("No module named &#39;no_such_module&#39;", page)
    log = self.runs_dir / "dummy" / "crashing" / "quick" / "log.txt"
    self.assertIn("RuntimeError: <boom>", log.read_text())
    self.assertEmpty(list(self.runs_dir.rglob("status.json")))

    # What is finished is not run again; failed claims are no error.
    status, output = self.reproduce("alone", "beside")
    self.assertEqual(status, 0)
    self.assertStartsWith(output, "0 of 2 studies run in ")
    self.assertIn("4 claims hold, 2 fail", output)

  def test_data_goes_to_the_studies_that_read_it(self):
    data_dir = pathlib.Path(f"{self.marker}.d")
    with self.assertRaisesRegex(ValueError, "data_dir to be a folder, got"):
      self.reproduce("reading", data_dir=str(data_dir))
    self.assertFalse(self.runs_dir.exists())
    data_dir.mkdir()
    status, _ = self.reproduce(
      "reading", "alone", data_dir=str(data_dir), report="report-only"
    )
    self.assertEqual(status, 0)
    self.assertTrue((self.runs_dir / "report-only" / "index.html").exists())
    self.assertFalse((self.runs_dir / "report").exists())

  def test_finds_studies_by_parts_of_their_names(self):
    for part in (
      "murray",
      "rtrl_vs_tbptt/murray",
      "experiments.rtrl_vs_tbptt.m",
    ):
      self.assertEqual(
        registry.matching(part), ["experiments.rtrl_vs_tbptt.murray"]
      )
    self.assertLen(registry.matching(""), len(registry.MODULES))
    for part, near in (("muray", "murray"), ("textbok/xor", "textbook/xor")):
      with self.assertRaisesRegex(ValueError, f"did you mean {near}?"):
        registry.matching(part)

  def test_command_line(self):
    cases = {  # Arguments, exit status, and what is said.
      "--list": (0, "textbook/xor\n"),
      "--help": (0, "--[no]full: Run the published sizes."),
      "--only=qqq": (
        1,
        "no study's name contains 'qqq'; launch.reproduce --list",
      ),
      "--ful": (2, "Did you mean: full"),
      "stray": (2, "Unexpected argument 'stray'."),
      "--data_dir=/no/where": (1, "data_dir to be a folder, got '/no/where'"),
    }
    processes = {
      arg: subprocess.Popen(
        [sys.executable, "-m", "launch.reproduce", arg],
        cwd=records.ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
      )
      for arg in cases
    }
    for arg, process in processes.items():
      output, _ = process.communicate(timeout=120)
      status, said = cases[arg]
      with self.subTest(arg):
        self.assertIn(said, output)
        self.assertEqual(process.returncode, status)
        self.assertNotIn("Traceback", output)

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
    self.assertEqual(
      errors, "Error: interrupted; what was finished before is kept\n"
    )
    with self.assertRaises(ProcessLookupError):
      os.kill(int(self.marker.read_text()), 0)


if __name__ == "__main__":
  absltest.main()
