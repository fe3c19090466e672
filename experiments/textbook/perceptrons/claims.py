"""Claims of the study of perceptrons."""

import numpy as np

from experiments import measure, study
from experiments.claims import Claim, Source, theory


def claims(results: study.Results) -> list[Claim]:
  """Compares the sources with what the neurons do."""
  return [
    *_scaling(results.scaling),
    *_limit(results),
    *_separation(results),
    *_training(results),
  ]


def _scaling(scaling):
  changed = scaling.num_changed
  yield Source("S0-1.1", "S0", "exercise 1.1").zero(
    "scaling",
    "Multiplying all weights and biases of perceptrons by c > 0 changes no "
    "output of any neuron.",
    {name: numbers[1:].sum() for name, numbers in changed.items()},
    tolerance=0,
    quantity="outputs changed, binary or real inputs, networks with ties",
    note="c over 12 decades; 2^-24 to 2^24 for networks of small integers, "
    f"where {scaling.num_ties:,} weighted inputs are exactly 0.",
  )
  yield theory("S1-P1", "problem 1, the proof's c >= 0", "S1").equal(
    "zero-scale",
    "Scaling needs c > 0: at c = 0, which the solution's proof admits, every "
    "perceptron that fires goes off.",
    1,
    changed["binary"][0] / scaling.num_firing,
    tolerance=0,
    quantity="outputs that change, per output of 1",
    note="Erratum: the proof says c >= 0.",
  )


def _limit(results):
  limit, (sigmoid, perceptron) = results.limit, results.on_threshold
  rates = limit.exponents[:, -1] / limit.times[-1]
  yield theory("S0-1.2", "exercise 1.2; sigma(-c min abs(z))", "S0").equal(
    "rate",
    "As c grows, all neurons of a sigmoid network tend to their perceptrons, "
    "the last like exp(-c min abs(z)).",
    1,
    {"slowest network": rates.min(), "fastest network": rates.max()},
    # Rounding of 1 - sigma(30) is 1e-3 of it; a neighbour's error is less.
    tolerance=1e-3,
    quantity="-log abs(a_soft - a_hard) / (c min abs(z)), worst neuron",
  )
  yield theory("S1-P2", "problem 2, which does not exclude z = 0", "S1").equal(
    "another-network",
    "Built on w.x + b = 0, where sigmoids stay at 1/2, a network tends to "
    "another function, wrong for two of four inputs.",
    2,
    np.sum(np.abs(sigmoid - perceptron)[:, 1] > 0.99),
    tolerance=0,
    quantity="inputs with the other output, c = 1e6",
    note=f"There the hidden neuron puts out {sigmoid[0, 0]:g}, the perceptron "
    f"{perceptron[0, 0]:g}. Exercise 1.2 of S0 excludes the case.",
  )


def _separation(results):
  functions = np.arange(16)[results.computed]
  num_hard = int(np.sum(np.isin([0b0110, 0b1001], functions)))
  yield theory("S3-1.2-xor", "section 1.2, linear patterns", "S3").zero(
    "xor-perceptron",
    "Of the 16 functions of two bits perceptrons compute all but XOR and its "
    "negation.",
    {
      "XOR and its negation, computed": num_hard,
      "the other 14, not computed": 14 - (len(functions) - num_hard),
    },
    tolerance=0,
    quantity="how many functions are, or are not, computed",
    note="By linear programming. Certificate: the four conditions w.x + b > 0 "
    "or < 0 add up to 0 > 0.",
  )
  errors = results.xor.errors[1]
  yield Source("S2-xor", "S2", "the historic problem, its last point").zero(
    "xor-network",
    "A trained network of three neurons, 2-2-1, computes XOR.",
    errors.min(),
    tolerance=0,
    quantity="share of patterns wrong, the best of the starts",
    note=f"{np.mean(errors == 0):.0%} of the starts do it.",
  )


def _training(results):
  families = results.boundaries
  yield Source("S2-perceptron", "S2", "linear and logistic regression").zero(
    "regression",
    "A perceptron with g = identity, or sigmoid, trained by gradient descent, "
    "is linear, or logistic, regression.",
    {name: gaps.max() for name, gaps in results.regressions.items()},
    tolerance=1e-6,  # Gradient descent contracts by 0.97 a step at the slowest.
    quantity="largest difference of a weight or bias from scikit-learn's",
  )
  yield theory("S2-boundaries", "the decision boundary", "S2").at_least(
    "bent",
    "A layer of sigmoids, tanhs, ReLUs or leaky ReLUs bends the boundary "
    "around a circle, where the best line fails.",
    0,
    {
      name: measure.difference(family.is_right, results.line_is_right)
      for name, family in families.items()
    },
    strict=True,
    quantity="accuracy on new points, above that of their best line",
    note=f"The best line has {results.line_is_right.mean():.1%} right.",
  )
  far, near = results.cost_changes
  yield theory("S1-P10.1", "problem 10; the cost is a count", "S1").at_most(
    "flat",
    "The error rate of perceptrons has a gradient of 0 almost everywhere: a "
    "step of 1e-9 in the weights does not change it.",
    1e-3,
    measure.share(near),
    quantity="share of random networks where it changes",
    note=f"A step of 1e-2 changes it in {far.mean():.1%}: it is a staircase.",
  )
  yield theory("S1-P10.1", "problem 10; a smooth surrogate", "S1").at_least(
    "surrogate",
    "Cross-entropy in place of the error rate trains, with sigmoids and with "
    "ReLUs, which are not differentiable everywhere either.",
    0,
    {n: measure.difference(*families[n].errors) for n in ("sigmoid", "ReLU")},
    strict=True,
    quantity="error rate on new points lost by training, mean over starts",
    note="Problem 10 says that what is not differentiable cannot be optimized "
    "by gradient descent; what stops it is a gradient of 0.",
  )
