"""The figure of a sweep: curves of the best settings, and where all end."""

import numbers
import textwrap
from collections.abc import Sequence

import numpy as np
from matplotlib import figure as mpl_figure

from experiments import style
from launch import tables

_MAX_LINES = len(style.PALETTE)


def draw(
  fields: Sequence[str], rows: Sequence[tables.Row], quantity: str
) -> mpl_figure.Figure:
  """Draws curves with their spread over seeds, and the ends by setting.

  Args:
    fields: What was varied.
    rows: What `tables.ranked` returns.
    quantity: What the curves show.
  """
  has_curves = rows[0].curves.shape[1] > 1
  fig, axes = style.figure(ncols=1 + has_curves, squeeze=False, height=4.4)
  quantity = textwrap.fill(quantity, 34)
  if has_curves:
    _draw_curves(axes[0, 0], fields, rows[:_MAX_LINES], quantity)
    is_part = len(rows) > _MAX_LINES
    axes[0, 0].set_title("Curves of the first" if is_part else "Curves")
  _draw_ends(axes[0, -1], fields, rows, quantity)
  return fig


def _draw_curves(axes, fields, rows, quantity):
  for row in rows:
    points = np.arange(1, row.curves.shape[1] + 1) / row.curves.shape[1]
    name = ", ".join(map(_short, row.setting)) or "default"
    style.band(axes, points, row.curves, label=name)
  values = np.concatenate([row.curves.ravel() for row in rows])
  values = values[np.isfinite(values)]
  if values.size and values.min() > 0 and values.max() > 30 * values.min():
    axes.set_yscale("log")
  axes.set(xlabel="share of the run", ylabel=quantity)
  _legend(axes, fields)


def _draw_ends(axes, fields, rows, quantity):
  """Ends against the number with most values, a line for each of the rest."""
  ends = [row for row in rows if not row.num_diverged]
  columns = list(zip(*(row.setting for row in ends), strict=True))
  are_numbers = [all(map(_is_number, column)) for column in columns]
  counts = [
    len(set(column)) * is_number
    for column, is_number in zip(columns, are_numbers, strict=True)
  ]
  axes.set(title="Ends")
  if max(counts, default=0) < 2:
    places = np.arange(len(ends))
    _points(axes, places, ends)
    labels = [", ".join(map(_short, row.setting)) or "default" for row in ends]
    axes.set_xticks(places, labels, rotation=30, ha="right")
    axes.set(xlabel=", ".join(fields), ylabel=quantity)
    return
  along = int(np.argmax(counts))
  lines: dict[tuple, list] = {}
  for row in ends:
    rest = row.setting[:along] + row.setting[along + 1 :]
    lines.setdefault(rest, []).append(row)
  for rest, members in list(lines.items())[:_MAX_LINES]:
    members.sort(key=lambda row: row.setting[along])
    places = np.array([row.setting[along] for row in members], float)
    _points(axes, places, members, ", ".join(map(_short, rest)), joined=True)
  values = np.array(columns[along], float)
  if values.min() > 0 and values.max() >= 8 * values.min():
    axes.set_xscale("log")
  axes.set(xlabel=fields[along], ylabel=quantity)
  if len(lines) > _MAX_LINES:  # Rows come in order: the first are the best.
    axes.set_title("Ends of the first")
  if len(lines) > 1:
    _legend(axes, [*fields[:along], *fields[along + 1 :]])


def _legend(axes, fields):
  """Below the axes: curves are everywhere on them."""
  axes.legend(
    title=", ".join(fields),
    loc="upper center",
    bbox_to_anchor=(0.5, -0.16),
    ncols=3,
  )


def _points(axes, places, rows, name=None, *, joined=False):
  values = np.array([row.value for row in rows])
  limits = [row.limits or (row.value, row.value) for row in rows]
  away = np.abs(np.array(limits).T - values)
  form = "o-" if joined else "o"
  axes.errorbar(places, values, away, fmt=form, capsize=3, label=name or None)


def _is_number(value):
  return isinstance(value, numbers.Real) and not isinstance(value, bool)


def _short(value):
  return f"{value:g}" if _is_number(value) else str(value)
