"""Figure of the study of the rank of what RFLO learns."""

import numpy as np
from matplotlib import figure as mpl_figure
from matplotlib import ticker

from experiments import study, style


def plot(results: study.Results) -> mpl_figure.Figure:
  """Draws the singular values of every method."""
  num_outputs = list(map(int, results.num_outputs))
  fig, axes = style.figure(
    1, len(num_outputs), height=3.9, sharey=True, squeeze=False
  )
  for i, (ax, m) in enumerate(zip(axes[0], num_outputs, strict=True)):
    for color, (method, values) in zip(
      style.PALETTE, results.singular.items(), strict=False
    ):
      relative = np.maximum(values[:, i] / values[:, i, :1], 1e-17)
      mean = np.exp(np.log(relative).mean(axis=0))
      rank = np.arange(1, len(mean) + 1)
      ax.plot(rank, mean, "o-", color=color, label=method, ms=3.5, lw=1.3)
    style.reference(ax, "bound", x=m + 0.5)
    ax.xaxis.set_major_locator(ticker.MaxNLocator(integer=True))
    ax.set_yscale("log")
    ax.set(title=f"m = {m}", xlabel="number of the singular value")
  axes[0, 0].set_ylabel("singular value over the first")
  handles, labels = axes[0, 0].get_legend_handles_labels()
  fig.legend(handles, labels, loc="outside lower center", ncols=len(labels))
  return fig
