"""The figure of the study of cost."""

from collections.abc import Mapping

import numpy as np
from matplotlib import figure as mpl_figure
from scipy import optimize

from experiments import style
from experiments.rtrl_vs_tbptt import cost_claims

_MARKERS = ("s", "D", "o", "^", "v", "P")
_FONT_SIZE = 8.5  # of the exponents, in points


def plot(results: Mapping[str, np.ndarray]) -> mpl_figure.Figure:
  """Draws time and memory, against n above and against T below.

  Args:
    results: what `run` returned.

  Returns:
    The figure.
  """
  fig, axes = style.figure(2, 2, height=8.2)
  units, lengths = results["units"], results["lengths"]
  panels = (
    (axes[0, 0], units, "microseconds", "Time of a step"),
    (axes[0, 1], units, "state_bytes", "Memory between two updates"),
    (axes[1, 0], lengths, "run_microseconds", "Time of a stream"),
    (axes[1, 1], lengths, "run_bytes", "Memory of a stream"),
  )
  for ax, sizes, key, title in panels:
    values = results[key]
    _draw(ax, np.broadcast_to(sizes, values.shape), values)
    of_time = key.endswith("microseconds")
    ax.set(title=title, ylabel="microseconds" if of_time else "bytes")
  for ax in axes[0]:
    ax.set_xlabel("units n")
  for ax in axes[1]:
    ax.set_xlabel(f"steps T (n = {results['length_units']})")
    ax.set_xticks(lengths, [str(T) for T in lengths])
    ax.minorticks_off()
  handles, _ = axes[0, 0].get_legend_handles_labels()
  fig.legend(
    handles,
    cost_claims.NAMES,
    title="with the fitted exponent at the end of each line",
    loc="outside lower center",
    ncols=3,
  )
  fig.draw_without_rendering()  # Where the lines end is known from here on.
  for ax, sizes, key, _ in panels:
    values = results[key]
    _label(ax, np.broadcast_to(sizes, values.shape), values)
  return fig


def _draw(ax, sizes, values):
  """One line a method."""
  for i, name in enumerate(cost_claims.NAMES):
    ax.loglog(
      sizes[i],
      values[i],
      marker=_MARKERS[i],
      # Textbook and lazy lie on each other where both carry all of J.
      linestyle="--" if i == cost_claims.LAZY else "-",
      color=style.PALETTE[i],
      label=name,
    )
  ax.margins(x=0.12)


def _label(ax, sizes, values):
  """The fitted exponent at the end of each line."""
  ends = np.stack([sizes[:, -1], values[:, -1]], axis=1)
  points = ax.transData.transform(ends)[:, 1] * 72 / ax.figure.dpi
  heights = points.copy()
  for x in np.unique(ends[:, 0]):
    side_by_side = ends[:, 0] == x
    heights[side_by_side] = _apart(points[side_by_side], 1.1 * _FONT_SIZE)
  for i, offset in enumerate(heights - points):
    power = round(cost_claims.exponent(sizes[i], values[i]), 1)
    ax.annotate(
      f"{power + 0.0:.1f}",
      ends[i],
      xytext=(6, offset),
      textcoords="offset points",
      color=style.PALETTE[i],
      fontsize=_FONT_SIZE,
      va="center",
    )


def _apart(heights, gap):
  """The heights moved as little as keeps them a gap apart, least squares."""
  order = np.argsort(heights, kind="stable")
  steps = gap * np.arange(len(heights))
  moved = np.empty_like(heights)
  moved[order] = optimize.isotonic_regression(heights[order] - steps).x + steps
  return moved
