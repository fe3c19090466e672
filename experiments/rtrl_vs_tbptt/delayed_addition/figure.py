"""Figure of the study of delayed addition."""

import numpy as np
from matplotlib import figure as mpl_figure

from experiments import study, style
from experiments.rtrl_vs_tbptt.delayed_addition import readings

_FROZEN_AT = 0  # Where the frozen recurrence is on the axis of windows.


def plot(results: study.Results) -> mpl_figure.Figure:
  """Draws learning curves, and the last losses against the window."""
  num_tasks = len(results.delays)
  fig, axes = style.figure(2, num_tasks, squeeze=False, sharey=True)
  for d, delays in enumerate(results.delays):
    _plot_curves(axes[0, d], results, d)
    _plot_losses(axes[1, d], results, d)
    for ax, what in zip(axes[:, d], ("training", "truncation"), strict=True):
      ax.set_title(f"{readings.task_name(delays)}: {what}")
      _plot_floors(ax, labelled=d + 1 == num_tasks)
  axes[0, 0].set_ylabel("training loss (nats)")
  axes[1, 0].set_ylabel("loss of the last tenth (nats)")
  return fig


def _plot_floors(axes, labelled):
  for name, floor in readings.FLOORS.items():
    axes.axhline(floor, color=style.GREY, linewidth=0.9, linestyle="--")
    if labelled:
      axes.annotate(
        f"{name}\n{floor:.4f}",
        (1.01, floor),
        xycoords=("axes fraction", "data"),
        color=style.GREY,
        fontsize=8,
        va="center",
      )
  axes.set_ylim(0.44, 0.76)


def _plot_curves(axes, results, d):
  t1 = int(results.delays[d, 0])
  windows = [readings.bptt(1, k) for k in (t1 - 1, t1, t1 + 1)]
  shown = (readings.FROZEN, *windows, readings.RTRL)
  num_blocks = results.curves[readings.RTRL].shape[-1]
  thousands = (np.arange(num_blocks) + 0.5) / num_blocks
  thousands *= float(results.num_steps) / 1000
  for i, name in enumerate(shown):
    if name in results.curves:
      look = {"color": style.PALETTE[i - 1], "label": name}
      look["linestyle"] = "--" if name == readings.RTRL else "-"
      style.band(axes, thousands, results.curves[name][:, d], **look)
  axes.set_xlabel("steps of the stream (thousands)")
  axes.legend(loc="upper left", ncols=2)


def _plot_losses(axes, results, d):
  windows, segments = map(list, (results.windows, results.segments))
  ticks = sorted({*windows, *segments})
  last = max([*ticks, *results.delays[:, 1]]) + 1
  for at, names, look in (
    ([_FROZEN_AT], [readings.FROZEN], {"color": style.GREY}),
    (windows, [readings.bptt(1, k) for k in windows], {"label": "BPTT(1, k)"}),
    (
      segments,
      [readings.bptt(k, k) for k in segments],
      {"label": "BPTT(K, K)", "linestyle": ":"},
    ),
    ([last], [readings.RTRL], {"color": style.PALETTE[2]}),
  ):
    losses = [readings.final(results, name)[:, d] for name in names]
    (line,) = axes.plot(at, np.mean(losses, axis=1), marker="o", **look)
    axes.plot(at, losses, ".", color=line.get_color(), alpha=0.45, ms=4)
  axes.set_xticks([_FROZEN_AT, *ticks, last], ["frozen", *ticks, "RTRL"])
  axes.set_xlabel("window k or segment K (steps); small: each seed")
  axes.legend(loc="upper right")
