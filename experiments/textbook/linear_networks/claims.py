"""Claims of the study of linear networks."""

import numpy as np

from experiments import measure, study
from experiments.claims import Claim, Source, theory
from experiments.textbook.linear_networks import readings

_COLLAPSE = Source("S3-1.2", "S3", "section 1.2, Hidden Layers")
_WIDE, _NARROW, _CONVEXITY = (
  theory(id, "the question, which is left to the reader", "S4")
  for id in ("S4-3.1", "S4-3.2", "S4-3.3")
)
_SAXE = theory(
  "P14", "equations 11, 12; Euler steps to first order", "saxe2014"
)
_SMALL = theory("P14", "equation 11, small random weights", "saxe2014")


def claims(results: study.Results) -> list[Claim]:
  """Compares what linear networks represent and learn with the sources."""
  return [
    *_representable(results),
    *_fitted(results.fits),
    _decoupled(results.modes),
    _small(results.modes),
  ]


def _representable(results):
  yield _COLLAPSE.zero(
    "collapse",
    "Linear layers collapse to one matrix, in which a bias is a column more.",
    float(results.collapse),
    tolerance=0.0,
    quantity="largest difference of an output, four layers of integers",
  )
  yield _WIDE.zero(
    "reach",
    "25 linear hidden units reach every linear map of rank 25 or less.",
    float(results.reach),
    tolerance=1e-12,  # Rounding of a singular value decomposition.
    quantity="difference from a random map of rank 25, 784 inputs, relative",
  )


def _fitted(fits):
  by_rank = dict(zip(readings.RANKS, fits.networks, strict=True))
  yield _WIDE.zero(
    "same-loss",
    "Trained on digits, 9 or 25 linear hidden units reach the loss of softmax "
    "regression from every start.",
    {
      f"{rank} units, start {i + 1}": loss / fits.regression - 1
      for rank in (9, 25)
      for i, loss in enumerate(by_rank[rank])
    },
    tolerance=1e-6,  # L-BFGS stops at gradients of 1e-6, much nearer.
    quantity="excess of the cross-entropy, relative",
    note="Both have the same power. 9 units are enough for 10 classes, since "
    "softmax ignores what is added to all outputs.",
  )
  yield _NARROW.at_least(
    "weaker",
    "4 linear hidden units, limited to maps of rank 4, fit digits worse than "
    "softmax regression.",
    0.01,  # Nats; what no start and no rounding makes.
    float(by_rank[4].min() - fits.regression),
    quantity="excess of the cross-entropy of the best start, nats",
    note="With 784 inputs they have 3,190 parameters, regression 7,850, 25 "
    "units 19,885.",
  )
  network, regression = (
    along[len(along) // 2] - np.mean(along[[0, -1]])
    for along in (fits.along_network, fits.along_regression)
  )
  yield _CONVEXITY.at_least(
    "not-convex",
    "Cross-entropy is not convex in the weights of 4 linear hidden units: "
    "between (W1, W2) and (-W1, -W2) it rises.",
    0.01,  # As of `weaker`.
    float(network),
    quantity="loss half way less the mean of the ends, nats",
    note="The ends are one network; half way only the bias is left. Softmax "
    f"regression, from W to -W, is convex: {regression:.3f}.",
  )


def _decoupled(modes):
  levels = np.outer(readings.LEARNED, modes.strengths)
  delay = readings.step_delay(levels, modes.strengths, modes.u_0)
  found = readings.times(modes.decoupled, levels) - delay
  flows = {
    "equation 11": modes.theory_times,
    "equation 12": readings.times(modes.theory, levels),
  }
  return _SAXE.zero(
    "decoupled-times",
    "From decoupled weights every mode is learned to 10, 50 and 90 % when the "
    "closed form says, but for the steps' own delay.",
    {name: np.max(np.abs(found - flow)) for name, flow in flows.items()},
    tolerance=float(np.max(delay * modes.learning_rate * modes.strengths)),
    quantity="largest deviation, epochs of hundreds",
    note="Finite steps lag behind the flow by 1/2 log of its speeds at end and "
    f"start, up to {np.max(delay):.1f} epochs; tolerance: the next order.",
  )


def _small(modes):
  half = modes.theory_times[readings.LEARNED.index(0.5)]
  return _SMALL.equivalent(
    "small-weights",
    "From small random weights, too, modes are half learned when the closed "
    "form says.",
    0.0,
    measure.mean(np.mean(modes.small_times / half - 1, axis=1)),
    margin=float(np.mean(2 / np.log(modes.strengths / modes.u_0))),
    quantity="delay of half learning, relative, mean over modes",
    note="Margin: a factor of e^2 in the strength at the start. Modes that "
    "compete learn later.",
  )
