"""Figure of the study of calibration."""

import numpy as np
from matplotlib import figure as mpl_figure

from experiments import study, style
from experiments.softmax_temperature.calibration import readings

AFTER, BEFORE = readings.AFTER, readings.BEFORE
TEST, VALIDATION = readings.TEST, readings.VALIDATION

_SCALES = ((BEFORE, "T = 1", "C1"), (AFTER, "fitted T", "C0"))
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
  test = results.test
  for i, label, color in _SCALES:
    counts = test.counts[:, i].sum(axis=0)
    shown = counts >= _LEAST_COUNT
    counts = counts[shown]
    confidence, accuracy = (
      (means * test.counts)[:, i].sum(axis=0)[shown] / counts
      for means in (test.confidence, test.accuracy)
    )
    spread = np.sqrt(accuracy * (1 - accuracy) / counts)
    axes.errorbar(confidence, accuracy, spread, fmt=f"{color}o-", label=label)
  axes.set(
    title="How often it is right",
    xlabel="confidence",
    ylabel="accuracy on the test set",
    xlim=(0.15, 1.03),
    ylim=(0, 1.05),
  )
  axes.legend(loc="upper left")


def _errors(axes, results):
  columns = (*results.test.ece.T, results.test.chance_ece)
  for i, values in enumerate(columns):
    color = ("C1", "C0", style.GREY)[i]
    at = i + np.linspace(-0.2, 0.2, len(values))
    axes.plot(at, 100 * values, "o", color=color, alpha=0.7)
    axes.hlines(100 * values.mean(), i - 0.3, i + 0.3, color=color)
  axes.set(
    title="Calibration error",
    ylabel="ECE on the test set (%), by network",
    ylim=(0, None),
    xlim=(-0.6, 2.6),
  )
  axes.set_xticks(range(3), ["T = 1", "fitted T", "perfect\nprobabilities"])


def _losses(axes, results):
  epochs = results.epochs
  nll, entropy = (
    values[:, :, VALIDATION].mean(axis=0)
    for values in (results.curve.nll, results.curve.entropy)
  )
  for i, label, color in _SCALES:
    axes.plot(epochs, nll[:, i], color, label=f"NLL, {label}")
    axes.plot(epochs, entropy[:, i], f"{color}--", label=f"entropy, {label}")
  axes.set(
    title="Surer, not better",
    xlabel="epoch",
    ylabel="validation set (nats)",
    ylim=(0, 2.5 * nll[-1, BEFORE]),
  )
  axes.legend()


def _temperature(axes, results):
  epochs, temperature = results.epochs, 1 / results.curve.c
  error = results.curve.error[:, :, TEST, BEFORE]
  style.band(axes, epochs, temperature, color="C0", label="fitted T")
  style.band(axes, epochs, 10 * error, color="C2", label="test error × 10")
  axes.axhline(1, color=style.GREY, ls=":", lw=1.2, label="T as trained")
  axes.set(
    title="The temperature keeps rising",
    xlabel="epoch",
    ylabel="T, or 10 × share of errors",
    ylim=(0, 1.3 * temperature[:, -1].max()),
  )
  axes.legend(loc="lower right", ncols=3, columnspacing=1)
