"""Figure of the study of gradients by lag, from its stored arrays.

The arrays are described at `recurrent.run`.
"""

import numpy as np
from matplotlib import figure as mpl_figure

from experiments import study, style
from experiments.gradient_flow import recurrent_bounds as bounds
from experiments.gradient_flow import recurrent_lags as lags_lib
from experiments.gradient_flow import recurrent_networks as networks
from experiments.gradient_flow import recurrent_order as order
from experiments.gradient_flow import recurrent_stored as stored
from experiments.gradient_flow import recurrent_theory as theory

_COLORS = {
  "tanh": style.PALETTE[1],
  "tanh, orthogonal": style.PALETTE[5],
  "linear, orthogonal": style.PALETTE[6],
  "GRU": style.PALETTE[3],
  "LSTM, bias 0": "#a6d8f0",
  "LSTM, bias 1": style.PALETTE[4],
  "LSTM, bias 3": style.PALETTE[0],
  "LRU": style.PALETTE[2],
}


def plot(results: study.Results) -> mpl_figure.Figure:
  """Draws gradients by lag, their bound, and what training makes of them.

  Args:
    results: see `recurrent.run`.

  Returns:
    The figure.
  """
  fig, axes = style.figure(3, 2, height=11.0)
  _plot_lags(axes[0, 0], results, "start")
  _plot_lags(axes[0, 1], results, "trained")
  axes[0, 1].sharey(axes[0, 0])
  _plot_copy(axes[1, 0], results)
  _plot_forget_bias(axes[1, 1], results)
  _plot_bound(axes[2, 0], results)
  _plot_order(axes[2, 1], results)
  return fig


def _band(axes, x, values, dashes="-", **settings):
  """Draws the geometric mean over seeds [S, ...] and its standard error."""
  logs = np.log(values)
  mean = logs.mean(axis=0)
  error = logs.std(axis=0, ddof=min(1, len(logs) - 1)) / np.sqrt(len(logs))
  axes.plot(x, np.exp(mean), dashes, **settings)
  axes.fill_between(
    x,
    np.exp(mean - error),
    np.exp(mean + error),
    color=settings["color"],
    alpha=0.2,
    lw=0,
  )


def _plot_lags(axes, results, phase):
  for name, color in _COLORS.items():
    lags = stored.of(results, "lags", name)
    g = lags[lags_lib.PHASES.index(phase)]
    k = np.arange(1, g.shape[-1])
    dashes = "--" if name == "GRU" else "-"  # It hides an LSTM otherwise.
    _band(axes, k, g[:, 1:] / g[:, 1:2], dashes, color=color, label=name)
  needed = stored.pause(results)[1] + 1
  axes.axvline(needed, color=style.GREY, linestyle=":")
  if phase == "trained":
    axes.text(
      needed, 2e-7, "what is to\nbe copied ", ha="right", color=style.GREY
    )
  title = {"start": "at the start", "trained": "after training on copying"}
  axes.set(
    yscale="log",
    ylim=(1e-7, 1e2),
    title=f"Gradient {title[phase]}",
    xlabel="lag k (steps)",
    ylabel="$g_k/g_1$, mean and standard error",
  )
  if phase == "start":
    axes.legend(ncols=2, fontsize=8, loc="lower left")


def _plot_copy(axes, results):
  losses = results["copy_losses"]
  for name, color in _COLORS.items():
    curves = stored.of(results, "copy_losses", name)
    dashes = "--" if name == "GRU" else "-"
    _band(axes, _points(losses), curves, dashes, color=color)
  length, delay = int(results["copy_length"]), int(results["copy_delay"])
  floor = theory.copy_floor(8, length, delay)
  axes.axhline(floor, color=style.GREY, linestyle="--", lw=1.2)
  axes.text(
    0.03,
    0.05,
    f"dashed: the floor {length} ln 8 / (T + {2 * length}) = {floor:.3f}",
    transform=axes.transAxes,
    color=style.GREY,
  )
  axes.set(
    title=f"Copying over T = {delay} blanks (colours as above)",
    xlabel="share of the training",
    ylabel="loss (nats per step)",
    yscale="log",
  )


