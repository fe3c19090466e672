"""Figure of the study of digit codes, from its stored arrays.

The arrays are described at `digit_codes_design.measure` and
`digit_codes_training.train`.
"""

import numpy as np
from matplotlib import figure as mpl_figure

from experiments import study, style
from experiments.textbook import digit_codes_claims

_READINGS = (
  ("one_hot", "ten outputs, the largest", "o-"),
  ("designed", "ten outputs, designed layer", "s--"),
  ("deep", "ten then four, trained as a whole", "^-"),
  ("bits", "four outputs, trained", "D-"),
)


def draw(results: study.Results) -> mpl_figure.Figure:
  """Draws the margins of the bits, errors by size, and their differences."""
  fig, axes = style.figure(1, 3, width=12.0, height=4.0)
  _plot_margins(axes[0], results)
  _plot_sizes(axes[1], results)
  _plot_gaps(axes[2], results)
  return fig


def _plot_margins(axes, results):
  margins = results["margins"][0]
  for bit in range(margins.shape[1]):
    axes.plot(
      np.arange(10) + 0.16 * (bit - 1.5),
      margins[:, bit],
      "o^sD"[bit],
      label=f"bit {bit}",
    )
  axes.axhline(0.9, color=style.GREY, linestyle=":")
  axes.text(9.4, 0.9, "0.90", color=style.GREY, ha="right", va="bottom")
  axes.set(
    title="Designed layer: the worst margin",
    xlabel="digit",
    ylabel="±z of the bit, least over admissible inputs",
    xticks=range(10),
    ylim=(0.89, 1.0),
  )
  axes.legend(ncols=2, loc="upper center")


def _plot_sizes(axes, results):
  sizes = results["hidden_sizes"]
  for i, (name, label, shape) in enumerate(_READINGS):
    errors = 1 - digit_codes_claims.best(results, name)
    middle = np.mean(errors, axis=1)
    spread = np.abs(np.quantile(errors, [0, 1], axis=1) - middle)
    axes.errorbar(
      sizes * 1.03 ** (i - 1.5), middle, spread, fmt=shape, capsize=2,
      linewidth=1.3, label=label,
    )  # fmt: skip
  axes.set_xscale("log")
  axes.set_yscale("log")
  ticks = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
  axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
  axes.set_xticks(sizes, sizes)
  axes.minorticks_off()
  axes.set(
    title="Test error (mean, range of seeds)",
    xlabel="hidden neurons",
    ylabel="share of test images misread",
  )
  axes.legend(loc="upper right")


def _plot_gaps(axes, results):
  sizes = results["hidden_sizes"]
  designed = digit_codes_claims.best(results, "designed")
  for name, label, shape in _READINGS[2:]:
    lead = designed - digit_codes_claims.best(results, name)
    mean, error = digit_codes_claims.mean_and_error(lead)
    color = f"C{[reading[0] for reading in _READINGS].index(name)}"
    axes.errorbar(
      sizes, 100 * mean, 200 * error, fmt=shape, color=color, capsize=3,
      label=label,
    )  # fmt: skip
  axes.axhline(0, color=style.GREY, linewidth=0.8)
  axes.set_xscale("log")
  axes.set_xticks(sizes, sizes)
  axes.minorticks_off()
  axes.set(
    title="What the designed layer saves",
    xlabel="hidden neurons",
    ylabel="points of accuracy, ± 2 standard errors",
  )
  axes.legend(loc="lower left")
