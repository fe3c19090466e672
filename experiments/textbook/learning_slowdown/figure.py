"""Figure of the study of the learning slowdown."""

import numpy as np
from matplotlib import figure as mpl_figure
from scipy import special

from experiments import study, style
from experiments.textbook.learning_slowdown import theory

_COLORS = {"quadratic": style.PALETTE[1], "cross-entropy": style.PALETTE[0]}


def plot(results: study.Results) -> mpl_figure.Figure:
  """Draws the minima, the misprint, the gradients and the learning curves."""
  fig, axes = style.figure(2, 2, height=7.8)
  _plot_minima(axes[0, 0], results.minima)
  _plot_misprint(axes[0, 1], results.minima)
  _plot_slopes(axes[1, 0])
  _plot_curves(axes[1, 1], results)
  return fig


def _nearest(minima, y):
  return int(np.argmin(np.abs(minima.targets - y)))


def _plot_minima(axes, minima):
  chosen = [_nearest(minima, y) for y in (0.1, 0.3, 0.5, 0.7, 0.9)]
  for i, color in zip(chosen, style.colors(len(chosen)), strict=True):
    costs, y = minima.costs[i], minima.targets[i]
    axes.plot(minima.outputs[:-1], costs[:-1], color=color, linewidth=1.3)
    axes.plot(y, costs.min(), "o", color=color)
    box = {"facecolor": "white", "edgecolor": "none", "pad": 0.8}
    text = {"ha": "center", "va": "top", "fontsize": 8.5, "bbox": box}
    axes.annotate(
      f"y = {y:.2g}",
      (y, costs.min()),
      (0, -8),
      textcoords="offset points",
      **text,
    )
  y = np.linspace(0, 1, 201)
  entropy = special.entr(y) + special.entr(1 - y)
  axes.plot(y, entropy, "--", color=style.GREY, linewidth=1.2)
  axes.set(
    title="Least at a = y, with H(y) left (dashed)",
    xlabel="output a (dashed: target y)",
    ylabel="cross-entropy (nats)",
    ylim=(0, 1.6),
  )


def _plot_misprint(axes, minima):
  a, i = minima.outputs, _nearest(minima, 0.3)
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
  z = np.linspace(-4, 8, 241)
  for name, slope in theory.SLOPES.items():
    axes.plot(z, slope(special.expit(z)), color=_COLORS[name], label=name)
  axes.set(
    title="Gradient of one neuron, x = 1, y = 0",
    xlabel="z = w + b",
    ylabel="dC/db",
    ylim=(0, 1.05),
  )
  axes.legend(loc="center right")


def _plot_curves(axes, results):
  rate, half = float(results.learning_rate), 0
  for name, curves in results.curves.items():
    half = curves.outputs.shape[1] // 2
    for s, (w, b) in enumerate(results.starts):
      curve, color = curves.outputs[s], _COLORS[name]
      label = f"{name} from ({w:g}, {b:g})"
      axes.plot(curve, ("-", "--")[s % 2], color=color, label=label)
      ends = np.linspace(curve[0], curve[-1], 14)[1:-1]
      axes.plot(
        theory.time(name, curve[0], ends, rate),
        ends,
        "o",
        color="k",
        markersize=3.5,
        zorder=3,
        label="small steps, closed form"
        if color == _COLORS["quadratic"]
        else "",
      )
  last = results.curves["quadratic"].outputs.shape[1] - 1
  for s, epoch, offset in (
    (0, last, (6, -3)),
    (1, last, (6, -3)),
    (1, half, (4, 4)),
  ):
    value = results.curves["quadratic"].outputs[s, epoch]
    axes.annotate(
      f"{value:.4f}", (epoch, value), offset, textcoords="offset points"
    )
  axes.set(
    title="How the neuron learns",
    xlabel="epoch",
    ylabel="output a",
    xlim=(-0.03 * last, 1.18 * last),
    ylim=(0, 1.05),
  )
  handles, labels = axes.get_legend_handles_labels()
  unique = dict(zip(labels, handles, strict=True))
  axes.legend(
    unique.values(),
    unique.keys(),
    loc="upper center",
    bbox_to_anchor=(0.46, -0.17),
    ncols=2,
    fontsize=8.5,
  )
