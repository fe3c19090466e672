"""Figure of the study of Murray's task."""

import numpy as np
from matplotlib import figure as mpl_figure
from matplotlib import ticker

from experiments import study, style
from experiments.rtrl_vs_tbptt.murray import readings

_PUBLISHED = (("BPTT", readings.BPTT, "--"), ("RFLO", readings.RFLO, ":"))


def plot(results: study.Results) -> mpl_figure.Figure:
  """Draws learning curves, their differences and final losses."""
  fig, (left, middle, right) = style.figure(1, 3, width=12, height=4.2)
  _plot_curves(left, results)
  _plot_differences(middle, results)
  _plot_final(right, results)
  return fig


def _plot_trials(axes, curves, label, **line):
  """Draws curves [S, N] at up to sixty trials, spread on the log scale."""
  num_trials = curves.shape[1]
  trials = np.unique(np.geomspace(1, num_trials, 60).astype(int))
  for i, curve in enumerate(curves):
    name = None if i else label
    axes.loglog(trials, curve[trials - 1], lw=0.9, label=name, **line)


def _plot_curves(axes, results):
  shifted = f"as in the notebook, {len(results.shifted)} networks"
  _plot_trials(axes, results.shifted, shifted, color="C4")
  _plot_trials(axes, results.bptt, "BPTT, the same weights", color="C0")
  _plot_trials(axes, results.rtrl, "RTRL", color="C1", ls="--")
  by_bptt, by_rtrl = results.seconds * readings.NUM_TRIALS
  axes.set(
    title="One gradient, two algorithms",
    xlabel=f"trial (10,000: BPTT {by_bptt:.1f} s, RTRL {by_rtrl:.0f} s)",
    ylabel="loss, half the mean squared error",
  )
  axes.legend(loc="lower left")


def _plot_differences(axes, results):
  for curves, color, label in (
    (results.nudged, style.GREY, "BPTT from weights changed in the last bit"),
    (results.rtrl, "C1", "RTRL"),
  ):
    # Equal to the last bit: at the bottom.
    differences = np.maximum(np.abs(curves / results.bptt - 1), 1e-8)
    _plot_trials(axes, differences, label, color=color)
  axes.set(
    title="Rounding takes over, in BPTT as well",
    xlabel="trial",
    ylabel="difference to the loss by BPTT, relative",
    ylim=(1e-8, 1e3),
  )
  axes.legend(loc="upper left")


def _plot_final(axes, results):
  num_trials = results.shifted.shape[1]
  for curves, color, mark, label in (
    (results.shifted, "C4", "s", "as in the notebook"),
    (results.bptt, "C0", "o", "BPTT"),
    (results.rtrl, "C1", "x", "RTRL"),
  ):
    if curves.shape[1] == num_trials:
      final = np.sort(curves[:, -1])
      rank = (np.arange(len(final)) + 0.5) / len(final)
      axes.plot(final, rank, mark, ls="-", lw=0.8, color=color, label=label)
  for name, value, line in _PUBLISHED:
    label = f"published, {name}: {1e4 * value:.2f}"
    axes.axvline(value, color=style.GREY, ls=line, label=label)
  axes.set(
    title="One seed says little",
    xscale="log",
    xlabel=f"loss after {num_trials:,} trials ($10^{{-4}}$)",
    ylabel="share of networks below",
    ylim=(0, 1),
  )
  axes.xaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
  axes.xaxis.set_minor_locator(ticker.NullLocator())
  axes.xaxis.set_major_formatter(lambda x, _: f"{1e4 * x:g}")
  axes.legend(loc="lower right")
