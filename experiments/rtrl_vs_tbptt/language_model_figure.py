"""Figure of the study of language models, from its stored arrays.

The arrays are described at `language_model.run`.
"""

import numpy as np
from matplotlib import figure as mpl_figure

from experiments import study, style
from experiments.rtrl_vs_tbptt import language_model_claims as claims_lib

_METHODS = {
  "ngram_sgd": ("n-gram model, SGD", style.PALETTE[5], "D", "--"),
  "ngram": ("n-gram model, Adam", style.PALETTE[1], "s", "-"),
  "segments": ("RNN, TBPTT(n): update every n", style.PALETTE[4], "v", "-"),
  "rolling": ("RNN, BPTT(1, n): update every 1", style.PALETTE[0], "o", "-"),
}


def plot(results: study.Results) -> mpl_figure.Figure:
  """Draws held-out bits per character against n, one panel a text."""
  gaps = [int(gap) for gap in results["gaps"]]
  fig, axes = style.figure(1, 1 + len(gaps), height=4.5)
  for row, panel in enumerate(axes):
    _plot_methods(panel, results, row)
    panel.set_xscale("log", base=2)
    panel.set_xticks(results["windows"], [str(n) for n in results["windows"]])
    panel.set_xlabel("n (characters)")
  axes[0].set_ylabel("held-out loss (bits per character)")
  axes[0].set_title("English")
  _plot_text_floors(axes[0], results)
  for gap, panel in zip(gaps, axes[1:], strict=True):
    panel.set_title(f"Brackets that match over {gap}")
    _plot_floors(panel, results, gap)
  handles, labels = axes[1].get_legend_handles_labels()
  num_seeds = results["rtrl"].shape[-1]
  fig.legend(
    handles,
    labels,
    loc="outside lower center",
    ncols=3,
    title=f"Lines: mean over {num_seeds} seeds; shades: all of them.",
  )
  return fig


def _plot_methods(axes, results, row):
  windows = results["windows"]
  for method, (label, color, marker, line) in _METHODS.items():
    losses = results[method][row]
    axes.plot(
      windows,
      losses.mean(axis=1),
      color=color,
      marker=marker,
      linestyle=line,
      label=label,
    )
    low, high = losses.min(axis=1), losses.max(axis=1)
    axes.fill_between(windows, low, high, color=color, alpha=0.18, lw=0)
  exact = results["rtrl"][row]
  green = style.PALETTE[2]
  axes.axhline(exact.mean(), color=green, label="RNN, RTRL: no truncation")
  axes.axhspan(exact.min(), exact.max(), color=green, alpha=0.18, lw=0)


def _plot_text_floors(axes, results):
  _plot_ticks(axes, results["windows"], results["text_floors"].mean(axis=1))
  unigram, bigram = results["text_counts"].mean(axis=1)
  axes.axhline(bigram, color=style.GREY, linewidth=0.8, linestyle="-.")
  losses = np.stack([results[method][0] for method in _METHODS])
  exact = results["rtrl"][0]
  low, high = min(losses.min(), exact.min()), max(losses.max(), bigram)
  axes.set_ylim(low - 0.05, high + 0.08)
  above = f"counting characters: {unigram:.2f} \u2191"
  for note, height, points, side in (
    ("counting pairs", bigram, 3, "bottom"),
    (above, high + 0.08, 0, "top"),
  ):
    axes.annotate(
      note,
      (0.98, height),
      xycoords=("axes fraction", "data"),
      xytext=(0, points),
      textcoords="offset points",
      color=style.GREY,
      fontsize=8,
      ha="right",
      va=side,
    )


def _plot_floors(axes, results, gap):
  windows = results["windows"]
  floors = [claims_lib.entropy(results, gap, int(n)) for n in windows]
  _plot_ticks(axes, windows, floors)
  rate = claims_lib.entropy(results, gap, None)
  axes.axhline(
    rate,
    color=style.GREY,
    linewidth=1.2,
    linestyle=":",
    label="entropy of the text: least of any model",
  )


def _plot_ticks(axes, windows, floors):
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
