"""The figure of the study of Nielsen's networks."""

import numpy as np
from matplotlib import figure as mpl_figure
from matplotlib import ticker

from experiments import study, style
from experiments.textbook import nielsen_mnist_settings as settings_lib
from experiments.textbook import nielsen_mnist_statistics as statistics_lib

# What is drawn, from top to bottom: setting, epoch, label.
_ROWS = (
  ("quadratic_30", "peak", "quadratic, 30 hidden"),
  ("quadratic_100", "peak", "quadratic, 100"),
  ("entropy_30", "peak", "cross-entropy, 30"),
  ("entropy_100", "peak", "cross-entropy, 100"),
  ("small", "peak", "few images"),
  ("small_decay", "peak", "few images, λ"),
  ("decay_30", "peak", "λ, 30"),
  ("decay_100", "last", "λ, 100 (last epoch)"),
  ("slow_100", "last", "λ, 100, slow (last)"),
  ("wide", "first", "wide w (first epoch)"),
  ("wide", "last", "wide w (last)"),
  ("narrow", "first", "narrow w (first)"),
  ("narrow", "last", "narrow w (last)"),
)


def plot(results: study.Results) -> mpl_figure.Figure:
  """Draws the seeds beside the published values, and two learning curves."""
  fig, (left, middle, right) = style.figure(
    1, 3, height=4.6, width=11, width_ratios=[1.7, 1, 1]
  )
  _plot_seeds(left, results)
  _plot_curves(
    middle,
    results,
    {"wide": "w ~ N(0, 1)", "narrow": "w ~ N(0, 1/fan-in)"},
    "How to start",
  )
  _plot_curves(
    right,
    results,
    {"small": "no regularization", "small_decay": "regularized"},
    "Few training images",
  )
  left.plot([], [], "o", color="C0", markersize=3, label="a seed")
  left.plot([], [], color="k", label="mean of the seeds")
  if results["is_published"]:
    left.plot([], [], "D", color="C1", label="the book")
    left.plot([], [], ":", color="C1", label="the book, best epoch")
  fig.legend(
    *left.get_legend_handles_labels(), loc="outside lower left", ncols=4
  )
  return fig


def _plot_seeds(axes, results):
  published = results["is_published"]
  for row, (name, epoch, _) in enumerate(_ROWS):
    errors = 100 - statistics_lib.percent(results, name, epoch)
    offsets = row + np.linspace(-0.22, 0.22, len(errors))
    axes.plot(errors, offsets, "o", color="C0", markersize=3, alpha=0.6)
    axes.plot([errors.mean()] * 2, [row - 0.32, row + 0.32], color="k")
    for number in settings_lib.PUBLISHED if published else ():
      if (number.setting, number.epoch) == (name, epoch):
        axes.plot(100 - number.percent, row, "D", color="C1", markersize=5)
  axes.set(
    title="Every seed and the published run",
    xlabel="images classified wrongly (%)",
    xscale="log",
    yticks=range(len(_ROWS)),
    yticklabels=[label for *_, label in _ROWS],
  )
  axes.xaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 3, 5)))
  axes.xaxis.set_major_formatter(ticker.FormatStrFormatter("%g"))
  axes.xaxis.set_minor_locator(ticker.NullLocator())
  axes.invert_yaxis()


def _plot_curves(axes, results, labels, title):
  for color, (name, label) in zip(("C1", "C0"), labels.items(), strict=True):
    curves = 100 * results[f"held_out_{name}"][:, 1:]
    mean, spread = curves.mean(axis=0), curves.std(axis=0, ddof=1)
    epochs = np.arange(1, len(mean) + 1)
    axes.fill_between(
      epochs, mean - spread, mean + spread, color=color, alpha=0.25, linewidth=0
    )
    axes.plot(epochs, mean, color=color, label=label)
    for number in settings_lib.PUBLISHED if results["is_published"] else ():
      if number.setting == name:
        _mark(axes, number, len(epochs), color)
  axes.set(title=title, xlabel="epochs", ylabel="held-out accuracy (%)")
  axes.legend(loc="lower right")


def _mark(axes, number, num_epochs, color):
  """Marks a published value: a diamond, or for a best epoch a line."""
  if number.epoch == "peak":
    axes.axhline(number.percent, color=color, linestyle=":", linewidth=1.2)
    return
  epoch = {"first": 1, "last": num_epochs}[number.epoch]
  axes.plot(epoch, number.percent, "D", color=color, markeredgecolor="k")
