"""Figure of the study of delayed addition."""

import numpy as np
from matplotlib import figure as mpl_figure

from experiments import study, style
from experiments.rtrl_vs_tbptt.delayed_addition import readings

_LIMITS = (0.44, 0.76)
_FROZEN_AT = -0.5  # Where the frozen recurrence is on the axis of windows.


def plot(results: study.Results) -> mpl_figure.Figure:
  """Draws learning curves, and loss and shares against the window."""
  pairs = results.delays
  fig, axes = style.figure(
    3, len(pairs), height=9.5, squeeze=False, sharey="row"
  )
  for d, (t1, t2) in enumerate(pairs):
    _plot_curves(axes[0, d], results, d)
    _plot_losses(axes[1, d], results, d)
    _plot_shares(axes[2, d], results, d)
    for ax, what in zip(
      axes[:, d], ("training", "truncation", "what is learned"), strict=True
    ):
      ax.set_title(f"$t_1$ = {t1}, $t_2$ = {t2}: {what}")
    for row in axes[:2, d]:
      _plot_floors(row, labelled=d + 1 == len(pairs))
  axes[0, 0].set_ylabel("training loss (nats)")
  axes[1, 0].set_ylabel("held-out loss (nats)")
  axes[2, 0].set_ylabel("share of the dependency learned")
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
  axes.set_ylim(*_LIMITS)


def _plot_curves(axes, results, d):
  t1 = int(results.delays[d, 0])
  shown = [(results.frozen, style.GREY, "recurrence frozen")]
  for k, color in ((t1 - 1, 1), (t1, 5), (t1 + 1, 2)):
    if str(k) in results.windows:
      learned = results.windows[str(k)]
      shown.append((learned, style.PALETTE[color], f"k = {k}"))
  shown.append((results.rtrl, style.PALETTE[0], "RTRL"))
  num_blocks = results.rtrl.curves.shape[-1]
  thousands = (np.arange(num_blocks) + 0.5) / num_blocks
  thousands *= float(results.num_steps) / 1000
  for learned, color, label in shown:
    look = {"color": color, "label": label}
    look["linestyle"] = "--" if label == "RTRL" else "-"  # Upon another.
    style.band(axes, thousands, learned.curves[:, d, -1], **look)
  rate = results.learning_rates[-1]
  axes.set_xlabel(f"steps of the stream (thousands), learning rate {rate:g}")
  axes.legend(loc="upper left", ncols=3)


def _window_axis(axes, results):
  """Labels the axis of windows and returns where RTRL is on it."""
  ticks = sorted({int(k) for k in (*results.windows, *results.segments)})
  last = max([*ticks, *results.delays[:, 1]]) + 2
  axes.set_xticks([_FROZEN_AT, *ticks, last], ["frozen", *ticks, "RTRL"])
  axes.set_xlabel("window k or segment K (steps)")
  return last


def _plot_losses(axes, results, d):
  last = _window_axis(axes, results)
  for i, rate in enumerate(results.learning_rates):
    color = style.PALETTE[0 if rate == results.learning_rates[-1] else 4]
    for at, group, label in (
      ([_FROZEN_AT], [results.frozen], None),
      (*_family(results.windows), f"BPTT(1, k), learning rate {rate:g}"),
      ([last], [results.rtrl], None),
    ):
      losses = [learned.losses[:, d, i] for learned in group]
      _points(axes, at, losses, "o-", color=color, label=label)
  at, group = _family(results.segments)
  _points(
    axes,
    at,
    [learned.losses[:, d, -1] for learned in group],
    "D",
    color=style.PALETTE[3],
    label="BPTT(K, K); small: each seed",
  )
  axes.legend(loc="upper right")


def _family(found):
  return [int(k) for k in found], list(found.values())


def _points(axes, x, losses, mark, **settings):
  """Draws the mean loss of methods and, small, every seed."""
  axes.plot(x, np.array(losses), ".", color=settings["color"], alpha=0.45, ms=4)
  axes.plot(x, np.mean(losses, axis=1), mark, **settings)


def _plot_shares(axes, results, d):
  last = _window_axis(axes, results)
  for i, delay in enumerate(results.delays[d]):
    color = (style.PALETTE[2], style.PALETTE[1])[i]
    for at, group, label in (
      ([_FROZEN_AT], [results.frozen], None),
      (*_family(results.windows), f"input {delay} steps ago"),
      ([last], [results.rtrl], None),
    ):
      shares = [learned.shares[:, d, -1, i].mean() for learned in group]
      axes.plot(at, shares, "o-", color=color, label=label)
    axes.axvline(delay + 0.5, color=color, linestyle=":", linewidth=1.2)
  axes.set_ylim(-0.05, 1.5)
  axes.legend(
    loc="upper left",
    ncols=2,
    title="dotted: from here on the window holds it",
    alignment="left",
  )
