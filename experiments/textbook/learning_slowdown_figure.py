"""Figure of the study of the learning slowdown, from its stored arrays.

The arrays are described at `learning_slowdown.run`.
"""

import numpy as np
from matplotlib import figure as mpl_figure
from scipy import special

from experiments import study, style
from experiments.textbook import learning_slowdown_theory as theory

_COSTS = ("quadratic cost", "cross-entropy")


def draw(results: study.Results) -> mpl_figure.Figure:
  """Draws the minima, the misprint, the gradients and the learning curves."""
  fig, axes = style.figure(2, 2, height=7.5)
  _minima(axes[0, 0], results)
  _misprint(axes[0, 1], results)
  _slopes(axes[1, 0])
  _curves(axes[1, 1], results)
  return fig


def _near(results, targets):
  return [int(np.argmin(np.abs(results["targets"] - y))) for y in targets]


def _minima(axes, results):
  a = results["outputs"][:-1]
  chosen = _near(results, (0.1, 0.3, 0.5, 0.7, 0.9))
  for i, color in zip(chosen, style.colors(len(chosen)), strict=True):
    costs, y = results["costs"][i, :-1], results["targets"][i]
    axes.plot(a, costs, color=color, linewidth=1.3)
    axes.plot(y, np.min(costs), "o", color=color, label=f"y = {y:.2g}")
  y = np.linspace(0, 1, 201)
  entropy = special.entr(y) + special.entr(1 - y)
  axes.plot(y, entropy, "--", color=style.GREY, label="binary entropy H(y)")
  axes.set(
    title="Cross-entropy: least at a = y, with H(y) left",
    xlabel="output a (H: target y)",
    ylabel="cost (nats)",
    ylim=(0, 1.6),
  )
  axes.legend(loc="upper center", ncols=2, fontsize=8)


def _misprint(axes, results):
  a = results["outputs"]
  (i,) = _near(results, (0.3,))
  y = results["targets"][i]
  axes.plot(a[:-1], results["costs"][i, :-1], color="C0", label="right: 1 - y")
  axes.plot(a, results["printed_costs"][i], color="C1", label="printed: 1 - a")
  axes.axvline(y, color=style.GREY, linestyle=":")
  axes.annotate(
    f"y = {y:.2g}",
    (y, 0.05),
    (4, 0),
    textcoords="offset points",
    color=style.GREY,
  )
  axes.set(
    title="The cost printed as (20): least at a = 1",
    xlabel="output a",
    ylabel="cost (nats)",
    ylim=(0, 1.6),
  )
  axes.legend(loc="upper center")


def _slopes(axes):
  z = np.linspace(-4, 8, 241)
  a = special.expit(z)
  for i, gradient in enumerate((a**2 * (1 - a), a)):
    axes.plot(z, gradient, color=f"C{1 - i}", label=_COSTS[i])
  axes.set(
    title="Gradient of one neuron, x = 1, y = 0",
    xlabel="z = w + b",
    ylabel="dC/db",
    ylim=(0, 1.05),
  )
  axes.legend(loc="center right")


def _curves(axes, results):
  curves, rate = results["curves"], float(results["learning_rate"])
  epochs = np.arange(curves.shape[-1])
  for i, time in enumerate((theory.quadratic_time, theory.entropy_time)):
    for s, (w, b) in enumerate(results["starts"]):
      curve = curves[i, s]
      label = f"{_COSTS[i]}, from ({w:g}, {b:g})"
      dashes = ("-", "--")[s % 2]
      axes.plot(epochs, curve, dashes, color=f"C{1 - i}", label=label)
      ends = np.linspace(curve[0], curve[-1], 25)[1:-1]
      times = time(curve[0], ends, rate)
      axes.plot(times, ends, ".", color=style.GREY, markersize=3)
  half = len(epochs) // 2
  for s, epoch in ((0, -1), (1, half), (1, -1)):
    if s < curves.shape[1]:
      value = curves[0, s, epoch]
      axes.annotate(
        f"{value:.4f}",
        (epochs[epoch], value),
        (-34, 7),
        textcoords="offset points",
        fontsize=8,
      )
  axes.set(
    title="The neuron learns (dots: closed form)",
    xlabel="epoch",
    ylabel="output a",
    ylim=(0, 1.5),
  )
  axes.legend(loc="upper right", fontsize=8)
