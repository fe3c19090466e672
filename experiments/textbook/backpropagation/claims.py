"""Claims of the study of backpropagation: formulas and steps.

Identities are claimed to 1e-12, some hundred roundings of float64.
"""

import numpy as np

from experiments import study
from experiments.claims import Claim, Source, theory
from experiments.textbook.backpropagation import training_claims
from experiments.textbook.backpropagation.readings import by_name

_EXACT = 1e-12
_RELATIVE = "relative error against autodiff"


def claims(results: study.Results) -> list[Claim]:
  """Compares every formula with autodiff, and training with its sources."""
  return [
    *_descent(results),
    *_equations(results.identities),
    *_forward(results.identities.recurrence),
    _costs(results.costs),
    *_softmax(results),
    *_misprints(results),
    *training_claims.claims(results),
  ]


def _descent(results):
  steepest = results.steepest
  yield Source("S0-1.4", "S0", "exercise 1.4").equal(
    "steepest",
    "Among steps of one small length, none lowers the cost more than the one "
    "along minus the gradient.",
    1.0,
    max(steepest.random, steepest.searched),
    tolerance=1e-5,  # The length; and what a search of 2,000 steps leaves.
    quantity="best fall of C found by its values, over that along -grad C",
    note=f"The best random direction has {float(steepest.random):.2f}.",
  )
  yield Source("S1-P4", "S1", "problem 4, equation 11").equal(
    "bound",
    "A step of length eps along minus the gradient lowers the cost by eps "
    "times the norm of the gradient.",
    1.0,
    steepest.along,
    tolerance=1e-4,  # eps = 1e-5, times a curvature of order 1 to 10.
    quantity="fall of C over eps norm(grad C), eps = 1e-5",
  )


def _equations(identities):
  yield Source("S0-2.1", "S0", "section 2.1, equations 2.9").zero(
    "four-equations",
    "The four equations of backpropagation give the gradient of any network.",
    by_name(identities.gradients),
    tolerance=_EXACT,
    quantity=_RELATIVE,
    note="One to four layers, seven activations, four costs.",
  )
  yield Source("S1-P5", "S1", "problem 5, equations 12 and 19").zero(
    "biases-and-weights",
    "The error of a neuron is the cost's derivative by its bias; times a_k, by "
    "its weight from k.",
    by_name(identities.differences),
    tolerance=1e-8,  # Third derivatives times 1e-10, and rounding over 1e-5.
    quantity="relative error against differences of the cost",
  )
  yield Source("S2-backprop", "S2", "Forward-pass (batch); general layer").zero(
    "batch",
    "With a column for each example the same equations give the gradient of a "
    "batch.",
    by_name(identities.batches),
    tolerance=_EXACT,
    quantity=_RELATIVE,
  )
  yield Source("S0-2.2", "S0", "section 2.2").zero(
    "step",
    "Backpropagation over a mini-batch, its layers from the last down, gives "
    "the step of gradient descent.",
    by_name(identities.step),
    tolerance=_EXACT,
    quantity="relative error of the step of `nf.minibatch.fit`",
  )


def _forward(recurrence):
  errors = by_name(recurrence)
  printed, factor = errors.pop("printed"), errors.pop("printed, over 1 - h_i")
  yield Source("S3-1.5.1", "S3", "theorem 1.5.1, its base case put right").zero(
    "recurrence",
    "The forward recurrence gives dh/dw, hence the gradient; with one matrix "
    "for all layers it is RTRL.",
    errors,
    tolerance=_EXACT,
    quantity="relative error",
  )
  yield theory("S3-1.5.1", "theorem 1.5.1 as printed, case l = n", "S3").zero(
    "base-case",
    "With the base case as printed, a sigmoid unit's derivatives come out 1 / "
    "(1 - h) times too large.",
    factor,
    tolerance=_EXACT,
    quantity="relative error of this prediction",
    note="Erratum: dh_i / dw_ij is printed as h_i h_j, for sigma'(s_i) h_j. "
    f"In the worst network the gradient is {printed:.0%} of its norm off.",
  )


def _costs(costs):
  n, num_layers = int(costs.widths[-1]), int(costs.num_layers)
  # Of the pass 2 N n^2; backwards 2 (N - 1) n^2 for the errors and N n^2 for
  # the outer products. Forwards 2 n^4 for each of N (N - 1) / 2 pairs.
  backward = (5 * num_layers - 2) / (2 * num_layers)
  forward = n**2 * (num_layers - 1) / 2
  return theory("S3-1.5.1", "products counted").equal(
    "costs",
    "Forward accumulation costs P (N - 1) / 2N plain passes for P weights in N "
    "layers, backpropagation (5N - 2) / 2N.",
    1.0,
    {
      "forward accumulation": costs.forward[-1] / costs.plain[-1] / forward,
      "backpropagation": costs.backward[-1] / costs.plain[-1] / backward,
    },
    tolerance=4 / n,  # Biases and activations: of order n, beside n^2.
    quantity="operations counted by XLA over those expected",
    note=f"{num_layers} layers of {n} units: {forward:.0f} and {backward:.2f} "
    "passes.",
  )


def _softmax(results):
  yield theory("S4-1", "question 1, answered by backpropagation", "S4").zero(
    "softmax-regression",
    "Softmax regression has dl/da = -e_y / a_y, dl/dz = dl/db = a - e_y and "
    "dl/dW = (a - e_y) x^T.",
    by_name(results.identities.regression),
    tolerance=_EXACT,
    quantity=_RELATIVE,
  )
  regression = results.regression
  ours, theirs = regression.accuracy
  yield Source("S4-1", "sklearn", "LogisticRegression by Newton's method").zero(
    "one-minimum",
    "Trained with these derivatives on digits, softmax regression reaches the "
    "one minimum that scikit-learn finds.",
    regression.error,
    tolerance=1e-3,  # float32, and what Nesterov's method leaves.
    quantity="relative distance of the weights",
    note=f"{float(regression.agreement):.1%} of the test digits get the same "
    f"label; accuracy {ours:.3f}, and {theirs:.3f} of the other program.",
  )
  yield Source("S0-3.2", "S0", "section 3.2, equations 3.6 and 3.7").zero(
    "softmax-layer",
    "Behind a softmax under the negative log-likelihood the error of an output "
    "is a - y.",
    by_name(results.identities.output_layer),
    tolerance=_EXACT,
    quantity="relative error against `nf.mlp.backpropagation`",
  )


def _misprints(results):
  for id, cite, misprints, count, statement in (
    (
      "S0-misprints",
      "S0",
      results.exercises,
      4,
      "Four passages of the exercises do not hold as printed; what is put in "
      "their place does.",
    ),
    (
      "S2-misprints",
      "S2",
      results.slides,
      2,
      "Two passages of the slides do not hold as printed; what is put in "
      "their place does.",
    ),
  ):
    yield theory(id, "compared with what is computed", cite).equal(
      f"misprints-{cite.lower()}",
      statement,
      count,
      np.sum(~misprints.printed & misprints.instead),
      tolerance=0.0,
      quantity="passages that disagree as printed, and agree as put right",
      note="; ".join(misprints.names) + ".",
    )
