"""Figure of the study of isometry."""

import numpy as np
from matplotlib import figure as mpl_figure

from experiments import study, style
from experiments.gradient_flow.isometry import readings, theory


def plot(results: study.Results) -> mpl_figure.Figure:
  """Draws relative variances, spectra and the spread of norms."""
  fig, axes = style.figure(3, 2, height=10.2)
  for j in (0, 1):
    _plot_variances(axes[0, j], results, j)
  _plot_spectra(axes[1, 0], results, (0, 1), "Jacobians of erf networks")
  _plot_spectra(axes[1, 1], results, (2, 3), "Half of ReLU slopes are 0")
  _plot_log_variance(axes[2, 0], results.norms)
  _plot_second_moment(axes[2, 1], results)
  return fig


def _plot_variances(axes, results, j):
  samples = readings.relative_variances(results.whole)
  depth = samples.shape[1]
  layers = np.arange(1, 1 + depth)
  for i, unit in enumerate(theory.UNITS):
    expected = [
      theory.table(unit, j == 1, int(layer), float(results.q))
      for layer in layers
    ]
    axes.plot(layers, expected, color=f"C{i}", linewidth=1.2, label=unit)
    mean, sd = samples[:, :, i, j].mean(0), samples[:, :, i, j].std(0)
    axes.errorbar(layers + 0.06 * (i - 1.5), mean, sd, fmt="o", color=f"C{i}")
  axes.set(
    title=f"{theory.WEIGHTS[j].capitalize()} weights, N = "
    f"{results.whole.width}",
    xlabel="depth L in layers (s: singular values)",
    ylabel="variance / mean$^2$ of s$^2$",
    xticks=layers,
    ylim=(-0.4, 2.3 * depth),
  )
  axes.legend(title="bars: between networks", loc="upper left")


def _plot_spectra(axes, results, panels, title):
  bins = np.linspace(0, 4, 61)
  for color, panel in zip(("C1", "C0"), panels, strict=True):
    unit, j = theory.PANELS[panel]
    values = np.sqrt(results.squares[:, theory.UNITS.index(unit), j].ravel())
    axes.hist(
      values,
      bins,
      weights=np.full(values.size, 1 / (values.size * bins[1])),
      color=color,
      alpha=0.35,
      label=f"{unit}, {theory.WEIGHTS[j]}",
    )
    s = np.sqrt(results.density_x)
    # The density of s^2, turned into that of s.
    axes.plot(s, 2 * s * results.density[panel], color=color, linewidth=1.4)
  axes.set(
    title=f"{title}, L = {results.whole.mean.shape[1]}",
    xlabel="singular value s (lines: infinite width)",
    ylabel="density",
    xlim=(0, bins[-1]),
    ylim=(0, 1.2),
  )
  axes.legend()


def _plot_log_variance(axes, norms):
  sums = readings.sums(norms)
  axes.plot([0, max(sums)], [0, 5 * max(sums)], color=style.GREY, label="5 Σ")
  axes.plot(
    sums, norms.log_variance, "_", color="k", markersize=14, label="exact law"
  )
  for j, color, label in ((1, "C0", "gradient"), (0, "C1", "signal")):
    found = [readings.log_variance(row) for row in norms.log_norms[:, j].T]
    axes.errorbar(
      sums + (0.012 if j else -0.012),
      [m.value for m in found],
      [m.error for m in found],
      fmt="o",
      color=color,
      label=label,
    )
  axes.set(
    title="ReLU networks of many shapes",
    xlabel="Σ = sum of 1/width over layers",
    ylabel="variance of log squared norm",
    xlim=(0, None),
    ylim=(0, None),
  )
  axes.legend()


def _plot_second_moment(axes, results):
  most = max(readings.sums(results.norms))
  axes.plot([0, most], [0, 5 * most], color=style.GREY, label="5 Σ")
  for norms, color in ((results.narrow, "C2"), (results.norms, "C0")):
    sums = readings.sums(norms)
    found = [readings.log_second_moment(r) for r in norms.log_norms[:, 1].T]
    axes.plot(sums, np.log(norms.second_moment), "_", color="k", markersize=14)
    axes.errorbar(
      sums,
      [m.value for m in found],
      [m.error for m in found],
      fmt="o",
      color=color,
      label=f"of {len(norms.log_norms):,} networks each",
    )
  axes.set(
    title="Moments of the norm itself need luck",
    xlabel="Σ = sum of 1/width over layers (black: exact)",
    ylabel="log of E|Jv|$^4$ / (E|Jv|$^2$)$^2$",
    xlim=(0, None),
    ylim=(0, None),
  )
  axes.legend()
