"""Which module may import which: the arrows go one way."""

import ast
import pathlib

from absl.testing import absltest

_ROOT = pathlib.Path(__file__).resolve().parent.parent

# From left to right; a module may import from its own layer and those before.
_LAYERS = (
  (
    "nnfun.base",
    "nnfun.loops",
    "nnfun.numerics",
    "nnfun.reach",
    "nnfun.sparsity",
    "nnfun.vectors",
  ),
  (
    "nnfun.activations",
    "nnfun.losses",
    "nnfun.initializers",
    "nnfun.theory",
    "nnfun.data",
    "nnfun.segments",
    "nnfun.updates",
  ),
  (
    "nnfun.mlp",
    "nnfun.cells",
    "nnfun.tasks",
    "nnfun.estimators",
    "nnfun.calibration",
    "nnfun.depth",
    "nnfun.diagnostics",
    "nnfun.regularizers",
  ),
  ("nnfun.training", "nnfun.minibatch"),
  ("nnfun",),
  ("benchmarks",),
  ("experiments",),
  ("launch",),
  ("examples",),
)

_NOT_IN_THE_LIBRARY = {
  "absl",
  "matplotlib",
  "rich",
  "jinja2",
  "ml_collections",
  "orbax",
}


def _layer(module):
  """The index of the layer whose longest prefix names the module."""
  found = [
    (len(name), index)
    for index, layer in enumerate(_LAYERS)
    for name in layer
    if module == name or module.startswith(name + ".")
  ]
  return max(found)[1] if found else None


def _imports(tree):
  """Every name that may be a module among the imports of a file."""
  for node in ast.walk(tree):
    if isinstance(node, ast.Import):
      yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
      yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _violations(module, source):
  """Imports that point to the right of the module's layer."""
  own = _layer(module)
  return [
    name
    for name in _imports(ast.parse(source))
    if _layer(name) is not None and _layer(name) > own
  ]


def _modules():
  for package in ("nnfun", "benchmarks", "experiments", "launch", "examples"):
    for path in sorted((_ROOT / package).rglob("*.py")):
      parts = path.relative_to(_ROOT).with_suffix("").parts
      if parts[-1] == "__init__":
        parts = parts[:-1]
      yield ".".join(parts), path.read_text()


class LayeringTest(absltest.TestCase):
  def test_no_arrow_to_the_right(self):
    modules = dict(_modules())
    self.assertIn("nnfun.estimators.tape", modules)
    found = {m: _violations(m, s) for m, s in modules.items()}
    self.assertEqual({m: v for m, v in found.items() if v}, {})

  def test_an_arrow_to_the_right_is_seen(self):
    source = "from nnfun import cells\nimport nnfun.training\n"
    self.assertEqual(
      _violations("nnfun.estimators.tape", source),
      ["nnfun.training"],
    )
    self.assertEqual(
      _violations("nnfun.estimators.rtrl", "import experiments.cli"),
      ["experiments.cli"],
    )

  def test_estimators_know_no_concrete_cell(self):
    for module, source in _modules():
      if module.startswith("nnfun.estimators"):
        for name in _imports(ast.parse(source)):
          self.assertFalse(name.startswith("nnfun.cells"), (module, name))

  def test_the_library_reads_no_flags_and_draws_nothing(self):
    for module, source in _modules():
      if module.startswith("nnfun"):
        roots = {name.split(".")[0] for name in _imports(ast.parse(source))}
        self.assertEqual(roots & _NOT_IN_THE_LIBRARY, set(), module)

  def test_modules_stay_small(self):
    long = {m: s.count("\n") for m, s in _modules() if s.count("\n") > 450}
    self.assertEqual(long, {})


if __name__ == "__main__":
  absltest.main()
