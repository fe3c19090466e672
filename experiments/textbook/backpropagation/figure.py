"""Figure of the study of backpropagation."""

from matplotlib import figure as mpl_figure

from experiments import study, style


def plot(results: study.Results) -> mpl_figure.Figure:
  """Draws costs, batch sizes, and the comparison of optimisers."""
  fig, axes = style.figure(1, 3, height=3.9)
  _plot_costs(axes[0], results.costs)
  _plot_batch_sizes(axes[1], results.batch_sizes)
  _plot_rates(axes[2], results)
  for ax in axes:
    ax.minorticks_off()  # More than all else in the file.
  handles_and_names = axes[2].get_legend_handles_labels()
  fig.legend(*handles_and_names, loc="outside lower right", ncols=8, fontsize=8)
  return fig


def _plot_costs(axes, costs):
  num_layers = int(costs.num_layers)
  weights = num_layers * costs.widths**2
  expected = weights * (num_layers - 1) / (2 * num_layers)
  for passes, label, fmt, color in (
    (expected, "P (N - 1) / 2N", ":", style.GREY),
    (costs.forward, "forward accumulation", "o-", style.PALETTE[1]),
    (costs.backward, "backpropagation", "o-", style.PALETTE[0]),
  ):
    axes.loglog(weights, passes, fmt, color=color, label=label)
  axes.set(
    title="Cost of the gradient",
    xlabel=f"weights P in N = {num_layers} layers",
    ylabel="operations (plain passes)",
    ylim=(1, 50 * max(costs.forward)),
  )
  axes.legend(loc="upper left", fontsize=8)


def _plot_batch_sizes(axes, curves):
  for i, size in enumerate(curves.sizes):
    color, train = style.PALETTE[i], curves.train[:, i].mean(axis=0)
    axes.loglog(curves.epochs, train, "--", color=color)
    test, label = curves.test[:, i], f"B = {size}"
    style.band(axes, curves.epochs, test, color=color, label=label)
  axes.set(
    title="Three batch sizes",
    xlabel="epoch",
    ylabel="loss (nats): test; dashed: training",
  )
  axes.legend(loc="lower left")


def _plot_rates(axes, results):
  grid, linear = results.grid, float(results.regression["test accuracy"])
  for i, name in enumerate(grid.optimizers):
    accuracy = grid.test[:, i].mean(axis=0)
    axes.plot(grid.learning_rates, accuracy, "o-", ms=4, lw=1.2, label=name)
  axes.axhline(linear, color=style.GREY, ls=":", label="softmax regression")
  axes.set(
    title="Optimisers (below)",
    xlabel="learning rate at the start",
    ylabel="test accuracy at the end",
    xscale="log",
    ylim=(0.8, 1.0),
  )
