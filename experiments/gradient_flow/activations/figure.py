"""Figure of the study of activations."""

import numpy as np
from matplotlib import figure as mpl_figure

from experiments import study, style
from experiments.gradient_flow.activations import readings

_COLORS = dict(
  zip(
    (*readings.SHALLOW, "LeakyReLU", *list(readings._SLOPES)[1:]),
    style.PALETTE,
    strict=True,
  )
)


def plot(results: study.Results) -> mpl_figure.Figure:
  """Draws gradients by layer and gain, dead networks and learning curves."""
  fig, axes = style.figure(4, 2, height=14.0)
  _plot_layers(axes[0, 0], results)
  _plot_gains(axes[0, 1], results)
  _plot_tanh(axes[1, 0])
  _plot_learning(axes[1, 1], results)
  _plot_deep(axes[2, 0], results)
  _plot_dead(axes[2, 1], results)
  _plot_alpha(axes[3, 0], results)
  axes[3, 1].remove()
  return fig


def _dots(axes, name, x, y, theory, every=1):
  """Draws what was measured as dots, and theory as a line behind them."""
  axes.plot(x, theory, color=style.GREY, linewidth=1)
  dots = slice(None, None, every)
  color = _COLORS[name]
  axes.plot(x[dots], y[dots], "o", markersize=3.5, color=color, label=name)


def _plot_layers(axes, results):
  num_layers = readings.num_layers(results)
  for name, found in results.gradients.items():
    index = readings.at_gain(results, name, 1.0)
    deltas = found.log_deltas[:, index].astype(float)
    steps = readings.theory(results, name).growth[index]
    _dots(
      axes,
      name,
      np.arange(1, num_layers + 1),
      (deltas - deltas[:, -1:]).mean(axis=0) / readings.LN_10,
      np.append(np.cumsum(steps[::-1])[::-1], 0) / readings.LN_10,
      every=max(1, num_layers // 12),
    )
  axes.set(
    title="Gradients at gain $\\sigma_w$ = 1 (lines: theory)",
    xlabel="layer l",
    ylabel="log$_{10}$ |dC/db$^l$| / |dC/db$^L$|",
    ylim=(-34, 48),
  )
  axes.legend(ncols=2, fontsize=7.5, loc="upper right")


def _plot_gains(axes, results):
  num_layers = readings.num_layers(results)
  per_layer = (num_layers - 1) * readings.LN_10
  for name, found in results.gradients.items():
    growth = readings.growth(results, name, num_layers).mean(axis=0)
    theory = readings.theory(results, name).growth.sum(axis=-1)
    _dots(axes, name, found.gains, growth / per_layer, theory / per_layer)
  style.reference(axes, "balanced", y=0)
  axes.set(
    title="Growth per layer (lines: theory)",
    xlabel="gain $\\sigma_w$ of the weights",
    ylabel="log$_{10}$ of the growth (< 0: vanishes)",
    xscale="log",
    xlim=(0.012, 80),
    ylim=(-2.1, 1.1),
  )
  axes.legend(ncols=2, fontsize=7.5, loc="lower right")


def _plot_dead(axes, results):
  alive = results.alive
  layers = np.arange(1, alive.shape[2] + 1)
  dead = 1 - np.mean(np.any(alive, axis=-1), axis=0)
  silent = 1 - np.mean(alive[..., 0], axis=0)
  for i, width in enumerate(results.widths):
    line = readings.dead_for_one_input(int(width), layers)
    axes.plot(layers, line, color=style.GREY, linewidth=1)
    color = style.PALETTE[i]
    axes.plot(layers, silent[i], "o", color=color, fillstyle="none")
    axes.plot(layers, dead[i], "o", color=color, label=f"width {width}")
  axes.set(
    title="ReLU: born dead (open, line: at one input)",
    xlabel="hidden layers",
    ylabel="share of networks",
  )
  axes.legend(loc="upper left")


def _plot_deep(axes, results):
  for i, (name, curves) in enumerate(results.deep.items()):
    style.band(
      axes,
      np.arange(curves.train.shape[1]),
      curves.train,
      color=style.PALETTE[i],
      label=f"{name}'s start",
    )
  style.reference(axes, "a tenth of ln 10", y=readings.LN_10 / 10)
  axes.set(
    title="30 layers of ReLU (knowing nothing: ln 10 = 2.3)",
    xlabel="epochs of SGD on digits",
    ylabel="training loss (nats)",
    ylim=(0, 3.5),
  )
  axes.legend(loc="upper right")


def _plot_learning(axes, results):
  for name in readings.SHALLOW:
    curves = readings.best_curves(results, name)
    rate = results.rates[readings.best_rate(results, name)]
    style.band(
      axes,
      np.arange(curves.shape[1]),
      curves,
      color=_COLORS[name],
      label=f"{name}, rate {rate:g}",
    )
  axes.set(
    title="Equal networks, each at its best rate",
    xlabel="epochs of SGD on digits",
    ylabel="training loss (nats)",
    yscale="log",
  )
  axes.legend()


def _plot_alpha(axes, results):
  learned = 100 * np.mean(results.leaky.loss < readings.LEARNED, axis=0)
  places = np.arange(len(learned))
  axes.bar(places, learned, width=0.6)
  labels = ["ReLU", *(f"{alpha:g}" for alpha in results.alphas[1:])]
  axes.set_xticks(places, labels)
  axes.set(
    title="LeakyReLU: ten layers of width 3 learn |x|",
    xlabel="slope $\\alpha$ of negative inputs",
    ylabel="networks that halve the error (%)",
    ylim=(0, 100),
  )


def _plot_tanh(axes):
  x = np.linspace(-5, 5, 101)
  axes.plot(x, np.tanh(x), label="tanh")
  axes.plot(x, 1 - np.tanh(x) ** 2, label="its slope, 1 − tanh$^2$")
  style.reference(axes, "sigmoid's largest slope", y=0.25)
  axes.set(title="Figure 5.1 of the exercises", xlabel="x", ylabel="value")
  axes.legend(loc="lower right")