def _points(losses):
  return (np.arange(losses.shape[-1]) + 0.5) / losses.shape[-1]


def _plot_forget_bias(axes, results):
  first, last = stored.pause(results)
  b = np.linspace(-0.5, 3.5, 80)
  gate = 1 / (1 + np.exp(-b))
  axes.plot(b, gate, color=style.GREY, label="sigmoid(b)")
  axes.fill_between(
    b,
    gate,
    gate + 0.25,
    color=style.GREY,
    alpha=0.15,
    lw=0,
    label="and up to + 1/4",
  )
  names = networks.members("lstm")
  biases = np.array([networks.NETWORKS[name].number for name in names])
  cut = theory.rates(results["cut"], 1, last).mean(axis=-1)
  axes.plot(biases, cut, "kx", ms=8, label="gates read nothing")
  for phase, shift, color in (
    ("start", -0.07, style.PALETTE[0]),
    ("trained", 0.07, style.PALETTE[1]),
  ):
    rates = np.stack(
      [
        theory.rates(
          stored.of(results, "lags", name)[lags_lib.PHASES.index(phase)],
          first,
          last,
        )
        for name in names
      ]
    )
    x = np.repeat(biases[:, np.newaxis] + shift, rates.shape[1], axis=1)
    label = {"start": "at the start", "trained": "after training"}[phase]
    axes.plot(x.ravel(), rates.ravel(), "o", color=color, ms=4, label=label)
  axes.set(
    title="LSTM: what is kept per step",
    xlabel="forget bias b at the start",
    ylabel="factor per lag (each seed)",
  )
  axes.legend(loc="lower right")


def _plot_bound(axes, results):
  gains = results["gains"]
  gain = int(np.searchsorted(gains, 1.0) - 1)
  names = list(networks.ACTIVATIONS)
  k = np.arange(results["bound_lags"].shape[-1])
  bound = float(gains[gain]) ** k
  scales = results["input_scales"]
  for name, dashes in (("tanh", "-"), ("sigmoid", "--")):
    lags = results["bound_lags"][names.index(name), gain]
    for i, (scale, color) in enumerate(
      zip(scales, style.colors(len(scales)), strict=True)
    ):
      g = lags[bounds.MATRICES.index("orthogonal"), i]
      label = f"input noise {scale:g}" if name == "tanh" else None
      axes.plot(k, _mean_decay(g), dashes, color=color, label=label)
  gaussian = results["bound_lags"][
    names.index("tanh"), gain, bounds.MATRICES.index("Gaussian"), 0
  ]
  label = "no noise, Gaussian W"
  axes.plot(k, _mean_decay(gaussian), color=style.PALETTE[1], label=label)
  axes.plot(k, bound, "k:", lw=3, label=r"bound $(\lambda_1\gamma)^k$")
  axes.set(
    title=rf"tanh, dashed sigmoid; orthogonal, $\lambda_1\gamma$ = "
    f"{gains[gain]:g}",
    xlabel="lag k (steps)",
    ylabel="$g_k/g_0$",
    yscale="log",
    ylim=(1e-7, 3),
  )
  axes.legend(fontsize=8, loc="lower left")


def _mean_decay(g):
  """Returns the geometric mean over seeds [S, T] of g_k / g_0."""
  return np.exp(np.log(g / g[:, :1]).mean(axis=0))


def _plot_order(axes, results):
  colors = (style.GREY, style.PALETTE[5], style.PALETTE[0])
  checks = results["order_checks"]
  for method, errors, color in zip(
    order.METHODS, results["order_errors"], colors, strict=True
  ):
    axes.plot(checks, errors.T, color=color, lw=0.7, alpha=0.6)
    axes.plot(checks, errors.mean(axis=0), color=color, lw=2.2, label=method)
    published = theory.PUBLISHED_UPDATES[method]
    if published <= checks[-1]:
      axes.plot(published, 0, "v", color=color, ms=9, clip_on=False)
  axes.axhline(0.01, color=style.GREY, linestyle=":")
  axes.set(
    title="Temporal order (triangles: published)",
    xlabel="updates",
    ylabel="sequences misclassified (thin: each run)",
    ylim=(0, 0.8),
  )
  axes.legend()
