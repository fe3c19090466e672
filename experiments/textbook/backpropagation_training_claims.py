"""Claims of the study of backpropagation: what is trained, from stored arrays.

The arrays are described at `backpropagation.run`.
"""

import numpy as np

from experiments import study
from experiments.textbook import backpropagation_optimizers as optimizers
from experiments.textbook import backpropagation_theory as theory

_KENT = "Kent, Introduction to deep learning (slides), "
_LOSSES = _KENT + "Typical loss functions"
_XOR = "Chapter 1, Introduction: 1.1 Neural networks (lecture notes), section "


def all_claims(results: study.Results) -> list[study.Claim]:
  """Compares noise, learning curves and optimisers with their sources."""
  return [
    *_noise(results),
    *_sequences(results),
    *_batch_sizes(results),
    *_losses(results),
    *_formulas(results),
    *_optimizers(results),
  ]


def standard_error(values: np.ndarray) -> float:
  """Returns the standard error of the mean of independent values [N]."""
  return float(np.std(values, ddof=1) / len(values) ** 0.5)


def lower(values: np.ndarray) -> float:
  """Returns the mean of values [N] less four standard errors."""
  return float(np.mean(values)) - 4 * standard_error(values)


def _noise(results):
  sizes, squared = results["noise_sizes"], results["noise_squared"]
  means = np.mean(squared, axis=1)
  relative = means[:-1] / results["noise_theory"][:-1]
  errors = np.array([standard_error(row) for row in squared[:-1]])
  errors = errors / results["noise_theory"][:-1]
  # Least squares of log noise, the correction for a finite population taken
  # off; its error from those of the points.
  x = np.log(sizes[:-1]) - np.mean(np.log(sizes[:-1]))
  corrected = means[:-1] * (sizes[-1] - 1) / (sizes[-1] - sizes[:-1])
  slope = float(x @ np.log(corrected) / 2 / (x @ x))
  slope_error = float(np.sqrt(np.sum((x * errors / 2) ** 2)) / (x @ x))
  yield study.Claim(
    "S2-training",
    "The noise of a mini-batch's gradient, norm(g_B - g), falls like "
    "1 / sqrt(B): its exponent, with (N - B) / (N - 1) taken off.",
    _KENT + "Summary of SGD (stochastic gradients are approximations); "
    "theory: the error of a sample mean",
    -0.5,
    slope,
    4 * slope_error,
    f"Standard error {slope_error:.1e}.",
  )
  worst = int(np.argmax(np.abs(relative - 1) / errors))
  yield study.Claim(
    "S0-2.2",
    "E norm(g_B - g)^2 over the variance of single gradients by (1 / B) "
    "(N - B) / (N - 1), at the batch size where it fits worst.",
    "theory: sampling without replacement",
    1.0,
    float(relative[worst]),
    4 * float(errors[worst]),
    f"B = {sizes[worst]}; four standard errors.",
  )
  yield study.Claim(
    "S3-1.4-sgd",
    "With all examples in the batch nothing is left to chance: noise over that "
    "of one example.",
    _XOR + "1.4, batch gradient descent",
    0.0,
    float(np.sqrt(means[-1] / means[0])),
    1e-7,  # sqrt of the rounding of a sum that cancels
  )


def _sequences(results):
  source = _KENT + "Training an MLP (a sequence of learning rates alpha_j)"
  excess = results["rate_excess"]
  for floor, values, expected in zip(
    results["rate_floors"], excess, results["rate_theory"], strict=True
  ):
    if floor:
      text = f"max({floor:g}, 1 / t) stays above it by"
      tolerance = 4 * standard_error(values)
    else:
      text = "1 / t ends in the minimum, though it saw each example once:"
      tolerance = 1e-9  # float32 rounding, squared, over the steps
    yield study.Claim(
      "S2-training",
      f"SGD on (w - y)^2 / 2 with the learning rates {text} the mean excess of "
      "the loss after an epoch, where var(y) / 2 = 0.5.",
      source + "; theory: w is a weighted mean of the y",
      float(expected),
      float(np.mean(values)),
      tolerance,
      f"{values.size} shuffles.",
    )


