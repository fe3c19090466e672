"""Claims of the study of linear networks, from its stored arrays.

The arrays are described at `linear_networks.run`.
"""

import numpy as np

from experiments import study
from experiments.textbook import linear_networks_modes as modes
from nnfun.theory import deep_linear

_NOTES = "Chapter 1 (lecture notes on a network that learns XOR), section 1.2"
_SHEET = "Problem Sheet 4, problem 3, neural nets with linear activations"
_SAXE = (
  "Saxe, McClelland, Ganguli, Exact solutions to the nonlinear dynamics of "
  "learning in deep linear neural networks, 2014"
)
_YOUNG = "Eckart, Young, The approximation of one matrix by another, 1936"
# Relative, of the minimum of a smooth function: the square of how near L-BFGS
# comes to it, which stops at gradients of 1e-8, is far below.
_FITTED = 1e-6


def all_claims(results: study.Results) -> list[study.Claim]:
  """Compares what linear networks represent and learn with the sources."""
  return [
    *_collapse(results),
    *_wide(results),
    *_narrow(results),
    *_convexity(results),
    *_closed_forms(results),
    *_curves(results),
    *_depths(results),
  ]


def _collapse(results):
  yield study.Claim(
    "S3-1.2",
    "Linear layers collapse to one matrix, W' = U W: largest difference of an "
    "output, four layers of integers.",
    _NOTES,
    0.0,
    float(results["collapse_error"]),
  )
  yield study.Claim(
    "S3-1.2",
    "A bias is a column more of the weight matrix (and, for the layer above, a "
    "row (0 ... 0 1) that hands the 1 on): the same difference.",
    _NOTES,
    0.0,
    float(results["column_error"]),
  )


def _at_rank(results, rank):
  return int(np.flatnonzero(results["ranks"] == rank)[0])


def _wide(results):
  row, source = "S4-3.1", f"{_SHEET}, question 1"
  for name, text in (
    ("reach_digits", "any map from 784 inputs to 10 outputs"),
    ("reach_rank", "any map of rank 25, here to 40 outputs"),
  ):
    yield study.Claim(
      row,
      f"25 linear hidden units reach {text}: relative error of a random one.",
      source,
      0.0,
      float(results[name]),
      1e-12,  # Rounding of a singular value decomposition.
    )
  yield study.Claim(
    row,
    "They miss a map of rank 40 by its singular values beyond the 25th: "
    "relative error.",
    _YOUNG,
    float(results["miss_theory"]),
    float(results["miss"]),
    1e-12,  # As above.
  )
  full = float(results["entropy_full"])
  yield study.Claim(
    row,
    "Trained on digits, the network with 25 units reaches the loss of softmax "
    "regression (fitted by scikit-learn) from every start: the largest.",
    f"{source}, and problem 1",
    full,
    float(np.max(results["entropy"][_at_rank(results, 25)])),
    _FITTED * full,
  )
  yield study.Claim(
    row,
    "Both are the same classifier: largest difference of a probability.",
    source,
    0.0,
    float(results["probability_gap"]),
    1e-4,  # The root of the precision of a minimum, about 1e-10.
  )
  yield study.Claim(
    row,
    "Softmax ignores a number added to all outputs, so that 10 classes need "
    "rank 9 only: loss of 9 units, the largest over starts.",
    "theory: the outputs less their mean have rank 9",
    full,
    float(np.max(results["entropy"][_at_rank(results, 9)])),
    _FITTED * full,
  )


def _narrow(results):
  row, source = "S4-3.2", f"{_SHEET}, question 2"
  four = _at_rank(results, 4)
  extra = results["test_wrong"][four] * 1.0 - results["test_wrong_full"]
  yield study.Claim(
    row,
    "4 linear hidden units only learn maps of rank 4: rank of the best one.",
    source,
    4,
    float(results["map_rank"][four]),
  )
  yield study.Claim(
    row,
    "They are weaker: loss on digits of the best over that of softmax "
    "regression.",
    source,
    (1 + _FITTED, np.inf),
    float(np.min(results["entropy"][four]) / results["entropy_full"]),
  )
  yield study.Claim(
    row,
    "With squared loss the least loss at each rank is known: largest relative "
    "error of the best network trained.",
    f"{_YOUNG}; Baldi, Hornik, Neural networks and principal component "
    "analysis: learning from examples without local minima, 1989",
    0.0,
    float(
      np.max(
        np.abs(
          np.min(results["squared"], axis=1) / results["squared_theory"] - 1
        )
      )
    ),
    _FITTED,
  )
  yield study.Claim(
    row,
    "Which one to prefer: of digits not trained on, 4 units misread a larger "
    "fraction than softmax regression (paired difference less two standard "
    "errors).",
    source,
    study.POSITIVE,
    float(extra.mean() - 2 * extra.std(ddof=1) / extra.size**0.5),
  )
  for model, count, expected in zip(
    ("softmax regression", "25 units", "4 units"),
    results["parameter_counts"],
    (785 * 10, 785 * 25 + 26 * 10, 785 * 4 + 5 * 10),
    strict=True,
  ):
    yield study.Claim(
      row,
      f"Parameters of 784 inputs and 10 classes, biases included: {model}.",
      f"{source}; theory: (inputs + 1) units, layer by layer",
      expected,
      float(count),
    )


