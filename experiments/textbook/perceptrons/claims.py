"""Claims of the study of perceptrons."""

import numpy as np

from experiments import measure, study
from experiments.claims import Claim, Source, theory
from experiments.textbook.perceptrons import readings

_SCALING = Source("S0-1.1", "S0", "exercise 1.1")
_ZERO_SCALE = theory("S1-P1", "problem 1, the proof's c >= 0", "S1")
_RATE = theory("S0-1.2", "exercise 1.2; an error of sigma(-c min abs(z))", "S0")
_STUCK = Source("S0-1.2", "S0", "exercise 1.2, last paragraph")
_BOUND = theory("S1-P2", "problem 2; the layer before moves z", "S1")
_OTHER = theory("S1-P2", "problem 2, which does not exclude z = 0", "S1")
_REGRESSION = Source("S2-perceptron", "S2", "linear and logistic regression")
_XOR = Source("S2-xor", "S2", "the historic problem")
_MUROGA = Source("S2-xor", "muroga1971", "number of threshold functions")
_MLP = Source("S2-xor", "S2", "the historic problem, its last point")
_LINEAR = theory("S3-1.2-xor", "section 1.2: linear patterns", "S3")
_BOUNDARY = theory("S2-boundaries", "visualizing the decision boundary", "S2")
_STRAIGHT = theory("S2-boundaries", "level curves of g(w.x + b)", "S2")
_POLYGON = theory(
  "S2-boundaries", "a composition of piecewise linear functions"
)
_FLAT = theory("S1-P10.1", "problem 10, question 1; the cost is a count", "S1")
_SMOOTH = theory("S1-P10.1", "problem 10, question 1; a smooth surrogate", "S1")


def claims(results: study.Results) -> list[Claim]:
  """Compares the sources with what the neurons do."""
  return [
    *_scaling(results.scaling),
    *_limit(results),
    _regressions(results.regressions),
    *_separability(results.separability),
    *_xor(results.xor),
    *_boundaries(results),
    *_threshold_cost(results),
  ]


def _scaling(scaling):
  yield _SCALING.zero(
    "scaling",
    "Multiplying all weights and biases of perceptrons by c > 0 changes no "
    "output of any neuron.",
    {
      "binary inputs": scaling.binary.sum(),
      "real inputs": scaling.real.sum(),
      "networks of integers, with ties": scaling.ties.sum(),
    },
    tolerance=0,
    quantity=f"outputs changed, of {13 * scaling.num_outputs:,} each",
    note="c over 12 decades (ties: 2^-24 to 2^24). In the networks of integers "
    f"{scaling.num_ties:,} weighted inputs are exactly 0.",
  )
  yield _ZERO_SCALE.equal(
    "zero-scale",
    "Scaling needs c > 0: at c = 0, which the solution's proof admits, every "
    "perceptron that fires goes off.",
    1,
    scaling.num_switched_off / scaling.num_firing,
    tolerance=0,
    quantity="outputs that change, per output of 1",
    note="Erratum: the proof says c >= 0.",
  )


def _limit(results):
  limit, zero = results.limit, results.on_threshold
  rates = -readings.log_errors(limit)[:, -1] / limit.times[-1]
  yield _RATE.equal(
    "rate",
    "As c grows, all neurons of a sigmoid network tend to their perceptrons, "
    "the last like exp(-c min abs(z)).",
    1,
    {"slowest network": rates.min(), "fastest network": rates.max()},
    # Rounding of 1 - sigma(30) is 1e-3 of it; a neighbour's error is less.
    tolerance=1e-3,
    quantity="-log abs(a_soft - a_hard) / (c min abs(z)), worst neuron",
  )
  yield _BOUND.at_most(
    "bound",
    "In a network a sigmoid neuron errs at most by exp(-c (abs(z) - sum_j "
    "abs(w_j) d_j)), d the bound of the layer before.",
    0,
    limit.excess.max(),
    tolerance=1e-3,  # Rounding of 1 - a, in units of bounds above 1e-12.
    quantity="largest log(abs(a_soft - a_hard) / bound)",
  )
  yield _STUCK.equal(
    "stuck",
    "Where w.x + b = 0 the sigmoid neuron is stuck at 1/2 for every c, and the "
    "perceptron puts out 0.",
    0.5,
    {f"c = {10.0**i:g}": gap for i, gap in enumerate(zero.gap)},
    tolerance=0,
    quantity="a_soft - a_hard",
  )
  yield _OTHER.equal(
    "another-network",
    "Built on w.x + b = 0, a sigmoid network tends to another function: of "
    "four inputs two end at the other output.",
    2,
    np.sum(np.abs(zero.outputs[-1] - zero.perceptron) > 0.99),
    tolerance=0,
    quantity="inputs at the other output, c = 1e6",
    note="Two of the four see x1 - x2 = 0 and then 1/2 > 1/4. Exercise 1.2 of "
    "S0 excludes the case, problem 2 of S1 does not.",
  )


