"""Makes the site: `python -m docs.build`, offline and without a warning.

Pages are written of what the repository says already (the README, docstrings,
the registry, docs/results), Sphinx sets them.
"""

import argparse
import ast
import pathlib
import sys
from collections.abc import Sequence

from sphinx.cmd import build as sphinx_build

from docs import api, estimators, findings, readme, studies
from experiments import records

_HERE = pathlib.Path(__file__).parent
# The texts of the repository by the names of their pages.
_TEXTS = {
  "architecture.md": "ARCHITECTURE.md",
  "changelog.md": "CHANGELOG.md",
  "contributing.md": "CONTRIBUTING.md",
  "launching.md": "docs/pages/launching.md",
  "using.md": "docs/pages/using.md",
}
_COPIES = ("CITATION.cff", "LICENSE")


def main(argv: Sequence[str] | None = None) -> int:
  """Writes the pages and sets them.

  Args:
    argv: The command line; that of the process by default.

  Returns:
    The exit status: not 0 if Sphinx found anything to warn of.
  """
  parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
  parser.add_argument("--out", default="build/docs", help="where to")
  out = pathlib.Path(parser.parse_args(argv).out)
  source = out / "source"
  _write(source, pages())
  html = out / "html"
  # All pages are read anew: one that is not has its warnings forgotten.
  options = ["-q", "-E", "-W", "--keep-going", "-c", str(_HERE)]
  options += ["-d", str(out / "doctrees")]
  status = sphinx_build.build_main([*options, str(source), str(html)])
  if not status:
    print(f"Site: {html / 'index.html'}")
  return status


def pages() -> dict[str, str]:
  """Returns the text of every page by its path."""
  found = {path: readme.page(name) for path, name in _TEXTS.items()}
  found |= {name: (readme.ROOT / name).read_text() for name in _COPIES}
  contents = findings.render("contents.md.jinja")
  found["index.md"] = readme.page("README.md") + contents
  recipes = _recipes()
  found["recipes/index.md"] = findings.render(
    "recipes.md.jinja",
    recipes={name: doc for name, (doc, _) in recipes.items()},
  )
  for name, (doc, code) in recipes.items():
    found[f"recipes/{name}.md"] = findings.render(
      "recipe.md.jinja", name=name, doc=doc, code=code
    )
  return found | api.pages() | estimators.pages() | studies.pages()


def _recipes():
  """Docstring of each program of examples/, and what follows it."""
  found = {}
  for path in sorted((readme.ROOT / "examples").glob("[!_]*.py")):
    code = path.read_text()
    tree = ast.parse(code)
    rest = code.split("\n")[tree.body[0].end_lineno :]
    found[path.stem] = ast.get_docstring(tree), "\n".join(rest)
  return found


def _write(folder, texts):
  """Writes what has changed, and removes what is no longer there."""
  for path in folder.rglob("*.*"):
    if str(path.relative_to(folder)) not in texts:
      path.unlink()
  for name, text in texts.items():
    path = folder / name
    if not path.exists() or path.read_text() != text:
      path.parent.mkdir(parents=True, exist_ok=True)
      records.write(path, text)


if __name__ == "__main__":
  sys.exit(main())
