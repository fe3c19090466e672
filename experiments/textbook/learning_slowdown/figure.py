"""Figure of the study of the learning slowdown."""

import numpy as np
from matplotlib import figure as mpl_figure
from scipy import special

from experiments import study, style
from experiments.textbook.learning_slowdown import theory as neuron

_COLORS = {"quadratic": style.PALETTE[1], "cross-entropy": style.PALETTE[0]}


def plot(results: study.Results) -> mpl_figure.Figure:
  """Draws the minima, the misprint, the gradients and the learning curves."""
  fig, axes = style.figure(2, 2, height=7.8)
  _plot_minima(axes[0, 0], results.minima)
  _plot_misprint(axes[0, 1], results.minima)
  _plot_slopes(axes[1, 0])
  _plot_curves(axes[1, 1], results)
  for ax in axes.flat:
    ax.locator_params(nbins=4)
  return fig


def _plot_minima(axes, minima):
  chosen = np.linspace(0, len(minima.targets) - 1, 5).astype(int)
  for i, color in zip(chosen, style.colors(len(chosen)), strict=True):
    costs, y = minima.costs[i], minima.targets[i]
    axes.plot(minima.outputs[:-1], costs[:-1], color=color, linewidth=1.3)
    axes.plot(y, costs.min(), "o", color=color)
    axes.annotate(
      f"y = {y:.2g}",
      (y, costs.min()),
      (0, -8),
      textcoords="offset points",
      ha="center",
      va="top",
      fontsize=8.5,
      bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.8},
    )
  y = np.linspace(0, 1, 101)
  entropy = special.entr(y) + special.entr(1 - y)
  axes.plot(y, entropy, "--", color=style.GREY, linewidth=1.2)
  axes.set(
    title="Least at a = y, with H(y) left (dashed)",
    xlabel="output a (dashed: target y)",
    ylabel="cross-entropy (nats)",
    ylim=(0, 1.6),
  )


def _plot_misprint(axes, minima):
  a, i = minima.outputs, len(minima.targets) // 4
  for costs, label, color in (
    (minima.costs[i], "right: 1 - y", style.PALETTE[0]),
    (minima.printed_costs[i], "printed: 1 - a", style.PALETTE[1]),
  ):
    inside = np.isfinite(costs)
    axes.plot(a[inside], costs[inside], color=color, label=label)
  style.reference(axes, f"y = {minima.targets[i]:.2g}", x=minima.targets[i])
  axes.set(
    title="As printed in (20), least at a = 1",
    xlabel="output a",
    ylabel="cost (nats)",
    ylim=(0, 1.6),
  )
  axes.legend(loc="lower center")


def _plot_slopes(axes):
  z = np.linspace(-4, 8, 61)
  for name, slope in neuron.SLOPES.items():
    axes.plot(z, slope(special.expit(z)), color=_COLORS[name], label=name)
  axes.set(
    title="Gradient of one neuron, x = 1, y = 0",
    xlabel="z = w + b",
    ylabel="dC/db",
    ylim=(0, 1.05),
  )
  axes.legend(loc="center right")


def _plot_curves(axes, results):
  last = results.curves["quadratic"].shape[1] - 1
  every = np.arange(0, last + 1, 4)
  for name, outputs in results.curves.items():
    for s, (w, b) in enumerate(results.starts):
      line, label = ("-", "--")[s % 2], f"{name} from ({w:g}, {b:g})"
      axes.plot(every, outputs[s, ::4], line, color=_COLORS[name], label=label)
      ends = np.linspace(outputs[s, 0], outputs[s, -1], 10)[1:-1]
      rate = float(results.learning_rate)
      epochs = neuron.time(name, outputs[s, 0], ends, rate)
      (dots,) = axes.plot(epochs, ends, "ko", markersize=3.5, zorder=3)
  dots.set_label("small steps, closed form")
  for s, epoch in {(0, last), (-1, last), (-1, last // 2)}:
    value = results.curves["quadratic"][s, epoch]
    axes.annotate(
      f"{value:.4f}", (epoch, value), (5, 2), textcoords="offset points"
    )
  axes.set(
    title="How the neuron learns",
    xlabel="epoch",
    ylabel="output a",
    xlim=(-0.03 * last, 1.18 * last),
    ylim=(0, 1.05),
  )
  axes.legend(
    loc="upper center", bbox_to_anchor=(0.46, -0.17), ncols=2, fontsize=8.5
  )
