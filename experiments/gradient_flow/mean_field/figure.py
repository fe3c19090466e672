"""Figure of the study of mean-field theory."""

import numpy as np
from matplotlib import figure as mpl_figure

from experiments import study, style
from experiments.gradient_flow.mean_field import readings


def plot(results: study.Results) -> mpl_figure.Figure:
  """Draws correlations, growth, depth scales and trainability."""
  fig, axes = style.figure(2, 2)
  _plot_correlations(axes[0, 0], results)
  _plot_growth(axes[0, 1], results)
  _plot_depth_scales(axes[1, 0], results)
  _plot_training(fig, axes[1, 1], results)
  return fig


def _plot_correlations(axes, results):
  correlations = 1 - results.distance.mean(axis=0)[:, :16]  # Until they settle.
  for i in readings.POINTS:
    color, label = f"C{i}", f"$\\sigma_w$ = {results.theory.sigma_w[i]:.3g}"
    axes.plot(correlations[i], color=color)
    axes.axhline(results.theory.c[i], color=color, ls="--", lw=1, label=label)
  axes.set(
    title=f"Two inputs, N = {results.width}",
    xlabel="layer (dashed: c*)",
    ylabel="correlation c",
  )
  axes.legend(loc="center right")


def _plot_growth(axes, results):
  axes.plot(results.curve.sigma_w**2, results.curve.chi_1, color=style.GREY)
  growth = readings.growth(results)[:, readings.SCALES].mean(axis=0)
  axes.plot(results.theory.sigma_w[readings.SCALES] ** 2, growth, "o")
  style.reference(axes, "", y=1.0)
  axes.set(
    title="Gradients: ordered < 1 < chaotic",
    ylabel="growth of squares, $\\chi_1$",
  )
  _set_variances(axes, results)


def _plot_depth_scales(axes, results):
  axes.plot(*_curve(results), color=style.GREY, label="theory")
  rates = [readings.decay_rate(results, i) for i in readings.SCALES]
  axes.errorbar(
    results.theory.sigma_w[readings.SCALES] ** 2,
    [1 / rate.value for rate in rates],
    [rate.error / rate.value**2 for rate in rates],
    fmt="o",
    label="networks",
  )
  axes.set(title="Depth scale", ylabel="$\\xi_c$ (layers)", yscale="log")
  axes.set_ylim(1, 300)
  _set_variances(axes, results)
  axes.legend(loc="upper right")


def _curve(results):
  """Returns sigma_w^2 and xi_c, infinite at the critical variance."""
  x, y = results.curve.sigma_w**2, results.curve.xi_c
  place = np.searchsorted(x, results.critical_variance)
  return np.insert(x, place, results.critical_variance), np.insert(
    y, place, 1e9
  )


def _set_variances(axes, results):
  """Gives the trained networks' variances to the horizontal axis."""
  axes.axvline(results.critical_variance, color="k", ls="--", lw=1)
  ticks = results.train_variances
  axes.set(xlabel="$\\sigma_w^2$ (dashed: critical)", xscale="log")
  axes.set_xticks(ticks, [f"{tick:.3g}" for tick in ticks])
  axes.minorticks_off()


def _plot_training(fig, axes, results):
  depths = results.train_depths
  squares = axes.scatter(
    *np.meshgrid(results.train_variances, depths),
    c=results.accuracy.mean(axis=0),
    marker="s",
    s=200,
    vmin=0,
    vmax=1,
  )
  x, xi_c = _curve(results)
  for factor, line in ((2, ":"), (6, "-")):
    axes.plot(x, factor * xi_c, line, color="k", label=f"{factor} $\\xi_c$")
  axes.set(
    title="Which networks learn the digits",
    ylabel="depth (layers)",
    yscale="log",
    ylim=(0.7 * depths[0], 2.2 * depths[-1]),
  )
  _set_variances(axes, results)
  axes.set_yticks(depths, [str(depth) for depth in depths])
  axes.legend(loc="upper left")
  bar = fig.colorbar(squares, ax=axes, label="accuracy in training")
  bar.ax.set_label("colorbar")
