"""Figure of the study of the copy curriculum."""

import numpy as np
from matplotlib import figure as mpl_figure

from experiments import study, style
from experiments.rtrl_vs_tbptt.copy_curriculum import readings


def plot(results: study.Results) -> mpl_figure.Figure:
  """Draws the lengths reached, and the steps it took."""
  fig, (left, right, sparse) = style.figure(1, 3, height=3.8)
  names = list(results.lengths)
  _, goal = readings.goal(results.lengths, int(results.ranks.max()))
  thousands = int(results.num_steps) / 1000
  for row, (name, lengths) in enumerate(results.lengths.items()):
    color = style.PALETTE[row % len(style.PALETTE)]
    line = "--" if name.startswith("OK") else "-"  # OK lies on RTRL.
    course = lengths.mean(axis=0)
    at = np.arange(1, course.size + 1) * thousands / course.size
    left.plot(at, course, line, color=color, label=name)
    steps = readings.steps_to(goal, lengths, int(results.num_steps))
    _scatter(right, row, *steps)
  left.set(
    title="Mean length reached",
    xlabel="steps (thousands)",
    ylabel="length T of the curriculum",
    yticks=range(1, 1 + max(a.max() for a in results.lengths.values())),
  )
  left.legend(loc="lower right")
  _label(right, names, f"Steps to length {goal}", thousands)
  goal, num_steps = readings.sparse_goal(results.sparse), results.sparse_steps
  for row, lengths in enumerate(results.sparse.values()):
    _, *steps = readings.at_best(goal, lengths, int(num_steps))
    _scatter(sparse, row, *steps)
  title = f"Sparse, to length {goal}"
  _label(sparse, list(results.sparse), title, num_steps / 1000)
  return fig


def _scatter(axes, row, steps, reached):
  color = style.PALETTE[row % len(style.PALETTE)]
  rows = row + np.linspace(-0.25, 0.25, len(steps))
  faces = np.where(reached, color, "none")
  axes.scatter(steps / 1000, rows, 26, facecolors=faces, edgecolors=color)


def _label(axes, names, title, thousands):
  axes.set(
    title=title,
    xlabel="steps (thousands)",
    xlim=(0, 1.05 * thousands),
    yticks=range(len(names)),
    yticklabels=names,
    ylim=(len(names) - 0.5, -0.5),
  )
