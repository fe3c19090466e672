"""Figure of the study of mean-field theory."""

import numpy as np
from matplotlib import figure as mpl_figure

from experiments import study, style
from experiments.gradient_flow.mean_field import readings

_POINTS = dict(fmt="o", markersize=4, linewidth=1.2, capsize=2)


def plot(results: study.Results) -> mpl_figure.Figure:
  """Draws maps, depth scales, phases, decays and trainability."""
  fig, axes = style.figure(3, 2, height=10.0)
  _plot_map(axes[0, 0], results, results.map_q, results.theory.q, "variance q")
  _plot_map(
    axes[0, 1], results, results.map_c, results.theory.c, "correlation c"
  )
  _plot_depth_scales(axes[1, 0], results)
  _plot_phases(axes[1, 1], results)
  _plot_decays(axes[2, 0], results)
  _plot_training(fig, axes[2, 1], results)
  return fig


def _sweep(results):
  """The settings of the depth scales."""
  return range(results.map_q.measured.shape[1], len(results.sigma_w))


def _plot_map(axes, results, drawn, fixed, what):
  mean = drawn.measured.mean(axis=0)
  error = drawn.measured.std(axis=0) / len(drawn.measured) ** 0.5
  axes.plot(drawn.x[[0, -1]], drawn.x[[0, -1]], color=style.GREY, linewidth=0.9)
  for i in range(len(mean)):
    color, label = f"C{i}", f"$\\sigma_w$ = {results.sigma_w[i]:.3g}"
    axes.plot(drawn.x, drawn.theory[i], color=color, linewidth=1.3, label=label)
    axes.errorbar(drawn.x, mean[i], error[i], color=color, **_POINTS)
    axes.plot(
      fixed[i], fixed[i], "s", color=color, fillstyle="none", markersize=9
    )
  axes.set(
    title=f"Map of the {what}: theory and N = {results.width}",
    xlabel=f"{what} in a layer",
    ylabel="in the next (squares: fixed point)",
  )
  axes.legend()


def _plot_depth_scales(axes, results):
  axes.plot(*_curve(results), color=style.GREY, label="theory")
  rates = [readings.decay_rate(results, i) for i in _sweep(results)]
  axes.errorbar(
    np.square(results.sigma_w[_sweep(results)]),
    [1 / rate.value for rate in rates],
    [rate.error / rate.value**2 for rate in rates],
    color="C0",
    label="networks",
    **_POINTS,
  )
  _mark_critical(axes, results)
  axes.set(
    title=f"Depth scale, $\\sigma_b^2$ = {results.sigma_b[-1] ** 2:.2g}",
    xlabel="$\\sigma_w^2$",
    ylabel="$\\xi_c$ (layers)",
    xscale="log",
    yscale="log",
    ylim=(1, 300),
  )
  _label_variances(axes, results)
  axes.legend(loc="upper right")


def _curve(results):
  """Returns xi_c by sigma_w^2, the trained ones and the critical one too."""
  x = np.append(results.curve_variance_w, results.train_variances)
  y = np.append(results.curve_xi_c, results.train_xi_c)
  x, y = np.append(x, results.critical_variance), np.append(y, 1e9)
  order = np.argsort(x)
  return x[order], y[order]


def _mark_critical(axes, results):
  critical = float(results.critical_variance)
  axes.axvline(critical, color="k", linestyle="--", linewidth=1.0)


def _label_variances(axes, results):
  ticks = results.train_variances
  axes.set_xticks(ticks, [f"{tick:.3g}" for tick in ticks])
  axes.minorticks_off()


def _plot_phases(axes, results):
  sigma_b, line = results.curve_sigma_b, np.sqrt(results.curve_critical)
  top = 1.05 * max(np.max(results.sigma_w), line[-1])
  axes.fill_between(sigma_b, 0, line, color="C0", alpha=0.12, linewidth=0)
  axes.fill_between(sigma_b, line, top, color="C1", alpha=0.12, linewidth=0)
  axes.plot(sigma_b, line, color="k", label="critical line, $\\chi_1 = 1$")
  for i, growth in enumerate(readings.growth(results).mean(axis=0)):
    axes.plot(
      results.sigma_b[i],
      results.sigma_w[i],
      marker="^" if growth > 1 else "v",
      color="C1" if growth > 1 else "C0",
    )
  axes.text(0.42, 0.7, "ordered: gradients vanish", color="C0")
  axes.text(0.42, 0.8 * top, "chaotic: explode", color="C1")
  axes.set(
    title="Phases (triangles: gradients of networks)",
    xlabel="$\\sigma_b$",
    ylabel="$\\sigma_w$",
    xlim=(0, sigma_b[-1]),
    ylim=(0, top),
  )
  axes.legend(loc="center right")


def _plot_decays(axes, results):
  ordered = [i for i in _sweep(results) if results.theory.c[i] == 1]
  layers = np.arange(results.distance.shape[1])
  for i, color in zip(ordered, style.PALETTE, strict=False):
    distance = results.distance[:, :, i, 0]
    xi_c = results.theory.xi_c[i]
    axes.plot(
      layers,
      distance[0, 0] * np.exp(-layers / xi_c),
      "--",
      color=style.GREY,
      linewidth=1,
    )
    label = f"$\\sigma_w^2$ = {results.sigma_w[i] ** 2:.3g}, "
    label += f"$\\xi_c$ = {xi_c:.3g}"
    style.band(axes, layers, distance, color=color, label=label)
  axes.set(
    title="Ordered phase: two inputs become alike",
    xlabel="layer (dashed: exp(−l / $\\xi_c$))",
    ylabel="1 − c (band: 80 % of networks)",
    yscale="log",
  )
  axes.legend(loc="lower left")


def _plot_training(fig, axes, results):
  variances, depths = results.train_variances, results.train_depths
  mesh = axes.pcolormesh(
    _edges(variances),
    _edges(depths),
    results.accuracy.mean(axis=0),
    vmin=0,
    vmax=1,
  )
  limits = axes.get_ylim()
  for factor, line in ((2, ":"), (6, "-")):
    x, xi_c = _curve(results)
    axes.plot(x, factor * xi_c, line, color="w", label=f"{factor} $\\xi_c$")
  _mark_critical(axes, results)
  axes.set(
    title="Which networks learn the digits",
    xlabel="$\\sigma_w^2$ at the start",
    ylabel="depth (layers)",
    xscale="log",
    yscale="log",
    ylim=limits,
  )
  axes.set_yticks(depths, [str(depth) for depth in depths])
  _label_variances(axes, results)
  axes.grid(visible=False)
  axes.legend(loc="upper left", labelcolor="w", facecolor="#666666")
  bar = fig.colorbar(mesh, ax=axes, label="accuracy in training")
  bar.ax.set_label("colorbar")


def _edges(values):
  """Returns the boundaries of cells around values on a logarithmic axis."""
  logs = np.log(values)
  between = (logs[1:] + logs[:-1]) / 2
  first, last = 2 * logs[0] - between[0], 2 * logs[-1] - between[-1]
  return np.exp(np.concatenate([[first], between, [last]]))
