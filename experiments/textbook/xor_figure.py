"""Figure of the study of XOR, from its stored arrays.

The arrays are described at `xor.run`.
"""

import numpy as np
from matplotlib import figure as mpl_figure

from experiments import study, style
from experiments.textbook import xor_source


def draw(results: study.Results) -> mpl_figure.Figure:
  """Draws the printed solution, and how often random starts reach one."""
  fig, (left, middle, right) = style.figure(
    1, 3, width=11.0, height=3.9, width_ratios=(1, 1.25, 1.25)
  )
  _plot_solution(left)
  _plot_learning(middle, results)
  _plot_fractions(right, results)
  return fig


def _plot_solution(axes):
  weights, u = xor_source.TRAINED.hidden, xor_source.TRAINED.output
  grid = np.linspace(-0.5, 1.5, 201)
  x1, x2 = np.meshgrid(grid, grid)
  z = [w[0] * x1 + w[1] * x2 + w[2] for w in weights]
  y = np.maximum(
    u[0] * np.maximum(z[0], 0) + u[1] * np.maximum(z[1], 0) + u[2], 0
  )
  axes.contourf(
    x1, x2, y, levels=np.linspace(0, 1.4, 15), cmap="Blues", alpha=0.8
  )
  axes.contour(x1, x2, y, levels=[0.5], colors="k", linewidths=2)
  for i, color in enumerate(style.PALETTE[1:3]):
    axes.contour(
      x1, x2, z[i], levels=[0], colors=color, linestyles="--", linewidths=1.8
    )
  box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1}
  for i, (x, y) in enumerate(((0.35, 0.5), (-0.45, -0.35))):
    axes.text(x, y, f"$h_{i + 1}$ = 0", color=style.PALETTE[i + 1], bbox=box)
  for (a, b), target in zip(
    xor_source.PATTERNS, xor_source.TARGETS, strict=True
  ):
    axes.plot(
      a,
      b,
      "o",
      markersize=10,
      markeredgecolor="k",
      color="k" if target else "w",
    )
  axes.set(
    title="The printed weights",
    xlabel="$x_1$ (black point: target 1)",
    ylabel="$x_2$ (black line: y = 1/2)",
    aspect="equal",
  )
  axes.grid(False)


def _colors(results):
  return style.PALETTE[: len(results["labels"])]


def _plot_learning(axes, results):
  last = len(results["learning_rates"]) - 1
  for row, (label, color) in enumerate(
    zip(results["labels"], _colors(results), strict=True)
  ):
    for index, line in ((0, "-"), (last, ":")):
      axes.plot(
        results["epochs"] / 1000,
        results["solved"][row, index],
        line,
        color=color,
        label=str(label) if index == 0 else None,
      )
  first, other = results["learning_rates"][[0, last]]
  axes.set(
    title="Starts that do XOR",
    xlabel=f"epochs / 1000 (solid: rate {first:g}, dotted: {other:g})",
    ylabel="fraction, every error < 0.1",
    ylim=(0, 1.3),
    yticks=np.linspace(0, 1, 6),
  )
  axes.legend(loc="upper right", fontsize=8)


def _plot_fractions(axes, results):
  dead = results["dead_end"][:, 0]
  solved = results["error"][:, 0] < 0.1
  groups = (
    ("solved", solved),
    ("a dead\nhidden unit", np.any(dead[..., :2], axis=-1)),
    ("dead\noutput", dead[..., 2]),
  )
  count, width = solved.shape[-1], 0.2
  for row, color in enumerate(_colors(results)):
    fraction = np.array([np.mean(values[row]) for _, values in groups])
    axes.bar(
      np.arange(3) + (row - 1.5) * width,
      fraction,
      width,
      yerr=2 * np.sqrt(fraction * (1 - fraction) / count),
      error_kw={"linewidth": 1},
      color=color,
    )
  for x, height in ((0, 9 / 16), (1, 7 / 16)):
    axes.plot([x - 0.42, x + 0.42], [height] * 2, "--", color=style.GREY)
  axes.text(
    0.97,
    0.97,
    "grey: of ReLU nets 9/16 at most\ndo XOR, 7/16 or more have dead units",
    color=style.GREY,
    transform=axes.transAxes,
    ha="right",
    va="top",
  )
  axes.set(
    title=f"At the end, rate {results['learning_rates'][0]:g}",
    ylabel=f"fraction of {count:,} starts (2 standard errors)",
    ylim=(0, 0.85),
  )
  axes.set_xticks(range(3), [name for name, _ in groups])
