"""Figures inside a page: beside one another, in light and in dark."""

import re

import markupsafe

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
  svg = re.sub(r'\bid="', f'id="{prefix}', svg)
  svg = re.sub(r'href="#', f'href="#{prefix}', svg)
  svg = re.sub(r"url\(#", f"url(#{prefix}", svg)
  svg = re.sub("|".join(_COLORS), lambda match: _COLORS[match[0]], svg)
  svg = re.sub(r'\bd="[^"]*"', _coarse, svg)
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
  use = f'<use href="#{prefix}figure_1"/>'
  return f'<svg viewBox="{box}" aria-hidden="true">{use}</svg>'


def _coarse(path):
  """A hundredth of a point is not seen; glyphs are drawn in larger units."""
  return re.sub(r"\d+\.\d{3,}", _rounded, path[0])


def _rounded(match):
  return f"{float(match[0]):.2f}".rstrip("0").rstrip(".")
