"""Figure of the study of the limit."""

import numpy as np
from matplotlib import figure as mpl_figure

from experiments import study, style
from experiments.softmax_temperature.limit import theory

_NUM_SHOWN = 30  # Logits drawn one by one.
_NEAR_TIE = 2  # Of the logits in each number format.


def plot(results: study.Results) -> mpl_figure.Figure:
  """Draws the limit, sparsemax beside it, gradients and number formats."""
  fig, axes = style.figure(2, 2, height=7.0)
  panels = (_limit, _sparsemax, _gradient, _formats)
  for panel, ax in zip(panels, axes.flat, strict=True):
    panel(ax, results)
  return fig


def _limit(axes, results):
  logits = results.logits[:, :_NUM_SHOWN]
  n, xs = logits.shape[-1], np.linspace(0, 30, 50)
  softmax = results.softmax[:, :_NUM_SHOWN]
  mass = theory.mass_off_maxima(softmax, logits[:, :, None])
  for k, (z, values) in enumerate(zip(logits, mass, strict=True), 1):
    scaled = theory.gaps(z)[:, None] * results.cs
    seen = scaled < xs[-1]
    label = f"{k} equal maxima" if k > 1 else "one maximum"
    axes.plot(scaled[seen], values[seen], ".", ms=3, label=label)
  for bound, at, label, sides in (
    (n - 1, 14, "  $(n-1)\\,e^{-c\\,gap}$", {"ha": "left", "va": "bottom"}),
    (1 / n, 12, "$e^{-c\\,gap}/n$  ", {"ha": "right", "va": "top"}),
  ):
    axes.plot(xs, bound * np.exp(-xs), "--", color=style.GREY)
    axes.text(at, bound * np.exp(-at), label, color=style.GREY, **sides)
  axes.set(
    title="What is left off the maxima",
    xlabel="c × gap to the next logit",
    ylabel="probability",
    yscale="log",
    ylim=(1e-14, 10),
  )
  axes.legend(markerscale=3, loc="lower left")


def _sparsemax(axes, results):
  logits = results.logits[1, 0]
  for rank, i in enumerate(np.argsort(-logits)[:4]):
    label, color = f"$z_{rank + 1}$ = {logits[i]:.2f}", f"C{rank}"
    values = results.softmax[1, 0, :, i]
    width = 4 if rank == 0 else 1.8  # The second is equal, and lies upon it.
    axes.plot(results.cs, values, color=color, lw=width, label=label)
    axes.plot(results.cs, results.sparsemax[1, 0, :, i], "--", color=color)
  for name, line in (("softmax", "-"), ("sparsemax", "--")):
    axes.plot([], [], line, color=style.GREY, label=name)
  style.reference(axes, "c = 1/(k gap)", x=results.thresholds[1, 0])
  axes.set(
    title="Two equal maxima share for ever",
    xlabel="inverse temperature c",
    ylabel="probability",
    xscale="log",
    ylim=(-0.02, 0.6),
  )
  axes.legend(loc="center right")


def _gradient(axes, results):
  xs = results.peak_xs
  for gap, norms in zip(results.gaps, results.peak_norms, strict=True):
    (line,) = axes.plot(xs / gap, norms, label=f"gap {gap:g}")
    at = theory.PEAK_AT / gap, theory.PEAK / gap
    axes.plot(*at, "o", color=line.get_color())
  cs = np.linspace(0.1, 6)
  axes.plot(cs, cs / 2, color="C3")
  axes.text(
    2.1, 1.25, "a tie: c/2,\nthe Lipschitz constant", color="C3", ha="right"
  )
  slope = theory.PEAK / theory.PEAK_AT
  axes.plot(cs, slope * cs, "--", color=style.GREY)
  axes.text(5.2, 1.25, "peaks, 0.448/gap", color=style.GREY)
  axes.set(
    title="The gradient fades at both ends",
    xlabel="inverse temperature c (two classes)",
    ylabel="$\\Vert\\partial a/\\partial z\\Vert_2$",
    xscale="log",
    xlim=(0.1, 30),
    ylim=(0, 1.5),
  )
  axes.legend(loc="upper left", bbox_to_anchor=(0, 0.75))


def _formats(axes, results):
  for d, (dtype, found) in enumerate(results.formats.items()):
    larger = found.values[_NEAR_TIE, :, 0, 0]
    axes.plot(found.cs, larger, color=f"C{d}", label=dtype)
  axes.set(
    title="Two logits one rounding error apart",
    xlabel="inverse temperature c",
    ylabel="probability of the larger",
    xscale="log",
  )
  axes.legend(loc="upper left")
