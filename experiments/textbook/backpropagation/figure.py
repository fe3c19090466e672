"""Figure of the study of backpropagation."""

import numpy as np
from matplotlib import figure as mpl_figure

from experiments import study, style
from experiments.textbook.backpropagation import readings


def plot(results: study.Results) -> mpl_figure.Figure:
  """Draws costs, batch sizes, and the comparison of optimisers."""
  fig, axes = style.figure(2, 2, height=7.8)
  _plot_costs(axes[0, 0], results.costs)
  _plot_batch_sizes(axes[0, 1], results.batch_sizes)
  _plot_rates(axes[1, 0], results.grid)
  _plot_accuracy(axes[1, 1], results)
  return fig


def _plot_costs(axes, costs):
  num_layers = int(costs.num_layers)
  weights = num_layers * costs.widths**2
  axes.loglog(
    weights,
    weights * (num_layers - 1) / (2 * num_layers),
    ":",
    color=style.GREY,
    label="P (N - 1) / 2N",
  )
  for counted, label, color in (
    (costs.forward, "forward accumulation", style.PALETTE[1]),
    (costs.backward, "backpropagation", style.PALETTE[0]),
  ):
    axes.loglog(weights, counted / costs.plain, "o-", color=color, label=label)
  axes.set(
    title="Cost of the gradient",
    xlabel=f"number of weights P, in N = {num_layers} layers",
    ylabel="operations (plain passes)",
    ylim=(1, 50 * max(costs.forward / costs.plain)),
  )
  axes.legend(loc="upper left")


def _plot_batch_sizes(axes, curves):
  epochs = np.arange(1, curves.train.shape[-1])
  for i, size in enumerate(curves.sizes):
    color = style.PALETTE[i]
    axes.loglog(epochs, curves.train[:, i, 1:].mean(0), "--", color=color)
    test = curves.test[:, i, 1:]
    style.band(axes, epochs, test, color=color, label=f"B = {size}")
  axes.set(
    title="One rate, three batch sizes",
    xlabel="epoch",
    ylabel="loss (nats): test; dashed: training",
  )
  axes.legend(loc="lower left")


def _color(index):
  return (*style.PALETTE, style.GREY, "#8c564b")[index]


def _plot_rates(axes, grid):
  accuracy = grid.test.mean(axis=2)
  for i in range(len(accuracy)):
    axes.semilogx(
      grid.learning_rates,
      accuracy[i],
      marker="o",
      markersize=3.5,
      color=_color(i),
      linestyle=("-", "--")[i % 2],
    )
  axes.set(
    title="Optimisers (colours: see right)",
    xlabel="learning rate at the start",
    ylabel="test accuracy at the end",
    ylim=(0, 1.02),
  )


def _plot_accuracy(axes, results):
  grid, best = results.grid, readings.best_rates(results.grid)
  names = [
    f"{name}, {grid.learning_rates[rate]:g}"
    for name, rate in zip(grid.methods, best, strict=True)
  ]
  for i, accuracy in enumerate(readings.chosen(grid.test, best)):
    places = np.full(len(accuracy), i)
    axes.plot(accuracy, places, "o", color=_color(i), alpha=0.5)
    axes.plot(accuracy.mean(), i, "|", color="k", markersize=14)
  style.reference(
    axes, "softmax regression", x=float(results.regression.accuracy[1])
  )
  axes.set_yticks(range(len(names)), names)
  for i, text in enumerate(axes.get_yticklabels()):
    text.set_color(_color(i))
  axes.set(
    title="At the rate best on validation",
    xlabel="test accuracy (bar: mean over seeds)",
    ylim=(len(names) - 0.4, -1.0),
  )
