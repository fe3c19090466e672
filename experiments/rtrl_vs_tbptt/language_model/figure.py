"""Figure of the study of language models."""

import numpy as np
from matplotlib import figure as mpl_figure

from experiments import study, style

_METHODS = {
  "ngram": ("n-gram model", style.PALETTE[1], "s"),
  "segments": ("RNN, TBPTT(n): update every n", style.PALETTE[4], "v"),
  "rolling": ("RNN, BPTT(1, n): update every 1", style.PALETTE[0], "o"),
  "rtrl": ("RNN, RTRL: no truncation", style.PALETTE[2], ""),
}
_ONLINE = {  # Of the first and the last text; n does not matter to them.
  "SnAp-1": (style.PALETTE[3], "--"),
  "UORO": (style.PALETTE[5], "--"),
  "e-prop": (style.PALETTE[6], "--"),
  "eLSTM": (style.PALETTE[2], "-."),
  "LRU": (style.PALETTE[3], "-."),
}


def plot(results: study.Results) -> mpl_figure.Figure:
  """Draws held-out bits per character against n, one panel a text."""
  titles = ["English", *(f"Brackets that match over {g}" for g in results.gaps)]
  floors = [results.text_floors.mean(axis=0), *results.floors]
  windows = results.windows
  fig, axes = style.figure(1, len(titles), height=4.5)
  for text, panel in enumerate(axes):
    for method, (label, color, marker) in _METHODS.items():
      losses = getattr(results, method)[:, text]
      if losses.ndim == 1:
        losses = np.repeat(losses[:, None], len(windows), axis=1)
      look = {"color": color, "marker": marker, "label": label}
      style.band(panel, windows, losses, **look)
    if text in (0, len(titles) - 1):
      for name, (color, line) in _ONLINE.items():
        bits = results.online[name][:, min(text, 1)].mean()
        label = f"RNN, {name}" if line == "--" else f"{name}, diagonal RTRL"
        panel.axhline(bits, color=color, ls=line, lw=1.3, label=label)
    lowest, _ = panel.get_ylim()
    panel.plot(
      windows,
      floors[text],
      linestyle="none",
      marker="_",
      markersize=22,
      color=style.GREY,
      label="least of any model of n characters",
    )
    # On English it falls far below: what follows n characters can be learned
    # by heart.
    panel.set_ylim(bottom=lowest)
    panel.set_xscale("log", base=2)
    panel.set_xticks(windows, [str(n) for n in windows])
    panel.set(title=titles[text], xlabel="n (characters)")
  for panel, entropy in zip(axes[1:], results.entropies, strict=True):
    label = "entropy of the text: least of any model"
    panel.axhline(entropy, color=style.GREY, linestyle=":", label=label)
    panel.set_ylim(bottom=entropy - 0.05)
  axes[0].set_ylabel("held-out loss (bits per character)")
  fig.legend(
    *axes[-1].get_legend_handles_labels(),
    loc="outside lower center",
    ncols=3,
    title=f"Lines: mean over {len(results.rtrl)} seeds; shades: 10th to 90th "
    "percentile.",
  )
  return fig
