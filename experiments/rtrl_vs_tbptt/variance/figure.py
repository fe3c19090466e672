"""Figure of the study of variance."""

import numpy as np
from matplotlib import figure as mpl_figure

from experiments import study, style
from experiments.rtrl_vs_tbptt.variance import readings, theory

_SHOWN = -1  # The last decay: nothing is forgotten.


def plot(results: study.Results) -> mpl_figure.Figure:
  """Draws variances by step, against their closed forms, and the bound."""
  fig, axes = style.figure(2, 2, height=8.2)
  _plot_carried(axes[0, 0], results)
  _plot_artbp(axes[0, 1], results)
  _plot_networks(axes[1, 0], results)
  _plot_sketch(axes[1, 1], results)
  return fig


def _plot_carried(ax, results):
  decay = results.decays[_SHOWN]
  steps = np.arange(1, results.carried.shape[-1] + 1)
  for row, name in enumerate(results.methods):
    color = style.PALETTE[row]
    label = f"{name}, n = {results.units[row]}, r = {results.ranks[row]}"
    law = readings.carried(results, row, decay)
    noisy = law > 1e-9  # Without noise a log axis has no place.
    found = results.carried[:, row, _SHOWN].mean(axis=0)
    ax.plot(steps[noisy], law[noisy], color=color, label=label)
    ax.plot(steps[noisy], found[noisy], "o", color=color)
  ax.set_yscale("log")
  ax.set(
    title=f"Carried influences, a = {decay:g}",
    xlabel="steps t",
    ylabel="relative variance",
  )
  low, high = ax.get_ylim()
  ax.set_ylim(low, 5 * high)  # Room for the legend.
  ax.legend(loc="upper left", ncols=2)


def _plot_artbp(ax, results):
  steps = np.arange(1, results.artbp.shape[-1] + 1)
  found = readings.artbp(results).mean(axis=0)
  for i, decay in enumerate(results.artbp_decays):
    ratio = decay**2 / (1 - readings.STOP)
    law = theory.artbp(decay, len(steps), readings.STOP)
    label = f"a = {decay:.2f}: $a^2 / (1 - c)$ = {ratio:.2f}"
    ax.plot(steps, law, color=style.PALETTE[i], label=label)
    ax.plot(steps, found[i], "o", color=style.PALETTE[i])
  ax.set(
    title=f"ARTBP, c = {readings.STOP:g}",
    xlabel="steps T",
    ylabel="relative variance",
  )
  ax.legend(loc="upper left")


def _plot_networks(ax, results):
  colors = style.colors(len(results.network_units))
  # The first step is exact for KF-RTRL, the second nearly so for both.
  start = 2
  steps = np.arange(start + 1, results.networks.shape[-1] + 1)
  for i, (n, color) in enumerate(
    zip(results.network_units, colors, strict=True)
  ):
    for k, (name, line) in enumerate(
      ((readings.UORO, "-"), (readings.KF, "--"))
    ):
      found = np.exp(np.log(results.networks[:, i, k, start:]).mean(axis=0))
      label = f"{name}, n = {n}"
      ax.plot(steps, found, line, color=color, label=label)
  ax.set_yscale("log")
  ax.set(
    title="Tanh networks",
    xlabel="steps t",
    ylabel="relative variance",
  )
  low, high = ax.get_ylim()
  ax.set_ylim(low, 4 * high)  # Room for the legend.
  ax.legend(loc="upper right", ncols=2)


def _plot_sketch(ax, results):
  ratios = results.sketch_bounds[..., 1:] / results.sketch_errors[..., 1:]
  steps = np.arange(2, results.sketch_errors.shape[-1] + 1)
  for i, rank in enumerate(results.sketch_ranks):
    color = style.PALETTE[i]
    style.band(ax, steps, ratios[:, i], color=color, label=f"r = {rank}")
  style.reference(ax, "violated below", y=1.0)
  ax.set_yscale("log")
  ax.set(
    title="SnAp-1 with a sketch of rank r",
    xlabel="steps t",
    ylabel="bound by error",
  )
  ax.legend(loc="upper left")
