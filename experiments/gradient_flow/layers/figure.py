"""Figure of the study of digit networks' layers."""

import numpy as np
from matplotlib import figure as mpl_figure

from experiments import study, style
from experiments.gradient_flow.layers import readings

_NUM_DOTS = 60  # Draws that are drawn; a thousand dots say no more.


def plot(results: study.Results) -> mpl_figure.Figure:
  """Draws speeds of layers, accuracy by depth and equation 123."""
  fig, axes = style.figure(2, 2, height=7.4)
  data = "MNIST" if results.is_mnist else "8 × 8 digits"
  _plot_start(axes[0, 0], results, data)
  _plot_training(axes[0, 1], results, data)
  _plot_accuracy(axes[1, 0], results, data)
  _plot_interval(axes[1, 1], results)
  return fig


def _plot_start(axes, results, data):
  """Shows draws as dots, theory as lines and the book's as stars."""
  expected = readings.expected_growth(results.mean_square)
  speeds = results.at_start[:_NUM_DOTS]
  jitter = np.random.default_rng(0).uniform(-0.07, 0.07, len(speeds))
  for i, n in enumerate(readings.DEPTHS):
    layers = np.arange(1, n + 1)
    shift, color = 0.22 * (i - 1), style.PALETTE[i]
    for layer in range(n):
      axes.plot(
        layers[layer] + shift + jitter,
        speeds[:, i, layer],
        ".",
        color=color,
        alpha=0.5,
        markersize=2.5,
      )
    last = np.mean(np.log(results.at_start[:, i, n - 1]))
    steps = np.append(expected[: n - 1], 0)[::-1]
    line = np.exp(last - np.cumsum(steps)[::-1])
    label = "mean-field theory" if i == 0 else None
    axes.plot(layers + shift, line, color=style.GREY, zorder=3, label=label)
    label = "Nielsen's draws (MNIST)" if i == 0 else None
    published = readings.PUBLISHED_SPEEDS[n]
    axes.plot(layers + shift, published, "*", color="k", zorder=4, label=label)
    axes.plot([], [], "o", color=color, label=f"{n} hidden layers")
  axes.set(
    title=f"At the start, {len(speeds)} draws, {data}",
    xlabel="hidden layer",
    ylabel="speed, norm of dC/db",
    yscale="log",
  )
  axes.set_xticks(range(1, 5))
  axes.legend(loc="lower right", fontsize=8)


def _plot_training(axes, results, data):
  for i, (n, ratios) in enumerate(readings.first_over_last(results).items()):
    style.band(
      axes,
      np.arange(ratios.shape[1]),
      ratios / np.log(10),
      color=style.PALETTE[i],
      label=f"{n} hidden layers",
    )
  axes.axhline(0, color=style.GREY, linestyle=":", linewidth=1.2)
  end = results.accuracy.shape[-1] - 1
  axes.text(end, -0.1, "dotted: equally fast", ha="right", va="top")
  axes.set(
    title=f"First layer against last, {data}",
    xlabel="epochs of mini-batches",
    ylabel="log$_{10}$ of the ratio of their speeds",
  )
  axes.legend(loc="lower right")


def _plot_accuracy(axes, results, data):
  percents = 100 * results.accuracy
  colors = (style.GREY, *style.PALETTE)
  for i in range(percents.shape[1]):
    style.band(
      axes,
      np.arange(percents.shape[-1]),
      percents[:, i],
      color=colors[i],
      label=f"{i + 1} hidden layer" + ("s" if i else ""),
    )
  axes.set(
    title=f"Accuracy by depth, {data}",
    xlabel="epochs of mini-batches",
    ylabel="validation accuracy (%)",
    ylim=(0, 100),
  )
  axes.legend(loc="lower right")


def _plot_interval(axes, results):
  weights, widths = results.weights[::20], results.interval[::20]
  axes.plot(weights, widths, label="measured")
  line = readings.equation_123(weights)
  axes.plot(weights, line, ":", color="k", label="equation 123")
  style.reference(axes, "published, 0.45", y=0.45)
  style.reference(axes, "6.9", x=6.9)
  axes.set(
    title="Where |w σ'(w a + b)| reaches 1",
    xlabel="|w|",
    ylabel="width of the interval of a",
    ylim=(0, 0.55),
  )
  axes.legend(loc="lower right")
