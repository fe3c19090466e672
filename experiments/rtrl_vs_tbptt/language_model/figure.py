"""Figure of the study of language models."""

import numpy as np
from matplotlib import figure as mpl_figure

from experiments import study, style
from experiments.rtrl_vs_tbptt.language_model.readings import ENGLISH

_METHODS = {
  "ngram": ("n-gram model", style.PALETTE[1], "s", "-"),
  "segments": ("RNN, TBPTT(n): update every n", style.PALETTE[4], "v", "-"),
  "rolling": ("RNN, BPTT(1, n): update every 1", style.PALETTE[0], "o", "-"),
}


def plot(results: study.Results) -> mpl_figure.Figure:
  """Draws held-out bits per character against n, one panel a text."""
  titles = [f"Brackets that match over {gap}" for gap in results.gaps]
  fig, axes = style.figure(1, 1 + len(titles), height=4.5)
  for text, panel in enumerate(axes):
    _plot_methods(panel, results, text)
    panel.set_xscale("log", base=2)
    panel.set_xticks(results.windows, [str(n) for n in results.windows])
    panel.set(title=["English", *titles][text], xlabel="n (characters)")
  axes[0].set_ylabel("held-out loss (bits per character)")
  _plot_counting(axes[ENGLISH], results)
  for i, panel in enumerate(axes[1:]):
    _plot_floors(panel, results.windows, results.floors[i])
    panel.axhline(
      results.entropies[i],
      color=style.GREY,
      linewidth=1.2,
      linestyle=":",
      label="entropy of the text: least of any model",
    )
  fig.legend(
    *axes[1].get_legend_handles_labels(),
    loc="outside lower center",
    ncols=3,
    title=f"Lines: mean over {len(results.rtrl)} seeds; shades: 10th to 90th "
    "percentile.",
  )
  return fig


def _plot_methods(axes, results, text):
  windows = results.windows
  for method, (label, color, marker, line) in _METHODS.items():
    losses = getattr(results, method)[:, text]
    look = {"color": color, "marker": marker, "linestyle": line}
    style.band(axes, windows, losses, label=label, **look)
  exact = np.repeat(results.rtrl[:, text, None], len(windows), axis=1)
  label = "RNN, RTRL: no truncation"
  style.band(axes, windows, exact, color=style.PALETTE[2], label=label)


def _plot_counting(axes, results):
  """Draws what counting in the English text says."""
  _plot_floors(axes, results.windows, results.text_floors.mean(axis=0))
  unigram, bigram = results.text_counts.mean(axis=0)
  style.reference(axes, "counting pairs", y=bigram)
  losses = [
    getattr(results, name)[:, ENGLISH].mean(axis=0) for name in _METHODS
  ]
  low, high = np.min(losses), max(np.max(losses), bigram)
  axes.set_ylim(low - 0.2, high + 0.2)
  axes.annotate(
    f"counting characters: {unigram:.2f} \u2191",
    (0.98, 0.98),
    xycoords="axes fraction",
    color=style.GREY,
    fontsize=8.5,
    ha="right",
    va="top",
  )


def _plot_floors(axes, windows, floors):
  axes.plot(
    windows,
    floors,
    linestyle="none",
    marker="_",
    markersize=22,
    markeredgewidth=1.4,
    color=style.GREY,
    zorder=3,
    label="least of any model of n characters",
  )
