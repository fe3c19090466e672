"""The figure of the study of cost."""

from collections.abc import Mapping

import numpy as np
from matplotlib import figure as mpl_figure

from experiments import style
from experiments.rtrl_vs_tbptt import cost_claims

_MARKERS = ("s", "D", "o", "^", "v", "P")


def plot(results: Mapping[str, np.ndarray]) -> mpl_figure.Figure:
  """Draws time and memory, against n above and against T below.

  Args:
    results: what `run` returned.

  Returns:
    The figure.
  """
  fig, axes = style.figure(2, 2, height=8.2)
  units, lengths = results["units"], results["lengths"]
  panels = (
    (axes[0, 0], units, "microseconds", "Time of a step"),
    (axes[0, 1], units, "state_bytes", "Memory between two updates"),
    (axes[1, 0], lengths, "run_microseconds", "Time of a stream"),
    (axes[1, 1], lengths, "run_bytes", "Memory of a stream"),
  )
  for ax, sizes, key, title in panels:
    values = results[key]
    _draw(ax, np.broadcast_to(sizes, values.shape), values)
    of_time = key.endswith("microseconds")
    ax.set(title=title, ylabel="microseconds" if of_time else "bytes")
  for ax in axes[0]:
    ax.set_xlabel("units n")
  for ax in axes[1]:
    ax.set_xlabel(f"steps T (n = {results['length_units']})")
    ax.set_xticks(lengths, [str(T) for T in lengths])
    ax.minorticks_off()
  handles, _ = axes[0, 0].get_legend_handles_labels()
  fig.legend(
    handles,
    cost_claims.NAMES,
    title="with the fitted exponent at the end of each line",
    loc="outside lower center",
    ncols=3,
  )
  return fig


def _draw(ax, sizes, values):
  """One line a method, with its fitted exponent at the end of it."""
  for i, name in enumerate(cost_claims.NAMES):
    power = round(cost_claims.exponent(sizes[i], values[i]), 1)
    ax.loglog(
      sizes[i],
      values[i],
      marker=_MARKERS[i],
      # Textbook and lazy lie on each other where both carry all of J.
      linestyle="--" if i == cost_claims.LAZY else "-",
      color=style.PALETTE[i],
      label=name,
    )
    ax.annotate(
      f"{power + 0.0:.1f}",
      (sizes[i][-1], values[i][-1]),
      xytext=(6, 0),
      textcoords="offset points",
      color=style.PALETTE[i],
      fontsize=8.5,
      va="center",
    )
  ax.margins(x=0.12)
