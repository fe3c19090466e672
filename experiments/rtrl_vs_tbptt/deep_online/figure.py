"""Figure of the study of online gradients in deep stacks."""

import numpy as np
from matplotlib import figure as mpl_figure

from experiments import study, style
from experiments.rtrl_vs_tbptt.deep_online import readings


def plot(results: study.Results) -> mpl_figure.Figure:
  """Draws cosines against depth, and of layers against those above."""
  fig, (left, right) = style.figure(1, 2, height=4.6)
  depth = readings.by_depth(results)
  times = ((0, "--"), (-1, "-"))
  for e, name in enumerate(readings.ESTIMATORS):
    for k, line in times:
      updates = results.checkpoints[k]
      _plot(
        left,
        results.num_layers[depth],
        results.cosine[:, depth, k, e],
        color=f"C{e}",
        linestyle=line,
        label=f"{name}, {updates} updates",
      )
  left.set(
    title="All layers",
    xlabel="layers of the stack",
    ylabel="cosine with the exact gradient",
    ylim=(0, 1.45),
  )
  left.set_xticks(results.num_layers[depth])
  cases = readings.deepest(results)
  colors = style.colors(len(cases))
  num_layers = results.num_layers.max()
  for case, color in zip(cases, colors, strict=True):
    for k, line in times:
      _plot(
        right,
        np.arange(num_layers),
        results.layer_cosine[:, case, k, 0, :num_layers],
        color=color,
        linestyle=line,
        label=f"$r_{{min}}$ = {results.r_min[case]:g}, "
        f"{results.checkpoints[k]} updates",
      )
  right.set(
    title=f"Each of {num_layers} layers, {readings.LAYERWISE}",
    xlabel="layers above it",
    ylim=(0, 1.45),
  )
  right.set_xticks(np.arange(num_layers))
  for axes in (left, right):
    axes.set_yticks(np.linspace(0, 1, 6))
    axes.set_xlim(left=axes.get_xticks()[0] - 0.15)
    axes.legend(
      loc="upper right", fontsize=8, ncols=1 + (axes is right), handlelength=3.5
    )
  return fig


def _plot(axes, x, samples, **look):
  mean, spread = samples.mean(axis=0), samples.std(axis=0)
  axes.plot(x, mean, marker="o", **look)
  axes.fill_between(
    x,
    mean - spread,
    np.minimum(mean + spread, 1),
    color=look["color"],
    alpha=0.12,
    lw=0,
  )
