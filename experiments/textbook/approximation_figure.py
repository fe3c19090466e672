"""Figure of the study of approximation, from its stored arrays.

The arrays are described at the `measure` functions of `approximation_sigmoid`,
`approximation_relu`, `approximation_depth` and `approximation_training`.
"""

import numpy as np
from matplotlib import figure as mpl_figure

from experiments import study, style
from experiments.textbook import (
  approximation_sigmoid,
  approximation_sigmoid_claims,
  approximation_training,
)
from experiments.textbook import approximation_theory as theory


def draw(results: study.Results) -> mpl_figure.Figure:
  """Draws approximations, their errors, a tower, and what a network costs."""
  fig, axes = style.figure(3, 2, height=10.0)
  _plot_sums(axes[0, 0], results)
  _plot_errors(axes[0, 1], results)
  _plot_widths(axes[1, 0], results)
  axes[1, 1].remove()
  _plot_tower(fig.add_subplot(3, 2, 4, projection="3d"), results)
  _plot_certificates(axes[2, 0], results)
  _plot_depth(axes[2, 1], results)
  return fig


def _plot_sums(axes, results):
  fine = np.linspace(0, 1, 1000)
  axes.plot(
    fine,
    theory.target(fine),
    color=style.GREY,
    alpha=0.4,
    linewidth=5,
    label="f",
  )
  for count, color in ((10, "C1"), (50, "C0")):
    if count in results["num_bumps"]:
      xs, ys = (results[f"sum_{name}_{count}"].ravel() for name in ("xs", "ys"))
      axes.plot(xs, ys, color=color, linewidth=1.2, label=f"{count} bumps")
  axes.set(title="f by sums of bumps", xlabel="x", ylabel="f and networks")
  axes.legend(loc="upper left")


def _plot_errors(axes, results):
  counts, pieces = results["num_bumps"], results["num_pieces"]
  errors = approximation_sigmoid_claims.sum_errors(results, "sum")
  first, second = theory.target_slopes(np.linspace(0, 1, 10**4))
  ends = np.array([10, 600])
  axes.loglog(counts, errors, "o-", color="C0", label="N bumps of sigmoids")
  axes.loglog(
    pieces, results["fixed_errors"], "s-", color="C2", label="N ReLUs, designed"
  )
  trained = approximation_training.best_errors(results)
  middle = np.exp(np.mean(np.log(trained), axis=1))
  spread = np.abs(np.quantile(trained, [0, 1], axis=1) - middle)
  axes.errorbar(
    results["trained_widths"],
    middle,
    spread,
    fmt="^-",
    color="C1",
    capsize=3,
    label="N ReLUs, trained (range of seeds)",
  )
  theories = (
    ("max|f'| / 2N", np.max(np.abs(first)) / (2 * ends)),
    ("max|f''| / 8N²", np.max(np.abs(second)) / (8 * ends**2)),
  )
  for label, line in theories:
    axes.loglog(ends, line, ":", color=style.GREY)
    axes.text(ends[-1], line[-1], f" {label}", color=style.GREY, va="center")
  axes.set(
    title="Error on [0, 1]",
    xlabel="N",
    ylabel="largest error",
    xlim=(6, 6000),
    ylim=(None, 5),
  )
  axes.legend(loc="upper right")


def _plot_widths(axes, results):
  weights, levels = results["weights"], results["step_levels"]
  axes.loglog(
    weights, levels[:, 2] - levels[:, 0], "o", color="C0", label="one step"
  )
  axes.loglog(
    weights,
    theory.step_width(weights),
    ":",
    color=style.GREY,
    label="2 log(9) / w",
  )
  low, _, high = results["bump_levels"]
  gain = float(results["gain"])
  axes.loglog(
    results["weight"],
    high - low,
    "D",
    color="C1",
    label=f"edge of a bump, h = {gain:g}",
  )
  axes.set(
    title="Width of a step",
    xlabel="weight w",
    ylabel="width from 0.1 to 0.9, in units of x",
  )
  axes.legend()


def _plot_tower(axes, results):
  xs, ys = approximation_sigmoid.surface_axes()
  axes.plot_surface(
    *np.meshgrid(xs, ys),
    results["surface"],
    cmap="viridis",
    rcount=60,
    ccount=60,
  )
  axes.set(
    title="Tower on (1, 2) × (−2, 0), w = h = 20",
    xlabel="x",
    ylabel="y",
    zlabel="output",
    xticks=[1, 2],
    yticks=[-2, -1, 0],
    zticks=[0, 1],
  )
  axes.view_init(elev=32, azim=-60)


def _plot_certificates(axes, results):
  for label, units in zip(
    ("f", r"$\sqrt{|x - 1/3|}$", "Weierstrass's sum"),
    results["certificate_units"],
    strict=True,
  ):
    axes.loglog(results["eps"], units, "o-", label=label)
  axes.set(
    title="ReLUs for a certified error",
    xlabel="error allowed, ε",
    ylabel="ReLUs in one hidden layer",
  )
  axes.set_xticks(results["eps"], [f"{eps:g}" for eps in results["eps"]])
  axes.minorticks_off()
  axes.legend()


def _plot_depth(axes, results):
  folds = results["folds"]
  for label, units, name in (
    ("m hidden layers, 3m ReLUs", results["square_units"], "square_errors"),
    ("one hidden layer, $2^m$ ReLUs", 2**folds, "square_shallow_errors"),
  ):
    axes.loglog(units, results[name], "o-", label=label)
  for m, units, error in zip(
    folds, results["square_units"], results["square_errors"], strict=True
  ):
    axes.annotate(
      f"m = {m}", (units, error), (5, 5), textcoords="offset points",
      color="C0",
    )  # fmt: skip
  axes.set(
    title="x² on [0, 1]", xlabel="ReLUs", ylabel="largest error", xlim=(1, None)
  )
  axes.legend(loc="upper right")
