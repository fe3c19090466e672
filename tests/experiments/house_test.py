"""What holds for the code of all studies, read off its text."""

import ast
import re

import numpy as np
from absl.testing import absltest

from experiments import bibliography, records, registry

_FOLDER = records.ROOT / "experiments"
_FILES = sorted(_FOLDER.rglob("*.py"))
# Of errors written by hand; they are made in experiments/measure.py alone.
_STANDARD_ERROR = re.compile(
  r"\bddof\b|\bsem\(|standard_error|/ (np|math)\.sqrt\((num_|len)"
)


def _functions(tree):
  for node in ast.walk(tree):
    if isinstance(node, ast.FunctionDef):
      yield node


def _body_lines(function):
  """Lines from the first statement after the docstring to the last."""
  has_docstring = ast.get_docstring(function) is not None
  body = function.body[1:] if has_docstring else function.body
  return body[-1].end_lineno - body[0].lineno + 1 if body else 0


class HouseTest(absltest.TestCase):
  def test_modules_and_functions_are_short(self):
    for path in _FILES:
      text = path.read_text()
      self.assertLessEqual(text.count("\n"), 300, path)
      for function in _functions(ast.parse(text)):
        self.assertLessEqual(_body_lines(function), 60, (path, function.name))

  def test_claims_write_no_standard_error(self):
    for path in _FOLDER.rglob("claims.py"):
      self.assertIsNone(_STANDARD_ERROR.search(path.read_text()), path)
    # And what is looked for would be found.
    self.assertRegex("s = np.std(x, ddof=1)", _STANDARD_ERROR)
    self.assertRegex("error = x.std() / np.sqrt(len(x))", _STANDARD_ERROR)

  def test_every_text_is_cited(self):
    code = "".join(path.read_text() for path in _FOLDER.glob("*/*/*.py"))
    for key in bibliography.TEXTS:
      self.assertIn(f'"{key}"', code)

  def test_no_file_repeats_the_name_of_its_study(self):
    for path in _FILES:
      if len(path.relative_to(_FOLDER).parts) > 2:
        self.assertNotStartsWith(path.stem, path.parent.name)

  def test_a_study_is_a_package_of_bounded_length(self):
    lengths = []
    for module in registry.MODULES:
      folder = records.ROOT.joinpath(*module.split("."))
      files = {path.name for path in folder.glob("*.py")}
      self.assertContainsSubset(
        {"__init__.py", "__main__.py", "run.py", "claims.py", "figure.py"},
        files,
      )
      lines = sum(p.read_text().count("\n") for p in folder.glob("*.py"))
      self.assertLessEqual(lines, 1200, module)
      lengths.append(lines)
    self.assertLessEqual(np.median(lengths), 600)


if __name__ == "__main__":
  absltest.main()
