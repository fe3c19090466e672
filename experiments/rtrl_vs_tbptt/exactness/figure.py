"""Figure of the study of exactness."""

import numpy as np
from matplotlib import figure as mpl_figure

from experiments import study, style
from experiments.rtrl_vs_tbptt.exactness import readings

# The largest below: exact methods lie on each other.
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
  eps = float(np.finfo(np.float64).eps)
  for name, (shape, size) in _MARKS.items():
    lengths, errors = readings.by_length(results, name)
    errors = np.maximum(errors.mean(axis=0), eps / 4)  # 0 has no logarithm.
    if len(lengths):
      left.loglog(lengths, errors, shape, markersize=size, label=name)
  left.axhline(eps, color=style.GREY, linestyle=":", zorder=1)
  left.text(6, 1.5 * eps, "rounding", color=style.GREY)
  ticks = np.unique(results.length)
  left.set(
    title=f"Gradient of a sequence ({results.cell[0]} cell)",
    xlabel="segment K or window k (steps, up to all)",
    ylabel="relative error, mean over networks",
    ylim=(eps / 16, 30),
  )
  left.set_xticks(ticks, ticks)
  left.minorticks_off()
  left.legend(loc=(0.03, 0.14))
  rates, stale = results.learning_rates[1:], results.stale_error[:, 1:]
  shift = results.shift_error[:, 1:, -1]
  style.band(right, rates, stale, marker="o", label="from present gradient")
  style.band(right, rates, shift, marker="s", label="from shift derivative")
  slope_1 = stale.mean(axis=0)[0] * rates / rates[0]
  right.plot(rates, slope_1, ":", color=style.GREY, label="slope 1")
  right.set(
    title="RTRL with an update at every step",
    xscale="log",
    yscale="log",
    xlabel="learning rate",
    ylabel="relative deviation (band: 10 to 90 % of networks)",
  )
  right.legend(loc="center left", bbox_to_anchor=(0.0, 0.4))
  return fig
