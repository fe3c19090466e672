"""Figure of the study of cost."""

from matplotlib import figure as mpl_figure

from experiments import study, style
from experiments.rtrl_vs_tbptt.cost import readings

_MARKERS = ("s", "D", "o", "^", "v", "P", "X")


def plot(results: study.Results) -> mpl_figure.Figure:
  """Draws operations, numbers and bytes by size."""
  fig, axes = style.figure(1, 3, height=5.4)
  n = results.units
  _draw(axes[0], results, "operations", n, "n")
  _draw(axes[1], results, "numbers", n, "n")
  _draw(axes[2], results, "stream_bytes", results.lengths, "T")
  for line, seconds in zip(axes[0].lines, results.seconds, strict=True):
    line.set_label(f"{line.get_label()}, {1e6 * seconds:,.0f} µs")
  axes[0].legend(loc="upper center", bbox_to_anchor=(0.5, -0.15))
  axes[0].set(
    title="Operations of a step", xlabel=f"units n (times: n = {n[-1]})"
  )
  axes[1].set(title="Numbers kept", xlabel="units n")
  axes[2].set(title="Bytes for a stream", xlabel=f"steps T (n = {n[0]})")
  return fig


def _draw(ax, results, field, sizes, letter):
  """One line a method, with the power of its end."""
  for i, (name, cost) in enumerate(results.methods.items()):
    values = getattr(cost, field)
    if letter == "n":
      power = readings.exponent(values)
    else:
      power = readings.growth(sizes, values)
    ax.loglog(
      sizes,
      values,
      marker=_MARKERS[i],
      # Where lines lie on each other, both are seen.
      linestyle="--" if name in (readings.BLOCK, readings.TRUNCATED) else "-",
      color=style.PALETTE[i],
      label=f"{name}: ${letter}^{{{abs(power):.1f}}}$",
    )
  ax.set_xticks(sizes, sizes)
  ax.minorticks_off()
  ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.15))
