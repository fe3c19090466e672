"""The figure of the study of the limit, from its stored arrays."""

import math

import numpy as np
from matplotlib import figure as mpl_figure

from experiments import study, style
from experiments.softmax_temperature import limit_extremes
from experiments.softmax_temperature import limit_theory as theory

_NUM_SHOWN = 30  # Logits drawn one by one.


def draw(results: study.Results) -> mpl_figure.Figure:
  """Draws limit, gradient, bounds, number formats and Gumbel noise."""
  fig, axes = style.figure(3, 2, height=10.5)
  panels = (_limit, _sparsemax, _gradient, _regret, _formats, _gumbel)
  for panel, ax in zip(panels, axes.flat, strict=True):
    panel(ax, results)
  return fig


def _limit(axes, results):
  logits, cs = results["logits"][:, :_NUM_SHOWN], results["cs"]
  n, xs = logits.shape[-1], np.linspace(0, 30, 50)
  mass = theory.mass_off_maxima(
    results["softmax"][:, :_NUM_SHOWN], logits[:, :, None]
  )
  for k, (z, values) in enumerate(zip(logits, mass, strict=True), 1):
    scaled = theory.gaps(z)[:, None] * cs
    seen = scaled < xs[-1]
    label = f"{k} equal maxima" if k > 1 else "one maximum"
    axes.plot(
      scaled[seen], values[seen], ".", color=f"C{k - 1}", ms=3, label=label
    )
  for values, label, side in (
    ((n - 1) * np.exp(-xs), "$(n-1)\\,e^{-c\\,gap}$", "left"),
    (np.exp(-xs) / n, "$e^{-c\\,gap}/n$", "right"),
  ):
    axes.plot(xs, values, "--", color=style.GREY)
    at = 30 if side == "left" else 20
    axes.text(
      xs[at],
      values[at],
      f"  {label}  ",
      color=style.GREY,
      ha=side,
      va="bottom" if side == "left" else "top",
    )
  axes.set(
    title="What is left off the maxima",
    xlabel="c × gap to the next logit",
    ylabel="probability",
    yscale="log",
    ylim=(1e-14, 10),
  )
  axes.legend(markerscale=3, loc="lower left")


def _sparsemax(axes, results):
  logits, cs = results["logits"][1, 0], results["cs"]
  order = np.argsort(-logits)[:4]
  for rank, i in enumerate(order):
    for name, line in (("softmax", "-"), ("sparsemax", "--")):
      label = f"$z_{rank + 1}$ = {logits[i]:.2f}"
      axes.plot(
        cs,
        results[name][1, 0, :, i],
        line,
        color=f"C{rank}",
        label=label if line == "-" else None,
      )
  threshold = results["thresholds"][1, 0]
  for name, line in (("softmax", "-"), ("sparsemax", "--")):
    axes.plot([], [], line, color=style.GREY, label=name)
  axes.axvline(threshold, color="k", linewidth=1, label="c = 1/(k gap)")
  axes.set(
    title="Two equal maxima share for ever",
    xlabel="inverse temperature c",
    ylabel="probability",
    xscale="log",
    xlim=(1e-2, 1e3),
  )
  axes.legend(loc="center right")


def _gradient(axes, results):
  xs = results["peak_xs"]
  two = results["peak_norms"][0, ..., 1]
  at, height = theory.jacobian_peak(2)
  for i, (gap, norms) in enumerate(zip(results["gaps"], two, strict=True)):
    axes.plot(xs / gap, norms, color=f"C{i}", label=f"gap {gap:g}")
    axes.plot(at / gap, height / gap, "o", color=f"C{i}")
  cs = np.linspace(0.1, 6)
  for values, line, color, label, side in (
    (cs / 2, "-", "C3", "a tie: c/2,\nthe Lipschitz constant  ", "right"),
    (height / at * cs, "--", style.GREY, f"  {height:.3f}/gap", "left"),
  ):
    axes.plot(cs, values, line, color=color)
    where = np.interp(1.25, values, cs)
    axes.text(where, 1.25, label, color=color, ha=side)
  axes.set(
    title="The gradient fades at both ends",
    xlabel="inverse temperature c (two classes)",
    ylabel="$\\Vert\\partial a/\\partial z\\Vert_2$",
    xscale="log",
    xlim=(0.1, 20),
    ylim=(0, 1.5),
  )
  axes.legend(loc="upper left", bbox_to_anchor=(0, 0.75))


def _regret(axes, results):
  logits, cs = results["logits"][0, :_NUM_SHOWN], results["cs"]
  n = logits.shape[-1]
  mean = np.sum(results["softmax"][0, :_NUM_SHOWN] * logits[:, None], axis=-1)
  regret = cs * (logits.max(axis=-1)[..., None] - mean)
  axes.plot(cs, regret.T, color="C4", lw=0.6, alpha=0.6)
  axes.plot([], [], color="C4", label="logits drawn")
  xs = results["peak_xs"]
  axes.plot(
    xs,
    xs * (1 - results["peak_softmax"][:, 0]),
    color="C1",
    label="z = (1, 0, ..., 0)",
  )
  for value, label in (
    (math.log(n), "ln n"),
    (theory.regret_bound(n), "W((n − 1)/e)"),
  ):
    axes.axhline(value, color=style.GREY, linestyle="--")
    axes.text(cs[-1], value, label, color=style.GREY, ha="right", va="bottom")
  axes.set(
    title="What smoothness costs",
    xlabel="inverse temperature c",
    ylabel="c × (max z − mean of z)",
    xscale="log",
    ylim=(0, 1.2 * math.log(n)),
  )
  axes.legend(loc="center left", bbox_to_anchor=(0, 0.68))


def _formats(axes, results):
  cs, values = results["extreme_cs"], results["extreme_values"]
  names = list(limit_extremes.LOGITS)
  at = names.index("near-tie")
  for d, dtype in enumerate(limit_extremes.DTYPES):
    axes.plot(cs, values[d, at, :, 0, 0], color=f"C{d}", label=dtype)
    last = results["printed_cs"][
      np.isfinite(results["printed"][d]).all(axis=-1)
    ]
    axes.plot(last.max(), 0.27 - 0.015 * d, "x", color=f"C{d}")
  axes.plot(
    [], [], "kx", linestyle="", label="last c of $e^{cz}/\\Sigma e^{cz}$"
  )
  axes.set(
    title="Two logits one rounding error apart",
    xlabel="inverse temperature c",
    ylabel="probability of the larger",
    xscale="log",
  )
  axes.legend(loc="upper left")


def _gumbel(axes, results):
  temperatures, values = results["temperatures"], results["gumbel_values"]
  order = np.argsort(-results["gumbel_logits"])
  x, at = results["gumbel_logits"][order], np.arange(len(order)) + 1
  for i, (t, drawn) in enumerate(zip(temperatures, values, strict=True)):
    axes.plot(at, theory.softmax(x, 1 / t), color=f"C{i}", lw=1)
    axes.plot(
      at, drawn.mean(axis=0)[order], "o", color=f"C{i}", label=f"T = {t:g}"
    )
  axes.plot([], [], color=style.GREY, lw=1, label="softmax(x/T)")
  axes.set(
    title="The hard maximum of x + T × Gumbel noise",
    xlabel="class, by its logit",
    ylabel="how often it is the maximum",
    ylim=(0, None),
  )
  axes.legend()
