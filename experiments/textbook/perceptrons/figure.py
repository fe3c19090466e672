"""Figure of the study of perceptrons."""

import numpy as np
from matplotlib import figure as mpl_figure
from matplotlib import lines

from experiments import study, style
from experiments.textbook.perceptrons import readings

# Weighted inputs z at which a hidden neuron's level curves are drawn (the one
# in 0 solid), and what it puts out there.
_LEVELS = {
  "sigmoid": ((-2.2, 0.0, 2.2), "0.1, 0.5, 0.9"),
  "tanh": ((-1.1, 0.0, 1.1), "−0.8, 0, 0.8"),
  "ReLU": ((0.0, 1.0, 2.0), "0, 1, 2"),
  "leaky ReLU": ((-1.0, 0.0, 1.0), "−0.1, 0, 1"),
}
_COLORS = ("#009e73", "#8c510a", "#e69f00", "#6a3d9a", "#cc79a7", "#6e6e6e")


def plot(results: study.Results) -> mpl_figure.Figure:
  """Draws boundaries and level curves, the XOR network, and the limit."""
  fig, axes = style.figure(2, 3, width=11.0, height=7.9)
  panels = (axes[0, 0], axes[0, 1], axes[1, 0], axes[1, 1])
  for panel, name in zip(panels, _LEVELS, strict=True):
    _plot_boundary(panel, results, name)
  _plot_xor(axes[0, 2], results.xor)
  _plot_limit(axes[1, 2], results.limit)
  _explain_colors(fig, len(results.boundaries["ReLU"].weights))
  return fig


def _explain_colors(fig, num_hidden):
  point = {"linestyle": "", "marker": "o", "markeredgecolor": "k"}
  patch = {"linestyle": "", "marker": "s", "markersize": 10, "alpha": 0.5}
  marks = {
    "class 1 (disc)": lines.Line2D([], [], color="k", **point),
    "class 0 (ring)": lines.Line2D([], [], color="w", **point),
    "taken for class 1": lines.Line2D([], [], color="#2166ac", **patch),
    "taken for class 0": lines.Line2D([], [], color="#b2182b", **patch),
    "boundary, output 1/2": lines.Line2D([], [], color="k", linewidth=2.2),
  }
  for i, color in enumerate(_COLORS[:num_hidden]):
    marks[f"hidden neuron {i + 1}"] = lines.Line2D([], [], color=color)
  fig.legend(marks.values(), marks.keys(), loc="outside lower center", ncols=5)


def _plot_surface(axes, x, surface):
  axes.contourf(
    x, x, surface, levels=np.linspace(0, 1, 11), cmap="RdBu", alpha=0.35
  )
  axes.contour(x, x, surface, levels=[0.5], colors="k", linewidths=2.2)
  axes.grid(False)
  axes.set_aspect("equal")


def _plot_points(axes, xs, ys, size):
  for value, face in ((0, "w"), (1, "k")):
    points = xs[ys == value]
    axes.plot(
      *points.T, "o", markersize=size, color=face, markeredgecolor="k", mew=0.6
    )


def _plot_boundary(axes, results, name):
  family = results.boundaries[name]
  x = np.linspace(-readings.EXTENT, readings.EXTENT, len(family.surface))
  x1, x2 = np.meshgrid(x, x)
  _plot_surface(axes, x, family.surface)
  _plot_points(axes, results.xs, results.ys, 2.5)
  levels, values = _LEVELS[name]
  for (w1, w2, b), color in zip(family.weights, _COLORS, strict=False):
    axes.contour(
      x1,
      x2,
      w1 * x1 + w2 * x2 + b,
      levels=levels,
      colors=[color],
      linestyles=["-" if z == 0 else ":" for z in levels],
      linewidths=1.3,
    )
  axes.set(
    title=f"{name}: {family.is_right.mean():.1%} right",
    xlabel=f"$x_1$ (thin lines: neurons at {values})",
    ylabel="$x_2$",
  )


def _plot_xor(axes, xor):
  x = np.linspace(-0.5, 1.5, len(xor.surface))
  _plot_surface(axes, x, xor.surface)
  patterns = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
  _plot_points(axes, patterns, np.array([0, 1, 1, 0]), 10)
  axes.set(
    title="XOR, tanh 2-2-1",
    xlabel=f"$x_1$ ({np.mean(xor.num_right == 4):.0%} of the starts do it)",
    ylabel="$x_2$",
  )


def _plot_limit(axes, limit):
  for errors in readings.log_errors(limit):
    axes.loglog(limit.times, -errors, color=style.PALETTE[0], alpha=0.2)
  axes.loglog(limit.times, limit.times, "--", color=style.GREY)
  axes.text(7, 4.5, "exp(−t)", color=style.GREY, va="top")
  axes.axhline(np.log(2), color=style.PALETTE[1], linestyle=":")
  axes.text(7, 0.6, "z = 0:\n1/2 for ever", color=style.PALETTE[1], va="top")
  axes.set(
    title="From sigmoids to perceptrons",
    xlabel="t = c min |z|, weights times c",
    ylabel="−log of the largest error of a neuron",
    ylim=(0.08, 60),
  )
