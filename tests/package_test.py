"""What the wheel says of itself, and what it does where it is alone."""

import ast
import importlib.resources
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import tomllib

from absl.testing import absltest

import nnfun as nf

_ROOT = pathlib.Path(__file__).resolve().parent.parent

# What an interpreter sees that knows the folder and site-packages only.
_LOOK = """
import importlib, importlib.metadata, json, pkgutil
import nnfun
modules = [m.name for m in pkgutil.walk_packages(nnfun.__path__, "nnfun.")]
for module in modules:
  importlib.import_module(module)
json.dump({
  "file": nnfun.__file__,
  "version": nnfun.__version__,
  "metadata": importlib.metadata.version("nnfun"),
  "requires": importlib.metadata.requires("nnfun"),
  "modules": modules,
}, open("seen.json", "w"))
"""


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


class WheelTest(absltest.TestCase):
  """Built, put alone into a folder, and used from elsewhere."""

  @classmethod
  def setUpClass(cls):
    super().setUpClass()
    folder = cls.enterClassContext(tempfile.TemporaryDirectory())
    cls.work, cls.target = pathlib.Path(folder), pathlib.Path(folder) / "target"
    cls.run_python(_ROOT, "hatchling", "build", "-t", "wheel", "-d", folder)
    (wheel,) = cls.work.glob("*.whl")
    pip = ["pip", "install", "--quiet", "--no-deps", "--no-index"]
    pip += ["--disable-pip-version-check", "--root-user-action=ignore"]
    cls.run_python(cls.work, *pip, "--target", str(cls.target), str(wheel))

  @classmethod
  def run_python(cls, cwd, *module, code=None):
    """Runs a module, or code, and returns what it prints."""
    environment = {
      name: value
      for name, value in os.environ.items()
      if not name.startswith("PYTHON")
    }
    environment |= {"PYTHONPATH": str(cls.target), "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(
      [sys.executable, "-P", *(["-c", code] if code else ["-m", *module])],
      cwd=cwd,
      env=environment,
      capture_output=True,
      text=True,
      timeout=600,
    )
    if done.returncode:
      raise AssertionError(done.stdout + done.stderr)
    return done.stdout

  def test_it_holds_the_library_alone(self):
    name = f"nnfun-{nf.__version__}.dist-info"
    self.assertEqual({p.name for p in self.target.iterdir()}, {"nnfun", name})

    def files(folder):
      found = (p for p in folder.rglob("*") if p.is_file())
      return {str(p.relative_to(folder)) for p in found if p.suffix != ".pyc"}

    self.assertEqual(files(self.target / "nnfun"), files(_ROOT / "nnfun"))
    self.assertIn("py.typed", files(self.target / "nnfun"))
    self.assertIn("licenses/LICENSE", files(self.target / name))

  def test_everything_in_it_can_be_imported(self):
    self.run_python(self.work, code=_LOOK)
    seen = json.loads((self.work / "seen.json").read_text())
    self.assertTrue(pathlib.Path(seen["file"]).is_relative_to(self.target))
    self.assertEqual(seen["version"], nf.__version__)
    self.assertEqual(seen["metadata"], nf.__version__)
    self.assertContainsSubset(
      {"nnfun.cells", "nnfun.estimators.rtrl", "nnfun.theory.costs"},
      set(seen["modules"]),
    )
    needed = {re.match(r"[\w-]+", r)[0] for r in seen["requires"]}
    self.assertEqual(needed, {"flax", "jax", "optax"})

  def test_the_example_of_the_readme_runs(self):
    text = (_ROOT / "README.md").read_text()
    block = re.search(r"```python\n(.*?)```", text, re.DOTALL)[1]
    printed = self.run_python(self.work, code=block)
    self.assertRegex(printed, r"^0\.\d\d -> 0\.\d\d nats a step\n$")


if __name__ == "__main__":
  absltest.main()
