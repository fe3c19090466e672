"""The figure of the study of isometry, from its stored arrays."""

import numpy as np
from matplotlib import figure as mpl_figure

from experiments import study, style
from experiments.gradient_flow import isometry_networks, isometry_theory
from experiments.gradient_flow import isometry_statistics as statistics


def draw(results: study.Results) -> mpl_figure.Figure:
  """Draws relative variances, spectra and the spread of log norms."""
  fig, axes = style.figure(2, 2, height=7.4)
  _draw_variances(axes[0, 0], results)
  _draw_spectra(axes[0, 1], results, (0, 1), "Jacobians of erf networks")
  _draw_spectra(axes[1, 0], results, (2, 3), "Half of ReLU slopes are 0")
  _draw_log_norms(axes[1, 1], results)
  return fig


def _draw_variances(axes, results):
  measured, error = statistics.relative_variances(results, 1)
  layers = np.arange(1, 1 + len(measured))
  for i, unit in enumerate(isometry_networks.UNITS):
    for j, line in enumerate(("-", "--")):
      theory = [
        isometry_theory.table(unit, j == 1, int(layer), results["q"])
        for layer in layers
      ]
      label = unit if j == 0 else None
      axes.plot(layers, theory, line, color=f"C{i}", linewidth=1.2, label=label)
      axes.errorbar(
        layers,
        measured[:, i, j],
        error[:, i, j],
        fmt="os"[j],
        color=f"C{i}",
        fillstyle=("full", "none")[j],
      )
  axes.set(
    title=f"Spread of squared singular values, N = {results['widths'][1]}",
    xlabel="depth L (solid: Gaussian, dashed: orthogonal)",
    ylabel="variance / mean$^2$",
    xticks=layers,
  )
  axes.legend()


def _draw_spectra(axes, results, panels, title):
  names = list(isometry_networks.UNITS)
  bins = np.linspace(0, 4, 61)
  for color, panel in zip(("C1", "C0"), panels, strict=True):
    unit, j = isometry_theory.PANELS[panel]
    values = np.sqrt(results["squares"][:, names.index(unit), j].ravel())
    weights = np.full(values.size, 1 / (values.size * bins[1]))
    label = f"{unit}, {isometry_networks.WEIGHTS[j]}"
    axes.hist(
      values, bins, weights=weights, color=color, alpha=0.35, label=label
    )
    s = np.sqrt(results["density_x"])
    # The density of s^2, turned into that of s.
    axes.plot(s, 2 * s * results["density"][panel], color=color, linewidth=1.4)
  axes.set(
    title=f"{title}, L = {results['mean_1'].shape[1]}",
    xlabel="singular value (lines: infinite width)",
    ylabel="density",
    xlim=(0, bins[-1]),
    ylim=(0, 1.2),
  )
  axes.legend()


def _draw_log_norms(axes, results):
  _, laws, sums = isometry_theory.log_norm_laws(results["shapes"])
  measured, error = statistics.variances(results)
  axes.plot(
    [0, max(sums)], [0, 5 * max(sums)], color=style.GREY, label="5 Σ 1/width"
  )
  axes.plot(
    sums, laws, "_", color="k", markersize=14, label="exact law of the shape"
  )
  for k, color, label in ((1, "C0", "gradient"), (0, "C1", "signal")):
    axes.errorbar(
      sums + (0.012 if k else -0.012),
      measured[k],
      error[k],
      fmt="o",
      color=color,
      label=label,
    )
  axes.set(
    title="ReLU networks of many shapes",
    xlabel="Σ 1/width over hidden layers",
    ylabel="variance of log squared norm",
    xlim=(0, None),
    ylim=(0, None),
  )
  axes.legend()
