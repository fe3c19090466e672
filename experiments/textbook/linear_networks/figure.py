"""Figure of the study of linear networks."""

import numpy as np
from matplotlib import figure as mpl_figure

from experiments import study, style

_SHOWN = (1, 2, 3, 5, 12, 18, 31)  # Modes in figure 3 of Saxe et al.


def plot(results: study.Results) -> mpl_figure.Figure:
  """Draws learning curves of modes, loss by rank, and two segments."""
  fig, (left, middle, right) = style.figure(
    1, 3, width=11.0, height=4.0, width_ratios=(1.5, 1.2, 1)
  )
  _plot_modes(left, results)
  _plot_ranks(middle, results)
  _plot_segments(right, results)
  return fig


def _plot_modes(axes, results):
  modes = results.modes
  shown = [i for i in _SHOWN if i <= len(modes.strengths)]
  epochs = np.arange(0, len(modes.curves), 5)
  for color, mode in zip(style.colors(len(shown)), shown, strict=True):
    axes.plot(epochs, modes.curves[epochs, mode - 1], color=color)
    axes.plot(
      epochs, modes.theory[epochs, mode - 1], "--", color=style.GREY, lw=1.3
    )
    axes.annotate(
      f"{mode}",
      (epochs[-1], modes.strengths[mode - 1]),
      (3, 0),
      textcoords="offset points",
      color=color,
      va="center",
    )
  axes.plot([], [], color="k", label="trained from small random weights")
  axes.plot([], [], "--", color=style.GREY, label="theory, equation 12")
  axes.set(
    title="Modes of a hierarchy, by number",
    xlabel="epochs",
    ylabel="strength u",
    ylim=(None, 1.3 * modes.strengths[0]),
  )
  axes.legend(loc="upper right")


def _plot_ranks(axes, results):
  fits, places = results.fits, np.arange(len(results.ranks))
  for color, losses, full, text in (
    ("C0", fits.cross_entropy, fits.cross_entropy_full, "cross-entropy (nats)"),
    ("C1", fits.squared, fits.squared_full, "squared loss"),
  ):
    x = np.repeat(places, losses.shape[1])
    axes.plot(x, losses.ravel(), "o", color=color, label=text)
    axes.axhline(full, color=color, linewidth=1)
  axes.plot([], [], color="k", linewidth=1, label="no hidden layer")
  axes.plot(
    places, fits.squared_theory, "--", color=style.GREY, label="least possible"
  )
  axes.plot(
    places,
    fits.wrong.mean(axis=1),
    "s:",
    color="C2",
    label="share of new digits misread",
  )
  axes.legend(loc="upper right")
  axes.set(
    title="Digits through few units",
    xlabel="linear hidden units",
    ylabel="loss of each start, or share",
    ylim=(0, None),
  )
  axes.set_xticks(places, results.ranks)


def _plot_segments(axes, results):
  segments = results.segments
  for losses, color, text in (
    (segments.network, "C0", "4 hidden units:\n(W₁, W₂) to (−W₁, −W₂)"),
    (segments.regression, "C1", "softmax regression:\nW to −W"),
  ):
    axes.plot(segments.position, losses, color=color, label=text)
  axes.plot([0, 1], segments.network[[0, -1]], "o", color="C0")
  highest = max(segments.network.max(), segments.regression.max())
  axes.set(
    title="Convex or not",
    xlabel="position on the segment",
    ylabel="cross-entropy (nats)",
    ylim=(0, 1.45 * highest),
  )
  axes.legend(loc="upper left")
