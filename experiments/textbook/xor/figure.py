"""Figure of the study of XOR."""

import numpy as np
from matplotlib import figure as mpl_figure

from experiments import study, style
from experiments.textbook.xor import readings

_COLORS = dict(
  zip(
    (readings.RELU, readings.LINEAR, readings.LEAKY, readings.SIGMOID),
    style.PALETTE,
    strict=False,
  )
)


def plot(results: study.Results) -> mpl_figure.Figure:
  """Draws the printed solution, and how often random starts reach one."""
  fig, (left, middle, right) = style.figure(
    1, 3, width=11.0, height=4.3, width_ratios=(1, 1.25, 1.25)
  )
  _plot_solution(left)
  _plot_learning(middle, results)
  _plot_fractions(right, results)
  fig.legend(
    *middle.get_legend_handles_labels(), loc="outside lower center", ncols=4
  )
  return fig


def _plot_solution(axes):
  weights, u = readings.TRAINED
  grid = np.linspace(-0.5, 1.5, 201)
  x1, x2 = np.meshgrid(grid, grid)
  z = [w[0] * x1 + w[1] * x2 + w[2] for w in weights]
  h = np.maximum(z, 0)
  y = np.maximum(u[0] * h[0] + u[1] * h[1] + u[2], 0)
  axes.contourf(
    x1, x2, y, levels=np.linspace(0, 1.4, 15), cmap="Blues", alpha=0.8
  )
  axes.contour(x1, x2, y, levels=[0.5], colors="k", linewidths=2)
  box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1}
  for i, place in enumerate(((0.35, 0.5), (-0.45, -0.35))):
    axes.contour(
      x1, x2, z[i], levels=[0], colors="k", linestyles="--", linewidths=1.4
    )
    axes.text(*place, f"$h_{i + 1}$ = 0", bbox=box)
  for place, target in zip(readings.PATTERNS, readings.TARGETS, strict=True):
    axes.plot(*place, "ko", markersize=10, mfc="k" if target else "w")
  axes.set(
    title="The printed weights",
    xlabel="$x_1$ (black point: target 1)",
    ylabel="$x_2$ (black line: y = 1/2)",
    aspect="equal",
  )
  axes.grid(False)


def _plot_learning(axes, results):
  last = len(results.learning_rates) - 1
  for kind, starts in results.starts.items():
    share = readings.solved(starts).mean(axis=0)
    for index, line in dict.fromkeys(((0, "-"), (last, ":"))):
      axes.plot(
        results.epochs / 1000,
        share[index],
        line,
        color=_COLORS[kind],
        label=kind if line == "-" else None,
      )
  first, other = results.learning_rates[[0, last]]
  axes.set(
    title="Starts that do XOR",
    xlabel=f"epochs / 1000 (solid: rate {first:g}, dotted: {other:g})",
    ylabel="share of starts with every error < 0.1",
    ylim=(0, 1),
  )


def _plot_fractions(axes, results):
  width = 0.2
  for row, (kind, starts) in enumerate(results.starts.items()):
    dead = starts.dead_end[:, 0]
    shares = [
      readings.solved(starts)[:, 0, -1].mean(),
      np.any(dead[:, :2], axis=1).mean(),
      dead[:, 2].mean(),
    ]
    places = np.arange(3) + (row - 1.5) * width
    axes.bar(places, shares, width, color=_COLORS[kind])
  for x, height, label, side in (
    (0, 9 / 16, "9/16", "left"),
    (1, 7 / 16, "7/16", "right"),
  ):
    ends = np.array([x - 0.42, x + 0.42])
    axes.plot(ends, [height] * 2, "--", color=style.GREY)
    place = ends[0 if side == "left" else 1], height
    axes.text(*place, label, color=style.GREY, ha=side, va="bottom")
  axes.text(
    0.98,
    0.98,
    "grey: ReLU networks that do XOR, at most,\nand with a dead unit, at least",
    color=style.GREY,
    transform=axes.transAxes,
    ha="right",
    va="top",
  )
  axes.set(
    title=f"At the end, rate {results.learning_rates[0]:g}",
    ylabel=f"share of {len(dead):,} starts",
    ylim=(0, 0.85),
  )
  axes.set_xticks(range(3), ["does XOR", "a dead\nhidden unit", "dead\noutput"])
