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
  _plot_curves(
    middle,
    results,
    {"wide": "weights from N(0, 1)", "narrow": "weights from N(0, 1/fan-in)"},
    "How to start",
  )
  _plot_curves(
    right,
    results,
    {"small": "no regularization", "small_decay": "regularized"},
    "Few training images",
  )
  fig.legend(
    *left.get_legend_handles_labels(), loc="outside lower left", ncols=3
  )
  return fig


def _rows():
  """Yields setting, epoch, label and the book's value, from top to bottom."""
  numbers = {(p.setting, p.epoch): p.percent for p in readings.PUBLISHED}
  numbers["wide", "last"] = readings.LAST_WIDE
  numbers["narrow", "last"] = readings.LAST_NARROW
  for name, text in readings.NAMES.items():
    for epoch in readings.EPOCHS:
      if (name, epoch) in numbers:
        label = f"{text}, {readings.EPOCHS[epoch]}"
        yield name, epoch, label, numbers[name, epoch]


def _plot_seeds(axes, results):
  rows = list(_rows())
  for row, (name, epoch, _, percent) in enumerate(rows):
    errors = 100 - readings.percent(results, name, epoch)
    offsets = row + np.linspace(-0.22, 0.22, len(errors))
    labels = ("a seed", "mean", "the book") if row == 0 else (None,) * 3
    axes.plot(
      errors, offsets, "o", color="C0", ms=3, alpha=0.6, label=labels[0]
    )
    ends = [row - 0.32, row + 0.32]
    axes.plot([errors.mean()] * 2, ends, color="k", label=labels[1])
    if results.is_published:
      axes.plot(100 - percent, row, "D", color="C1", ms=5, label=labels[2])
  beside = " and the book" if results.is_published else ", 8 × 8 digits"
  axes.set(
    title=f"Every seed{beside}",
    xlabel="held-out images classified wrongly (%)",
    xscale="log",
    yticks=range(len(rows)),
    yticklabels=[label for _, _, label, _ in rows],
  )
  axes.xaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 3, 5)))
  axes.xaxis.set_major_formatter(ticker.FormatStrFormatter("%g"))
  axes.xaxis.set_minor_locator(ticker.NullLocator())
  axes.invert_yaxis()


def _plot_curves(axes, results, labels, title):
  for color, (name, label) in zip(("C1", "C0"), labels.items(), strict=True):
    curves = 100 * results.curves[name].held_out[:, 1:]
    epochs = np.arange(1, curves.shape[1] + 1)
    style.band(axes, epochs, curves, color=color, label=label)
    for number in readings.PUBLISHED if results.is_published else ():
      if number.setting == name and number.epoch == "peak":
        style.reference(axes, f"the book, {label}", y=number.percent)
      elif number.setting == name:
        epoch = {"first": 1, "last": len(epochs)}[number.epoch]
        axes.plot(epoch, number.percent, "D", color=color, markeredgecolor="k")
  axes.set(title=title, xlabel="epochs", ylabel="held-out accuracy (%)")
  axes.legend(loc="lower right")
