"""Figure of the study of perceptrons, from its stored arrays.

The arrays are described at `perceptrons.run`.
"""

import numpy as np
from matplotlib import figure as mpl_figure

from experiments import study, style
from experiments.textbook import perceptrons_boundaries as boundaries

# Weighted inputs z at which a hidden neuron's level curves are drawn (the one
# in 0 solid), and what it puts out there.
_LEVELS = {
  "sigmoid": ((-2.2, 0.0, 2.2), "0.1, 0.5, 0.9"),
  "tanh": ((-1.1, 0.0, 1.1), "−0.8, 0, 0.8"),
  "ReLU": ((0.0, 1.0, 2.0), "0, 1, 2"),
  "leaky ReLU": ((-1.0, 0.0, 1.0), "−0.1, 0, 1"),
}


def draw(results: study.Results) -> mpl_figure.Figure:
  """Draws boundaries and level curves, the XOR network, and the limit."""
  fig, axes = style.figure(2, 3, width=11.0, height=7.4)
  panels = (axes[0, 0], axes[0, 1], axes[1, 0], axes[1, 1])
  for index, (panel, name) in enumerate(
    zip(panels, boundaries.ACTIVATIONS, strict=True)
  ):
    _plot_boundary(panel, results, index, name)
  _plot_xor(axes[0, 2], results)
  _plot_limit(axes[1, 2], results)
  return fig


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


def _plot_boundary(axes, results, index, name):
  surface = results["surface"][index]
  x = np.linspace(-boundaries.EXTENT, boundaries.EXTENT, len(surface))
  x1, x2 = np.meshgrid(x, x)
  _plot_surface(axes, x, surface)
  _plot_points(axes, results["xs"], results["ys"], 2.5)
  levels, values = _LEVELS[name]
  for (w1, w2, b), color in zip(
    results["weights"][index], style.PALETTE, strict=False
  ):
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
    title=f"{name}: {results['accuracy'][index]:.1%} right",
    xlabel=f"$x_1$ (lines: neurons at {values})",
    ylabel="$x_2$",
  )


def _plot_xor(axes, results):
  x = np.linspace(-0.5, 1.5, len(results["xor_surface"]))
  _plot_surface(axes, x, results["xor_surface"])
  patterns = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
  _plot_points(axes, patterns, np.array([0, 1, 1, 0]), 10)
  share = np.mean(results["xor_right"] == 4)
  axes.set(
    title="XOR, tanh 2-2-1",
    xlabel=f"$x_1$ ({share:.0%} of the starts do it)",
    ylabel="$x_2$",
  )


def _plot_limit(axes, results):
  for times, worst in zip(results["times"], results["worst"], strict=True):
    axes.loglog(
      times, np.maximum(-worst, 1e-9), color=style.PALETTE[0], alpha=0.2
    )
  t = np.array([0.1, 300.0])
  axes.loglog(t, t, "--", color=style.GREY)
  axes.text(30, 20, "exp(−t)", color=style.GREY, ha="left", va="top")
  axes.axhline(np.log(2), color=style.PALETTE[1], linestyle=":")
  axes.text(
    300,
    0.75 * np.log(2),
    "z = 0: 1/2 for ever",
    color=style.PALETTE[1],
    ha="right",
    va="top",
  )
  axes.set(
    title="From sigmoids to perceptrons",
    xlabel="t = c · min |z|, weights times c",
    ylabel="−log of the largest error of a neuron",
    ylim=(0.08, None),
  )
