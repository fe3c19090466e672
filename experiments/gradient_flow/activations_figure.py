"""Figure of the study of activations, from its stored arrays.

The arrays are described at `activations.run`.
"""

import math

import numpy as np
from matplotlib import figure as mpl_figure

from experiments import study, style
from experiments.gradient_flow import activations_claims as claims
from experiments.gradient_flow import activations_relu_claims as relu_claims
from experiments.gradient_flow import activations_theory as theory


def draw(results: study.Results) -> mpl_figure.Figure:
  """Draws gradients by layer and gain, dead networks and training."""
  fig, axes = style.figure(3, 2, height=10.5)
  _plot_layers(axes[0, 0], results)
  _plot_gains(axes[0, 1], results)
  _plot_width(axes[1, 0], results)
  _plot_dead(axes[1, 1], results)
  _plot_training(axes[2, 0], results)
  _plot_tanh(axes[2, 1], results)
  return fig


def _color(row):
  return style.PALETTE[row % len(style.PALETTE)]


def _plot_layers(axes, results):
  num_layers = results["log_deltas"].shape[-1]
  layers = np.arange(1, num_layers + 1)
  marked = slice(None, None, max(1, num_layers // 12))
  for row, kind in enumerate(results["kinds"]):
    index = claims.index_of(results, kind, 1.0)
    deltas = results["log_deltas"][index]
    mean, error = claims.mean_and_error((deltas - deltas[:, -1:]).T)
    steps = [
      claims.expected_totals(results, n)[index] for n in range(1, num_layers)
    ]
    whole = claims.expected_totals(results, num_layers)[index]
    line = (whole - np.array([*steps, whole])) / math.log(10)
    axes.plot(layers, line, color=style.GREY, linewidth=1, zorder=1)
    axes.errorbar(
      layers[marked],
      mean[marked] / math.log(10),
      error[marked] / math.log(10),
      fmt="o",
      markersize=3.5,
      color=_color(row),
      label=kind,
    )
  axes.set(
    title="Gradient of the biases at $\\sigma_w$ = 1 (grey: mean field)",
    xlabel="layer l",
    ylabel="log$_{10}$ |dC/db$^l$| / |dC/db$^L$|",
    ylim=(-36, 24),
  )
  axes.legend(ncols=2, fontsize=7.5, loc="lower right")


def _plot_gains(axes, results):
  num_layers = results["log_deltas"].shape[-1]
  steps = (num_layers - 1) * math.log(10)
  mean, error = claims.mean_and_error(claims.totals(results, num_layers))
  expected = claims.expected_totals(results, num_layers)
  axes.axhline(0, color=style.GREY, linewidth=0.8)
  for row, gains in enumerate(results["gains"]):
    axes.plot(gains, expected[row] / steps, color=style.GREY, linewidth=1)
    axes.errorbar(
      gains,
      mean[row] / steps,
      error[row] / steps,
      fmt="o",
      markersize=3.5,
      color=_color(row),
    )
  axes.set(
    title="Growth per layer: one balanced gain each",
    xlabel="gain $\\sigma_w$ of the weights",
    ylabel="log$_{10}$ of the factor per layer",
    xscale="log",
    xlim=(0.012, 40),
  )
  axes.text(0.02, 0.94, "explodes", transform=axes.transAxes)
  axes.text(0.02, 0.04, "vanishes", transform=axes.transAxes)


def _plot_width(axes, results):
  depths = np.arange(10, results["log_deltas"].shape[-1] + 1, 4)
  for kind in ("sigmoid", "tanh", "ReLU"):
    row = list(results["kinds"]).index(kind)
    gains = results["gains"][row]
    found = [
      [
        theory.balanced_width(gains, np.moveaxis(fn(results, d)[row], 0, -1))
        for d in depths
      ]
      for fn in (claims.totals, claims.expected_totals)
    ]
    mean, error = claims.mean_and_error(np.array(found[0]))
    axes.plot(depths, np.exp(found[1]), color=style.GREY, linewidth=1)
    axes.errorbar(
      depths,
      np.exp(mean),
      error * np.exp(mean),
      fmt="o",
      markersize=3.5,
      color=_color(row),
      label=kind,
    )
  axes.set(
    title="Gains with a change below 10 (grey: theory)",
    xlabel="layers L",
    ylabel="highest gain / lowest gain",
    yscale="log",
  )
  axes.set_yticks([1, 1.5, 2, 3, 5, 8], ["1", "1.5", "2", "3", "5", "8"])
  axes.minorticks_off()
  axes.legend()


def _plot_dead(axes, results):
  both, one = relu_claims.dead_shares(results)
  layers = np.arange(1, both.shape[1] + 1)
  num_nets = results["alive"].shape[2]
  for row, width in enumerate(results["widths"]):
    color = _color(row)
    axes.plot(
      layers,
      theory.one_ray_dead(int(width), layers),
      color=style.GREY,
      linewidth=1,
    )
    axes.plot(layers, one[row], "o", color=color, fillstyle="none")
    axes.errorbar(
      layers,
      both[row],
      relu_claims.binomial_error(both[row], num_nets),
      fmt="o",
      color=color,
      label=f"width {width}",
    )
  axes.set(
    title="Born dead (open: silent at one input)",
    xlabel="hidden layers",
    ylabel="share of ReLU networks",
  )
  axes.legend(loc="upper left")


def _plot_training(axes, results):
  epochs = np.arange(results["loss"].shape[-1])
  styles = {"standard": ":", "Glorot": "--", "He": "-"}
  for row, start in enumerate(results["starts"]):
    mean, error = claims.mean_and_error(np.moveaxis(results["loss"][row], 0, 1))
    axes.errorbar(
      epochs,
      mean,
      error,
      linestyle=styles[str(start)],
      color=_color(row),
      label=f"{start}: test accuracy "
      f"{100 * np.mean(results['accuracy'][row, :, -1]):.0f} %",
    )
  axes.axhline(math.log(10), color=style.GREY, linewidth=0.8)
  axes.set(
    title="A deep ReLU network on digits, by its start",
    xlabel="epochs",
    ylabel="cross-entropy (nats; grey: ln 10)",
    ylim=(0, None),
  )
  axes.legend(loc="lower left")


def _plot_tanh(axes, results):
  axes.plot(results["x"], results["tanh"], label="tanh")
  axes.plot(
    results["x"], results["tanh_slope"], label="its slope, 1 − tanh$^2$"
  )
  axes.axhline(0.25, color=style.GREY, linewidth=0.8)
  axes.text(-5, 0.28, "sigmoid's largest", color=style.GREY)
  axes.set(title="Figure 5.1 of the exercises", xlabel="x")
  axes.legend(loc="lower right")
