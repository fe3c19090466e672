"""Fingerprints: a result depends on what its code imports, and on no more."""

import pathlib
import tempfile
from unittest import mock

from absl.testing import absltest, parameterized

from experiments import fingerprints, records
from experiments.rtrl_vs_tbptt import murray

_STUDY = "experiments/group/one"
_FILES = {
  "nnfun/__init__.py": (
    "from nnfun import base as base\n"
    "from nnfun import cells as cells\n"
    "from nnfun import losses as losses\n"
    "from nnfun.base import Cell as Cell\n"
  ),
  "nnfun/base.py": "x = 1",
  "nnfun/losses.py": "",
  "nnfun/cells/__init__.py": (
    "from nnfun.cells.gru import gru as gru\n"
    "from nnfun.cells.lstm import lstm as lstm\n"
  ),
  "nnfun/cells/gru.py": "from nnfun import data",
  "nnfun/cells/lstm.py": "from nnfun.cells import parts",
  "nnfun/cells/parts.py": "",
  "nnfun/data/__init__.py": "",
  "nnfun/data/digits.csv": "1,2",
  "experiments/__init__.py": "",
  "experiments/style.py": "from experiments import colors",
  "experiments/colors.py": "red = 1",
  "experiments/other.py": "",
  "experiments/group/__init__.py": "",
  "experiments/group/common.py": "",
  f"{_STUDY}/__init__.py": (
    "from experiments.group.one import claims, figure, run"
  ),
  f"{_STUDY}/run.py": (
    "import nnfun as nf\n"
    "def run():\n  from experiments.group import common\n  nf.cells.gru()\n"
  ),
  f"{_STUDY}/claims.py": "from experiments.group.one import readings",
  f"{_STUDY}/figure.py": (
    "from experiments import style\n"
    "from experiments.group.one import readings\n"
  ),
  f"{_STUDY}/readings.py": "",
}
_OF_RUN = {
  f"{_STUDY}/run.py",
  "experiments/group/common.py",
  "nnfun/cells/gru.py",
  "nnfun/data/__init__.py",
  "nnfun/data/digits.csv",
}
_OF_JUDGING = {
  f"{_STUDY}/claims.py",
  f"{_STUDY}/figure.py",
  f"{_STUDY}/readings.py",
  "experiments/style.py",
  "experiments/colors.py",
}


class SourceFilesTest(parameterized.TestCase):
  def setUp(self):
    super().setUp()
    root = self.enterContext(tempfile.TemporaryDirectory())
    self.root = pathlib.Path(root).resolve()
    self.enterContext(mock.patch.object(records, "ROOT", self.root))
    for path, text in _FILES.items():
      self.write(path, text)

  def write(self, path, text):
    (self.root / path).parent.mkdir(parents=True, exist_ok=True)
    (self.root / path).write_text(text)

  def files(self, *names):
    paths = [self.root / _STUDY / name for name in names]
    found = fingerprints.source_files(*paths)
    return {file.relative_to(self.root).as_posix() for file in found}

  def test_of_a_run(self):
    self.assertEqual(self.files("run.py"), _OF_RUN)

  def test_of_judging(self):
    self.assertEqual(self.files("claims.py", "figure.py"), _OF_JUDGING)

  @parameterized.parameters(
    ("import nnfun as nf\nnf.cells.lstm", {"cells/lstm", "cells/parts"}),
    ("import nnfun\nnnfun.losses.mse", {"losses"}),
    ("import nnfun as nf\nx: nf.Cell", {"base"}),
    ("from nnfun.cells import lstm", {"cells/lstm", "cells/parts"}),
    ("from nnfun.base import Cell", {"base"}),
    ("import nnfun.losses", {"losses"}),
    # Which of them cannot be seen: all.
    (
      "import nnfun as nf\ngetattr(nf.cells, 'lstm')",
      {"cells/__init__", "cells/gru", "cells/lstm", "cells/parts"},
    ),
  )
  def test_of_the_library_what_is_used(self, text, expected):
    self.write(f"{_STUDY}/run.py", text)
    found = self.files("run.py") - {f"{_STUDY}/run.py"}
    found = {f for f in found if not f.startswith("nnfun/data")}
    self.assertEqual(found, {f"nnfun/{name}.py" for name in expected})

  def test_hash_follows_the_files(self):
    run = type("Run", (), {})
    path = str(self.root / _STUDY / "run.py")
    with mock.patch.object(
      fingerprints.inspect, "getsourcefile", lambda _: path
    ):
      before = fingerprints.source_hash(run)
      self.assertEqual(fingerprints.source_hash(run), before)
      for file, text in _FILES.items():
        self.write(file, text + "\n# changed")
        changed = fingerprints.source_hash(run) != before
        self.assertEqual(changed, file in _OF_RUN, file)
        self.write(file, text)


class RealStudyTest(absltest.TestCase):
  def test_a_statement_is_no_part_of_the_run(self):
    folder = pathlib.Path(murray.__file__).parent
    run = fingerprints.source_files(folder / "run.py")
    names = {file.relative_to(records.ROOT).as_posix() for file in run}
    self.assertContainsSubset(
      {
        "nnfun/estimators/rtrl.py",
        "nnfun/estimators/linearisation.py",
        "nnfun/loops.py",
        "nnfun/training.py",
        "experiments/progress.py",
      },
      names,
    )
    for name in names:
      self.assertNotIn("claims", name)
      self.assertNotIn("figure", name)
    self.assertNotIn("nnfun/theory/phases.py", names)
    judged = fingerprints.source_files(
      folder / "claims.py", folder / "figure.py"
    )
    names = {file.relative_to(records.ROOT).as_posix() for file in judged}
    self.assertIn("experiments/claims.py", names)
    self.assertIn("experiments/bibliography.py", names)
    self.assertIn("experiments/bibliography.toml", names)
    self.assertNotIn("nnfun/base.py", names)


if __name__ == "__main__":
  absltest.main()
