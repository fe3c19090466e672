"""The look of all figures.

Figures are drawn without pyplot, so no global figure registry and no display
is involved. Text becomes outlines: formulas look the same in every browser.
"""

import io
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib import axes as mpl_axes
from matplotlib import figure as mpl_figure

# Okabe & Ito (2008), "Color Universal Design", without the yellow that cannot
# be read on white; ordered so that neighbours differ in lightness too.
PALETTE = (
  "#0072b2",
  "#d55e00",
  "#009e73",
  "#cc79a7",
  "#56b4e9",
  "#e69f00",
  "#000000",
)
GREY = "#6e6e6e"  # Reference lines, theory, floors.

_RC = {
  "axes.axisbelow": True,
  "axes.edgecolor": "#444444",
  "axes.grid": True,
  "axes.labelsize": 10,
  "axes.linewidth": 0.8,
  "axes.prop_cycle": mpl.cycler(color=PALETTE),
  "axes.spines.right": False,
  "axes.spines.top": False,
  "axes.titlelocation": "left",
  "axes.titlesize": 10.5,
  "axes.titleweight": "bold",
  "figure.facecolor": "white",
  "font.family": "DejaVu Sans",  # Ships with matplotlib: the same everywhere.
  "font.size": 9.5,
  "grid.color": "#e4e4e4",
  "grid.linewidth": 0.7,
  "image.cmap": "viridis",
  "legend.edgecolor": "none",
  "legend.fancybox": False,
  "legend.fontsize": 9,
  "legend.framealpha": 0.8,
  "lines.linewidth": 1.8,
  "lines.markersize": 5,
  "mathtext.fontset": "dejavusans",
  "path.simplify_threshold": 0.4,  # Points on one line are left out.
  "svg.fonttype": "path",
  "svg.hashsalt": "nnfun",  # Same figure, same bytes.
  "xtick.labelsize": 9,
  "ytick.labelsize": 9,
}


def figure(
  nrows: int = 1,
  ncols: int = 1,
  *,
  width: float = 9.0,
  height: float | None = None,
  **subplots_kwargs: Any,
) -> tuple[mpl_figure.Figure, Any]:
  """Makes a figure in the common style.

  Args:
    nrows: Number of rows of axes.
    ncols: Number of columns of axes.
    width: In inches; 9 fills the page's column at a readable font size.
    height: In inches; None gives 3.3 per row.
    **subplots_kwargs: Passed to `Figure.subplots` (`sharex`, `squeeze`, ...).

  Returns:
    The figure, and what `Figure.subplots` returns: one axes, or an array.
  """
  # Not a context: artists added later read the defaults when they are made.
  mpl.rcParams.update(_RC)
  size = (width, 3.3 * nrows if height is None else height)
  fig = mpl_figure.Figure(figsize=size, layout="constrained")
  return fig, fig.subplots(nrows, ncols, **subplots_kwargs)


def colors(num_colors: int) -> list[str]:
  """Returns shades for an ordered family of curves, seen on black and white."""
  shades = mpl.colormaps["viridis"](np.linspace(0.2, 0.88, num_colors))
  return [mpl.colors.to_hex(shade) for shade in shades]


def band(
  axes: mpl_axes.Axes, x: np.ndarray, samples: np.ndarray, **line_kwargs: Any
) -> None:
  """Draws the mean over seeds, and a band from the 10th to the 90th percentile.

  Args:
    axes: Where to.
    x: Positions [N].
    samples: Curves, seeds first [S, N].
    **line_kwargs: Of the line (`color`, `label`, ...); the band has its color.
  """
  (line,) = axes.plot(x, np.mean(samples, axis=0), **line_kwargs)
  low, high = np.percentile(samples, [10, 90], axis=0)
  axes.fill_between(x, low, high, color=line.get_color(), alpha=0.2, lw=0)


def reference(
  axes: mpl_axes.Axes,
  label: str,
  *,
  y: float | None = None,
  x: float | None = None,
) -> None:
  """Draws a dotted grey line through all of the axes, named beside itself.

  Args:
    axes: Where to.
    label: What it is, such as "published".
    y: Its height, for a level line.
    x: Its place, for an upright one.
  """
  style_of_line = {"color": GREY, "linestyle": ":", "linewidth": 1.2}
  text = {"color": GREY, "fontsize": 8.5, "textcoords": "offset points"}
  if y is not None:
    axes.axhline(y, **style_of_line)
    across = axes.get_yaxis_transform()
    axes.annotate(label, (0.01, y), (0, 2), xycoords=across, **text)
  if x is not None:
    axes.axvline(x, **style_of_line)
    along = axes.get_xaxis_transform()
    axes.annotate(label, (x, 0.98), (3, 0), xycoords=along, va="top", **text)


def save_svg(fig: mpl_figure.Figure) -> str:
  """Draws the figure as SVG; the same figure gives the same text."""
  buffer = io.StringIO()
  with mpl.rc_context(_RC):
    fig.savefig(buffer, format="svg", metadata={"Date": None})
  return buffer.getvalue()