def _batch_sizes(results):
  train, held_out, accuracy = np.moveaxis(results["batch_curves"], 1, 0)
  methods = _XOR + "1.4 (training speed against accuracy)"
  early = max(1, train.shape[-1] // 20)
  for i, text in enumerate(
    ("SGD is ahead of mini-batches", "Mini-batches are ahead of the batch")
  ):
    yield study.Claim(
      "S3-1.4-sgd",
      f"{text} after {early} epochs at one learning rate, for it has made more "
      "updates: log of the ratio of training losses, less four standard "
      "errors.",
      methods,
      study.POSITIVE,
      lower(np.log(train[i + 1, :, early] / train[i, :, early])),
    )
  yield study.Claim(
    "S3-1.4-sgd",
    "Too few epochs lead to poor accuracy: what mini-batches gain, held out, "
    "from the first epoch to the last, less four standard errors.",
    _XOR + "1.4 (epochs, overfitting)",
    study.POSITIVE,
    lower(accuracy[1, :, -1] - accuracy[1, :, 1]),
  )
  sgd, seeds = held_out[0], np.arange(held_out.shape[1])
  best = np.argmin(sgd, axis=1)
  yield study.Claim(
    "S3-1.4-sgd",
    "Too many epochs lead to poor generalisation: by which factor, in "
    "logarithms, SGD's held-out loss ends above its least, less four standard "
    "errors.",
    _XOR + "1.4 (epochs, overfitting)",
    study.POSITIVE,
    lower(np.log(sgd[:, -1] / sgd[seeds, best])),
    note=f"Least at epoch {np.median(best):.0f} (median). Accuracy, held out, "
    f"is {np.mean(accuracy[0, seeds, best]):.3f} there and "
    f"{np.mean(accuracy[0, :, -1]):.3f} at the end: it is the confidence in "
    "wrong answers that grows.",
  )
  yield study.Claim(
    "S2-training",
    "While the training loss goes on falling: by which factor, in logarithms, "
    "from there to the end, less four standard errors.",
    _KENT + "Training an MLP; overfitting as in " + _XOR + "1.4",
    study.POSITIVE,
    lower(np.log(train[0, seeds, best] / train[0, :, -1])),
  )


def _losses(results):
  errors = results["loss_error"]
  for text, error in zip(
    (
      "Squared error: dJ/dh = h - y",
      "Binary cross-entropy: dJ/da = -y / a + (1 - y) / (1 - a)",
      "Binary cross-entropy behind a sigmoid: dJ/dz = a - y",
      "Multi-class cross-entropy: dJ/da = -1[y = j] / a_j",
    ),
    errors,
    strict=True,
  ):
    yield study.Claim(
      "S2-losses",
      f"{text}: error of `nf.losses` under autodiff.",
      _LOSSES + ", and gradients of a neural network (example)",
      0.0,
      float(error),
      1e-12,  # float64 rounding
    )
  floors = theory.entropy_floors(results["class_frequencies"])
  for name, values, floor in zip(
    results["loss_names"], results["loss_values"], floors, strict=True
  ):
    blind, seeing = values
    yield study.Claim(
      "S2-losses",
      f"Trained on black images, {name} falls to what the frequencies of the "
      "classes leave.",
      "theory: (1 - sum p^2) / 2, sum of H(p_j), H(p)",
      float(floor),
      float(np.mean(blind)),
      2e-3 * float(floor),  # mini-batches, before the learning rate is 0
    )
    yield study.Claim(
      "S2-losses",
      f"Trained on digits, {name} falls below: its ratio to that, plus four "
      "standard errors.",
      _LOSSES,
      (0.0, 1.0),
      float(np.mean(seeing / floor)) + 4 * standard_error(seeing / floor),
    )


def _formulas(results):
  for optimizer, error in zip(
    optimizers.OPTIMIZERS.items(), results["formula_error"], strict=True
  ):
    name, record = optimizer
    yield study.Claim(
      "S2-losses",
      f"{name} of optax takes the published steps: largest difference over the "
      "way gone.",
      record.source,
      0.0,
      float(error),
      1e-12,  # float64 rounding
    )
  names = list(results["optimizers"])
  for name, factor, why in (
    ("SGD", 1000.0, "theory: linear in the gradients"),
    ("Adam", 1.0, optimizers.OPTIMIZERS["Adam"].source + ", section 2.1"),
  ):
    yield study.Claim(
      "S2-losses",
      f"Gradients 1,000 times as large take {name} this many times as far.",
      why,
      factor,
      float(results["scaled_change"][names.index(name)]),
      1e-6 * factor,  # Adam's epsilon, 1e-8 beside gradients of order 1
    )


def best_rates(results: study.Results) -> np.ndarray:
  """Returns which learning rate ends with the highest accuracy, [O]."""
  final = results["optimizer_accuracy"][..., -1]
  return np.argmax(np.mean(final, axis=1), axis=1)


def _optimizers(results):
  final = results["optimizer_accuracy"][..., -1]
  linear = float(results["regression_accuracy"][1])
  rates, best = results["learning_rates"], best_rates(results)
  for name, accuracy, index in zip(
    results["optimizers"], final, best, strict=True
  ):
    values = accuracy[:, index]
    yield study.Claim(
      "S2-losses",
      f"At its best learning rate {name} trains a network with one hidden "
      "layer to a better accuracy, held out, than softmax regression has: the "
      "mean less four standard errors.",
      _KENT + "Summary of SGD and its variants; scikit-learn's "
      "LogisticRegression of claim S4-1",
      (linear, 1.0),
      lower(values),
      note=f"{np.mean(values):.4f} +- {np.std(values, ddof=1):.4f} (standard "
      f"deviation over {values.size} seeds) at a learning rate of "
      f"{rates[index]:g}.",
    )
  yield from _momentum(results)


def _momentum(results):
  """A step of momentum goes on for 1 / (1 - mu) steps."""
  names, rates = list(results["optimizers"]), results["learning_rates"]
  gain = 1 / (1 - optimizers.MOMENTUM)
  pairs = [
    (i, j)
    for i, slow in enumerate(rates)
    for j, fast in enumerate(rates)
    if abs(np.log(fast / slow / gain)) < 0.01
  ]
  if not pairs:
    return
  i, j = pairs[0]
  curves = results["optimizer_losses"]
  momentum = np.mean(curves[names.index("momentum"), :, i, -1])
  sgd = np.mean(curves[names.index("SGD"), :, j], axis=0)
  # Momentum is about mu / (1 - mu) updates late.
  late = np.abs(np.diff(sgd)).max() / float(results["updates_per_epoch"])
  yield study.Claim(
    "S2-losses",
    f"Momentum 0.9 with a learning rate of {rates[i]:g} goes the way of SGD "
    f"with {rates[j]:g}: the training loss at the end over SGD's.",
    "theory: sum of mu^k = 1 / (1 - mu)",
    1.0,
    float(momentum / sgd[-1]),
    float(late * gain / sgd[-1]),
    "The tolerance is what SGD does in ten updates.",
  )
