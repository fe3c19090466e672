"""Figure of the study of activations."""

import numpy as np
from matplotlib import figure as mpl_figure

from experiments import study, style
from experiments.gradient_flow.activations import readings

_COLORS = dict(zip(readings.NAMES, style.PALETTE, strict=True))


def plot(results: study.Results) -> mpl_figure.Figure:
  """Draws gradients by layer and gain, learning curves and dead networks."""
  fig, axes = style.figure(3, 2, height=10.6)
  _plot_layers(axes[0, 0], results)
  _plot_gains(axes[0, 1], results)
  _plot_tanh(axes[1, 0])
  learned = {
    (f"{name}, rate {rate:g}", _COLORS[name]): losses
    for name, (rate, losses) in readings.best(results).items()
  }
  title = "Equal networks, each at its best rate"
  _plot_losses(axes[1, 1], learned, title=title, yscale="log")
  labels = zip(("Glorot's start", "He's start"), style.PALETTE, strict=False)
  deep = dict(zip(labels, results.deep.losses[:, :, 0], strict=True))
  title = "30 layers of ReLU (knowing nothing: ln 10 = 2.3)"
  _plot_losses(axes[2, 0], deep, title=title, ylim=(0, 3.5))
  style.reference(axes[2, 0], "a tenth of ln 10", y=readings.LN_10 / 10)
  _plot_dead(axes[2, 1], results)
  return fig


def _dots(axes, name, x, y, theory):
  """Draws what was measured as dots, and theory as a line behind them."""
  axes.plot(x, theory, color=style.GREY, linewidth=1)
  every = slice(None, None, max(1, len(x) // 12))
  color = _COLORS[name]
  axes.plot(x[every], y[every], "o", markersize=3.5, color=color, label=name)


def _plot_layers(axes, results):
  _, log_deltas, theory, _ = results.gradients
  for name in readings.NAMES:
    index = readings.at_gain(results, name)
    deltas = log_deltas[:, *index].mean(axis=0)
    steps = np.append(theory[index], 0)
    _dots(
      axes,
      name,
      np.arange(1, len(deltas) + 1),
      (deltas - deltas[-1]) / readings.LN_10,
      np.cumsum(steps[::-1])[::-1] / readings.LN_10,
    )
  axes.set(
    title="Gradients at gain $\\sigma_w$ = 1 (lines: theory)",
    xlabel="layer l",
    ylabel="log$_{10}$ |dC/db$^l$| / |dC/db$^L$|",
    ylim=(-34, 48),
  )
  axes.legend(ncols=2, fontsize=7.5, loc="upper right")


def _plot_gains(axes, results):
  gains, log_deltas, theory, _ = results.gradients
  num_layers = log_deltas.shape[-1]
  growth = readings.growth(results, num_layers).mean(axis=0) / (num_layers - 1)
  for i, name in enumerate(readings.FAMILIES):
    expected = theory[i].mean(axis=-1)
    _dots(
      axes,
      name,
      gains[i],
      growth[i] / readings.LN_10,
      expected / readings.LN_10,
    )
  style.reference(axes, "balanced", y=0)
  axes.set(
    title="Growth per layer (lines: theory)",
    xlabel="gain $\\sigma_w$ of the weights",
    ylabel="log$_{10}$ of the growth (< 0: vanishes)",
    xscale="log",
  )
  axes.legend(loc="lower right")


def _plot_tanh(axes):
  x = np.linspace(-5, 5, 101)
  axes.plot(x, np.tanh(x), label="tanh")
  axes.plot(x, 1 - np.tanh(x) ** 2, label="its slope, 1 − tanh$^2$")
  style.reference(axes, "sigmoid's largest slope", y=0.25)
  axes.set(title="Figure 5.1 of the exercises", xlabel="x", ylabel="value")
  axes.legend(loc="lower right")


def _plot_losses(axes, curves, **settings):
  """Draws training losses [S, E] by their labels and colors."""
  for (label, color), losses in curves.items():
    epochs = np.arange(1, losses.shape[1] + 1)
    style.band(axes, epochs, losses, color=color, label=label)
  label = "epochs of SGD on digits"
  axes.set(xlabel=label, ylabel="training loss (nats)", **settings)
  axes.legend(loc="upper right")


def _plot_dead(axes, results):
  layers = np.arange(1, results.dead.shape[-1] + 1)
  shares = results.dead.mean(axis=1)
  for width, share in zip(readings.WIDTHS, shares, strict=True):
    bound = 1 - (1 - 2.0**-width) ** layers
    axes.plot(layers, bound, color=style.GREY, linewidth=1)
    axes.plot(layers, share, "o", label=f"width {width}")
  axes.set(
    title="ReLU: born dead (lines: upper bound)",
    xlabel="hidden layers",
    ylabel="share of networks",
  )
  axes.legend(loc="upper left")
