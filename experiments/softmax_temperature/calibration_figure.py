"""The figure of the study of calibration, from its stored arrays."""

import numpy as np
from matplotlib import figure as mpl_figure

from experiments import study, style
from experiments.softmax_temperature import calibration_claims

_BEFORE, _AFTER = "C1", "C0"


def draw(results: study.Results) -> mpl_figure.Figure:
  """Draws reliability and calibration error, and how they come about."""
  fig, axes = style.figure(2, 2, height=7.2)
  panels = (_reliability, _errors, _losses, _temperature)
  for panel, ax in zip(panels, axes.flat, strict=True):
    panel(ax, results)
  return fig


def _reliability(axes, results):
  axes.plot([0, 1], [0, 1], "--", color=style.GREY)
  counts = results["bin_counts"]
  total = np.maximum(counts.sum(axis=0), 1)
  for i, (color, label) in enumerate(
    ((_BEFORE, "T = 1"), (_AFTER, "fitted T"))
  ):
    confidence, accuracy = (
      (counts * results[f"bin_{name}"]).sum(axis=0)[i] / total[i]
      for name in ("confidence", "accuracy")
    )
    used = total[i] >= 10  # Fewer say nothing of an accuracy.
    spread = np.sqrt(accuracy * (1 - accuracy) / total[i])
    axes.errorbar(
      confidence[used], accuracy[used], spread[used], color=color, lw=1.2
    )
    share = total[i] / total[i].sum()
    axes.scatter(
      confidence[used],
      accuracy[used],
      8 + 150 * share[used],
      color=color,
      label=label,
      zorder=3,
    )
  axes.set(
    title="How often it is right",
    xlabel="confidence (area: share of the examples)",
    ylabel="accuracy on the test set",
    xlim=(0.15, 1.03),
    ylim=(0, 1.05),
  )
  axes.legend(loc="upper left", markerscale=0.7)


def _errors(axes, results):
  num_bins = int(results["num_bins"])
  columns = (*results["ece"].T, results["chance_ece"])
  colors = (_BEFORE, _AFTER, style.GREY)
  for i, (values, color) in enumerate(zip(columns, colors, strict=True)):
    at = i + np.linspace(-0.2, 0.2, len(values))
    axes.plot(at, 100 * values, "o", color=color, alpha=0.7)
    axes.hlines(100 * values.mean(), i - 0.3, i + 0.3, color=color)
  axes.set(
    title=f"Calibration error, {num_bins} bins",
    ylabel="ECE on the test set (%)",
    ylim=(0, None),
    xlim=(-0.6, 2.6),
  )
  axes.set_xticks(range(3), ["T = 1", "fitted T", "perfect\nprobabilities"])


def _losses(axes, results):
  nll, entropy = (
    results[f"curve_{name}"][:, 1:, 0].mean(axis=0)
    for name in ("nll", "entropy")
  )
  epochs = np.arange(1, len(nll) + 1)
  axes.plot(epochs, nll[:, 0], color=_BEFORE, label="cross-entropy, T = 1")
  axes.plot(epochs, entropy[:, 0], ":", color=_BEFORE, label="entropy, T = 1")
  axes.plot(epochs, nll[:, 1], color=_AFTER, label="cross-entropy, fitted T")
  axes.plot(
    epochs[::4],
    entropy[::4, 1],
    "o",
    color=_AFTER,
    ms=3.5,
    label="entropy, fitted T",
  )
  axes.set(
    title="Surer, not better",
    xlabel="epoch",
    ylabel="validation set (nats)",
    ylim=(0, 2.5 * nll[-1, 0]),
  )
  axes.legend()


def _temperature(axes, results):
  temperature = calibration_claims.temperatures(results["curve_c"][:, 1:])
  error = results["curve_error"][:, 1:, 1, 0]
  epochs = np.arange(1, temperature.shape[1] + 1)
  for values, color, label in (
    (temperature, _AFTER, "fitted T"),
    (10 * error, "C2", "test error × 10"),
  ):
    axes.plot(epochs, values.T, color=color, lw=0.4, alpha=0.6)
    axes.plot(epochs, values.mean(axis=0), color=color, label=label)
  axes.axhline(1, color=style.GREY, linestyle="--")
  axes.set(
    title="The temperature keeps rising",
    xlabel="epoch",
    ylabel="thin: each network",
    ylim=(0, 1.15 * temperature[:, -1].max()),
  )
  axes.legend(loc="lower right")
