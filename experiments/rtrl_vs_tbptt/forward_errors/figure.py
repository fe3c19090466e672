"""Figure of the study of errors propagated forward."""

import numpy as np
from matplotlib import figure as mpl_figure

from experiments import study, style
from experiments.rtrl_vs_tbptt.forward_errors import readings

_EPS = np.finfo(np.float64).eps, np.finfo(np.float32).eps
_WORST = 1e4  # A larger error is drawn here.


def plot(results: study.Results) -> mpl_figure.Figure:
  """Draws cosines against the radius, errors against growth and condition."""
  fig, axes = style.figure(2, 2, height=7.6)
  panels = axes.ravel()
  _plot_published(panels[0], results.published)
  _plot_cosines(panels[1], results.layers)
  _plot_errors(panels[2], results.layers)
  _plot_inverses(panels[3], results.inverses)
  return fig


def _plot_published(axes, found):
  points = list(zip(found.lengths.tolist(), found.r_mins.tolist(), strict=True))
  rows = np.arange(len(points))
  published = [readings.PUBLISHED[point] for point in points]
  axes.plot(published, rows - 0.22, "k|", ms=11, mew=2, label="published")
  for j, (label, look) in enumerate(
    (
      ("two passes, as published", {"color": "C0", "marker": "o"}),
      ("$\\delta_0$ summed up, as here", {"color": "C2", "marker": "s"}),
    )
  ):
    cosine = found.cosine[..., j]
    axes.errorbar(
      cosine.mean(axis=0),
      rows + 0.15 * j,
      xerr=cosine.std(axis=0),
      linestyle="none",
      label=label,
      **look,
    )
  axes.set_yticks(rows, [f"T = {length}, r = {r}" for length, r in points])
  axes.set(
    title="Published network, $r_{min}$",
    xlabel="cosine with the gradient (bar: spread)",
    xlim=(-0.15, 1.25),
    ylim=(len(rows) + 1.2, -0.7),
  )
  axes.legend(loc="lower left")


def _curves(layers):
  for i, name in enumerate(("float64", "float32")):
    for j, length in enumerate(layers.lengths):
      look = {"color": f"C{i}", "linestyle": ("--", "-")[j % 2]}
      yield i, j, length, {"label": f"{name}, T = {length}", **look}


def _plot_cosines(axes, layers):
  for i, j, length, look in _curves(layers):
    axes.plot(layers.radii, layers.cosine[:, i, j].mean(axis=0), **look)
    limit = _EPS[i] ** (1 / length)
    axes.plot(limit, 0.5, "|", color=look["color"], markersize=14, mew=2)
  axes.plot([], [], "|", color="k", ms=11, mew=2, label="$\\epsilon^{1/T}$")
  axes.set(
    title="Units of one radius",
    xlabel="radius r",
    ylabel="cosine with the gradient",
    ylim=(-0.1, 1.6),
  )
  axes.set_yticks(np.linspace(0, 1, 5))
  axes.legend(loc="upper left", fontsize=8, ncols=2)


def _plot_errors(axes, layers):
  for i, j, length, look in _curves(layers):
    growth = -length * np.log10(layers.radii)
    error = np.log10(layers.error[:, i, j]).mean(axis=0)
    marks = {"marker": ("o", "s")[j % 2], "markersize": 4}
    axes.plot(growth, error, **{**look, **marks, "linestyle": "none"})
    line = np.array([0, growth.max()])
    rounding = np.log10(_EPS[i])
    axes.plot(line, line + rounding, ":", color=style.GREY, lw=1.2, zorder=1)
  axes.plot([], [], ":", color=style.GREY, label="$\\epsilon\\, r^{-T}$")
  axes.set(
    title="Error of the gradient",
    xlabel="growth of rounding, $\\log_{10} r^{-T}$",
    ylabel="$\\log_{10}$ of the relative error",
  )
  axes.legend(loc="upper left", fontsize=8)


def _plot_inverses(axes, inverses):
  steps = np.arange(1, inverses.greens.shape[1] + 1)
  eps = _EPS[0]
  for values, label, color in (
    (inverses.greens, "Green's function", "C1"),
    (inverses.lazy, "lazy RTRL", "C0"),
    (np.minimum(inverses.condition, 1 / eps) * eps, None, style.GREY),
  ):
    label = label or "$\\epsilon$ times the condition, up to 1"
    # What has left the floats is as wrong as can be.
    values = np.clip(np.nan_to_num(values, nan=_WORST), eps / 8, _WORST)
    style.band(axes, steps, np.log10(values), color=color, label=label)
  axes.axhline(-2, color=style.GREY, linestyle=":", linewidth=1.2)
  axes.text(steps[-1], -1.9, "1 %", color=style.GREY, ha="right", va="bottom")
  axes.set(
    title="RTRL of a tanh network",
    xlabel="step",
    ylabel="$\\log_{10}$ of the relative error",
    ylim=(-17, 9),
  )
  axes.legend(loc="upper left", fontsize=8)
