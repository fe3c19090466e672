"""Claims of the study of backpropagation."""

import numpy as np

from experiments import measure, study
from experiments.claims import Claim, Source, conjecture, theory

# By what `Results.identities` calls them: source and statement.
_IDENTITIES = {
  "four-equations": (
    Source("S0-2.1", "S0", "section 2.1, equations 2.9"),
    "The four equations of backpropagation give the gradient of any network.",
  ),
  "biases-and-weights": (
    Source("S1-P5", "S1", "problem 5, equations 12 and 19"),
    "The error of a neuron is the cost's derivative by its bias; times a_k, by "
    "its weight from k.",
  ),
  "batch": (
    Source("S2-backprop", "S2", "Forward-pass (batch); general layer"),
    "With a column for each example the same equations give the gradient of a "
    "batch.",
  ),
  "step": (
    Source("S0-2.2", "S0", "section 2.2"),
    "Backpropagation over a mini-batch, its layers from the last down, gives "
    "the step of gradient descent.",
  ),
  "recurrence": (
    Source("S3-1.5.1", "S3", "theorem 1.5.1, its base case put right"),
    "The forward recurrence gives dh/dw, hence the gradient; with one matrix "
    "for all layers it is RTRL.",
  ),
  "softmax-regression": (
    theory("S4-1", "question 1, answered by backpropagation", "S4"),
    "Softmax regression has dl/da = -e_y / a_y, dl/dz = dl/db = a - e_y and "
    "dl/dW = (a - e_y) x^T.",
  ),
}


def claims(results: study.Results) -> list[Claim]:
  """Compares formulas with autodiff, and training with its sources."""
  return [
    *_descent(results.steepest),
    *_identities(results.identities),
    _costs(results.costs),
    _one_minimum(results.regression),
    *_misprints(results.misprints),
    _noise(results.noise),
    *_batch_sizes(results.batch_sizes),
    _optimizers(results.grid, results.regression["test accuracy"]),
  ]


def _descent(steepest):
  along, random = steepest["along"], steepest["random"]
  yield Source("S0-1.4", "S0", "exercise 1.4").equal(
    "steepest",
    "Among steps of one small length, none lowers the cost more than the one "
    "along minus the gradient.",
    1.0,
    max(random, steepest["searched"]) / along,
    tolerance=1e-5,  # The length; and what a search leaves.
    quantity="best fall of C found by its values, over that along -grad C",
    note=f"The best random direction has {random / along:.2f}.",
  )
  yield Source("S1-P4", "S1", "problem 4, equation 11").equal(
    "bound",
    "A step of length eps along minus the gradient lowers the cost by eps "
    "times the norm of the gradient.",
    1.0,
    along / steepest["norm"],
    tolerance=1e-4,  # eps = 1e-5, times a curvature of order 1 to 10.
    quantity="fall of C over eps norm(grad C), eps = 1e-5",
  )


def _identities(errors):
  printed = errors["recurrence"]["as printed"]
  notes = {
    "four-equations": "1, 2 and 4 layers, seven activations, three costs.",
    "recurrence": "Erratum: dh_i / dw_ij is printed as h_i h_j, for "
    f"sigma'(s_i) h_j, and the gradient is {printed:.0%} of its norm off.",
  }
  for key, (source, statement) in _IDENTITIES.items():
    yield source.zero(
      key,
      statement,
      {k: v for k, v in errors[key].items() if k != "as printed"},
      tolerance=1e-12,  # Some hundred roundings of float64.
      quantity="relative error",
      note=notes.get(key, ""),
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
      "forward accumulation": costs.forward[-1] / forward,
      "backpropagation": costs.backward[-1] / backward,
    },
    tolerance=4 / n,  # Biases and activations: of order n, beside n^2.
    quantity="operations counted by XLA over those expected",
  )


