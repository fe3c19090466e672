"""Figure of the study of calibration."""

import numpy as np
from matplotlib import figure as mpl_figure

from experiments import study, style
from experiments.softmax_temperature.calibration import readings

AFTER, BEFORE = readings.AFTER, readings.BEFORE
TEST, VALIDATION = readings.TEST, readings.VALIDATION

_COLORS = {BEFORE: style.PALETTE[1], AFTER: style.PALETTE[0]}
_LEAST_COUNT = 10  # Fewer examples say nothing of an accuracy.


def plot(results: study.Results) -> mpl_figure.Figure:
  """Draws reliability and calibration error, and how they come about."""
  fig, axes = style.figure(2, 2, height=7.2)
  panels = (_reliability, _errors, _losses, _temperature)
  for panel, ax in zip(panels, axes.flat, strict=True):
    panel(ax, results)
  return fig


def _reliability(axes, results):
  axes.plot([0, 1], [0, 1], "--", color=style.GREY)
  right = readings.is_correct(results)
  for i, label in ((BEFORE, "T = 1"), (AFTER, "fitted T")):
    found = readings.diagram(
      results.test.confidences[:, i], right[:, i], int(results.num_bins)
    )
    counts, confidence, accuracy = np.array(found)[
      :, found.counts >= _LEAST_COUNT
    ]
    confidence, accuracy = confidence / counts, accuracy / counts
    spread = np.sqrt(accuracy * (1 - accuracy) / counts)
    color = _COLORS[i]
    axes.errorbar(confidence, accuracy, spread, color=color, lw=1.2)
    area = 8 + 150 * counts / counts.sum()
    axes.scatter(confidence, accuracy, area, color=color, label=label, zorder=3)
  axes.set(
    title="How often it is right",
    xlabel="confidence (area: share of the examples)",
    ylabel="accuracy on the test set",
    xlim=(0.15, 1.03),
    ylim=(0, 1.05),
  )
  axes.legend(loc="upper left", markerscale=0.7)


def _errors(axes, results):
  columns = (*results.test.ece.T, results.test.chance_ece)
  colors = (*_COLORS.values(), style.GREY)
  for i, (values, color) in enumerate(zip(columns, colors, strict=True)):
    at = i + np.linspace(-0.2, 0.2, len(values))
    axes.plot(at, 100 * values, "o", color=color, alpha=0.7)
    axes.hlines(100 * values.mean(), i - 0.3, i + 0.3, color=color)
  axes.set(
    title=f"Calibration error, {int(results.num_bins)} bins",
    xlabel="dots: each network; lines: their mean",
    ylabel="ECE on the test set (%)",
    ylim=(0, None),
    xlim=(-0.6, 2.6),
  )
  axes.set_xticks(range(3), ["T = 1", "fitted T", "perfect\nprobabilities"])


def _losses(axes, results):
  nll, entropy = (
    values[:, 1:, VALIDATION].mean(axis=0)
    for values in (results.curve.nll, results.curve.entropy)
  )
  epochs = np.arange(1, len(nll) + 1)
  for i, label in ((BEFORE, "T = 1"), (AFTER, "fitted T")):
    axes.plot(epochs, nll[:, i], color=_COLORS[i], label=f"NLL, {label}")
    axes.plot(
      epochs[::4],
      entropy[::4, i],
      "o",
      color=_COLORS[i],
      ms=3.5,
      label=f"entropy, {label}",
    )
  axes.set(
    title="Surer, not better",
    xlabel="epoch",
    ylabel="validation set (nats)",
    ylim=(0, 2.5 * nll[-1, BEFORE]),
  )
  axes.legend()


def _temperature(axes, results):
  temperature = readings.temperature(results.curve.c[:, 1:])
  error = results.curve.error[:, 1:, TEST, BEFORE]
  epochs = np.arange(1, temperature.shape[1] + 1)
  style.band(axes, epochs, temperature, color=_COLORS[AFTER], label="fitted T")
  style.band(
    axes, epochs, 10 * error, color=style.PALETTE[2], label="test error × 10"
  )
  axes.axhline(1, color=style.GREY, ls=":", lw=1.2, label="T as trained")
  axes.set(
    title="The temperature keeps rising",
    xlabel="epoch",
    ylabel="T, or 10 × share of errors",
    ylim=(0, 1.3 * temperature[:, -1].max()),
  )
  axes.legend(loc="lower right", ncols=3, columnspacing=1)
