"""Figure of the study of perceptrons."""

import numpy as np
from matplotlib import figure as mpl_figure
from matplotlib import lines

from experiments import study, style

# Weighted inputs z at which a hidden neuron's level curves are drawn.
_LEVELS = {
  "sigmoid": (-2.2, 0.0, 2.2),
  "tanh": (-1.1, 0.0, 1.1),
  "ReLU": (0.0, 1.0, 2.0),
  "leaky ReLU": (-1.0, 0.0, 1.0),
}
_COLORS = ("#009e73", "#8c510a", "#e69f00", "#6a3d9a", "#cc79a7", "#6e6e6e")


def plot(results: study.Results) -> mpl_figure.Figure:
  """Draws boundaries and level curves, the XOR network, and the limit."""
  fig, axes = style.figure(2, 3, width=11.0, height=7.9)
  for panel, name in zip(axes[:, :2].flat, _LEVELS, strict=True):
    boundary = results.boundaries[name]
    _plot_boundary(panel, boundary, results.points, name, 3)
    panel.set_title(f"{name}: {boundary.is_right.mean():.1%} right")
  patterns = np.array([[0, 0], [0, 1], [1, 0], [1, 1]]), np.array([0, 1, 1, 0])
  _plot_boundary(axes[0, 2], results.xor, patterns, "tanh", 10)
  solved = np.mean(results.xor.errors[1] == 0)
  axes[0, 2].set_title(f"XOR, tanh 2-2-1 ({solved:.0%} of the starts)")
  _plot_limit(axes[1, 2], results.limit)
  _explain_colors(fig)
  return fig


def _explain_colors(fig):
  point = {"linestyle": "", "marker": "o", "markeredgecolor": "k"}
  marks = {
    "class 1": lines.Line2D([], [], color="k", **point),
    "class 0": lines.Line2D([], [], color="w", **point),
    "boundary, output 1/2": lines.Line2D([], [], color="k", linewidth=2.2),
    "hidden neurons, a color each": lines.Line2D([], [], color=_COLORS[0]),
  }
  fig.legend(marks.values(), marks.keys(), loc="outside lower center", ncols=4)


def _plot_boundary(axes, boundary, points, activation, size):
  x, logits = boundary.grid, boundary.logits
  axes.set_facecolor("#f0cfd2")
  axes.contourf(x, x, logits, levels=[0, np.ptp(logits)], colors="#bcd3e8")
  axes.contour(x, x, logits, levels=[0], colors="k", linewidths=2.2)
  for value, face in ((0, "w"), (1, "k")):
    xs = points[0][points[1] == value]
    axes.plot(*xs[:8].T, "o", ms=size, color=face, mec="k", mew=0.6)
  levels = _LEVELS[activation]
  lines_at = ["-" if z == 0 else ":" for z in levels]
  ends = x[[0, -1]]
  for (w1, w2, b), color in zip(boundary.weights, _COLORS, strict=False):
    z = w1 * ends + w2 * ends[:, None] + b
    look = {"colors": [color], "linestyles": lines_at, "linewidths": 1.3}
    axes.contour(ends, ends, z, levels=levels, **look)
  axes.set(xlabel="$x_1$", ylabel="$x_2$", xticks=(), yticks=())
  axes.set_aspect("equal")


def _plot_limit(axes, limit):
  for exponents in limit.exponents[:4]:
    axes.loglog(limit.times, exponents, color=style.PALETTE[0], alpha=0.2)
  axes.loglog(limit.times, limit.times, "--", color=style.GREY)
  axes.text(7, 4.5, "exp(−t)", color=style.GREY, va="top")
  axes.axhline(np.log(2), color=style.PALETTE[1], linestyle=":")
  axes.text(7, 0.6, "z = 0:\n1/2 for ever", color=style.PALETTE[1], va="top")
  axes.minorticks_off()
  axes.set(
    title="From sigmoids to perceptrons",
    xlabel="t = c min |z|, weights times c",
    ylabel="−log of the largest error of a neuron",
    ylim=(0.08, 60),
  )
