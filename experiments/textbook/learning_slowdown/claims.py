"""Claims of the study of the learning slowdown."""

import numpy as np
from scipy import special

from experiments import study
from experiments.claims import Claim, Source, theory
from experiments.textbook.learning_slowdown import theory as neuron

_EXACT = 1e-12  # Some hundred roundings of float64.
# Outputs by start (w, b) and epoch: the update iterated by hand.
_OUTPUTS = {
  ((0.6, 0.9), 300): 0.0940,
  ((2.0, 2.0), 150): 0.9334,
  ((2.0, 2.0), 300): 0.2028,
}


def claims(results: study.Results) -> list[Claim]:
  """Compares minima, integrals, gradients and learning curves."""
  return [
    *_minima(results.minima),
    _misprints(results.minima, results.gradients),
    _integrals(results.integrals),
    _gradients(results.gradients),
    _outputs(results),
    _times(results),
  ]


def _minima(minima):
  y, a, least = minima.targets, minima.outputs, minima.costs.argmin(axis=1)
  targets = np.arange(len(y))
  yield Source("S0-3.1", "S0", "exercise 3.1").zero(
    "minimum",
    "The cross-entropy is least where the output a is the target y.",
    {
      "the least on the grid": np.abs(a[least] - y).max(),
      "gradient descent from a = 1/2": np.abs(minima.descended - y).max(),
      "its derivative there": np.abs(minima.slopes[targets, least]).max(),
    },
    tolerance=_EXACT,
    quantity="largest distance from y, or slope",
  )
  left, entropy = minima.costs[targets, least], special.entr([y, 1 - y]).sum(0)
  yield Source("S1-P6", "S1", "problem 6, equation 21").zero(
    "least-value",
    "The least value of the cross-entropy is the binary entropy of the target.",
    np.abs(left - entropy).max(),
    tolerance=_EXACT,
    quantity="largest difference, nats",
    note=f"The largest is {left.max():.4f}, log 2 at y = 1/2, as in figure 3.1 "
    "of S0.",
  )


def _misprints(minima, gradients):
  y, a = minima.targets[:, np.newaxis], minima.outputs[:-1]  # Not at a = 1.
  printed, slopes = y / a - (1 - y) / (1 - a), minima.slopes[:, :-1]
  least = minima.outputs[minima.printed_costs.argmin(axis=1)]
  return theory("S1-P6", "problems 6 and 7 as printed", "S1").zero(
    "misprints",
    "The cost as printed is least at a = 1; its derivative has the other sign, "
    "and dC/dz no factor a_k.",
    {
      "(20) and (22): the least a, less 1": np.abs(least - 1).max(),
      "(24): relative error of minus what is printed": (
        np.linalg.norm(printed + slopes) / np.linalg.norm(slopes)
      ),
      "after (26): printed over dC/dz, less a_k": gradients["printed"],
    },
    tolerance=1e-9,  # Entries of the gradient can be small.
    quantity="error of what the misprint is said to do",
    note="Errata: (20), (22) have (1 - a) ln(1 - a); (21), (23) are right.",
  )


def _integrals(integrals):
  return Source("S0-3.1.1", "S0", "section 3.1.1, equations 3.1 to 3.3").zero(
    "integral",
    "A cost whose gradient is x (a - y) in the weights and a - y in the bias "
    "is the cross-entropy.",
    {name: np.abs(excess).max() for name, excess in integrals.items()},
    tolerance=1e-9,  # Asked for 1e-12, and about 1e-8 of the value.
    quantity="largest difference from the cost's own rise, nats",
  )


def _gradients(gradients):
  return Source("S0-3.2", "S0", "exercise 3.2").zero(
    "gradients",
    "An output's dC/dz is a - y under the cross-entropy, and has a factor "
    "sigma'(z) under the quadratic cost; dC/dw is a_k times it.",
    {name: error for name, error in gradients.items() if name != "printed"},
    tolerance=_EXACT,
    quantity="relative error against autodiff",
    note="Equations 25, 27 and 34 of S1, problem 7, say the same.",
  )


def _outputs(results):
  source = theory("S1-P7", "the update iterated by hand: x = 1, y = 0")
  words = (
    "outputs",
    "From (0.6, 0.9) the quadratic cost brings the output to 0.0940; from "
    "(2, 2) to 0.9334 half-way and 0.2028 at the end.",
  )
  quantity = "output, less the expected one"
  outputs = results.curves["quadratic"]
  starts = list(map(tuple, results.starts.tolist()))
  found = {
    f"from {start} after {epoch} epochs": outputs[starts.index(start), epoch]
    - expected
    for (start, epoch), expected in _OUTPUTS.items()
    if start in starts and epoch < outputs.shape[1]
  }
  if results.learning_rate != 0.15 or len(found) < len(_OUTPUTS):
    note = "Tested with the default starts, learning rate and number of epochs."
    return source.not_run(*words, 0.0, quantity=quantity, note=note)
  return source.zero(*words, found, tolerance=5e-5, quantity=quantity)


def _times(results):
  rate, relative, expected = float(results.learning_rate), {}, []
  for name, curves in results.curves.items():
    curve = curves[curves[:, 0].argmax()]
    epochs = neuron.time(name, curve[0], 0.5, rate)
    crossing = np.interp(-0.5, -curve, np.arange(len(curve)), right=np.inf)
    relative[name] = crossing / epochs
    expected.append(f"{epochs:.0f} by {name}")
  starts = np.array([curves[:, 0].max() for curves in results.curves.values()])
  source = theory("S1-P7", "da / dt = -2 eta a (1 - a) dC / dz, integrated")
  words = (
    "times",
    "Down to an output of 1/2 the worse start takes the number of epochs that "
    "infinitely small steps take.",
  )
  quantity = "epochs, over those of small steps"
  if not np.all((starts > 0.5) & np.isfinite([*relative.values()])):
    note = "Tested where the worse start is above 1/2 and gets below it."
    return source.not_run(*words, 1.0, quantity=quantity, note=note)
  return source.equal(
    *words,
    1.0,
    relative,
    # Euler's method: half a step of 2 eta times the slope of dC / dz, which is
    # at most 1/4 for either cost.
    tolerance=rate / 4,
    quantity=quantity,
    note=f"Expected epochs: {', '.join(expected)}.",
  )
