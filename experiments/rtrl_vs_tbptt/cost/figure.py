"""Figure of the study of cost."""

import numpy as np
from matplotlib import figure as mpl_figure

from experiments import study, style
from experiments.rtrl_vs_tbptt.cost import readings

_MARKERS = ("s", "D", "o", "^", "v", "P")


def plot(results: study.Results) -> mpl_figure.Figure:
  """Draws operations, numbers and bytes by size, and times as bars."""
  fig, axes = style.figure(2, 2, height=7.6)
  methods, n = results.methods, results.units
  units = np.broadcast_to(n, (len(methods), len(n)))
  of_operations = [cost.operations for cost in methods.values()]
  _draw(axes[0, 0], units, of_operations, _exponent, "n")
  axes[0, 0].set(
    title="Operations of a step", xlabel="units n", ylabel="operations"
  )
  of_numbers = [cost.numbers for cost in methods.values()]
  _draw(axes[0, 1], units, of_numbers, _exponent, "n")
  axes[0, 1].set(
    title="Kept from one update to the next",
    xlabel="units n",
    ylabel="numbers",
  )
  for ax in axes[0]:
    ax.set_xticks(n, n)
    ax.minorticks_off()
  lengths = np.broadcast_to(results.lengths, (len(methods), 2))
  of_bytes = [cost.stream_bytes for cost in methods.values()]
  _draw(axes[1, 0], lengths, of_bytes, readings.growth, "T")
  axes[1, 0].set(
    title="Memory of a stream's program",
    xlabel=f"steps T of the stream (n = {n[0]})",
    ylabel="bytes",
    xticks=results.lengths,
    xticklabels=results.lengths,
  )
  axes[1, 0].minorticks_off()
  _draw_times(axes[1, 1], results)
  handles, labels = axes[0, 0].get_legend_handles_labels()
  fig.legend(handles, labels, loc="outside lower center", ncols=3)
  return fig


def _exponent(_, values):
  return readings.exponent(values)


def _draw(ax, sizes, values, exponent, letter):
  """One line a method, with the power of its end beside it."""
  ends = []
  for i, (name, x, y) in enumerate(
    zip(readings.NAMES, sizes, values, strict=True)
  ):
    ax.loglog(
      x,
      y,
      marker=_MARKERS[i],
      # Where lines lie on each other, both are seen.
      linestyle="--" if name in (readings.BLOCK, readings.TRUNCATED) else "-",
      color=style.PALETTE[i],
      label=name,
    )
    ends.append((y[-1], f"${letter}^{{{abs(exponent(x, y)):.1f}}}$", i))
  ax.margins(x=0.15, y=0.12)
  last = -np.inf
  for height, text, i in sorted(ends):
    height = max(height, last * 10 ** (0.05 * np.ptp(np.log10(ax.get_ylim()))))
    last = height
    ax.annotate(
      text,
      (x[-1], height),
      (7, 0),
      textcoords="offset points",
      color=style.PALETTE[i],
      fontsize=8.5,
      va="center",
    )


def _draw_times(ax, results):
  times = [float(cost.microseconds) for cost in results.methods.values()]
  places = np.arange(len(times))
  colors = style.PALETTE[: len(times)]
  ax.barh(places, times, color=colors, height=0.6)
  for place, value in zip(places, times, strict=True):
    ax.annotate(
      f"{value:,.0f}" if value > 10 else f"{value:.1f}",
      (value, place),
      (4, 0),
      textcoords="offset points",
      va="center",
    )
  ax.set(
    title="Time of a step on this machine",
    xscale="log",
    xlabel=f"microseconds (n = {results.units[-1]})",
    yticks=places,
    yticklabels=readings.NAMES,
  )
  ax.set_xlim(right=20 * max(times))
  ax.grid(visible=False, axis="y")
  ax.invert_yaxis()
