"""Figure of the study of XOR."""

import numpy as np
from matplotlib import figure as mpl_figure

from experiments import study, style
from experiments.textbook.xor import readings


def plot(results: study.Results) -> mpl_figure.Figure:
  """Draws the printed solution, and how often random starts reach one."""
  fig, (left, middle, right) = style.figure(
    1, 3, width=11.0, height=4.3, width_ratios=(1, 1.25, 1.25)
  )
  _plot_solution(left)
  for (kind, starts), color in zip(
    results.starts.items(), style.PALETTE, strict=False
  ):
    share = starts.does_xor.mean(axis=0)
    middle.plot(starts.epochs / 1000, share, color=color, label=kind)
  middle.set(
    title="Starts that do XOR",
    xlabel="epochs / 1000",
    ylabel="share of starts with every error < 0.1",
    ylim=(0, 1),
  )
  _plot_fractions(right, results.starts.values())
  fig.legend(
    *middle.get_legend_handles_labels(), loc="outside lower center", ncols=3
  )
  return fig


def _plot_solution(axes):
  grid = np.linspace(-0.5, 1.5, 61)
  inputs = np.stack([*np.meshgrid(grid, grid), np.ones((61, 61))])
  z = np.tensordot(readings.TRAINED[:2], inputs, 1)
  h = np.stack([*np.maximum(z, 0), inputs[2]])
  y = np.maximum(np.tensordot(readings.TRAINED[2], h, 1), 0)
  look = {"cmap": "Blues", "alpha": 0.8, "interpolation": "none"}
  axes.imshow(y, extent=(-0.5, 1.5, -0.5, 1.5), origin="lower", **look)
  axes.contour(grid, grid, y, levels=[0.5], colors="k", linewidths=2)
  box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1}
  for i, place in enumerate(((0.35, 0.5), (-0.45, -0.35))):
    axes.contour(
      grid, grid, z[i], levels=[0], colors="k", linestyles="--", linewidths=1.4
    )
    axes.text(*place, f"$h_{i + 1}$ = 0", bbox=box)
  for place, target in zip(readings.PATTERNS, readings.TARGETS, strict=True):
    axes.plot(*place, "ko", markersize=10, mfc="k" if target else "w")
  axes.set(
    title="The printed weights",
    xlabel="$x_1$ (black point: target 1)",
    ylabel="$x_2$ (black line: y = 1/2)",
  )
  axes.grid(False)


def _plot_fractions(axes, kinds):
  width = 0.25
  for row, starts in enumerate(kinds):
    dead = starts.dead[:, -1]
    shares = [
      starts.does_xor[:, -1].mean(),
      np.any(dead[:, :2], axis=1).mean(),
      dead[:, 2].mean(),
    ]
    places = np.arange(3) + (row - 1) * width
    axes.bar(places, shares, width, color=style.PALETTE[row])
  for x, height, side in ((0, 9 / 16, "left"), (1, 7 / 16, "right")):
    ends = np.array([x - 0.42, x + 0.42])
    axes.plot(ends, [height] * 2, "--", color=style.GREY)
    place = ends[0 if side == "left" else 1], height
    label = f"{16 * height:g}/16"
    axes.text(*place, label, color=style.GREY, ha=side, va="bottom")
  axes.set(
    title="At the end", ylabel=f"share of {len(dead):,} starts", ylim=(0, 0.85)
  )
  axes.set_xticks(range(3), ["does XOR", "a dead\nhidden unit", "dead\noutput"])
