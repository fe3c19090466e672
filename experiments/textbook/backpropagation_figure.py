"""Figure of the study of backpropagation, from its stored arrays.

The arrays are described at `backpropagation.run`.
"""

import numpy as np
from matplotlib import figure as mpl_figure

from experiments import study, style
from experiments.textbook import backpropagation_training_claims as claims_lib


def draw(results: study.Results) -> mpl_figure.Figure:
  """Draws noise, batch sizes, costs, and the comparison of optimisers."""
  fig, axes = style.figure(3, 2, height=10.5)
  _noise(axes[0, 0], results)
  _costs(axes[0, 1], results)
  _batch_sizes(axes[1, 0], results)
  _rates(axes[1, 1], results)
  _curves(axes[2, 0], results)
  _table(axes[2, 1], results)
  return fig


def _noise(axes, results):
  sizes = results["noise_sizes"][:-1]  # All examples have none.
  measured = np.sqrt(np.mean(results["noise_squared"][:-1], axis=1))
  predicted = np.sqrt(results["noise_theory"][:-1])
  axes.plot(sizes, predicted, color=style.GREY, label="theory")
  axes.plot(
    sizes,
    predicted[0] / np.sqrt(sizes),
    ":",
    color=style.GREY,
    label=r"1/$\sqrt{B}$ alone",
  )
  axes.plot(sizes, measured, "o", color="C0", label="measured")
  axes.set(
    title="Noise of a mini-batch's gradient",
    xlabel=f"batch size B, of {results['noise_sizes'][-1]} examples",
    ylabel=r"$|g_B - g|$, root mean square",
    xscale="log",
    yscale="log",
  )
  axes.legend()


def _costs(axes, results):
  layers = int(results["num_layers"])
  weights = layers * results["widths"] ** 2
  plain, backward, forward = results["operations"].T
  axes.plot(weights, forward / plain, "o-", color="C1")
  axes.plot(weights, backward / plain, "o-", color="C0")
  theory = weights * (layers - 1) / (2 * layers)
  axes.plot(weights, theory, ":", color=style.GREY)
  for cost, text, color, offset in (
    (forward / plain, "forward accumulation", "C1", (10, -14)),
    (backward / plain, "backpropagation", "C0", (10, 10)),
  ):
    axes.annotate(
      text,
      (weights[1], cost[1]),
      offset,
      textcoords="offset points",
      color=color,
    )
  axes.set(
    title="Cost of the gradient",
    xlabel="number of weights P (dotted: 3P/8)" if layers == 4 else "weights",
    ylabel="operations, in plain passes",
    xscale="log",
    yscale="log",
    ylim=(1, None),
  )


def _batch_sizes(axes, results):
  names = ("SGD, B = {}", "mini-batch, B = {}", "batch, B = {}")
  epochs = np.arange(1, results["batch_curves"].shape[-1])
  for i, size in enumerate(results["batch_sizes"]):
    train, held_out = np.mean(results["batch_curves"][i, :2], axis=1)[:, 1:]
    label = names[i].format(size)
    axes.plot(epochs, train, "--", color=f"C{i}")
    axes.plot(epochs, held_out, color=f"C{i}", label=label)
  axes.set(
    title="One learning rate, three batch sizes",
    xlabel="epoch",
    ylabel="loss (nats): held out; dashed: training",
    xscale="log",
    yscale="log",
  )
  axes.legend(loc="lower left")


def _rates(axes, results):
  final = results["optimizer_accuracy"][..., -1]
  for i, name in enumerate(results["optimizers"]):
    axes.plot(
      results["learning_rates"],
      np.mean(final[i], axis=0),
      marker="o",
      markersize=3.5,
      label=name,
      linestyle=_line(i),
    )
  axes.set(
    title="Optimisers over learning rates",
    xlabel="learning rate at the start",
    ylabel="accuracy, held out, at the end",
    xscale="log",
    ylim=(0, 1.02),
  )
  axes.legend(loc="lower center", ncols=2, fontsize=8)


def _line(index):
  return ("-", "--")[index % 2]


def _curves(axes, results):
  curves = results["optimizer_losses"]
  epochs = np.arange(1, curves.shape[-1] + 1)
  for i, best in enumerate(claims_lib.best_rates(results)):
    values = curves[i, :, best]
    axes.plot(
      epochs, np.mean(values, axis=0), color=f"C{i}", linestyle=_line(i)
    )
    low, high = np.min(values, axis=0), np.max(values, axis=0)
    axes.fill_between(epochs, low, high, color=f"C{i}", alpha=0.15, linewidth=0)
  axes.set(
    title="Learning curves at the best learning rate",
    xlabel="epoch (colours as above; band: all seeds)",
    ylabel="training loss (nats)",
    yscale="log",
  )


def _table(axes, results):
  final = results["optimizer_accuracy"][..., -1]
  best = claims_lib.best_rates(results)
  cells = []
  for name, index, accuracy in zip(
    results["optimizers"], best, final, strict=True
  ):
    values = accuracy[:, index]
    spread = f"{np.mean(values):.3f} ± {np.std(values, ddof=1):.3f}"
    cells.append([name, f"{results['learning_rates'][index]:g}", spread])
  linear = float(results["regression_accuracy"][1])
  cells.append(["softmax regression", "", f"{linear:.3f}"])
  axes.axis("off")
  table = axes.table(
    cells,
    colLabels=["optimiser", "best rate", "mean ± deviation"],
    colWidths=[0.42, 0.2, 0.38],
    cellLoc="left",
    colLoc="left",
    edges="horizontal",
    loc="center",
  )
  table.auto_set_font_size(False)
  table.set_fontsize(9.5)
  table.scale(1, 1.5)
  axes.set_title("Best accuracy, held out")