def _convexity(results):
  row, source = "S4-3.3", f"{_SHEET}, question 3"
  curve = results["network_segment"]
  middle, ends = curve[len(curve) // 2], curve[[0, -1]]
  yield study.Claim(
    row,
    "(W1, W2) and (-W1, -W2) are one network: difference of their losses.",
    "theory: (-W2)(-W1) = W2 W1",
    0.0,
    float(ends[1] - ends[0]),
    1e-12,  # Rounding.
  )
  yield study.Claim(
    row,
    "Half way between them only the bias is left: the loss there.",
    "theory: cross-entropy of softmax(b)",
    float(results["middle_theory"]),
    float(middle),
    1e-12,  # Rounding.
  )
  yield study.Claim(
    row,
    "It lies above the mean of the ends, so that the loss is not convex in the "
    "weights of 4 hidden units: by how much.",
    source,
    (1e-9, np.inf),  # More than rounding.
    float(middle - np.mean(ends)),
    note="Up to log 10 = 2.303, if the ends had no loss at all.",
  )
  yield study.Claim(
    row,
    "Softmax regression is convex: by how much the middle of a random segment "
    "of its weights lies above the mean of the ends, at most.",
    "theory: log-sum-exp is convex",
    (-np.inf, 0.0),
    float(np.max(results["regression_bumps"])),
    1e-12,  # Rounding.
  )


def _closed_forms(results):
  for name, statement in (
    (
      "rate_error",
      "Equation 12 solves tau du/dt = 2 u (s - u), equation 15 with three "
      "layers: largest relative error of its derivative.",
    ),
    (
      "inverse_error",
      "Equation 11 is the inverse of equation 12: largest relative error of a "
      "time.",
    ),
  ):
    yield study.Claim(
      "P14",
      statement,
      f"{_SAXE}, equations 11, 12 and 15",
      0.0,
      float(results[name]),
      1e-11,  # Float64, after up to 17 e-foldings.
    )


def _curves(results):
  rate, s = float(results["learning_rate"]), results["strengths"]
  u_0 = float(results["u_0"])
  theory = np.asarray(deep_linear.learning_time(s / 2, s, u_0, tau=1 / rate))
  delay = modes.step_delay(s, u_0=u_0)
  source = f"{_SAXE}, equation 12, figure 3"
  yield study.Claim(
    "P14",
    "From decoupled weights every mode is half learned when equation 11 says, "
    "and the steps' own delay of log(s / 8 u_0) / 4 epochs later: largest "
    "deviation in epochs.",
    f"{_SAXE}, equation 11; theory: Euler steps to first order",
    0.0,
    float(np.max(np.abs(results["decoupled_times"] - theory - delay))),
    float(np.max(delay * rate * s)),  # The next order.
  )
  epochs = np.arange(len(results["decoupled"]))[:, None]
  curves = np.asarray(deep_linear.mode_strength(epochs, s, u_0, tau=1 / rate))
  shift = float(np.max(rate * s / 2 * delay))
  yield study.Claim(
    "P14",
    "The whole curves are those of equation 12 but for this delay, which "
    "displaces the steepest by lr s / 2 times it: largest |u - theory| / s.",
    f"{source}; theory: Euler steps to first order",
    shift,
    float(np.max(np.abs(results["decoupled"] - curves) / s)),
    shift * 3 * rate * float(s[0]),  # Next orders in lr s.
  )
  late = results["small_times"] / theory - 1
  two_foldings = float(np.mean(2 / np.log(s / u_0)))
  means = np.mean(late, axis=1)
  error = float(np.std(means, ddof=1) / np.sqrt(len(means)))
  yield study.Claim(
    "P14",
    "From small random weights the theory still describes the full dynamics: "
    "mean relative delay of half learning, over starts and modes.",
    source,
    (-two_foldings, two_foldings),
    float(np.mean(late)),
    note="Interval: a factor e^2 in the strength at the start.",
  )
  yield study.Claim(
    "P14",
    "Competition of modes delays learning: that mean in standard errors over "
    "starts.",
    source,
    (4.0, np.inf),
    float(np.mean(means) / error),
  )


def _depths(results):
  rate, s = float(results["depth_learning_rate"]), results["strengths"]
  rows = zip(
    results["depths"],
    results["depth_times"] - results["depth_flow"],
    results["depth_delay"],
    strict=True,
  )
  for num_layers, late, delay in rows:
    power = num_layers - 1
    fastest = rate * power * s ** (2 - 2 / power)
    yield study.Claim(
      "P14",
      f"With {num_layers} layers, from decoupled weights, modes are half "
      "learned when the integral of equation 15 says, and the steps' own delay "
      "later: largest deviation in epochs, of hundreds or thousands.",
      f"{_SAXE}, equation 15; theory: Euler steps to first order",
      0.0,
      float(np.max(np.abs(late - delay))),
      float(np.max(delay * fastest)),  # The next order.
    )
