"""Figure of the study of gradients by lag."""

import numpy as np
from matplotlib import figure as mpl_figure

from experiments import study, style
from experiments.gradient_flow.recurrent import readings, theory

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
  """Draws gradients by lag, their bound, and what training makes of them."""
  fig, axes = style.figure(3, 2, height=11.0)
  nets = results.networks
  start = {name: net.start for name, net in nets.items()}
  after = {name: net.trained.lags for name, net in nets.items() if net.trained}
  _plot_lags(axes[0, 0], results, start, "Gradient at the start")
  _plot_lags(axes[0, 1], results, after, "Gradient after training on copying")
  axes[0, 0].legend(ncols=2, fontsize=8, loc="lower left")
  _plot_copy(axes[1, 0], results)
  _plot_forget_bias(axes[1, 1], results)
  _plot_bound(axes[2, 0], results)
  _plot_order(axes[2, 1], results)
  return fig


def _plot_lags(axes, results, lags, title):
  for name, g in lags.items():
    k = np.arange(1, g.shape[1])
    # Dashed where it would hide an LSTM.
    dashes = {"linestyle": "--"} if name == "GRU" else {}
    decades = np.log10(g[:, 1:] / g[:, 1:2])
    style.band(axes, k, decades, color=_COLORS[name], label=name, **dashes)
  style.reference(
    axes, "what is to\nbe copied", x=readings.pause(results)[1] + 1
  )
  axes.set(
    title=title,
    xlabel="lag k (steps)",
    ylabel=r"$\log_{10}\ g_k/g_1$",
    ylim=(-5, 2),
  )


def _plot_copy(axes, results):
  length, delay = int(results.copy_length), int(results.copy_delay)
  for name, net in results.networks.items():
    if net.trained:
      color = _COLORS[name]
      curve = _curve(readings.relative(results, net.trained.losses))
      axes.plot(*curve, color=color, label=name)
      curve = _curve(readings.relative(results, net.trained.at_once))
      axes.plot(*curve, "--", color=color)
  axes.plot([], [], "--", color=style.GREY, label="without blanks")
  axes.axhline(1, color=style.GREY, ls=":", label="without memory")
  axes.set(
    title=f"Copying {length} symbols over {delay} blanks",
    xlabel="share of the training",
    ylabel="loss over that without memory",
    yscale="log",
    ylim=(5e-5, 10),
  )
  axes.legend(fontsize=8, loc="lower left")


def _curve(losses):
  """The share of the training and the mean over seeds [S, U], smoothed."""
  parts = np.array_split(losses.mean(axis=0), min(20, losses.shape[1]))
  x = (np.arange(len(parts)) + 0.5) / len(parts)
  return x, [part.mean() for part in parts]


def _plot_forget_bias(axes, results):
  first, last = readings.pause(results)
  b = np.linspace(-0.5, 3.5, 80)
  gate = 1 / (1 + np.exp(-b))
  axes.plot(b, gate, color=style.GREY, label="rem = sigmoid(b), reads nothing")
  axes.fill_between(
    b,
    gate,
    gate + 0.25,
    color=style.GREY,
    alpha=0.15,
    lw=0,
    label="and up to + 1/4",
  )
  for shift, color, label in (
    (-0.07, style.PALETTE[0], "at the start"),
    (0.07, style.PALETTE[1], "after training"),
  ):
    for bias in (0, 1, 3):
      net = results.networks[f"LSTM, bias {bias}"]
      if shift > 0 and not net.trained:
        continue
      g = net.start if shift < 0 else net.trained.lags
      rates = readings.rates(g, first, last)
      own = label if bias == 0 else None
      axes.plot(
        np.full(len(rates), bias + shift),
        rates,
        "o",
        color=color,
        ms=3,
        label=own,
      )
  axes.set(
    title="LSTM: what is kept per step",
    xlabel="forget bias b at the start",
    ylabel="factor per lag (each network)",
  )
  axes.legend(fontsize=8, loc="lower right")


def _plot_bound(axes, results):
  bounds = results.bounds
  gain = int(np.searchsorted(bounds.gains, 1.0) - 1)
  k = np.arange(bounds.lags["tanh"].shape[-1])
  for name, line in (("tanh", "-"), ("sigmoid", "--")):
    shades = style.colors(len(bounds.scales))
    for i, (scale, color) in enumerate(zip(bounds.scales, shades, strict=True)):
      label = f"input noise {scale:g}" if name == "tanh" else None
      decay = _mean_decay(bounds.lags[name][gain, 0, i])
      axes.plot(k, decay, line, color=color, label=label)
  decay = _mean_decay(bounds.lags["tanh"][gain, 1, 0])
  label = "no noise, Gaussian W"
  axes.plot(k, decay, color=style.PALETTE[1], label=label)
  bound = bounds.gains[gain] ** k
  label = r"bound $(\lambda_1\gamma)^k$"
  axes.plot(k, bound, ":", color="k", lw=3, alpha=0.5, label=label)
  axes.set(
    title="tanh, dashed sigmoid; orthogonal W",
    xlabel=rf"lag k (steps), $\lambda_1\gamma$ = {bounds.gains[gain]:g}",
    ylabel="$g_k/g_0$",
    yscale="log",
    ylim=(1e-7, 3),
  )
  axes.legend(fontsize=8, loc="lower left")


def _mean_decay(g):
  """Returns the geometric mean over seeds [S, T] of g_k / g_0."""
  return np.exp(np.log(g / g[:, :1]).mean(axis=0))


def _plot_order(axes, results):
  order = results.order
  colors = {"SGD": style.GREY, "clipped": style.PALETTE[5]}
  for method, errors in order.errors.items():
    color = colors.get(method, style.PALETTE[0])
    axes.plot(order.checks, errors.T, color=color, lw=0.5, alpha=0.4)
    mean = errors.mean(axis=0)
    axes.plot(order.checks, mean, color=color, lw=2.4, label=method)
    published = theory.PUBLISHED_UPDATES[method]
    if published <= order.checks[-1]:
      axes.plot(published, 0, "v", color=color, ms=9, clip_on=False)
  axes.axhline(0.01, color=style.GREY, linestyle=":")
  axes.set(
    title="Temporal order (triangle: published)",
    xlabel="updates",
    ylabel="share misclassified (thin: each run)",
    ylim=(0, 0.8),
  )
  axes.legend(loc="upper right")
