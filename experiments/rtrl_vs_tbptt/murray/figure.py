"""Figure of the study of Murray's task."""

import numpy as np
from matplotlib import figure as mpl_figure
from matplotlib import ticker

from experiments import study, style
from experiments.rtrl_vs_tbptt.murray import readings


def plot(results: study.Results) -> mpl_figure.Figure:
  """Draws learning curves, their differences, final losses and an output."""
  fig, axes = style.figure(2, 2, height=7.0)
  _plot_curves(axes[0, 0], results)
  _plot_differences(axes[0, 1], results)
  _plot_final(axes[1, 0], results)
  _plot_output(axes[1, 1], results)
  return fig


def _plot_curves(axes, results):
  bptt, rtrl = results.bptt, results.rtrl
  trials = np.arange(1, bptt.shape[1] + 1)
  for i, curve in enumerate(bptt):
    label = f"BPTT, {len(bptt)} networks" if i == 0 else None
    axes.loglog(
      trials, curve, color=style.PALETTE[4], linewidth=0.9, label=label
    )
  for i, curve in enumerate(rtrl):
    label = "RTRL, the same weights at the start" if i == 0 else None
    axes.loglog(
      trials[: len(curve)],
      curve,
      "--",
      color=style.PALETTE[1],
      linewidth=1.0,
      label=label,
    )
  for name, value, above in (
    ("BPTT", readings.PUBLISHED_BPTT, True),
    ("RFLO", readings.PUBLISHED_RFLO, False),
  ):
    axes.axhline(value, color=style.GREY, linestyle=":")
    axes.text(
      1.1,
      value * (1.05 if above else 0.92),
      f"published for {name}",
      color=style.GREY,
      va="bottom" if above else "top",
    )
  axes.set_ylim(bottom=7e-5)
  axes.set(
    title="One gradient, two algorithms",
    xlabel="trial",
    ylabel="loss, half the mean squared error",
  )
  axes.legend(loc="lower left", bbox_to_anchor=(0, 0.22))


def _plot_differences(axes, results):
  num_trials = results.rtrl.shape[1]
  trials = np.arange(1, num_trials + 1)
  for name, color, label in (
    ("nudged", style.GREY, "BPTT from weights changed in the last bit"),
    ("rtrl", style.PALETTE[1], "RTRL"),
  ):
    for i in range(len(results.rtrl)):
      curve = results.bptt[i, :num_trials]
      difference = np.abs(getattr(results, name)[i, :num_trials] / curve - 1)
      axes.loglog(
        trials,
        np.maximum(difference, 1e-8),  # Equal to the last bit: at the bottom.
        color=color,
        linewidth=0.9,
        label=label if i == 0 else None,
      )
  axes.set(
    title="Rounding takes over, in BPTT as well",
    xlabel="trial",
    ylabel="difference to the loss by BPTT, relative",
    ylim=(1e-8, 1e3),
  )
  axes.legend(loc="upper left")


def _plot_final(axes, results):
  """Draws the final losses of all networks, and the published ones."""
  num_trials = results.bptt.shape[1]
  for name, color, mark, label in (
    ("bptt", style.PALETTE[0], "o", "BPTT"),
    ("shifted", style.PALETTE[2], "s", "BPTT, shifted as published"),
    ("rtrl", style.PALETTE[1], "x", "RTRL"),
  ):
    if getattr(results, name).shape[1] != num_trials:
      continue
    final = np.sort(getattr(results, name)[:, -1])
    rank = (np.arange(len(final)) + 0.5) / len(final)
    axes.plot(final, rank, mark, ls="-", lw=0.8, color=color, label=label)
  for name, value, line in (
    ("BPTT", readings.PUBLISHED_BPTT, "--"),
    ("RFLO", readings.PUBLISHED_RFLO, ":"),
  ):
    label = f"published, {name}: {1e4 * value:.2f}"
    axes.axvline(value, color=style.GREY, linestyle=line, label=label)
  axes.set(
    title="One seed says little",
    xscale="log",
    xlabel=f"loss after {num_trials:,} trials ($10^{{-4}}$)",
    ylabel="share of networks below",
    xlim=(1.1e-4, 1.2e-2),
    ylim=(0, 1),
  )
  axes.xaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
  axes.xaxis.set_minor_locator(ticker.NullLocator())
  axes.xaxis.set_major_formatter(lambda x, _: f"{1e4 * x:g}")
  axes.legend(loc="lower right")


def _plot_output(axes, results):
  steps = np.arange(len(results.target))
  axes.plot(steps, results.target, color="k", linewidth=3, alpha=0.3)
  for name, label, color, line in (
    ("bptt", "BPTT", style.PALETTE[0], "-"),
    ("rtrl", "RTRL", style.PALETTE[1], "--"),
  ):
    num_trials = getattr(results, name).shape[1]
    axes.plot(
      steps,
      getattr(results, f"{name}_outputs")[0],
      line,
      color=color,
      linewidth=1.2,
      label=f"{label}, after {num_trials:,} trials",
    )
  by_bptt, by_rtrl = results.seconds * 10_000
  axes.set(
    title="What it draws (grey: the target)",
    xlabel=f"step (10,000 trials: BPTT {by_bptt:.1f} s, RTRL {by_rtrl:.0f} s)",
    ylabel="output $y_t$",
  )
  axes.legend()
