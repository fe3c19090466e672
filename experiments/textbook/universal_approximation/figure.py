"""Figure of the study of approximation."""

import numpy as np
from matplotlib import figure as mpl_figure

from experiments import study, style
from experiments.textbook.universal_approximation import readings


def plot(results: study.Results) -> mpl_figure.Figure:
  """Draws steps, bumps, a ramp, sums, a tower, depth and errors."""
  fig, axes = style.figure(4, 2, height=13.0)
  grid = axes[0, 0].get_gridspec()
  _plot_family(axes[0, 0], results.steps.drawn, {"s": readings.STEP})
  axes[0, 0].set(title="A neuron steps up at s", ylabel="σ(w (x − s))")
  ends = dict(zip(("$s_1$", "$s_2$"), readings.BUMP, strict=True))
  _plot_family(axes[0, 1], results.steps.drawn_bumps, ends)
  axes[0, 1].set(title="Two make a bump", ylabel="output, h = 20")
  _plot_ramp(axes[1, 0], results.sheet)
  _plot_sums(axes[1, 1], results.sums)
  _plot_depth(axes[2, 1], results.depth)
  for ax in (axes[2, 0], *axes[3]):  # Places of another kind.
    ax.remove()
  _plot_tower(fig.add_subplot(grid[2, 0], projection="3d"), results.towers)
  _plot_errors(fig.add_subplot(grid[3, :]), results)
  return fig


def _plot_family(axes, curves, places):
  colors = style.colors(len(curves))
  for color, weight, ys in zip(colors, readings.WEIGHTS, curves, strict=True):
    axes.plot(readings.LINE, ys, color=color, label=f"w = {weight:g}")
  for label, place in places.items():
    style.reference(axes, label, x=place)
  axes.set(xlabel="x", xlim=(-0.4, 1), ylim=(-0.05, 1.15))
  axes.legend(loc="upper left")


def _plot_ramp(axes, sheet):
  near = (readings.SHEET >= 1) & (readings.SHEET <= 6)
  axes.plot(readings.SHEET[near], sheet.ys[near])
  for x, y in ((3, 0), (4, 1)):
    axes.plot(x, y, "o", color="C0")
    axes.text(x - 0.1, y + 0.03, f"h({x}) = {y}", ha="right")
  axes.set(title="The sheet's two ReLUs: a ramp", xlabel="x")
  axes.set_ylabel("h(x) = relu(x − 3) − relu(x − 4)")


def _plot_sums(axes, sums):
  line = readings.LINE
  axes.plot(line, readings.target(line), color=style.GREY, alpha=0.4, lw=5)
  for count, ys, color in zip(
    sums.counts[:2], sums.drawn, ("C1", "C0"), strict=False
  ):
    axes.plot(line, ys, color=color, linewidth=1.2, label=f"{count} bumps")
  axes.set(title="f (grey) by sums of bumps", xlabel="x", ylabel="f, networks")
  axes.legend(loc="upper left")


def _plot_tower(axes, towers):
  grid = np.meshgrid(*readings.SURFACE)
  axes.plot_surface(*grid, towers.surface, cmap="viridis", rasterized=True)
  axes.set(xlabel="x", ylabel="y", xticks=[1, 2], yticks=[-2, 0], zticks=[0, 1])
  axes.set_title("Tower on (1, 2) × (−2, 0), w = h = 20", loc="left")
  axes.view_init(elev=32, azim=-60)


def _plot_depth(axes, depth):
  folds = readings.FOLDS
  for units, errors, label in (
    (3 * folds, depth.deep_errors, "m hidden layers, 3m ReLUs"),
    (2**folds, depth.wide_errors, "one hidden layer, $2^m$ ReLUs"),
  ):
    axes.loglog(units, errors, "o-", label=label)
  for m, error in ((folds[i], depth.deep_errors[i]) for i in (0, -1)):
    axes.text(3 * m, error, f"   m = {m}", color="C0", va="bottom")
  axes.set(title="x² on [0, 1]", xlabel="ReLUs", ylabel="largest error")
  axes.set(xlim=(0.7, None), ylim=(None, 10))
  axes.minorticks_off()
  axes.legend(loc="upper right")


def _plot_errors(axes, results):
  sums, networks = results.sums, results.approximations
  axes.loglog(sums.counts, sums.errors, "o-", label="f, bumps")
  trained = np.log(readings.best_errors(results))
  middle = np.exp(trained.mean(axis=0))
  spread = np.abs(np.exp(np.quantile(trained, [0, 1], axis=0)) - middle)
  widths, label = results.training.widths, "f, ReLUs, trained (range of seeds)"
  axes.errorbar(widths, middle, spread, fmt="^-", capsize=3, label=label)
  for name, units, bounds in zip(
    readings.CERTIFIED, networks.units, networks.bounds, strict=True
  ):
    axes.loglog(units, bounds, "s-", label=f"{name}, ReLUs, certified")
  slope, bend = readings.largest_slopes()
  ends = np.array([10, 600])
  for label, line in (
    ("max|f'| / 2N", slope / (2 * ends)),
    ("max|f''| / 8N²", bend / (8 * ends**2)),
  ):
    axes.loglog(ends, line, ":", color=style.GREY)
    axes.text(ends[-1], line[-1], f" {label}", color=style.GREY, va="center")
  axes.set(title="Largest error on [0, 1]", xlim=(3, 2e4), ylim=(None, 2))
  axes.set(xlabel="N, number of bumps or ReLUs", ylabel="largest error")
  axes.minorticks_off()
  axes.legend(loc="upper right")
