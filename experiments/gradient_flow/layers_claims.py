"""Claims of the study of digit networks' layers, from its stored arrays.

The arrays are described at `layers.run`.
"""

import functools
import math

import numpy as np
from scipy import optimize

from experiments import study

_claim = functools.partial(study.Claim, "P11")
_NIELSEN = "Nielsen, Neural networks and deep learning, 2015, chapter 5"
_DATA = f"{_NIELSEN}, the author's raw data"
_THEORY = (
  "mean-field theory, -log(chi_1) / 2 (Schoenholz et al., Deep information "
  "propagation, 2017), plus (3 k - 1) / 4 N for the width N = 30"
)
# Norm of the average dC / d b of each hidden layer, by number of hidden layers.
AT_START = {
  2: (0.0657, 0.3092),
  3: (0.0118, 0.0600, 0.2831),
  4: (0.0030, 0.0171, 0.0695, 0.2851),
}
_AFTER_TEN_EPOCHS = {
  2: (0.008930, 0.040382),
  3: (0.0020043, 0.010417, 0.059624),
  4: (0.00026592, 0.00147497, 0.0084036, 0.0365663),
}
_ACCURACY = {1: 96.48, 2: 96.90, 3: 96.57, 4: 96.53}
_WIDTH = 30


def all_claims(results: study.Results) -> list[study.Claim]:
  """Compares speeds with theory and, on MNIST, with the published ones."""
  claims = [
    *_intervals(results),
    *_ratios(results),
    *_in_training(results),
    *_depth(results),
  ]
  if results["is_mnist"] and results["num_images"] == 1000:
    claims += _published_speeds(results)
  if results["is_mnist"] and results["accuracy"].shape[-1] > 30:
    claims += _published_accuracy(results)
  return claims


def expected_ratios(results: study.Results) -> np.ndarray:
  """Returns what theory says of E log(speed of layer l + 1 / speed of l).

  Args:
    results: what `layers.run` returned.

  Returns:
    [4] for l = 1 ... 4; it depends on l through the variance of z^l alone.
  """
  spread = (3 * results["kurtosis"] - 1) / (4 * _WIDTH)
  return spread - np.log(results["chi_1"]) / 2


def _note(results):
  if results["is_mnist"]:
    return ""
  return (
    " On 8 x 8 digits; with --config.data_dir on MNIST, beside the published "
    "numbers."
  )


def _error(values):
  return float(np.std(values, ddof=1) / math.sqrt(len(values)))


def bound(weights: np.ndarray) -> np.ndarray:
  """Returns equation 123, the width of the set of a with |w sigma'| >= 1.

    2 / |w| ln(|w| (1 + sqrt(1 - 4 / |w|)) / 2 - 1)

  Args:
    weights: |w| >= 4, any shape.

  Returns:
    The shape of `weights`.
  """
  root = np.sqrt(1 - 4 / weights)
  return 2 / weights * np.log(weights * (1 + root) / 2 - 1)


def _intervals(results):
  weights, widths = results["weights"], results["interval"]
  possible = weights[widths > 0]
  step = float(np.diff(weights)[0])
  equation = f"{_NIELSEN}, equation 123"
  yield _claim(
    "|w sigma'(w a + b)| >= 1 can only occur if |w| >= 4: the least such |w|.",
    f"{_NIELSEN}, problem on equation 123",
    4.0,
    float(possible[0]),
    step,
  )
  beyond = weights > 4
  yield _claim(
    "The set of such activations a is as wide as the equation says: the "
    "largest difference.",
    equation,
    0.0,
    float(np.max(np.abs(widths[beyond] - bound(weights[beyond])))),
    1e-9,
  )
  best = int(np.argmax(widths))
  widest = optimize.minimize_scalar(
    lambda weight: -bound(weight), bounds=(4.0, 50.0), method="bounded"
  )
  for what, published, theory, measured, digit, precision in (
    ("The widest interval", 0.45, -widest.fun, widths[best], 0.005, 5e-5),
    ("It is found at |w|", 6.9, widest.x, weights[best], 0.05, step),
  ):
    yield _claim(
      f"{what}, as published.", equation, published, float(measured), digit
    )
    yield _claim(
      f"{what}, to more digits.",
      f"{equation}, maximised",
      float(theory),
      float(measured),
      precision,
    )


