"""Figures that stand in a page, and as files of their own."""

import re
from typing import Any

from experiments import style
from experiments.report import svg
from experiments.rtrl_vs_tbptt.alignment import readings

# Of a figure without a page around it.
_COLORS = {
  "paper": "#ffffff",
  "ink": "#262626",
  "grey": "#6e6e6e",
  "grid": "#e4e4e4",
}
_LINES = ("-", "--", ":", "-.")


def small(figure: str, caption: str) -> str:
  """Returns a figure as a file of its own, and as part of a page.

  Args:
    figure: What matplotlib wrote.
    caption: What is seen in it.

  Returns:
    SVG whose colours of paper and ink are those of the page around it, or of
    white paper where there is none.
  """
  inline = svg.inline(figure, "f", caption)  # No page has two of them.
  defaults = (
    f"--{color}-here: var(--{color}, {default})"
    for color, default in _COLORS.items()
  )
  inline = re.sub(r"var\(--(\w+)\)", r"var(--\1-here)", inline)
  return inline.replace('style="', f'style="{"; ".join(defaults)}; ', 1)


def cosines(name: str, rows: list[dict[str, Any]], made: dict[str, Any]) -> str:
  """Draws cosines along training, a panel for each task.

  Args:
    name: The estimator.
    rows: Those of alignment.json which it made.
    made: All of alignment.json; the other rows stand behind, in grey.

  Returns:
    SVG, as `small` makes it.
  """
  tasks = list(dict.fromkeys(row["task"] for row in rows))
  fig, axes = style.figure(1, len(tasks), height=3, sharey=True, squeeze=False)
  for panel, task in zip(axes[0], tasks, strict=True):
    for row in made["rows"]:
      if row["task"] == task and row["cell"] == readings.VANILLA:
        grey = {"color": style.GREY, "alpha": 0.35, "linewidth": 0.8}
        panel.plot(made["updates"], row["cosine_of_one"], **grey)
    for index, row in enumerate(r for r in rows if r["task"] == task):
      panel.plot(
        made["updates"],
        row["cosine_of_one"],
        color=style.PALETTE[index % len(style.PALETTE)],
        linestyle=_LINES[index % len(_LINES)],
        linewidth=2.4,
        label=label(row),
      )
    panel.set(title=task, xlabel="updates", ylim=(-0.1, 1.06))
    panel.set_xticks(made["updates"])
  axes[0, 0].set_ylabel("cosine with the exact gradient")
  handles, labels = axes[0, 0].get_legend_handles_labels()
  fig.legend(handles, labels, loc="outside lower center", ncols=3)
  caption = (
    f"Cosine of one estimate by {name} with the exact gradient along training; "
    "grey: the other estimators."
  )
  return small(style.save_svg(fig), caption)


def label(row: dict[str, Any]) -> str:
  """Returns how a row is called, with its cell where that is not the usual."""
  cell = "" if row["cell"] == readings.VANILLA else f" ({row['cell']})"
  return row["estimator"] + cell
