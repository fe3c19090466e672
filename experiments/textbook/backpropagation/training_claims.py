"""Claims of the study of backpropagation: what is trained."""

import numpy as np

from experiments import measure, study
from experiments.claims import Claim, Source, conjecture, theory
from experiments.textbook.backpropagation.readings import (
  OTHER_LOSSES,
  best_rates,
  by_name,
  chosen,
)

_METHODS = "section 1.4, speed, epochs and overfitting"


def claims(results: study.Results) -> list[Claim]:
  """Compares noise, learning curves and optimisers with their sources."""
  return [
    _noise(results.noise),
    *_batch_sizes(results.batch_sizes),
    _losses(results.identities.losses),
    *_optimizers(results),
  ]


def _noise(noise):
  return theory(
    "S2-training", "error of a mean, without replacement"
  ).equivalent(
    "noise",
    "The squared error of a mini-batch's gradient is (N - B) / (N - 1) B of "
    "the variance of single gradients.",
    1.0,
    {
      f"B = {size}": measure.mean(noise.squared[:, i] / noise.expected[i])
      for i, size in enumerate(noise.sizes)
    },
    margin=0.05,  # Half of what B to B + 1 changes at B = 10.
    quantity="mean squared error over the expected one",
    note=f"{len(noise.squared)} epochs of mini-batches for each B.",
  )


def _batch_sizes(curves):
  train, test = np.log(curves.train), np.log(curves.test)
  early = max(1, train.shape[-1] // 20)
  sizes = curves.sizes
  yield theory(
    "S3-1.4-sgd", f"more updates an epoch; {_METHODS}", "S3"
  ).at_least(
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
    quantity=f"difference of log training loss after {early} epochs",
  )
  yield Source("S3-1.4-sgd", "S3", _METHODS).at_least(
    "too-few-epochs",
    "Too few epochs lead to poor accuracy: after the first, mini-batches are "
    "behind where they end.",
    0.0,
    measure.difference(curves.accuracy[:, 1, -1], curves.accuracy[:, 1, 1]),
    strict=True,
    quantity="test accuracy after the last epoch, less that after the first",
  )
  seeds, best = np.arange(len(test)), curves.validation[:, 0].argmin(axis=1)
  yield Source("S3-1.4-sgd", "S3", _METHODS).at_least(
    "too-many-epochs",
    "Too many epochs lead to poor generalisation: SGD's test loss rises while "
    "its training loss falls.",
    0.0,
    {
      "test loss, rise": measure.difference(
        test[:, 0, -1], test[seeds, 0, best]
      ),
      "training loss, fall": measure.difference(
        train[seeds, 0, best], train[:, 0, -1]
      ),
    },
    strict=True,
    quantity="change of log loss since the best epoch on validation images",
    note=f"Best at epoch {np.median(best):.0f} (median). Test accuracy is "
    f"{curves.accuracy[seeds, 0, best].mean():.3f} there and "
    f"{curves.accuracy[:, 0, -1].mean():.3f} at the end: it is the confidence "
    "in wrong answers that grows.",
  )


def _losses(errors):
  return Source(
    "S2-losses", "S2", "Typical loss functions; gradients (example)"
  ).zero(
    "printed-losses",
    "The library's losses, and their derivatives, are those of the slides.",
    by_name(errors),
    tolerance=1e-12,  # Rounding of float64.
    quantity="relative error of values and of autodiff",
  )


def _optimizers(results):
  grid, linear = results.grid, results.regression.accuracy[1]
  best, names = best_rates(grid), grid.methods.tolist()
  test = chosen(grid.test, best)
  shown = ", ".join(
    f"{name} {accuracy.mean():.3f} at {grid.learning_rates[r]:g}"
    for name, accuracy, r in zip(names, test, best, strict=True)
  )
  yield conjecture(
    "S2-losses", "a hidden layer helps, whichever optimiser trains it"
  ).at_least(
    "better-than-linear",
    "At the rate that is best on validation images, every optimiser trains a "
    "network beyond softmax regression.",
    0.0,
    {
      name: measure.mean(accuracy - linear)
      for name, accuracy in zip(names, test, strict=True)
      if name not in OTHER_LOSSES
    },
    strict=True,
    quantity="test accuracy less that of softmax regression",
    note=f"Softmax regression {linear:.3f}; {shown}. The last two, with other "
    "losses than the multi-class cross-entropy, are shown and not claimed.",
  )
  yield _momentum(grid, names)


def _momentum(grid, names):
  """A step of momentum goes on for 1 / (1 - mu) = 10 steps."""
  source = theory("S2-losses", "sum of mu^k = 1 / (1 - mu), for small steps")
  statement = (
    "At the lowest rate momentum 0.9 goes the way of SGD with a learning rate "
    "ten times as large."
  )
  quantity = "log of the final training loss, less that of SGD"
  rates, final = grid.learning_rates, np.log(grid.losses)
  sgd, momentum = (final[names.index(name)] for name in ("SGD", "momentum"))
  is_pair = np.abs(np.log(rates / rates[:, np.newaxis] / 10)) < 0.01
  pairs = np.argwhere(is_pair)
  if not pairs.size:
    return source.not_run(
      "momentum",
      statement,
      0.0,
      quantity=quantity,
      note="Tested where two of --config.learning_rates are 1 to 10.",
    )
  differences = [measure.difference(momentum[i], sgd[j]) for i, j in pairs]
  shown = ", ".join(
    f"{found.value:.3f} at {rates[i]:g}"
    for (i, _), found in zip(pairs, differences, strict=True)
  )
  return source.equivalent(
    "momentum",
    statement,
    0.0,
    differences[0],
    margin=0.1,  # Momentum is about ten updates late.
    quantity=quantity,
    note=f"By rate: {shown}. Larger steps part the two.",
  )
