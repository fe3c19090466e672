"""The README as a page, and its table of estimators."""

import functools
import pathlib
import re
from typing import NamedTuple

ROOT = pathlib.Path(__file__).resolve().parent.parent
# Where a link of a file of the repository leads on the site.
_LINKS = {
  "ARCHITECTURE.md": "architecture.md",
  "CHANGELOG.md": "changelog.md",
  "CONTRIBUTING.md": "contributing.md",
  "README.md": "index.md",
  "docs/pages/": "",
  "docs/results/": "_static/",
}


class Facts(NamedTuple):
  """A row of the table, which may be about several estimators."""

  names: tuple[str, ...]
  carries: str
  gradient: str
  flops: str
  memory: str
  take: str


@functools.cache
def facts() -> dict[str, Facts]:
  """Returns the row of each estimator, in the order of the table."""
  table = (ROOT / "README.md").read_text().partition("\n| estimator |")[2]
  rows = table.partition("\n\n")[0].split("\n")[2:]
  found = {}
  for row in rows:
    first, *rest = (cell.strip() for cell in row.strip("|").split(" | "))
    names = tuple(re.findall(r"`(\w+)", first))
    found |= dict.fromkeys(names, Facts(names, *rest))
  return found


def page(name: str) -> str:
  """Returns a text of the repository with its links as those of the site."""
  text = (ROOT / name).read_text()
  for link, target in _LINKS.items():
    text = text.replace(f"]({link}", f"]({target}")
    text = text.replace(f'src="{link}', f'src="{target}')
  return text
