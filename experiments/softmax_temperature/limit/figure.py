"""Figure of the study of the limit."""

import numpy as np
from matplotlib import figure as mpl_figure

from experiments import study, style
from experiments.softmax_temperature.limit import theory

_NUM_SHOWN = 6  # Logits drawn one by one, for each number of maxima.


def plot(results: study.Results) -> mpl_figure.Figure:
  """Draws the limit, sparsemax beside it, and gradients."""
  fig, (left, middle, right) = style.figure(1, 3, width=12, height=3.9)
  _limit(left, results)
  _sparsemax(middle, results)
  _gradient(right, results)
  for axes in (left, middle, right):
    axes.minorticks_off()
  return fig


def _limit(axes, results):
  logits = results.logits[:, :_NUM_SHOWN]
  xs, n = np.array([0, 30]), logits.shape[-1]
  mass = theory.mass_off_maxima(
    results.softmax[:, :_NUM_SHOWN], logits[:, :, None]
  )
  scaled = theory.gaps(logits)[..., None] * results.cs
  for k in range(len(logits)):
    seen = scaled[k] < xs[1]
    label = f"{k + 1} equal maxima" if k else "one maximum"
    axes.plot(scaled[k][seen], mass[k][seen], ".", rasterized=True, label=label)
  for bound, line, label in (
    (n - 1, "--", "$(n-1)\\,e^{-c\\,gap}$"),
    (1 / n, ":", "$e^{-c\\,gap}/n$"),
  ):
    axes.plot(xs, bound * np.exp(-xs), line, color=style.GREY, label=label)
  axes.set(
    title="What is left off the maxima",
    xlabel="c × gap to the next logit",
    ylabel="probability",
    yscale="log",
    ylim=(1e-14, 10),
  )
  axes.legend(markerscale=2, loc="lower left")


def _sparsemax(axes, results):
  logits, cs = results.logits[1, 0], results.cs
  for rank, i in enumerate(np.argsort(-logits)[:4]):
    label, color = f"$z_{rank + 1}$ = {logits[i]:.2f}", f"C{rank}"
    width = 1.8 if rank else 4  # The second is equal, and lies upon it.
    values = results.softmax[1, 0, :, i]
    axes.plot(cs, values, color=color, lw=width, label=label)
    axes.plot(cs, results.sparsemax[1, 0, :, i], "--", color=color)
  for name, line in (("softmax", "-"), ("sparsemax", "--")):
    axes.plot([], [], line, color=style.GREY, label=name)
  style.reference(axes, "c = 1/(2 gap)", x=0.5 / theory.gaps(logits))
  axes.set(
    title="Two equal maxima share for ever",
    xlabel="inverse temperature c",
    ylabel="probability",
    xscale="log",
  )
  axes.legend(loc="center right")


def _gradient(axes, results):
  cs, norms = results.pair_cs[::10], results.pair_norms[::10]
  axes.plot(cs, norms, label="two classes")
  axes.plot(theory.PEAK_AT, theory.PEAK, "ko", label="0.448 at 1.543")
  axes.plot(cs, cs / 2, "C3", label="c/2, a tie")
  axes.set(
    title="The gradient fades at both ends",
    xlabel="c × gap",
    ylabel="$\\Vert\\partial a/\\partial z\\Vert_2$ × gap",
    xscale="log",
    ylim=(0, 0.75),
  )
  axes.legend(loc="upper right")
