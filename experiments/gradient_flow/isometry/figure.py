"""Figure of the study of isometry."""

import numpy as np
from matplotlib import figure as mpl_figure

from experiments import study, style
from experiments.gradient_flow.isometry import readings, theory


def plot(results: study.Results) -> mpl_figure.Figure:
  """Draws relative variances, spectra and the spread of norms."""
  fig, axes = style.figure(2, 2)
  for j in (0, 1):
    _plot_variances(axes[0, j], results, j)
  _plot_spectra(axes[1, 0], results)
  _plot_norms(axes[1, 1], results)
  return fig


def _plot_variances(axes, results, j):
  depth = results.spread.shape[1]
  layers = np.arange(1, 1 + depth)
  for i, unit in enumerate(theory.UNITS):
    color, places = f"C{i}", layers + 0.06 * (i - 1.5)
    expected = [theory.table(unit, j == 1, int(layer)) for layer in layers]
    axes.plot(layers, expected, color=color, linewidth=1.2, label=unit)
    spread = results.spread[:, :, i, j]
    axes.errorbar(places, spread.mean(0), spread.std(0), fmt="o", color=color)
  axes.set(
    title=f"{theory.WEIGHTS[j].capitalize()} weights",
    xlabel="depth L (layers)",
    ylabel="spread of s²",
    xticks=layers,
    ylim=(-0.4, 2.3 * depth),
  )
  axes.legend(loc="upper left")


def _plot_spectra(axes, results):
  s, bins = np.sqrt(theory.X), np.linspace(0, 8, 41)
  for panel, (unit, j) in enumerate(theory.PANELS):
    color, label = f"C{panel}", f"{unit}, {theory.WEIGHTS[j]}"
    found = np.sqrt(results.squares[:, panel].ravel())
    axes.hist(found, bins, density=True, histtype="step", color=color)
    # The density of s^2, turned into that of s.
    density = 2 * s * results.density[panel]
    axes.plot(s, density, color=color, linewidth=1, label=label)
  axes.set(
    title=f"Jacobians of {results.spread.shape[1]} layers",
    xlabel="singular value s",
    ylabel="density",
    xticks=range(5),
    yticks=(0, 0.5, 1),
  )
  axes.axis((0, 4, 0, 1.2))
  axes.legend()


def _plot_norms(axes, results):
  sums = theory.sums(theory.SHAPES)
  axes.plot([0, max(sums)], [0, 5 * max(sums)], color=style.GREY, label="5 Σ")
  exact = {"color": "k", "markersize": 14, "label": "exact law"}
  axes.plot(sums, results.log_variance, "_", **exact)
  for read, label in (
    (readings.log_variance, "variance of log |Jv|²"),
    (readings.log_second_moment, "log E|Jv|⁴ / (E|Jv|²)²"),
  ):
    found = [read(norms) for norms in results.log_norms.T]
    values, errors = zip(*((m.value, m.error) for m in found), strict=True)
    axes.errorbar(sums, values, errors, fmt="o", label=label)
  axes.set(
    title="Norms |Jv| in ReLU networks",
    xlabel="Σ, the sum of 1/width",
    ylabel="spread",
  )
  axes.axis(xmin=0, ymin=0)
  axes.locator_params(nbins=5)
  axes.legend()
