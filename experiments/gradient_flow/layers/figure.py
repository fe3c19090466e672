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
  ratios = readings.first_over_last(results)
  _plot_epochs(
    axes[0, 1],
    {n: ratio / np.log(10) for n, ratio in ratios.items()},
    1,
    title=f"First layer against last, {data}",
    ylabel="log$_{10}$ of their speeds' ratio (0: equal)",
  )
  _plot_epochs(
    axes[1, 0],
    {i + 1: 100 * results.accuracy[:, i] for i in range(4)},
    0,
    title=f"Accuracy by depth, {data}",
    ylabel="validation accuracy (%)",
    ylim=(0, 100),
  )
  _plot_interval(axes[1, 1])
  return fig


def _plot_start(axes, results, data):
  """Shows draws as dots, theory as lines and the book's as stars."""
  speeds = results.at_start[:_NUM_DOTS]
  jitter = np.random.default_rng(0).uniform(-0.07, 0.07, (len(speeds), 1))
  for i, n in enumerate(readings.DEPTHS):
    layers, color = np.arange(1, n + 1) + 0.22 * (i - 1), style.PALETTE[i]
    axes.plot(
      (layers + jitter).ravel(),
      speeds[:, i, :n].ravel(),
      ".",
      color=color,
      alpha=0.5,
      markersize=2.5,
      rasterized=True,
    )
    last = np.mean(np.log(results.at_start[:, i, n - 1]))
    steps = np.append(results.expected[: n - 1], 0)[::-1]
    line = np.exp(last - np.cumsum(steps)[::-1])
    axes.plot(layers, line, color=style.GREY, zorder=3)
    axes.plot(layers, readings.PUBLISHED_SPEEDS[n], "*", color="k", zorder=4)
    axes.plot([], [], "o", color=color, label=f"{n} hidden layers")
  axes.plot([], [], color=style.GREY, label="mean-field theory")
  axes.plot([], [], "*", color="k", label="Nielsen's draws (MNIST)")
  axes.set(
    title=f"At the start, {len(speeds)} draws, {data}",
    xlabel="hidden layer",
    ylabel="speed, norm of dC/db",
    yscale="log",
  )
  axes.set_xticks(range(1, 5))
  axes.legend(loc="lower right", fontsize=8)


def _plot_epochs(axes, curves, first_color, **settings):
  """Draws bands [R, E + 1], by their number of hidden layers."""
  colors = (style.GREY, *style.PALETTE)[first_color:]
  for color, (n, samples) in zip(colors, curves.items(), strict=False):
    label = f"{n} hidden layer" + "s" * (n > 1)
    epochs = np.arange(0, samples.shape[1], 2)
    style.band(axes, epochs, samples[:, ::2], color=color, label=label)
  axes.set(xlabel="epochs of mini-batches", **settings)
  axes.legend(loc="lower right")


def _plot_interval(axes):
  weights = readings.WEIGHTS[::20]
  axes.plot(weights, readings.interval_width(weights), label="measured")
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
