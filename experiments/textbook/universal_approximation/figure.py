"""Figure of the study of approximation."""

import numpy as np
from matplotlib import figure as mpl_figure
from matplotlib import ticker

from experiments import study, style
from experiments.textbook.universal_approximation import readings, theory


def plot(results: study.Results) -> mpl_figure.Figure:
  """Draws steps, bumps, ramps, sums, errors, a tower and what networks cost."""
  fig, axes = style.figure(4, 2, height=13.0)
  _plot_family(
    axes[0, 0],
    results.steps.drawn,
    {"s": readings.STEP},
    title="A neuron steps up at s",
    ylabel="output, σ(w (x − s))",
  )
  _plot_family(
    axes[0, 1],
    results.steps.drawn_bumps,
    dict(zip(("$s_1$", "$s_2$"), readings.BUMP, strict=True)),
    title="Two make a bump",
    ylabel="output, h = 20",
  )
  _plot_ramp(axes[1, 0], results.sheet)
  _plot_sums(axes[1, 1], results.sums)
  _plot_errors(axes[2, 0], results)
  axes[2, 1].remove()
  _plot_tower(fig.add_subplot(4, 2, 6, projection="3d"), results.towers)
  _plot_certificates(axes[3, 0], results.certificates)
  _plot_depth(axes[3, 1], results.depth)
  return fig


def _plot_family(axes, curves, references, **texts):
  colors = style.colors(len(curves))
  for color, weight, ys in zip(colors, readings.WEIGHTS, curves, strict=True):
    axes.plot(readings.LINE, ys, color=color, label=f"w = {weight:g}")
  for label, place in references.items():
    style.reference(axes, label, x=place)
  axes.set(xlabel="x", xlim=(-0.35, 1), ylim=(-0.05, 1.15), **texts)
  axes.legend(loc="upper left")


def _plot_ramp(axes, sheet):
  near = (readings.SHEET >= 1) & (readings.SHEET <= 6)
  axes.plot(readings.SHEET[near], sheet.ys[near], color="C0")
  axes.plot([3, 4], [0, 1], "o", color="C0")
  for x, y, offset in ((3, 0, (-52, 8)), (4, 1, (-52, -4))):
    axes.annotate(f"h({x}) = {y}", (x, y), offset, textcoords="offset points")
  axes.set(
    title="The sheet's two ReLUs: a ramp",
    xlabel="x",
    ylabel="h(x) = relu(x − 3) − relu(x − 4)",
  )


def _plot_sums(axes, sums):
  fine = np.linspace(0, 1, 1000)
  axes.plot(
    fine, theory.target(fine), color=style.GREY, alpha=0.4, lw=5, label="f"
  )
  for (count, curve), color in zip(
    list(sums.curves.items())[:2], ("C1", "C0"), strict=True
  ):
    axes.plot(
      curve.xs, curve.ys, color=color, linewidth=1.2, label=f"{count} bumps"
    )
  axes.set(title="f by sums of bumps", xlabel="x", ylabel="f and networks")
  axes.legend(loc="upper left")


def _plot_errors(axes, results):
  sums, pieces = results.sums, results.pieces
  axes.loglog(sums.counts, sums.errors, "o-", color="C0", label="bumps")
  axes.loglog(
    pieces.counts,
    pieces.target_errors,
    "s-",
    color="C2",
    label="ReLUs, designed",
  )
  trained = np.log(readings.best_errors(results))
  middle = np.exp(trained.mean(axis=0))
  spread = np.abs(np.exp(np.quantile(trained, [0, 1], axis=0)) - middle)
  axes.errorbar(
    results.training.widths,
    middle,
    spread,
    fmt="^-",
    color="C1",
    capsize=3,
    label="ReLUs, trained (range of seeds)",
  )
  slope, bend = theory.largest_slopes()
  ends = np.array([10, 600])
  for label, line in (
    ("max|f'| / 2N", slope / (2 * ends)),
    ("max|f''| / 8N²", bend / (8 * ends**2)),
  ):
    axes.loglog(ends, line, ":", color=style.GREY)
    axes.text(ends[-1], line[-1], f" {label}", color=style.GREY, va="center")
  axes.set(
    title="Largest error on [0, 1]",
    xlabel="N, number of bumps or ReLUs",
    ylabel="largest error",
    xlim=(4, 8000),
    ylim=(None, 20),
  )
  axes.legend(loc="upper right")


def _plot_tower(axes, towers):
  axes.plot_surface(
    *np.meshgrid(*readings.SURFACE),
    towers.surface,
    cmap="viridis",
    rcount=60,
    ccount=60,
  )
  axes.set(
    xlabel="x",
    ylabel="y",
    zlabel="output",
    xticks=[1, 2],
    yticks=[-2, -1, 0],
    zticks=[0, 1],
  )
  axes.set_title("Tower on (1, 2) × (−2, 0), w = h = 20", loc="left")
  axes.view_init(elev=32, azim=-60)


def _plot_certificates(axes, certificates):
  eps = certificates.eps
  for name, units in zip(certificates.names, certificates.units, strict=True):
    axes.loglog(eps, units, "o-", label=name)
  axes.set(
    title="ReLUs for a certified error",
    xlabel="error allowed, ε",
    ylabel="ReLUs in one hidden layer",
  )
  axes.set_xticks(eps, [f"{value:g}" for value in eps])
  axes.minorticks_off()
  axes.legend()


def _plot_depth(axes, depth):
  for label, units, errors in (
    ("m hidden layers, 3m ReLUs", depth.square_units, depth.square_errors),
    (
      "one hidden layer, $2^m$ ReLUs",
      2**depth.folds,
      depth.square_shallow_errors,
    ),
  ):
    axes.loglog(units, errors, "o-", label=label)
  for m, units, error in zip(
    depth.folds, depth.square_units, depth.square_errors, strict=True
  ):
    axes.annotate(
      f"m = {m}",
      (units, error),
      (6, 4),
      textcoords="offset points",
      color="C0",
    )
  axes.set(
    title="x² on [0, 1]",
    xlabel="ReLUs",
    ylabel="largest error",
    xlim=(0.7, None),
    ylim=(None, 10),
  )
  axes.xaxis.set_major_formatter(ticker.FormatStrFormatter("%g"))
  axes.legend(loc="upper right")
