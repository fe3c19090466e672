"""Figure of the study of linear networks."""

import numpy as np
from matplotlib import figure as mpl_figure

from experiments import study, style
from experiments.textbook.linear_networks import readings

_SHOWN = (1, 2, 3, 5, 12, 18, 31)  # Modes in figure 3 of Saxe et al.


def plot(results: study.Results) -> mpl_figure.Figure:
  """Draws learning curves of modes, loss by rank, and two segments."""
  fig, axes = style.figure(
    1, 3, width=11.0, height=4.0, width_ratios=(1.5, 1.2, 1)
  )
  _plot_modes(axes[0], results.modes)
  _plot_ranks(axes[1], results.fits)
  _plot_segments(axes[2], results.fits)
  return fig


def _plot_modes(axes, modes):
  shown = [i - 1 for i in _SHOWN if i <= len(modes.strengths)]
  epochs = np.arange(0, len(modes.small), 5)
  theory = {"color": style.GREY, "linestyle": "--", "linewidth": 1.3}
  for color, i in zip(style.colors(len(shown)), shown, strict=True):
    axes.plot(epochs, modes.small[epochs, i], color=color)
    axes.plot(epochs, modes.theory[epochs, i], **theory)
    axes.annotate(
      f"{i + 1}",
      (epochs[-1], modes.strengths[i]),
      (3, 0),
      textcoords="offset points",
      color=color,
      va="center",
    )
  axes.plot([], [], color="k", label="trained from small random weights")
  axes.plot([], [], label="theory, equation 12", **theory)
  axes.set(
    title="Modes of a hierarchy, by number",
    xlabel="epochs",
    ylabel="strength u",
    ylim=(None, 1.3 * modes.strengths[0]),
  )
  axes.legend(loc="upper right")


def _plot_ranks(axes, fits):
  places = np.arange(len(readings.RANKS))
  axes.plot(places, fits.networks, "o", color="C0")
  style.reference(axes, "no hidden layer", y=float(fits.regression))
  axes.set(
    title="Digits through few units",
    xlabel="linear hidden units",
    ylabel="cross-entropy of each start (nats)",
    ylim=(0, None),
  )
  axes.set_xticks(places, readings.RANKS)


def _plot_segments(axes, fits):
  for losses, text in (
    (fits.along_network, "4 hidden units:\n(W₁, W₂) to (−W₁, −W₂)"),
    (fits.along_regression, "softmax regression:\nW to −W"),
  ):
    axes.plot(np.linspace(0, 1, len(losses)), losses, label=text)
  highest = max(fits.along_network.max(), fits.along_regression.max())
  axes.set(
    title="Convex or not",
    xlabel="position on the segment",
    ylabel="cross-entropy (nats)",
    ylim=(0, 1.45 * highest),
  )
  axes.legend(loc="upper left")
