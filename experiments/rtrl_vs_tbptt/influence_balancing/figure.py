"""Figure of the study of influence balancing."""

import numpy as np
from matplotlib import figure as mpl_figure

from experiments import study, style
from experiments.rtrl_vs_tbptt.influence_balancing import theory


def plot(results: study.Results) -> mpl_figure.Figure:
  """Draws the credited influence, and theta during the training."""
  fig, (left, right) = style.figure(1, 2, height=4.2)
  num_terms = len(results.windows.credits)
  expected = theory.predict(*results.chain, num_terms)
  _plot_credit(left, results, expected)
  _plot_training(right, results, expected)
  return fig


def _plot_credit(axes, results, expected):
  axes.axhline(0, color=style.GREY, linewidth=0.8)
  for color, label, curve, measured in (
    ("C0", "BPTT(1, k)", expected.partial_sums, results.windows.credits),
    ("C1", "BPTT(K, K)", expected.means, results.segments.credits),
  ):
    k = np.arange(1, len(curve) + 1)
    axes.plot(k, curve, color=color, label=f"{label}, theory")
    axes.plot(k[4::10], measured[4::10], "o", color=color, label="measured")
    threshold = theory.first_negative(measured)
    axes.axvline(threshold, color=color, linestyle=":", linewidth=1.2)
    axes.text(threshold + 2, 0.4, f"{threshold:.0f}", color=color)
  credit = float(results.rtrl_credit)
  style.reference(axes, f"RTRL: {credit:g}", y=credit)
  axes.set(
    title="What a gradient takes for d$s_1$/d$\\theta$",
    xlabel="truncation k or K (steps)",
    ylabel="influence, stationary state",
  )
  axes.legend(loc="upper right")


def _plot_training(axes, results, expected):
  updates, curves = results.updates, [("RTRL", "k", results.rtrl[0, 0])]
  for color, text, truncated, first_right in (
    ("C0", "BPTT(1, {})", results.windows, expected.window),
    ("C1", "BPTT({0}, {0})", results.segments, expected.segment),
  ):
    shown = (10, first_right - 1, first_right)
    for i, k in enumerate(truncated.truncations):
      if k in shown[color != "C0" :]:
        curves.append((text.format(k), color, truncated.theta[0, i, 0]))
  low, high = expected.optimum - 0.25, results.rtrl[0, 0, 0] + 0.9
  for label, color, theta in curves:
    axes.plot(updates, theta, color=color)
    last = np.flatnonzero((low <= theta) & (theta <= high))[-1]
    side = "bottom" if theta[0] < theta[-1] < high else "top"
    axes.text(updates[last], theta[last], f" {label}", color=color, va=side)
  axes.axhline(expected.optimum, color=style.GREY, ls=":", lw=1.2)
  axes.text(updates[33], expected.optimum, "optimum", color="grey", va="top")
  axes.set(
    title=f"Training at learning rate {results.learning_rates[0]:g}",
    xlabel="updates of $\\theta$",
    ylabel="$\\theta$",
    ylim=(low, high),
    xlim=(0, 1.35 * updates[-1]),
  )
