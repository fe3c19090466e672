"""Figure of the study of alignment."""

import numpy as np
from matplotlib import figure as mpl_figure

from experiments import study, style
from experiments.rtrl_vs_tbptt.alignment import readings

_BLUE, _ORANGE, _GREEN, _PINK, _SKY, _AMBER, _BLACK = style.PALETTE
_LOOKS = {
  readings.RTRL: (_BLACK, ":"),
  readings.bptt(1, readings.WINDOWS[1]): (_BLUE, "--"),
  readings.bptt(1, readings.WINDOWS[2]): (_BLUE, "-"),
  readings.snap(1): (_GREEN, "-"),
  readings.SKETCH: (_GREEN, "--"),
  readings.RFLO: (_PINK, "-"),
  readings.RANDOM_EPROP: (_PINK, "--"),
  readings.UORO: (_ORANGE, "-"),
  readings.KF: (_ORANGE, "--"),
  readings.OK_MORE: (_ORANGE, ":"),
  readings.ARTBP: (_AMBER, "-"),
  readings.NRES: (_SKY, "-"),
}
_NONE = 0.02  # Where on the axis of distances those stand that have no noise.
_LEAST = 0.005  # A smaller bias is drawn here.


def plot(results: study.Results) -> mpl_figure.Figure:
  """Draws cosines along training by task, and biases against distances."""
  in_order = np.unique(results.task, return_index=True)[1]
  tasks = [str(results.task[i]) for i in sorted(in_order)]
  num_rows = len(tasks) // 2 + 1
  fig, axes = style.figure(num_rows, 2, height=4.1 * num_rows, squeeze=False)
  panels = list(np.ravel(axes))
  for panel, task in zip(panels, tasks, strict=False):
    _plot_cosines(panel, results, task)
  for panel in panels[: len(tasks) : 2]:
    panel.set_ylabel("cosine of one estimate")
  for panel in panels[len(tasks) + 1 :]:
    panel.remove()
  _plot_biases(panels[len(tasks)], results, tasks[0])
  handles, labels = panels[0].get_legend_handles_labels()
  fig.legend(handles, labels, loc="outside lower center", ncols=4)
  return fig


def _plot_cosines(panel, results, task):
  for name, (color, line) in _LOOKS.items():
    found = readings.along(results, "cosine_of_one", name)
    if task in found:
      cosine = found[task].mean(axis=0)
      look = {"color": color, "linestyle": line, "label": name}
      panel.plot(results.checkpoints, cosine, **look)
  panel.axhline(0, color=style.GREY, linewidth=0.9)
  panel.set(
    title=task,
    xlabel="updates",
    ylim=(-0.1, 1.04),
  )
  panel.set_xticks(results.checkpoints)


def _plot_biases(panel, results, task):
  groups = [], []  # Not random, random.
  for name in dict.fromkeys(results.estimator):
    row = readings.rows(results, name).get(task)
    if row is not None:
      bias = np.maximum(readings.own_bias(results, row)[:, 0].mean(), 0) ** 0.5
      distance = np.mean(results.errors.deviation[:, row, 0] ** 2) ** 0.5
      is_random = int(results.is_random[row])
      x = distance if is_random else _NONE
      groups[is_random].append((max(bias, _LEAST), x, str(name)))
  panel.set(xscale="log", yscale="log")
  for spots in filter(None, groups):
    ys, xs, names = zip(*sorted(spots), strict=True)
    colors = [_LOOKS.get(name, (style.GREY,))[0] for name in names]
    panel.scatter(xs, ys, s=20, c=colors)  # One mark for all: a small file.
    heights = 10 ** np.array(_spread(np.log10(ys), 0.155))
    for x, y, name, color, at in zip(
      xs, ys, names, colors, heights, strict=True
    ):
      panel.plot([x, 1.3 * x], [y, at], color=color, linewidth=0.5)
      panel.text(1.35 * x, at, name, color=color, size=7.5, va="center")
  panel.set(
    title=f"{task}, start",
    xlabel="distance of one estimate (left: no noise)",
    ylabel="bias",
    ylim=(_LEAST / 1.5, 12),
    xlim=(_NONE / 1.5, 1500),
  )
  panel.minorticks_off()


def _spread(heights, gap):
  """Moves ascending heights up until they are a gap apart."""
  placed = []
  for height in heights:
    placed.append(max(height, placed[-1] + gap) if placed else height)
  return placed
