"""Figure of the study of long lags."""

import numpy as np
from matplotlib import figure as mpl_figure

from experiments import study, style
from experiments.rtrl_vs_tbptt.long_lag import readings


def plot(results: study.Results) -> mpl_figure.Figure:
  """Draws what is carried, and the share of trials that have succeeded."""
  fig, (left, middle, right) = style.figure(1, 3, height=3.9)
  _plot_carried(left, results)
  _plot_shares(
    middle,
    results.num_sequences[0],
    (results.rtrl, results.learning_rates, "RTRL, rate {:g}"),
    (results.truncated, f"BPTT(1, 1), rate {results.learning_rates[0]:g}"),
  )
  _plot_shares(
    right,
    results.num_sequences[1],
    (results.long_rtrl, results.long_rates, "unit, rate {:g}"),
    (results.memory_cell, "memory cell"),
  )
  middle.set(
    title=f"Lag {results.lags[0]}: logistic unit",
    ylabel="share of trials that have succeeded",
  )
  middle.legend(loc="upper left")
  right.set_title(f"Lag {results.lags[1]}: both by RTRL")
  right.legend(loc="center right")
  return fig


def _plot_carried(axes, results):
  steps = np.arange(1, results.carried.shape[1] + 1)
  for carried, color, label in (
    (results.carried, "C0", "logistic unit"),
    (results.memory_carried, "C1", "memory cell"),
  ):
    middle, low, high = np.percentile(carried, [50, 10, 90], axis=0)
    axes.plot(steps, middle, "o-", color=color, label=label)
    axes.fill_between(steps, low, high, color=color, alpha=0.2, lw=0)
  bound = np.median(results.bound) ** (steps - 1.0)
  axes.plot(steps, bound, "k:", label="$(|w|/4)^{t-1}$")
  axes.set(
    title="Before training",
    xlabel="step t of a sequence",
    ylabel="influence of the first symbol\non the state (step 1 = 1)",
    yscale="log",
  )
  axes.legend(loc="lower left")


def _plot_shares(axes, num_sequences, by_rate, other):
  errors, rates, text = by_rate
  curves = [(errors[:, i], text.format(r), "-") for i, r in enumerate(rates)]
  curves.append((*other, "--"))
  shades = *style.colors(len(rates)), "C1"
  for (errors, label, line), color in zip(curves, shades, strict=True):
    shares = readings.shares(errors)
    parts = np.arange(1, len(shares) + 1) / len(shares)
    look = {"color": color, "linestyle": line, "label": label}
    axes.plot(parts * num_sequences / 1000, shares, **look)
  axes.set(xlabel="sequences (thousands)", ylim=(-0.05, 1.05))
