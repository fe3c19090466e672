"""Figure of the study of whether the past of the gradient is needed."""

import numpy as np
from matplotlib import figure as mpl_figure

from experiments import study, style
from experiments.rtrl_vs_tbptt.is_rtrl_needed import readings

_ENDS = readings.RTRL, readings.FROZEN  # By which recovery is defined.


def plot(results: study.Results) -> mpl_figure.Figure:
  """Draws recovery, the longest delay, and the share of the past."""
  fig, axes = style.figure(2, 2, height=6.4)
  (recovery, losses), (share, sine) = axes
  _plot_recovery(recovery, results)
  _plot_losses(losses, results, -1)
  _plot_losses(sine, results, 0)
  _plot_share(share, results)
  handles, labels = losses.get_legend_handles_labels()
  fig.legend(handles, labels, loc="outside lower center", ncols=len(labels))
  return fig


def _methods(results):
  """Names and colours."""
  names = [name for name in results.curves if name not in _ENDS]
  order = sorted(
    names, key=(readings.READOUT, readings.IMMEDIATE, *names).index
  )
  return dict(zip(order, (style.GREY, *style.PALETTE[1:6]), strict=False))


def _plot_recovery(axes, results):
  methods = _methods(results)
  places = np.arange(len(results.tasks))
  for i, (method, color) in enumerate(methods.items()):
    at = places + 0.15 * (i - (len(methods) - 1) / 2)
    found = readings.recovery(results, method)
    spread = np.full(found.shape, at)
    axes.plot(spread.T, found.T, ".", color=color, alpha=0.4, ms=4)
    axes.plot(at, found.mean(axis=0), "_", color=color, ms=11, mew=2.2)
  low, high = 100 - readings.MARGIN, 100 + readings.MARGIN
  axes.axhspan(low, high, color=style.GREY, alpha=0.15, lw=0)
  axes.axhline(100, color=style.PALETTE[0], lw=1.2)
  axes.set_xticks(places, results.tasks)
  axes.grid(axis="x", visible=False)
  axes.set(
    title="What adaptation recovers, RTRL = 100",
    ylabel="recovery (%)",
    ylim=(35, 110),
  )


def _plot_losses(axes, results, task):
  steps = (np.arange(results.curves[readings.RTRL].shape[-1]) + 0.5) / 50
  steps *= float(results.num_steps)
  methods = {readings.RTRL: style.PALETTE[0], **_methods(results)}
  for method, color in methods.items():
    losses = results.curves[method][:, task]
    axes.plot(steps, losses.mean(axis=0), color=color, label=method, lw=1.5)
  frozen = readings.final(results, readings.FROZEN)[:, task].mean()
  style.reference(axes, readings.FROZEN, y=frozen)
  axes.set_yscale("log")
  axes.set(
    title=f"Loss after the change: {results.tasks[task]}",
    xlabel="steps since the change",
    ylabel="squared error",
  )


def _plot_share(axes, results):
  places = np.arange(len(results.tasks))
  for i, (place, label) in enumerate(
    (
      (readings.SHIFT, "at the change"),
      (readings.REST, "after the immediate gradient"),
    )
  ):
    share = results.share[:, place]
    at = places + 0.24 * (i - 0.5)
    look = {"color": style.PALETTE[(0, 6)[i]]}
    spread = np.full(share.shape, at)
    axes.plot(spread.T, share.T, ".", alpha=0.4, ms=4, **look)
    axes.plot(at, share.mean(axis=0), "_", ms=15, mew=2.5, label=label, **look)
  axes.set_xticks(places, results.tasks)
  axes.grid(axis="x", visible=False)
  axes.legend(loc="lower left")
  axes.set(
    title="How much of the gradient is past",
    ylabel="norm of the past by that of all",
    ylim=(0, 1.1),
  )
