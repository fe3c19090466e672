"""Figure of the study of digit codes."""

import numpy as np
from matplotlib import figure as mpl_figure

from experiments import measure, study, style

_KINDS = {
  "ten": ("ten outputs, the largest", "o-", style.PALETTE[0]),
  "designed": ("ten outputs, designed layer", "s--", style.PALETTE[1]),
  "deep": ("ten then four, trained as a whole", "^-", style.PALETTE[2]),
  "bits": ("four outputs, trained", "D-", style.PALETTE[3]),
}


def plot(results: study.Results) -> mpl_figure.Figure:
  """Draws the margins of the bits, errors by size, and their differences."""
  fig, axes = style.figure(1, 3, width=12.0, height=4.5)
  _plot_margins(axes[0], results.layer.margins["zero first"])
  _plot_sizes(axes[1], results)
  _plot_lost(axes[2], results)
  fig.legend(
    *axes[1].get_legend_handles_labels(), loc="outside lower center", ncols=4
  )
  return fig


def _plot_margins(axes, margins):
  for bit in range(4):
    places = np.arange(10) + 0.16 * (bit - 1.5)
    axes.plot(places, margins[:, bit], "o^sD"[bit], label=f"bit {bit}")
  style.reference(axes, "0.90", y=0.9)
  axes.set(
    title="Designed layer: the worst margin",
    xlabel="digit",
    ylabel="±z of the bit, least over admissible inputs",
    xticks=range(10),
    ylim=(0.89, 1.0),
  )
  axes.legend(ncols=4, loc="upper center", columnspacing=1, handletextpad=0.2)


def _plot_sizes(axes, results):
  sizes = results.hidden_sizes
  for i, (name, (label, shape, color)) in enumerate(_KINDS.items()):
    errors = 1 - results.accuracy[name]
    middle = errors.mean(axis=0)
    spread = np.abs(np.quantile(errors, [0, 1], axis=0) - middle)
    axes.errorbar(
      sizes * 1.05 ** (i - 1.5), middle, spread, fmt=shape, capsize=2,
      linewidth=1.3, label=label, color=color,
    )  # fmt: skip
  ticks = (0.01, 0.02, 0.05, 0.1, 0.2)
  axes.set(
    title="Test error (mean, range of seeds)",
    xlabel="hidden neurons",
    ylabel="share of test images misread",
    yscale="log",
  )
  axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
  _at_sizes(axes, sizes)


def _plot_lost(axes, results):
  sizes = results.hidden_sizes
  for i, name in enumerate(("deep", "bits")):
    lost = results.accuracy["designed"] - results.accuracy[name]
    _, shape, color = _KINDS[name]
    points = [measure.mean(100 * values) for values in lost.T]
    middle = np.array([point.value for point in points])
    limits = np.array([point.limits(0.99) for point in points]).T
    axes.errorbar(
      sizes * 1.05 ** (i - 0.5), middle, np.abs(limits - middle), fmt=shape,
      capsize=3, color=color,
    )  # fmt: skip
  axes.set(
    title="What four outputs lose",
    xlabel="hidden neurons",
    ylabel="points of accuracy, 99 % limits",
  )
  axes.set_ylim(bottom=min(0, axes.get_ylim()[0]))
  axes.axhline(0, color=style.GREY, linewidth=0.8)
  _at_sizes(axes, sizes)


def _at_sizes(axes, sizes):
  axes.set_xscale("log")
  axes.set_xticks(sizes, sizes)
  axes.minorticks_off()
