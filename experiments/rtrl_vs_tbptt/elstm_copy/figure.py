"""Figure of the study of copies by an eLSTM."""

import numpy as np
from matplotlib import figure as mpl_figure

from experiments import study, style


def plot(results: study.Results) -> mpl_figure.Figure:
  """Draws the shares of patterns along training, and after it by length."""
  fig, (left, right) = style.figure(1, 2, height=3.6)
  thousands = int(results.num_sequences) / 1000
  for i, (name, shares) in enumerate(results.shares.items()):
    at = np.arange(1, shares.shape[1] + 1) * thousands / shares.shape[1]
    look = {"color": style.PALETTE[i % len(style.PALETTE)], "label": name}
    # Lengths are as frequent as each other, as in training.
    style.band(left, at, shares.mean(axis=2), **look)
    lengths = np.arange(1, shares.shape[2] + 1)
    right.plot(lengths, shares[:, -1].mean(axis=0), "o-", **look)
  left.set(
    title="All patterns",
    xlabel="sequences (thousands)",
    ylabel="share said without an error",
    ylim=(0, 1.03),
  )
  left.legend(loc="lower right")
  right.set(
    title="After training, by length",
    xlabel="bits of a pattern, and steps to its copy",
    xticks=lengths,
    ylim=(0, 1.03),
  )
  return fig
