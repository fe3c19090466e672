"""Figures inside a page: beside one another, in light and in dark."""

import re
from collections.abc import Iterable

import markupsafe

_ROOT = "figure_1"  # What matplotlib calls all that is in a figure.
# Colours of paper and ink follow the page; those of curves stay.
_COLORS = {
  "#ffffff": "var(--paper)",
  "#000000": "var(--ink)",
  "#444444": "var(--ink)",
  "#262626": "var(--ink)",
  "#6e6e6e": "var(--grey)",
  "#e4e4e4": "var(--grid)",
}


def inline(svg: str, prefix: str, label: str) -> str:
  """Prepares a figure to stand in a page beside others.

  Args:
    svg: What matplotlib wrote.
    prefix: Put before every id; figures share ids otherwise, and a reference in
      one would find the curve of another.
    label: What is seen in it, for those who cannot see it.

  Returns:
    The svg element, as wide as its surroundings.
  """
  svg = svg[svg.index("<svg") :]
  svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
  svg = re.sub(r"<!--.*?-->", "", svg, flags=re.DOTALL)
  # A style element would apply to the whole page; the rule is put on the root.
  svg = re.sub(r"<style.*?</style>", "", svg, flags=re.DOTALL)
  svg = _short_ids(svg, prefix)
  svg = re.sub("|".join(_COLORS), lambda match: _COLORS[match[0]], svg)
  svg = re.sub(r'\b[dxy]="[^"]*"|translate\([^)]*\)', _coarse, svg)
  svg = re.sub(r"\s*\n\s*", "\n", svg)
  root, rest = svg.split(">", 1)
  root = re.sub(r'\s(width|height)="[^"]*"', "", root)
  # Text without a colour of its own is black otherwise.
  rule = "fill: var(--ink); stroke-linejoin: round; stroke-linecap: butt"
  label = markupsafe.escape(label)
  attributes = f'id="{prefix}svg" role="img" aria-label="{label}"'
  return f'{root} {attributes} style="{rule}">{rest}'


def thumbnail(svg: str, prefix: str) -> str:
  """Returns a small copy of a figure which `inline` has put into the page."""
  box = re.search(r'viewBox="([^"]*)"', svg)[1]
  use = f'<use href="#{prefix}{_ROOT}"/>'
  return f'<svg viewBox="{box}" aria-hidden="true">{use}</svg>'


def share_shapes(svgs: Iterable[str]) -> tuple[list[str], str]:
  """Keeps one copy of each letter and mark of all the figures of a page.

  Args:
    svgs: What `inline` returned, each with a prefix of its own.

  Returns:
    The figures, which refer to the shapes by other ids, and an element of no
    size that holds the shapes.
  """
  ids = {}

  def share(svg):
    renamed = {}

    def take(path):
      name, shape = path[1], path[2]
      renamed[name] = ids.setdefault(shape, f"shape-{len(ids):x}")
      return ""

    svg = re.sub(r'<path id="([^"]*)" ([^>]*)/>\n?', take, svg)
    svg = re.sub(r"<defs>\s*</defs>\n?", "", svg)
    return re.sub(
      r'href="#([^"]*)"',
      lambda match: f'href="#{renamed.get(match[1], match[1])}"',
      svg,
    )

  figures = [share(svg) for svg in svgs]
  paths = "\n".join(
    f'<path id="{name}" {shape}/>' for shape, name in ids.items()
  )
  style = "position: absolute; width: 0; height: 0"
  return figures, (
    f'<svg aria-hidden="true" style="{style}"><defs>\n{paths}\n</defs></svg>'
  )


def _short_ids(svg, prefix):
  """Gives short names to what is referred to, and none to the rest."""
  used = dict.fromkeys(re.findall(r'(?:href="|url\()#([^")]+)', svg))
  names = {name: f"{prefix}{i:x}" for i, name in enumerate(used)}
  names[_ROOT] = prefix + _ROOT
  svg = re.sub(
    r'\sid="([^"]*)"',
    lambda match: f' id="{names[match[1]]}"' if match[1] in names else "",
    svg,
  )
  svg = re.sub(
    r'(?:xlink:)?href="#([^"]*)"',
    lambda match: f'href="#{names[match[1]]}"',
    svg,
  )
  return re.sub(
    r"url\(#([^)]*)\)", lambda match: f"url(#{names[match[1]]})", svg
  )


def _coarse(path):
  """A tenth of a point is not seen, and half of it in a small mark."""
  numbers = re.sub(r"\d+\.\d{2,}", _rounded, path[0])
  return re.sub(r"\s+", " ", numbers)


def _rounded(match):
  value = float(match[0])
  return f"{value:.{1 if value >= 10 else 2}f}".rstrip("0").rstrip(".")
