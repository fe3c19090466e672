"""Figure of the study of gradients by lag."""

import numpy as np
from matplotlib import figure as mpl_figure

from experiments import study, style
from experiments.gradient_flow.recurrent import readings

_COLORS = {
  "tanh": style.PALETTE[1],
  "tanh, orthogonal": style.PALETTE[5],
  "linear, orthogonal": style.PALETTE[6],
  "GRU": style.PALETTE[3],
  "LSTM, bias 0": "#a6d8f0",
  "LSTM, bias 1": style.PALETTE[4],
  "LSTM, bias 3": style.PALETTE[0],
  "LRU": style.PALETTE[2],
}


def plot(results: study.Results) -> mpl_figure.Figure:
  """Draws gradients by lag, and what training makes of them."""
  fig, axes = style.figure(2, 2, height=7.6)
  start = {name: net.start for name, net in results.networks.items()}
  after = {name: net.lags for name, net in results.trained.items()}
  _plot_lags(axes[0, 0], results, start, "Gradient at the start")
  _plot_lags(axes[0, 1], results, after, "Gradient after training on copying")
  axes[0, 0].legend(ncols=2, fontsize=8, loc="lower left")
  _plot_copy(axes[1, 0], results)
  _plot_order(axes[1, 1], results)
  return fig


def _plot_lags(axes, results, lags, title):
  for name, g in lags.items():
    k = np.arange(1, g.shape[1])
    line = "--" if name == "GRU" else "-"  # It would hide an LSTM.
    decades = np.log10(g[:, 1:] / g[:, 1:2])
    style.band(axes, k, decades, color=_COLORS[name], label=name, ls=line)
  style.reference(axes, "to be copied", x=readings.needed(results))
  axes.set(title=title, xlabel="lag k (steps)", ylim=(-5, 2))
  axes.set_ylabel(r"$\log_{10}\ g_k/g_1$")


def _plot_copy(axes, results):
  for name in results.trained:
    for task, line in ((readings.OVER_PAUSE, "-"), (readings.AT_ONCE, "--")):
      losses = readings.relative(results, name, task).mean(axis=0)
      # Smoothed: means of twentieths of the training.
      parts = np.array_split(losses, min(20, len(losses)))
      x = (np.arange(len(parts)) + 0.5) / len(parts)
      label = name if task == readings.OVER_PAUSE else None
      y = [part.mean() for part in parts]
      axes.plot(x, y, line, color=_COLORS[name], label=label)
  axes.plot([], [], "--", color=style.GREY, label="without blanks")
  axes.axhline(1, color=style.GREY, ls=":", label="without memory")
  axes.set(
    title=f"Copying over {results.copy_delay} blanks",
    xlabel="share of the training",
    ylabel="loss over that without memory",
    yscale="log",
    ylim=(5e-5, 10),
  )
  axes.minorticks_off()
  axes.legend(fontsize=8, loc="lower left")


def _plot_order(axes, results):
  checks, errors = results.order
  for i, (method, wrong) in enumerate(errors.items()):
    color = style.PALETTE[i]
    axes.plot(checks, wrong.T, color=color, lw=0.5, alpha=0.4)
    axes.plot(checks, wrong.mean(axis=0), color=color, lw=2.4, label=method)
    published = readings.PUBLISHED_UPDATES[method]
    if published <= checks[-1]:
      axes.plot(published, 0, "v", color=color, ms=9, clip_on=False)
  axes.axhline(readings.SOLVED, color=style.GREY, linestyle=":")
  axes.set(
    title="Temporal order (triangle: published)",
    xlabel="updates",
    ylabel="share misclassified (thin: each run)",
    ylim=(0, 0.9),
  )
  axes.legend(fontsize=8, loc="upper right")
