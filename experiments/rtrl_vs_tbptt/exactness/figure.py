"""Figure of the study of exactness."""

import numpy as np
from matplotlib import figure as mpl_figure

from experiments import study, style
from experiments.rtrl_vs_tbptt.exactness import readings

_MARKS = {
  readings.TRUNCATED: ("o-", 5),
  readings.ROLLING: ("s-", 5),
  readings.RTRL: ("^", 10),
  readings.LAZY: ("v", 5),
  readings.DIAGONAL: ("D", 3),
}


def plot(results: study.Results) -> mpl_figure.Figure:
  """Draws error against truncation, and staleness against learning rate."""
  fig, (left, right) = style.figure(1, 2, height=4.4)
  _plot_error(left, results)
  _plot_staleness(right, results)
  return fig


def _plot_error(axes, results):
  floor = float(np.finfo(np.float64).eps) / 4  # A zero has no logarithm.
  for (name, (shape, size)), color in zip(
    _MARKS.items(), style.PALETTE, strict=False
  ):
    lengths, errors = readings.by_length(results, name)
    if len(lengths):
      errors = np.maximum(errors.mean(axis=0), floor)
      axes.loglog(
        lengths, errors, shape, color=color, markersize=size, label=name
      )
  lengths, errors = readings.by_length(results, readings.RTRL, "float32")
  axes.loglog(
    lengths, errors.mean(axis=0), "k*", markersize=9, label="RTRL, float32"
  )
  for dtype in ("float32", "float64"):
    eps = float(np.finfo(dtype).eps)
    axes.axhline(eps, color=style.GREY, linestyle=":", zorder=1)
    axes.text(5, 1.5 * eps, f"rounding, {dtype}", color=style.GREY)
  ticks = np.unique(results.comparisons.length)
  axes.set(
    title=f"Gradient of a sequence ({results.comparisons.cell[0]} cell)",
    xlabel="segment K or window k (steps, up to all)",
    ylabel="relative error, mean over networks",
    ylim=(floor / 4, 30),
  )
  axes.set_xticks(ticks, ticks)
  axes.minorticks_off()
  axes.legend(loc=(0.03, 0.14))


def _plot_staleness(axes, results):
  online = results.online
  rates, stale = online.learning_rates, online.stale_error.mean(axis=0)
  for label, color, marker, errors in (
    ("from the gradient at present θ", "C0", "o", online.stale_error),
    ("from the derivative by a shift of all θ used", "C1", "s",
     online.shift_error),
  ):  # fmt: skip
    style.band(axes, rates, errors, color=color, marker=marker, label=label)
  axes.plot(
    rates, stale[0] * rates / rates[0], ":", color=style.GREY, label="slope 1"
  )
  axes.set(
    title="RTRL with an update at every step",
    xscale="log",
    yscale="log",
    xlabel="learning rate",
    ylabel="relative deviation (band: 10 to 90 % of networks)",
  )
  axes.legend(loc="center left", bbox_to_anchor=(0.0, 0.4))