def _ratios(results):
  expected = expected_ratios(results)
  logs = np.log(results["at_start"])
  for num_hidden, speeds in zip((2, 3, 4), logs, strict=True):
    ratios = np.diff(speeds[:, :num_hidden], axis=1)
    means, wanted = np.mean(ratios, axis=1), np.mean(expected[: num_hidden - 1])
    error = _error(means)
    yield _claim(
      "Early layers learn slower: log of the speed norm(dC / d b) of a hidden "
      f"layer over that of the one before, mean over {num_hidden} hidden layers"
      " and over draws.",
      f"{_NIELSEN}; {_THEORY}",
      float(wanted),
      float(np.mean(means)),
      # Besides the sampling, the second order in 1 / N.
      4 * error + 1 / _WIDTH**2,
      f"{(np.mean(means) - wanted) / error:+.1f} standard errors over "
      f"{len(means)} draws, {100 * (np.mean(means) / wanted - 1):+.1f} %."
      + _note(results),
    )
  rising = [
    np.all(np.diff(speeds[:, :num_hidden], axis=1) > 0, axis=1)
    for num_hidden, speeds in zip((2, 3, 4), logs, strict=True)
  ]
  yield _claim(
    "This is no accident of one draw: share of the draws in which every hidden "
    "layer is faster than the one before it.",
    f"{_NIELSEN}; in theory ten standard deviations from failing",
    1.0,
    float(np.mean(rising)),
    note=f"{np.size(rising)} networks." + _note(results),
  )


def first_over_last(results: study.Results) -> np.ndarray:
  """Returns log(speed of the first over speed of the last hidden layer).

  Args:
    results: what `layers.run` returned.

  Returns:
    In training, [3, seeds, epochs + 1] for 2, 3 and 4 hidden layers.
  """
  logs = np.log(results["in_training"])
  return np.stack(
    [logs[i, ..., 0] - logs[i, ..., num - 1] for i, num in enumerate((2, 3, 4))]
  )


def _in_training(results):
  ratios = first_over_last(results)
  for num_hidden, curves in zip((2, 3, 4), ratios, strict=True):
    mean = np.mean(curves, axis=0)
    epoch = int(np.argmax(mean))
    yield _claim(
      f"In training too the first of {num_hidden} hidden layers stays the "
      "slower: log of its speed over that of the last one, at the epoch at "
      "which it is highest.",
      f"{_NIELSEN}, figures of the speed of learning",
      (-math.inf, 0.0),
      float(mean[epoch]),
      note=f"Epoch {epoch} of {len(mean) - 1}, standard error "
      f"{_error(curves[:, epoch]):.2f} of {len(curves)} networks."
      + _note(results),
    )


def _depth(results):
  final = 100 * results["accuracy"][..., -1]
  difference = final[3] - final[1]
  error = _error(difference)
  yield _claim(
    "From two hidden layers on, more of them do not help: validation accuracy "
    "with four less that with two, per cent.",
    f"{_NIELSEN}: 96.53 and 96.90 %",
    (-math.inf, 0.0),
    float(np.mean(difference)),
    2 * error,
    f"Standard error {error:.2f} of {len(difference)} pairs of networks; "
    f"{results['accuracy'].shape[-1] - 1} epochs." + _note(results),
  )


def _published_speeds(results):
  for index, (num_hidden, published) in enumerate(AT_START.items()):
    tails = []
    for layer, speed in enumerate(published):
      below = np.mean(results["at_start"][index, :, layer] < speed)
      tails.append(2 * min(below, 1 - below))
    layer = int(np.argmin(tails))
    median = np.median(results["at_start"][index, :, layer])
    yield _claim(
      f"The published draw with {num_hidden} hidden layers is one of ours: "
      "share of draws that are less likely than the least likely of its "
      "layers' speeds.",
      f"{_DATA}: {', '.join(map(str, published))}",
      (0.05 / len(published), 1.0),  # 5 % for the network.
      float(min(tails)),
      note=f"Layer {layer + 1}: published {published[layer]}, median of "
      f"{results['at_start'].shape[1]} draws {median:.4f}.",
    )
  if results["in_training"].shape[2] <= 10:
    return
  for index, (num_hidden, published) in enumerate(_AFTER_TEN_EPOCHS.items()):
    logs = np.log(results["in_training"][index, :, 10, :num_hidden])
    deviation = np.std(logs, axis=0, ddof=1) * math.sqrt(1 + 1 / len(logs))
    scores = (np.log(published) - np.mean(logs, axis=0)) / deviation
    yield _claim(
      f"After ten epochs too, {num_hidden} hidden layers: distance of the "
      "published speeds' logarithm from the mean, in standard deviations, "
      "worst layer.",
      _DATA,
      (0.0, 4.0),  # Of few networks: Student's distribution is wide.
      float(np.max(np.abs(scores))),
      note=f"Mean and deviation of {len(logs)} networks.",
    )


def _published_accuracy(results):
  final = 100 * results["accuracy"][..., 30]
  for (num_hidden, published), percents in zip(
    _ACCURACY.items(), final, strict=True
  ):
    deviation = float(np.std(percents, ddof=1))
    yield _claim(
      f"Validation accuracy after 30 epochs, per cent: {num_hidden} hidden "
      f"layer{'s' if num_hidden > 1 else ''} of 30.",
      f"{_NIELSEN}, one run each",
      published,
      float(np.mean(percents)),
      # One run against a mean of few: Student's distribution is wide.
      4 * deviation * math.sqrt(1 + 1 / len(percents)),
      f"Standard deviation {deviation:.2f}, standard error "
      f"{_error(percents):.2f} of {len(percents)} networks.",
    )
