"""Figure of the study of influence balancing."""

import numpy as np
from matplotlib import figure as mpl_figure

from experiments import study, style
from experiments.rtrl_vs_tbptt.influence_balancing import readings, theory


def plot(results: study.Results) -> mpl_figure.Figure:
  """Draws the credited influence, and theta during the training."""
  fig, (left, right) = style.figure(1, 2, height=4.2)
  _plot_credit(left, results)
  _plot_training(right, results)
  return fig


def _plot_credit(axes, results):
  expected, credits = readings.theory_of(results), results.credits
  axes.axhline(0, color=style.GREY, linewidth=0.8)
  for color, label, curve, measured in (
    ("C0", "BPTT(1, k)", expected.partial_sums, credits.windows),
    ("C1", "BPTT(K, K)", expected.means, credits.segments),
  ):
    k = np.arange(1, len(curve) + 1)
    axes.plot(k, curve, color=color, label=f"{label}, theory")
    axes.plot(k[4::10], measured[4::10], "o", color=color, label="measured")
    threshold = theory.first_negative(measured)
    axes.axvline(threshold, color=color, linestyle=":", linewidth=1.2)
    axes.text(threshold + 2, 0.4, f"{threshold:.0f}", color=color)
  style.reference(axes, f"RTRL: {float(credits.rtrl):g}", y=float(credits.rtrl))
  axes.set(
    title="What a gradient takes for d$s_1$/d$\\theta$",
    xlabel="truncation k or K (steps)",
    ylabel="influence, stationary state",
  )
  axes.legend(loc="upper right")


def _plot_training(axes, results):
  expected = readings.theory_of(results)
  axes.axhline(expected.optimum, color=style.GREY, linestyle=":", linewidth=1.2)
  start = float(results.rtrl[0, 0, 0])
  span = start - expected.optimum or 1.0
  limits = sorted((expected.optimum - 0.35 * span, start + 1.35 * span))
  below = expected.optimum - 0.03 * span
  axes.text(30, below, "optimum", color=style.GREY, va="top")
  curves = [("RTRL", "k", results.rtrl)]
  for color, text, trained, threshold, shown in (
    ("C0", "BPTT(1, {})", results.windows, expected.window, 10),
    ("C1", "BPTT({0}, {0})", results.segments, expected.segment, 100),
  ):
    for i, k in enumerate(trained.truncations):
      if k in (shown, threshold - 1, threshold):
        curves.append((text.format(k), color, trained.theta[:, i]))
  for label, color, curve in curves:
    theta, updates = curve[0, 0], np.arange(curve.shape[-1])
    updates *= int(results.stride)
    axes.plot(updates, theta, color=color)
    last = np.flatnonzero((limits[0] <= theta) & (theta <= limits[1]))[-1]
    rises = expected.optimum < start < theta[-1] <= limits[1]
    axes.annotate(
      label,
      (updates[last], theta[last]),
      (3, 0),
      textcoords="offset points",
      color=color,
      va="bottom" if rises else "top",
    )
  axes.set(
    title=f"Training at learning rate {results.learning_rates[0]:g}",
    xlabel="updates of $\\theta$",
    ylabel="$\\theta$",
    ylim=limits,
    xlim=(0, 1.35 * updates[-1]),
  )
