"""Figure of the study of linear networks, from its stored arrays.

The arrays are described at `linear_networks.run`.
"""

import numpy as np
from matplotlib import figure as mpl_figure

from experiments import study, style
from nnfun.theory import deep_linear

_SHOWN = (1, 2, 3, 5, 12, 18, 31)  # Modes in figure 3 of Saxe et al.


def draw(results: study.Results) -> mpl_figure.Figure:
  """Draws learning curves of modes, loss by rank, and two segments."""
  fig, (left, middle, right) = style.figure(
    1, 3, width=11.0, height=4.0, width_ratios=(1.5, 1.2, 1)
  )
  _plot_modes(left, results)
  _plot_ranks(middle, results)
  _plot_segments(right, results)
  return fig


def _plot_modes(axes, results):
  s, tau = results["strengths"], 1 / float(results["learning_rate"])
  shown = [i for i in _SHOWN if i <= len(s)]
  epochs = np.arange(0, results["small"].shape[1], 5)
  for color, mode in zip(style.colors(len(shown)), shown, strict=True):
    target = s[mode - 1]
    theory = deep_linear.mode_strength(
      epochs * 1.0, target, float(results["u_0"]), tau=tau
    )
    axes.plot(epochs, results["small"][0, epochs, mode - 1], color=color)
    axes.plot(epochs, theory, "--", color=style.GREY, linewidth=1.3)
    axes.annotate(
      f"{mode}",
      (epochs[-1], target),
      (3, 0),
      textcoords="offset points",
      color=color,
      va="center",
    )
  axes.plot([], [], color="k", label="trained from small random weights")
  axes.plot([], [], "--", color=style.GREY, label="theory, equation 12")
  axes.set(
    title="Modes of a hierarchy, three layers",
    xlabel="epochs (number: of the mode)",
    ylabel="strength u",
    ylim=(None, 1.25 * s[0]),
  )
  axes.legend(loc="upper right")


def _plot_ranks(axes, results):
  ranks = results["ranks"]
  places = np.arange(len(ranks))
  for name, color, text in (
    ("entropy", style.PALETTE[0], "cross-entropy"),
    ("squared", style.PALETTE[1], "squared loss"),
  ):
    losses = results[name]
    x = np.repeat(places, losses.shape[1])
    axes.plot(x, losses.ravel(), "o", color=color, label=text)
    axes.axhline(results[f"{name}_full"], color=color, linewidth=1)
  axes.plot(places, results["squared_theory"], "--", color=style.GREY)
  axes.plot(
    places,
    results["test_wrong"].mean(axis=1),
    "s:",
    color=style.PALETTE[2],
    label="error on new digits",
  )
  axes.legend(loc="upper right", bbox_to_anchor=(1.0, 0.84))
  axes.set(
    title="Digits through few units",
    xlabel="linear hidden units",
    ylabel="loss of each start, or error",
    ylim=(0, None),
  )
  axes.text(
    0.98,
    0.97,
    "lines: no hidden layer\ndashed: least squared loss",
    color=style.GREY,
    transform=axes.transAxes,
    ha="right",
    va="top",
  )
  axes.set_xticks(places, ranks)


def _plot_segments(axes, results):
  for name, color, text in (
    (
      "network_segment",
      style.PALETTE[0],
      "4 hidden units:\n(W₁, W₂) to (−W₁, −W₂)",
    ),
    ("regression_segment", style.PALETTE[1], "softmax regression:\nW to −W"),
  ):
    axes.plot(results["position"], results[name], color=color, label=text)
  axes.plot([0, 1], results["network_segment"][[0, -1]], "o", color="C0")
  axes.set(
    title="Convex or not",
    xlabel="position on the segment",
    ylabel="cross-entropy",
    ylim=(0, None),
  )
  axes.legend(loc="upper left")
