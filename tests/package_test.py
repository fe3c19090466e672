"""What the wheel says of itself."""

import ast
import importlib.resources
import pathlib
import re
import sys
import tomllib

from absl.testing import absltest

import nnfun as nf

_ROOT = pathlib.Path(__file__).resolve().parent.parent


class PackageTest(absltest.TestCase):
  def test_the_version_is_that_of_the_newest_release(self):
    changelog = (_ROOT / "CHANGELOG.md").read_text()
    newest = re.search(r"^## \[(\d[^\]]*)\]", changelog, re.MULTILINE)
    self.assertEqual(nf.__version__, newest[1])
    citation = (_ROOT / "CITATION.cff").read_text()
    self.assertIn(f"version: {nf.__version__}\n", citation)

  def test_types_are_published(self):
    files = importlib.resources.files(nf)
    self.assertTrue(files.joinpath("py.typed").is_file())

  def test_extras_are_of_the_library_alone(self):
    """The wheel holds nnfun/; what the rest needs are groups."""
    with open(_ROOT / "pyproject.toml", "rb") as file:
      project = tomllib.load(file)
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    self.assertEqual(wheel["packages"], ["nnfun"])
    extras = project["project"]["optional-dependencies"]
    self.assertEqual(set(extras), {"cuda", "tpu"})
    self.assertIn("test", project["dependency-groups"])

  def test_what_it_imports_is_what_it_depends_on(self):
    """NumPy and SciPy come with jax; scikit-learn's digits are optional."""
    imported = set()
    for path in (_ROOT / "nnfun").rglob("*.py"):
      for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
          imported.add(node.module.split(".")[0])
        elif isinstance(node, ast.Import):
          imported |= {name.name.split(".")[0] for name in node.names}
    foreign = imported - sys.stdlib_module_names - {"nnfun"}
    with open(_ROOT / "pyproject.toml", "rb") as file:
      needed = tomllib.load(file)["project"]["dependencies"]
    needed = {re.match(r"[\w-]+", name)[0] for name in needed}
    self.assertEqual(foreign - {"numpy", "scipy", "sklearn"}, needed)


if __name__ == "__main__":
  absltest.main()
