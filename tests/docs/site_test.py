"""The site: built without a warning, complete, and made of itself alone."""

import html
import inspect
import os
import pathlib
import pkgutil
import re
import subprocess
import sys
import tempfile
import urllib.parse

from absl.testing import absltest
from sphinx.util import inventory

import nnfun as nf
from docs import studies
from experiments import registry

_ROOT = pathlib.Path(__file__).resolve().parents[2]


def _public_names():
  """Every public name, as an interpreter sees it."""
  modules = [nf]
  for info in pkgutil.walk_packages(nf.__path__, "nnfun."):
    parent, _, name = info.name.rpartition(".")
    module = sys.modules.get(info.name)
    # Of packages only what they show: a module behind a function is not.
    if module is not None and getattr(sys.modules[parent], name) is module:
      modules.append(module)
  listed = {"nnfun", *(m.__name__ for m in modules if _is_listed(m))}
  found = set()
  for module in modules:
    if module.__name__ not in listed:
      continue
    is_package = hasattr(module, "__path__")
    for name, value in vars(module).items():
      origin = getattr(value, "__module__", None)
      is_own = origin is not None and origin.startswith(
        "nnfun" if is_package else module.__name__
      )
      if not name.startswith("_") and is_own and not inspect.ismodule(value):
        found.add(f"{module.__name__}.{name}")
  return listed, found


def _is_listed(module):
  """Whether its package imports it by a line `import name as name`."""
  parent, _, name = module.__name__.rpartition(".")
  if not parent:
    return True
  text = pathlib.Path(sys.modules[parent].__file__).read_text()
  return f"import {name} as {name}\n" in text


class SiteTest(absltest.TestCase):
  @classmethod
  def setUpClass(cls):
    super().setUpClass()
    out = cls.enterClassContext(tempfile.TemporaryDirectory())
    cls.done = subprocess.run(
      [sys.executable, "-m", "docs.build", "--out", out],
      cwd=_ROOT,
      env=os.environ | {"JAX_PLATFORMS": "cpu"},
      capture_output=True,
      text=True,
      timeout=1200,
    )
    cls.html = pathlib.Path(out) / "html"
    paths = sorted(cls.html.rglob("*.html"))
    cls.pages = {p.relative_to(cls.html): p.read_text() for p in paths}

  def test_built_without_a_warning(self):
    self.assertEqual(self.done.returncode, 0, self.done.stderr)

  def test_every_public_name_has_an_entry(self):
    data = (self.html / "objects.inv").read_bytes()
    found = inventory.InventoryFile.loads(data, uri="").data
    entries = {n for key in found if key.startswith("py:") for n in found[key]}
    modules, names = _public_names()
    self.assertContainsSubset({"nnfun.theory.costs", "nnfun.cells"}, modules)
    self.assertContainsSubset(
      {"nnfun.Cell", "nnfun.estimators.uoro", "nnfun.theory.costs.Machine"},
      names,
    )
    self.assertEqual((modules | names) - entries, set())

  def test_links_lead_somewhere(self):
    ids = {
      page: set(re.findall(r'\bid="([^"]*)"', text))
      for page, text in self.pages.items()
    }
    for page, text in self.pages.items():
      for link in re.findall(
        r'<(?:a|img|link|script)\b[^>]*?(?:href|src)="([^"]*)"', text
      ):
        parts = urllib.parse.urlsplit(html.unescape(link))
        if parts.scheme or parts.path.startswith("data:"):
          continue
        target = page
        if parts.path:
          path = self.html / page.parent / urllib.parse.unquote(parts.path)
          self.assertTrue(path.exists(), f"{link} in {page}")
          target = path.resolve().relative_to(self.html.resolve())
        if parts.fragment and target in ids:
          self.assertIn(parts.fragment, ids[target], f"{link} in {page}")

  def test_nothing_is_fetched_from_elsewhere(self):
    """Only a reader who follows a link leaves the site."""
    for page, text in self.pages.items():
      fetched = re.findall(
        r'<(?:img|script|iframe)\b[^>]*?src="(\w+:)?//', text
      ) + re.findall(
        r'<link\b(?![^>]*rel="(?:canonical|license)")[^>]*?href="\w+://', text
      )
      self.assertEqual(fetched, [], page)
    for path in self.html.rglob("*.css"):
      self.assertNotRegex(
        path.read_text(), r"url\(.?(https?:)?//|@import", path
      )

  def test_every_exercise_is_on_the_page_of_its_document(self):
    text = self.pages[pathlib.Path("textbook.html")]
    for module in registry.MODULES:
      folder = _ROOT.joinpath(*module.split("."))
      code = "".join(path.read_text() for path in folder.glob("*claims*.py"))
      name = module.partition(".")[2].replace(".", "/")
      for document in studies.DOCUMENTS:
        # The table of this study and document, and the exercises in its rows.
        table = re.search(
          rf'href="studies/{name}\.html#figure">(?:(?!</tbody>).)*?'
          rf'<th scope="col">{document}</th>.*?</tbody>',
          text,
          re.DOTALL,
        )
        rows = (
          re.findall(r'<th scope="row">([^<]*)<', table[0]) if table else []
        )
        found = set(re.findall(rf'"{document}-([A-Za-z0-9.-]+)"', code))
        self.assertEqual(set(rows), found, f"{document} in {name}")


if __name__ == "__main__":
  absltest.main()
