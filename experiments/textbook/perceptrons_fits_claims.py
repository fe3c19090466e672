"""Claims about regressions, separability and boundaries, from stored arrays.

The arrays are described at `perceptrons.run`.
"""

import numpy as np

from experiments import study
from experiments.textbook import perceptrons_boundaries as boundaries

_KENT = "Kent, Introduction to Deep Learning, slides of ISE 364 / 464"
_NOTES = "Chapter 1 (lecture notes on a network that learns XOR)"


def all_claims(results: study.Results) -> list[study.Claim]:
  """Compares what one neuron and small networks fit with the sources."""
  return [
    *_regressions(results),
    *_separability(results),
    *_boundaries(results),
  ]


def beyond_a_line(results: study.Results) -> float:
  """Returns the accuracy of the best line, and 4 standard errors."""
  line = float(results["accuracy_line"])
  return line + 4 * (line * (1 - line) / len(results["ys"])) ** 0.5


def _regressions(results):
  for name, g, fit in (
    ("least_squares_gap", "identity", "NumPy's least squares"),
    ("logistic_gap", "sigmoid", "scikit-learn's logistic regression"),
  ):
    yield study.Claim(
      "S2-perceptron",
      f"A perceptron with g = {g}, trained by gradient descent, is {fit}: "
      "largest difference of a weight or bias.",
      f"{_KENT}, a connection to linear and logistic regression",
      0.0,
      float(results[name]),
      1e-6,  # Gradient descent contracts by 0.97 a step at the slowest.
    )


def _separability(results):
  functions, separable = results["functions"], results["separable"]
  is_ = dict(zip(map(tuple, functions.astype(int)), separable, strict=True))
  minsky = f"{_KENT}, the historic problem (Minsky and Papert, 1969)"
  yield study.Claim(
    "S2-xor",
    "The signed sum of the XOR patterns, weights 1, is 0 for every (w, b), and "
    "should be positive term by term: no (w, b) exists. Its largest entry.",
    f"{minsky}; theory: Farkas' certificate",
    0,
    float(np.max(np.abs(results["farkas"]))),
  )
  yield study.Claim(
    "S2-xor",
    "Neither XOR nor its negation is linearly separable: how many of the two "
    "are.",
    f"{minsky}; by linear programming",
    0,
    float(is_[0, 1, 1, 0]) + float(is_[1, 0, 0, 1]),
  )
  yield study.Claim(
    "S2-xor",
    "AND, OR and NAND are linearly separable: how many of the three.",
    f"{minsky}; by linear programming",
    3,
    float(sum([is_[0, 0, 0, 1], is_[0, 1, 1, 1], is_[1, 1, 1, 0]])),
  )
  for value, expected, text in (
    (np.sum(separable), 14, "16 functions of two"),
    (results["separable_of_three"], 104, "256 functions of three"),
  ):
    yield study.Claim(
      "S2-xor",
      f"Of the {text} binary inputs one perceptron can do this many.",
      "number of threshold functions, Muroga, Threshold logic and its "
      "applications, 1971, table 2.3.2 (OEIS A000609)",
      expected,
      float(value),
    )
  agreement = np.sum(functions[separable] == [0, 1, 1, 0], axis=1)
  yield study.Claim(
    "S2-xor",
    "The best perceptron has this many of the four XOR patterns right.",
    "theory: change the value of one pattern, and XOR becomes OR or NAND",
    3,
    float(np.max(agreement)),
  )
  for row, source in (("S2-xor", minsky), ("S3-1.2-xor", f"{_NOTES}, 1.4")):
    yield study.Claim(
      row,
      "A trained 2-2-1 network has all four right (the best of the starts).",
      source,
      4,
      float(np.max(results["xor_right"])),
    )
  yield study.Claim(
    "S3-1.2-xor",
    "A linear network, of any depth, gets no nearer to XOR than w = 0, b = "
    "1/2: largest distance of the least-squares fit from it.",
    f"{_NOTES}, section 1.2: linear patterns cannot capture complex ones",
    0.0,
    float(np.max(np.abs(results["xor_least_squares"] - [0, 0, 0.5]))),
    1e-12,  # Rounding.
  )


def _boundaries(results):
  names = list(boundaries.ACTIVATIONS)
  for name, accuracy in zip(names, results["accuracy"], strict=True):
    yield study.Claim(
      "S2-boundaries",
      f"A layer of {name} neurons bends the boundary around a disc: fraction "
      "of new points right, 4 standard errors above that of the best line.",
      f"{_KENT}, visualizing the decision boundary",
      (beyond_a_line(results), 1.0),
      float(accuracy),
    )
  yield study.Claim(
    "S2-boundaries",
    "The level curves of a first-layer neuron are straight, across its "
    "weights, for each activation: largest sine of the angle between gradient "
    "and weights.",
    f"{_KENT}, level-curves of neurons; theory: a function of w.x + b",
    0.0,
    float(np.max(results["bend"])),
    1e-12,  # Rounding.
  )
  curvature = dict(zip(names, results["curvature"], strict=True))
  yield study.Claim(
    "S2-boundaries",
    "With ReLU and leaky ReLU the logit is piecewise linear, its boundary a "
    "polygon: largest second derivative at random places.",
    "theory: a composition of piecewise linear functions",
    0.0,
    float(max(curvature["ReLU"], curvature["leaky ReLU"])),
  )
  yield study.Claim(
    "S2-boundaries",
    "With sigmoid and tanh it is curved: the lesser of the two.",
    "theory: sigma'' is not 0 but in isolated points",
    (1e-3, np.inf),
    float(min(curvature["sigmoid"], curvature["tanh"])),
  )
