"""The figure of the study of mean-field theory, from its stored arrays."""

import numpy as np
from matplotlib import figure as mpl_figure

from experiments import study, style
from experiments.gradient_flow import mean_field_statistics as statistics

_ERRORS = dict(fmt="o", markersize=4, linewidth=1.2, capsize=2)


def draw(results: study.Results) -> mpl_figure.Figure:
  """Draws maps, depth scales, phases, number formats and trainability."""
  fig, axes = style.figure(3, 2, height=10.0)
  _draw_map(axes[0, 0], results, "q")
  _draw_map(axes[0, 1], results, "c")
  _draw_depth_scales(axes[1, 0], results)
  _draw_phases(axes[1, 1], results)
  _draw_precision(axes[2, 0], results)
  _draw_training(fig, axes[2, 1], results)
  return fig


def _draw_map(axes, results, name):
  x = results[f"map_{name}"]
  mean, error = statistics.mean_and_error(results[f"mapped_{name}"])
  theory = results[f"mapped_{name}_theory"]
  axes.plot(x[[0, -1]], x[[0, -1]], color=style.GREY, linewidth=0.9)
  for i in range(int(results["num_pairs"])):
    color, label = f"C{i}", f"$\\sigma_w$ = {results['sigma_w'][i]:.3g}"
    axes.plot(x, theory[i], color=color, linewidth=1.3, label=label)
    axes.errorbar(x, mean[i], error[i], color=color, **_ERRORS)
    at = results[name][i]
    axes.plot(at, at, "s", color=color, fillstyle="none", markersize=9)
  what = {"q": "variance q", "c": "correlation c"}[name]
  axes.set(
    title=f"Map of the {what}: theory and N = {int(results['width'])}",
    xlabel=f"{what} in a layer",
    ylabel="in the next (squares: fixed point)",
  )
  axes.legend()


def _draw_depth_scales(axes, results):
  x, xi_c = _curve(results)
  axes.plot(x, xi_c, color=style.GREY, label="$\\xi_c$, theory")
  x, xi_q = results["curve_variance_w"], results["curve_xi_q"]
  axes.plot(x, xi_q, ":", color=style.GREY, label="$\\xi_q$, theory")
  sweep = range(int(results["num_pairs"]), len(results["sigma_w"]))
  for name, color in (("c", "C0"), ("q", "C1")):
    rates = np.array(
      [statistics.relaxation(results, name, i)[:2] for i in sweep]
    )
    scale, error = 1 / rates[:, 0], rates[:, 1] / rates[:, 0] ** 2
    axes.errorbar(
      np.square(results["sigma_w"][sweep]),
      scale,
      error,
      color=color,
      label=f"$\\xi_{name}$, networks",
      **_ERRORS,
    )
  _mark_critical(axes, results)
  axes.set(
    title=f"Depth scales, $\\sigma_b^2$ = {results['sigma_b'][-1] ** 2:.2g}",
    xlabel="$\\sigma_w^2$",
    ylabel="layers",
    xscale="log",
    yscale="log",
    ylim=(0.3, 300),
  )
  _label_variances(axes, results)
  axes.legend(loc="upper right")


def _curve(results):
  """Returns xi_c by sigma_w^2, the trained ones and the critical one too."""
  x = np.append(results["curve_variance_w"], results["train_variances"])
  y = np.append(results["curve_xi_c"], results["train_xi_c"])
  x, y = np.append(x, results["critical_variance"]), np.append(y, 1e9)
  order = np.argsort(x)
  return x[order], y[order]


def _mark_critical(axes, results):
  critical = float(results["critical_variance"])
  axes.axvline(critical, color="k", linestyle="--", linewidth=1.0)


def _label_variances(axes, results):
  ticks = results["train_variances"]
  axes.set_xticks(ticks, [f"{tick:.3g}" for tick in ticks])
  axes.minorticks_off()


def _draw_phases(axes, results):
  sigma_b, line = results["curve_sigma_b"], np.sqrt(results["curve_critical"])
  top = 1.05 * max(np.max(results["sigma_w"]), line[-1])
  axes.fill_between(sigma_b, 0, line, color="C0", alpha=0.12, linewidth=0)
  axes.fill_between(sigma_b, line, top, color="C1", alpha=0.12, linewidth=0)
  axes.plot(sigma_b, line, color="k", label="critical line, $\\chi_1 = 1$")
  for i in range(len(results["sigma_w"])):
    grows = statistics.growth_of(results, i)[0] > 1
    axes.plot(
      results["sigma_b"][i],
      results["sigma_w"][i],
      marker="^" if grows else "v",
      color="C1" if grows else "C0",
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


def _draw_precision(axes, results):
  by_product, by_distance = results["by_product"], results["by_distance"]
  layers = np.arange(1, 1 + len(by_distance))
  setting = int(results["num_pairs"])
  slope = np.exp(-layers / results["xi_c"][setting])
  axes.plot(
    layers, slope * by_distance[0], color=style.GREY, label="exp(−l / $\\xi_c$)"
  )
  axes.plot(layers, by_distance, color="C0", label="|x − y|² / 2, float64")
  shown = np.where(by_product > 0, by_product, np.nan)
  axes.plot(layers, shown, ".", color="C1", label="1 − xᵀy, float32")
  axes.set(
    title="Two signals become alike, "
    f"$\\sigma_w^2$ = {results['sigma_w'][setting] ** 2:.3g}",
    xlabel="layer",
    ylabel="1 − c",
    yscale="log",
  )
  axes.legend()


def _draw_training(fig, axes, results):
  variances, depths = results["train_variances"], results["train_depths"]
  accuracy = results["accuracy"].mean(0)
  mesh = axes.pcolormesh(
    _edges(variances), _edges(depths), accuracy, vmin=0, vmax=1
  )
  limits = axes.get_ylim()
  for factor, style_ in ((2, ":"), (6, "-")):
    x, xi_c = _curve(results)
    label = f"{factor} $\\xi_c$"
    axes.plot(x, factor * xi_c, style_, color="w", label=label)
  _mark_critical(axes, results)
  axes.set(
    title="Digits learned: accuracy in training",
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
  fig.colorbar(mesh, ax=axes)


def _edges(values):
  """Returns the boundaries of cells around values on a logarithmic axis."""
  logs = np.log(values)
  between = (logs[1:] + logs[:-1]) / 2
  first, last = 2 * logs[0] - between[0], 2 * logs[-1] - between[-1]
  return np.exp(np.concatenate([[first], between, [last]]))
