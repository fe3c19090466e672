"""Claims of the study of perceptrons, from its stored arrays.

The arrays are described at `perceptrons.run`.
"""

import numpy as np

from experiments import study
from experiments.textbook import perceptrons_boundaries as boundaries
from experiments.textbook import perceptrons_fits_claims

_SIKDAR = "Sikdar, Neural Networks and Deep Learning: Exercises, 2021, exercise"
_MLISP = (
  "Corrales, Miller, Morgenshtern, Machine Learning in Signal Processing, "
  "solutions to problem set 5, problem"
)


def all_claims(results: study.Results) -> list[study.Claim]:
  """Compares the sources with what the neurons do."""
  return [
    *_scaling(results),
    *_limit(results),
    *_at_zero(results),
    *perceptrons_fits_claims.all_claims(results),
    *_threshold_cost(results),
  ]


def _scaling(results):
  count = float(results["num_compared"])
  for row, source, name, text in (
    (
      "S0-1.1",
      f"{_SIKDAR} 1.1",
      "changed_binary",
      "all binary inputs, c = 1e-6 ... 1e6",
    ),
    (
      "S1-P1",
      f"{_MLISP} 1",
      "changed_real",
      "real inputs, c = 1e-6 ... 1e6",
    ),
    (
      "S0-1.1",
      f"{_SIKDAR} 1.1",
      "changed_ties",
      "networks of integers, some of them exactly on the threshold, c = 2^-24 "
      "... 2^24",
    ),
  ):
    yield study.Claim(
      row,
      "Multiplying all weights and biases of perceptrons by c > 0 changes no "
      f"output of any neuron: how many change ({text}).",
      source,
      0,
      float(np.sum(results[name])),
    )
  yield study.Claim(
    "S0-1.1",
    "Among them, weighted inputs that are exactly 0 (the case c > 0 must keep "
    "at 0): how many.",
    f"{_SIKDAR} 1.1",
    (1, np.inf),
    float(results["num_ties"]),
  )
  yield study.Claim(
    "S1-P1",
    "Erratum: the proof says c >= 0. At c = 0 every neuron that fires goes "
    "off: fraction of outputs that change.",
    f"{_MLISP} 1, after equation 3",
    float(results["num_firing"]) / count,
    float(results["changed_zero"]) / count,
  )


def _limit(results):
  for ratio, text in zip(
    results["first_ratios"], ("largest", "smallest"), strict=True
  ):
    yield study.Claim(
      "S0-1.2",
      "A sigmoid neuron differs from its perceptron by sigma(-c abs(z)), which "
      f"is 1/2 to 1 times exp(-c abs(z)): the {text} ratio.",
      f"{_SIKDAR} 1.2; theory: 1 / (1 + exp(-c abs(z)))",
      (0.5, 1.0),
      float(ratio),
      1e-12,  # Rounding of exponents up to a thousand; c is a power of two.
    )
  yield study.Claim(
    "S1-P2",
    "In a whole network a neuron errs at most by exp(-c (abs(z) - sum_j "
    "abs(w_j) d_j)), d the same bound of the layer before: by how much the log "
    "of an error is above that of its bound, relatively.",
    f"{_MLISP} 2; theory: the error of the layer before moves z",
    (-np.inf, 0.0),
    float(results["excess"]),
    float(results["rounding"]),
  )
  late = results["times"] >= 50  # exp(-50) is far below rounding.
  slopes = -results["worst"][late] / results["times"][late]
  for row, source, value, text in (
    ("S0-1.2", f"{_SIKDAR} 1.2", np.min(slopes), "slowest"),
    ("S1-P2", f"{_MLISP} 2", np.max(slopes), "fastest"),
  ):
    yield study.Claim(
      row,
      "As c grows the whole sigmoid network, all neurons and binary inputs, "
      "tends to the perceptrons like exp(-c min abs(z)): the rate over min "
      f"abs(z), {text} of the networks.",
      f"{source}; theory: sigma(-c min abs(z))",
      1.0,
      float(value),
      float(results["rounding"]),
    )


def _at_zero(results):
  sikdar = f"{_SIKDAR} 1.2"
  yield study.Claim(
    "S0-1.2",
    "Where w.x + b = 0 the sigmoid neuron is stuck at 1/2 for every c: largest "
    "distance from 1/2, c = 1 ... 1e6.",
    sikdar,
    0.0,
    float(np.max(np.abs(results["zero_hidden"] - 0.5))),
  )
  yield study.Claim(
    "S0-1.2",
    "The perceptron there puts out 0.",
    sikdar,
    0.0,
    float(results["zero_hidden_perceptron"]),
  )
  differ = np.abs(results["zero_outputs"][-1] - results["zero_perceptron"])
  for row, source, text in (
    ("S0-1.2", sikdar, "A network built on that point tends to another one"),
    (
      "S1-P2",
      f"{_MLISP} 2, after equation 6",
      "Without the condition w.x + b != 0, which this text leaves out, the "
      "networks differ in the limit",
    ),
  ):
    yield study.Claim(
      row,
      f"{text}: of its four binary inputs this many end at the other output.",
      f"{source}; theory: two of four see x1 - x2 = 0, then 1/2 > 1/4",
      2,
      float(np.sum(differ > 0.99)),
    )


def _threshold_cost(results):
  source = f"{_MLISP} 10, question 1"
  yield study.Claim(
    "S1-P10.1",
    "The gradient of the error rate of perceptrons is 0 almost everywhere, so "
    "gradient descent has nothing to follow: the fraction of random networks "
    "in which a step of 1e-9 in a random direction changes the rate.",
    source,
    0.0,
    float(results["cost_changes"][2]),
  )
  fractions, steps = results["cost_changes"][:2], results["steps"]
  # Edges met on the way, from the fraction of ways that meet none.
  edges = -np.log1p(-np.clip(fractions, 1e-9, 1 - 1e-9))
  factor = np.log(steps[0] / steps[1])
  slope = np.log(edges[0] / edges[1]) / factor
  error = np.hypot(*(edges * float(results["num_points"])) ** -0.5) / factor
  yield study.Claim(
    "S1-P10.1",
    "The cost is a staircase: a step of length h meets an edge with a "
    "probability of order h, so that almost everywhere it is flat. Exponent.",
    "theory: the edges have measure 0 and a finite density",
    1.0,
    float(slope),
    float(4 * error),  # Standard errors of Poisson counts.
  )
  yield study.Claim(
    "S1-P10.1",
    "The edges are jumps, of one example at least, however short the step: the "
    "least change, in examples.",
    "theory: the cost is a number of examples",
    1.0,
    float(results["cost_jump"]),
    1e-9,  # Rounding.
  )
  before, after = results["surrogate_errors"]
  gain = before - after
  error = float(np.std(gain, ddof=1) / np.sqrt(len(gain)))
  yield study.Claim(
    "S1-P10.1",
    "The smooth surrogate (sigmoids, cross-entropy) trains from the same "
    "starts: mean error rate gained on new points, beyond 4 standard errors.",
    source,
    (4 * error, 1.0),
    float(np.mean(gain)),
  )
  yield study.Claim(
    "S1-P10.1",
    "Erratum: 'Non-differentiable functions cannot be optimized by gradient "
    "descent.' Networks of ReLUs are not differentiable either, at their "
    "kinks, and are: accuracy, above that of the best line.",
    source,
    (perceptrons_fits_claims.beyond_a_line(results), 1.0),
    float(results["accuracy"][list(boundaries.ACTIVATIONS).index("ReLU")]),
  )
