"""Figure of the study of digit networks' layers, from its stored arrays.

The arrays are described at `layers.run`.
"""

import numpy as np
from matplotlib import figure as mpl_figure

from experiments import study, style
from experiments.gradient_flow import layers_claims as claims


def draw(results: study.Results) -> mpl_figure.Figure:
  """Draws speeds of layers, accuracy by depth and equation 123."""
  fig, axes = style.figure(2, 2, height=7.4)
  _plot_start(axes[0, 0], results)
  _plot_training(axes[0, 1], results)
  _plot_accuracy(axes[1, 0], results)
  _plot_interval(axes[1, 1], results)
  return fig


def _data(results):
  return "MNIST" if results["is_mnist"] else "8 × 8 digits"


def _plot_start(axes, results):
  """Shows the draws as points, theory as lines and the book's as stars."""
  expected = claims.expected_ratios(results)
  num_seeds = results["at_start"].shape[1]
  jitter = np.random.default_rng(0).uniform(-0.07, 0.07, num_seeds)
  for index, num_hidden in enumerate((2, 3, 4)):
    layers = np.arange(1, num_hidden + 1)
    shift = 0.22 * (index - 1)
    speeds = results["at_start"][index, :, :num_hidden]
    color = style.PALETTE[index]
    for layer, column in zip(layers, speeds.T, strict=True):
      axes.plot(
        layer + shift + jitter, column, ".", color=color, alpha=0.15, ms=2
      )
    last = np.mean(np.log(speeds[:, -1]))
    steps = np.append(expected[: num_hidden - 1], 0)[::-1]
    line = np.exp(last - np.cumsum(steps)[::-1])
    axes.plot(layers + shift, line, color=style.GREY, zorder=3)
    axes.plot(
      layers + shift,
      claims.AT_START[num_hidden],
      "*",
      color="k",
      zorder=4,
      label="Nielsen's draws (MNIST)" if index == 0 else None,
    )
    axes.plot([], [], "o", color=color, label=f"{num_hidden} hidden layers")
  axes.set(
    title=f"{num_seeds} draws at the start, {_data(results)}",
    xlabel="hidden layer (grey: mean field)",
    ylabel="norm of dC/db",
    yscale="log",
  )
  axes.set_xticks(range(1, 5))
  axes.legend(loc="lower right")


def _plot_training(axes, results):
  speeds = np.exp(np.mean(np.log(results["in_training"][2]), axis=0))
  for layer, curve in enumerate(speeds.T):
    axes.plot(curve, color=style.colors(4)[layer], label=f"layer {layer + 1}")
  axes.set(
    title=f"Four hidden layers in training, {_data(results)}",
    xlabel="epochs of batch gradient descent",
    ylabel="norm of dC/db, geometric mean",
    yscale="log",
  )
  axes.legend(loc="upper right", ncols=2)


def _plot_accuracy(axes, results):
  accuracy = 100 * results["accuracy"]
  epochs = np.arange(accuracy.shape[-1])
  for index, curves in enumerate(accuracy):
    error = np.std(curves, axis=0, ddof=1) / len(curves) ** 0.5
    axes.errorbar(
      epochs,
      np.mean(curves, axis=0),
      error,
      color=style.PALETTE[index],
      label=f"{index + 1} hidden",
    )
  axes.set(
    title=f"Accuracy by depth, {_data(results)}",
    xlabel="epochs of mini-batches of 10",
    ylabel="validation accuracy (%)",
    ylim=(0, 100),
  )
  axes.legend()


def _plot_interval(axes, results):
  weights, widths = results["weights"], results["interval"]
  beyond = weights >= 4
  axes.plot(weights, widths, label="measured")
  axes.plot(
    weights[beyond],
    claims.bound(weights[beyond]),
    ":",
    color="k",
    label="equation 123",
  )
  best = int(np.argmax(widths))
  axes.annotate(
    f"{widths[best]:.4f} at {weights[best]:.2f}",
    (weights[best], widths[best]),
    (0, 6),
    textcoords="offset points",
    ha="center",
  )
  axes.set(
    title="Where |w σ'(w a + b)| reaches 1",
    xlabel="|w|",
    ylabel="width of the interval of a",
    ylim=(0, 0.55),
  )
  axes.legend(loc="lower right")
