"""Every text that a claim cites, with a link where there is one."""

import pathlib
import tomllib
from typing import NamedTuple


class Text(NamedTuple):
  """One text of the bibliography."""

  authors: str
  title: str
  year: str  # And where it appeared; empty if the text does not say.
  url: str  # Empty if the text is not on the web.


_FILE = pathlib.Path(__file__).with_suffix(".toml")
# By key, in the order in which they stand in the file.
TEXTS = {
  key: Text(**fields)
  for key, fields in tomllib.loads(_FILE.read_text(encoding="utf-8")).items()
}


def text(cite: str, where: str) -> str:
  """Returns how a source is written out for a reader.

  Args:
    cite: a key of `TEXTS`; "" for what is derived here.
    where: section, table, equation; or the derivation.

  Returns:
    Authors, title, year and place, separated by commas.

  Raises:
    ValueError: if the text is not in the bibliography.
  """
  if not cite:
    return where
  if cite not in TEXTS:
    raise ValueError(f"expected a text of the bibliography, got {cite!r}")
  authors, title, year, _ = TEXTS[cite]
  return ", ".join(part for part in (authors, title, year, where) if part)


def url(cite: str) -> str:
  """Returns the link of a text; "" if it has none."""
  return TEXTS[cite].url if cite else ""