def _one_minimum(regression):
  return Source("S4-1", "sklearn", "LogisticRegression").zero(
    "one-minimum",
    "On digits these derivatives of softmax regression vanish where "
    "scikit-learn finds its one minimum.",
    {k: regression[k] / regression["norm of W"] for k in ("by W", "by b")},
    tolerance=1e-6,  # Newton's method stops at derivatives of 1e-8.
    quantity="norm of the gradient over that of the weights",
  )


def _misprints(misprints):
  for cite, id, name in (
    ("S0", "S0-misprints", "the exercises"),
    ("S2", "S2-misprints", "the slides"),
  ):
    passages = misprints[cite]
    yield theory(id, "compared with what is computed", cite).zero(
      f"misprints-{cite.lower()}",
      f"{len(passages)} passages of {name} do not hold as printed; what is put "
      "in their place does.",
      sum(is_right or not instead for is_right, instead in passages.values()),
      tolerance=0.0,
      quantity="passages that hold as printed, or not as put right",
      note="; ".join(passages) + ".",
    )


def _noise(noise):
  return theory("S2-training", "error of a sample's mean").equivalent(
    "noise",
    "The squared error of a mini-batch's gradient is (N - B) / (N - 1) B of "
    "the variance of single gradients.",
    1.0,
    {name: measure.mean(ratios) for name, ratios in noise.items()},
    margin=0.05,  # Half of what B to B + 1 changes at B = 10.
    quantity="mean squared error over the expected one",
  )


def _batch_sizes(curves):
  train, test = np.log(curves.train), np.log(curves.test)
  sizes, early = curves.sizes, len(curves.epochs) // 3
  yield theory("S3-1.4-sgd", "more updates an epoch", "S3").at_least(
    "smaller-is-faster",
    "After few epochs at one learning rate SGD is ahead of mini-batches, and "
    "these are of the whole batch.",
    0.0,
    {
      f"B = {sizes[i]} before B = {sizes[i + 1]}": measure.difference(
        train[:, i + 1, early], train[:, i, early]
      )
      for i in range(len(sizes) - 1)
    },
    strict=True,
    quantity=f"difference of log loss after {curves.epochs[early]} epochs",
  )
  seeds, best = np.arange(len(test)), curves.validation[:, 0].argmin(axis=1)
  accuracy = curves.accuracy[:, 0]
  yield Source("S3-1.4-sgd", "S3", "section 1.4, epochs").at_least(
    "epochs",
    "Too few epochs lead to poor accuracy, too many to poor generalisation: "
    "SGD's test loss rises while its training loss falls.",
    0.0,
    {
      "test accuracy, rise after one epoch": measure.difference(
        accuracy[seeds, best], accuracy[:, 0]
      ),
      "test loss, rise since the best epoch": measure.difference(
        test[:, 0, -1], test[seeds, 0, best]
      ),
      "training loss, fall since then": measure.difference(
        train[seeds, 0, best], train[:, 0, -1]
      ),
    },
    strict=True,
    quantity="change of accuracy or log loss",
    note=f"Best at epoch {np.median(curves.epochs[best]):.0f} (median). Test "
    f"accuracy is {accuracy[seeds, best].mean():.3f} there and "
    f"{accuracy[:, -1].mean():.3f} at the end: it is the confidence in wrong "
    "answers that grows.",
  )


def _optimizers(grid, linear):
  best = grid.validation.mean(axis=0).argmax(axis=1)
  chosen = {
    f"{name} at {grid.learning_rates[best[i]]:g}": grid.test[:, i, best[i]]
    for i, name in enumerate(grid.optimizers)
  }
  shown = ", ".join(f"{name} {a.mean():.3f}" for name, a in chosen.items())
  return conjecture(
    "S2-losses", "a hidden layer helps, whichever optimiser trains it"
  ).at_least(
    "better-than-linear",
    "At the rate that is best on validation images, every optimiser trains a "
    "network beyond softmax regression.",
    0.0,
    {name: measure.mean(found - linear) for name, found in chosen.items()},
    strict=True,
    quantity="test accuracy less that of softmax regression",
    note=f"Softmax regression {linear:.3f}; {shown}.",
  )
