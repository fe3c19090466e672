"""Figure of the study of deep linear networks."""

import math

from matplotlib import figure as mpl_figure

from experiments import study, style
from experiments.gradient_flow.deep_linear import theory


def plot(results: study.Results) -> mpl_figure.Figure:
  """Draws the gradient against depth, and modes against training time."""
  fig, (left, right) = style.figure(1, 2, height=4.2)
  _plot_gradient(left, results)
  _plot_training(right, results)
  return fig


def _plot_gradient(axes, results):
  depths = results.depths
  expected = theory.log_gradients(results) / math.log(10)
  measured = results.log_gradient / math.log(10)
  marked = slice(None, None, max(1, len(depths) // 12))
  axes.axhspan(-38, 38.5, color="#eeeeee", zorder=0)
  axes.text(0.12 * depths[-1], 55, "range of float32", color=style.GREY)
  for factor, line, dots, color in zip(
    results.factors, expected, measured, style.PALETTE, strict=False
  ):
    axes.plot(depths, line, color=style.GREY, linewidth=1, zorder=1)
    axes.plot(depths[marked], dots[marked], "o", color=color)
    label = f" |w| = {factor:g}"
    axes.text(depths[-1], line[-1], label, color=color, va="center")
  axes.set(
    title="Gradient of the first weight (grey: formula)",
    xlabel="layers L",
    ylabel="log$_{10}$ |dL/dw$_{11}^{(1)}|$",
    xlim=(0, 1.3 * depths[-1]),
  )


def _plot_training(axes, results):
  times, strength = results.times, results.strengths[0]
  marked = slice(None, None, max(1, len(times) // 24))
  for size, line, curve, color in zip(
    results.num_matrices,
    theory.mode_strengths(results)[:, :, 0] / strength,
    results.modes[:, :, 0] / strength,
    style.colors(len(results.num_matrices)),
    strict=True,
  ):
    label = f"{size} matri{'x' if size == 1 else 'ces'}"
    axes.plot(times, line, color=style.GREY, linewidth=1, zorder=1)
    axes.plot(times[marked], curve[marked], "o", color=color, label=label)
  axes.set(
    title=f"Deep linear nets in training, mode s = {strength:g}",
    xlabel="learning rate × matrices D × steps",
    ylabel="u / s (grey: Saxe et al., eq. 15)",
    xlim=(0, 1.25 * float(times[-1])),
  )
  axes.legend(loc="lower right")