def _regressions(regressions):
  return _REGRESSION.zero(
    "regression",
    "A perceptron with g = identity, or sigmoid, trained by gradient descent, "
    "is linear, or logistic, regression.",
    {
      "identity, NumPy's least squares": regressions.least_squares.max(),
      "sigmoid, scikit-learn's logistic regression": regressions.logistic.max(),
    },
    tolerance=1e-6,  # Gradient descent contracts by 0.97 a step at the slowest.
    quantity="largest difference of a weight or bias",
  )


def _separability(separability):
  functions = map(tuple, separability.functions.astype(int))
  computed = dict(zip(functions, separability.of_two, strict=True))
  easy = {"AND": (0, 0, 0, 1), "OR": (0, 1, 1, 1), "NAND": (1, 1, 1, 0)}
  names = ", ".join(name for name, ys in easy.items() if computed[ys])
  yield _XOR.zero(
    "xor-perceptron",
    "No perceptron computes XOR, nor its negation.",
    computed[0, 1, 1, 0] + computed[1, 0, 0, 1],
    tolerance=0,
    quantity="how many of the two are computed",
    note=f"By linear programming. It finds weights for {names}. Certificate: "
    "the four conditions w.x + b > 0 or < 0 add up to 0 > 0.",
  )
  yield _MUROGA.equal(
    "threshold-functions",
    "Of the 256 Boolean functions of three inputs one perceptron computes 104.",
    104,
    separability.of_three.sum(),
    tolerance=0,
    quantity="functions computed",
    note=f"Of the 16 functions of two inputs {separability.of_two.sum()}.",
  )


def _xor(xor):
  yield _MLP.equal(
    "xor-network",
    "A trained network of three neurons, 2-2-1, computes XOR.",
    4,
    xor.num_right.max(),
    tolerance=0,
    quantity="patterns right, the best of the starts",
    note=f"{np.mean(xor.num_right == 4):.0%} of the starts do it.",
  )
  yield _LINEAR.equal(
    "xor-linear",
    "A linear 2-2-1 network trained on XOR ends at 1/2 for all four patterns.",
    0.5,
    {"largest": xor.linear.max(), "least": xor.linear.min()},
    tolerance=0.01,  # Adam's steps of 0.05 have not quite come to rest.
    quantity="output for a pattern, any start",
  )


def _boundaries(results):
  families = results.boundaries
  yield _BOUNDARY.at_least(
    "bent",
    "A layer of sigmoids, tanhs, ReLUs or leaky ReLUs bends the boundary "
    "around a disc, where the best line fails.",
    0,
    {
      name: measure.difference(family.is_right, results.line_is_right)
      for name, family in families.items()
    },
    strict=True,
    quantity="accuracy on new points, above that of their best line",
    note=f"The best line has {results.line_is_right.mean():.1%} right.",
  )
  yield _STRAIGHT.zero(
    "straight",
    "The level curves of a first-layer neuron are straight, across its "
    "weights, whatever the activation.",
    {name: family.bend for name, family in families.items()},
    tolerance=1e-12,  # Rounding.
    quantity="largest sine of the angle between gradient and weights",
  )
  curved = min(families[name].curvature for name in ("sigmoid", "tanh"))
  yield _POLYGON.zero(
    "polygons",
    "With ReLUs and leaky ReLUs the logit is piecewise linear, its boundary a "
    "polygon.",
    {name: families[name].curvature for name in ("ReLU", "leaky ReLU")},
    tolerance=0,
    quantity="largest second derivative at random places",
    note=f"With sigmoid and tanh it is curved: {curved:.2g} or more.",
  )


def _threshold_cost(results):
  far, near = results.cost_changes.T
  yield _FLAT.at_most(
    "flat",
    "The error rate of perceptrons has a gradient of 0 almost everywhere: a "
    "step of 1e-9 in the weights does not change it.",
    1e-3,
    measure.share(near),
    quantity="share of random networks where it changes",
    note=f"A step of 1e-2 changes it in {far.mean():.1%}: it is a staircase.",
  )
  errors = {n: results.boundaries[n].errors for n in ("sigmoid", "ReLU")}
  yield _SMOOTH.at_least(
    "surrogate",
    "Cross-entropy in place of the error rate trains, with sigmoids and with "
    "ReLUs, which are not differentiable everywhere either.",
    0,
    {name: measure.difference(*e.T) for name, e in errors.items()},
    strict=True,
    quantity="error rate on new points lost by training, mean over starts",
    note="Problem 10 says that what is not differentiable cannot be optimized "
    "by gradient descent; what stops it is a gradient of 0.",
  )
