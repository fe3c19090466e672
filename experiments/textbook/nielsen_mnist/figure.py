"""The figure of the study of Nielsen's networks."""

import numpy as np
from matplotlib import figure as mpl_figure
from matplotlib import ticker

from experiments import study, style
from experiments.textbook.nielsen_mnist import readings


def plot(results: study.Results) -> mpl_figure.Figure:
  """Draws the seeds beside the published values, and two learning curves."""
  fig, (left, middle, right) = style.figure(
    1, 3, height=4.9, width=12, width_ratios=[1.5, 1, 1]
  )
  _plot_seeds(left, results)
  start = {"wide": "weights from N(0, 1)", "narrow": "weights from N(0, 1/n)"}
  few = {"small": "no regularization", "small_decay": "regularized"}
  _plot_curves(middle, results, start, "How to start")
  _plot_curves(right, results, few, "Few training images")
  names = left.get_legend_handles_labels()
  fig.legend(*names, loc="outside lower left", ncols=3)
  return fig


def _plot_seeds(axes, results):
  rows = {(p.setting, p.epoch): p.percent for p in readings.PUBLISHED}
  rows |= {(name, "last"): x for name, x in readings.LAST.items()}
  errors = np.array([100 - readings.percent(results, *row) for row in rows])
  ranks = np.arange(len(rows))[:, None]
  seeds = (ranks + np.linspace(-0.22, 0.22, errors.shape[1])).ravel()
  axes.plot(errors.ravel(), seeds, "C0.", rasterized=True, label="a seed")
  axes.plot(errors.mean(axis=1), ranks, "k|", ms=12, mew=2, label="mean")
  if results.is_published:
    book = 100 - np.array(list(rows.values()))
    axes.plot(book, ranks, "C1D", ms=5, label="the book")
  beside = " and the book" if results.is_published else ", 8 × 8 digits"
  axes.set(
    title=f"Every seed{beside}",
    xlabel="held-out images classified wrongly (%)",
    xscale="log",
    yticks=range(len(rows)),
    yticklabels=[
      f"{readings.NAMES[name]}, {epoch} epoch" for name, epoch in rows
    ],
  )
  axes.xaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 3, 5)))
  axes.xaxis.set_major_formatter(ticker.FormatStrFormatter("%g"))
  axes.xaxis.set_minor_locator(ticker.NullLocator())
  axes.invert_yaxis()


def _plot_curves(axes, results, labels, title):
  for color, (name, label) in zip(("C1", "C0"), labels.items(), strict=True):
    curves = readings.held_out(results, name)
    shown = np.unique(np.linspace(0, curves.shape[1] - 1, 50).astype(int))
    style.band(axes, shown + 1, curves[:, shown], color=color, label=label)
  axes.set(title=title, xlabel="epochs", ylabel="held-out accuracy (%)")
  axes.legend(loc="lower right")
