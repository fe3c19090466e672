"""Claims of the study of linear networks."""

import numpy as np

from experiments import measure, study
from experiments.claims import Claim, Source, theory
from experiments.textbook.linear_networks import readings

_COLLAPSE = Source("S3-1.2", "S3", "section 1.2, Hidden Layers")
_WIDE = theory("S4-3.1", "question 3.1, which it leaves to the reader", "S4")
_NARROW = theory("S4-3.2", "question 3.2, which it leaves to the reader", "S4")
_CONVEXITY = theory(
  "S4-3.3", "question 3.3, which it leaves to the reader", "S4"
)
_LEAST = theory("S4-3.2", "the best map of a given rank", "baldi1989")
_SAXE = theory(
  "P14", "equations 11, 12; Euler steps to first order", "saxe2014"
)
_SMALL = theory("P14", "equation 11, small random weights", "saxe2014")
# Relative, of the minimum of a smooth function: the square of how near L-BFGS
# comes to it, which stops at gradients of 1e-6, is far below.
_FITTED = 1e-6


def claims(results: study.Results) -> list[Claim]:
  """Compares what linear networks represent and learn with the sources."""
  return [
    _collapse(results.maps),
    _reach(results.maps),
    _same_loss(results),
    _least_loss(results.fits),
    _weaker(results),
    *_convexity(results),
    _decoupled(results.modes),
    _small(results.modes),
  ]


def _collapse(maps):
  return _COLLAPSE.zero(
    "collapse",
    "Linear layers collapse to one matrix, in which a bias is a column more.",
    dict(zip(("no biases", "with biases"), maps.collapse, strict=True)),
    tolerance=0.0,
    quantity="largest difference of an output, four layers of integers",
  )


def _reach(maps):
  names = "any map to 10 outputs", "a map of rank 25 to 40 outputs"
  missed, least = maps.miss
  return _WIDE.zero(
    "reach",
    "25 linear hidden units reach every linear map of rank 25 or less.",
    dict(zip(names, maps.reach, strict=True)),
    tolerance=1e-12,  # Rounding of a singular value decomposition.
    quantity="difference from a random map of 784 inputs, relative",
    note=f"A map of rank 40 is missed by {missed:.4f}; the singular values "
    f"beyond the 25th leave {least:.4f}.",
  )


def _same_loss(results):
  fits = results.fits
  return _WIDE.zero(
    "same-loss",
    "Trained on digits, 9 or 25 linear hidden units reach the loss of softmax "
    "regression from every start.",
    {
      f"{rank} units, start {i + 1}": loss / fits.cross_entropy_full - 1
      for rank in (9, 25)
      for i, loss in enumerate(
        fits.cross_entropy[readings.at_rank(results, rank)]
      )
    },
    tolerance=_FITTED,
    quantity="excess of the cross-entropy, relative",
    note="Both have the same power. 9 units are enough for 10 classes, since "
    "softmax ignores what is added to all outputs.",
  )


def _least_loss(fits):
  return _LEAST.zero(
    "least-loss",
    "Trained with squared loss, the best networks of every width reach the "
    "least loss possible at their rank.",
    float(np.max(np.abs(fits.squared.min(axis=1) / fits.squared_theory - 1))),
    tolerance=_FITTED,
    quantity="largest deviation of the loss, relative",
  )


def _weaker(results):
  four = readings.at_rank(results, 4)
  fits = results.fits
  return _NARROW.at_least(
    "weaker",
    "4 linear hidden units, limited to maps of rank 4, fit digits worse than "
    "softmax regression.",
    0.01,  # Nats; what no start and no rounding makes.
    float(fits.cross_entropy[four].min() - fits.cross_entropy_full),
    quantity="excess of the cross-entropy of the best start, nats",
    note="With 784 inputs they have 3,190 parameters, regression 7,850, 25 "
    f"units 19,885. Of new digits they misread {fits.wrong[four].mean():.1%}, "
    f"regression {fits.wrong_full.mean():.1%}.",
  )


def _convexity(results):
  network, bumps = results.segments.network, results.segments.bumps
  middle = network[len(network) // 2]
  yield _CONVEXITY.at_least(
    "not-convex",
    "Cross-entropy is not convex in the weights of 4 linear hidden units: "
    "between (W1, W2) and (-W1, -W2) it rises.",
    0.01,  # As of `weaker`.
    middle - np.mean(network[[0, -1]]),
    quantity="loss half way less the mean of the ends, nats",
    note="The ends are one network; half way only the bias is left. Up to log "
    "10 = 2.303, if the ends had no loss at all.",
  )
  yield _CONVEXITY.at_most(
    "convex",
    "Softmax regression is convex: no random segment of its weights lies above "
    "the mean of its ends.",
    0.0,
    np.max(bumps),
    tolerance=1e-12,  # Rounding.
    quantity=f"largest excess half way, of {len(bumps)} segments, nats",
  )


def _decoupled(modes):
  late = {
    "equation 11": modes.decoupled_times - modes.theory_times,
    "equation 12": modes.decoupled_times - modes.theory_curve_times,
  }
  return _SAXE.zero(
    "decoupled-times",
    "From decoupled weights every mode is learned to 10, 50 and 90 % when the "
    "closed form says, but for the steps' own delay.",
    {
      name: float(np.max(np.abs(epochs - modes.delay)))
      for name, epochs in late.items()
    },
    tolerance=float(modes.delay_error),
    quantity="largest deviation, epochs of hundreds",
    note="Finite steps lag behind the flow by 1/2 log of its speeds at end and "
    f"start, up to {np.max(modes.delay):.1f} epochs; the tolerance is the next "
    "order.",
  )


def _small(modes):
  late = modes.small_times / modes.theory_times[readings.LEARNED.index(0.5)] - 1
  two_foldings = float(np.mean(2 / np.log(modes.strengths / modes.u_0)))
  return _SMALL.equivalent(
    "small-weights",
    "From small random weights, too, modes are half learned when the closed "
    "form says.",
    0.0,
    measure.mean(np.mean(late, axis=1)),
    margin=two_foldings,
    quantity="delay of half learning, relative, mean over modes",
    note="Margin: a factor of e^2 in the strength at the start. Modes that "
    "compete learn later.",
  )
