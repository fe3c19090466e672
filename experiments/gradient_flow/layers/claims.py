"""Claims of the study of digit networks' layers."""

import math

import numpy as np

from experiments import measure, study
from experiments.claims import Claim, Source, conjecture, theory
from experiments.gradient_flow.layers import readings

_SPEEDS = Source("P11", "nielsen2015", "chapter 5, speeds of learning")
_DATA = Source("P11", "nielsen2015", "chapter 5, the author's raw data")
_ACCURACY = Source("P11", "nielsen2015", "chapter 5, one run of each depth")
_EQUATION = Source("P11", "nielsen2015", "chapter 5, equation 123")
_MEAN_FIELD = theory(
  "P11", "-log(chi_1) / 2, plus (3 k - 1) / 4 N for the width", "schoenholz2017"
)
_AFTER_LEARNING = conjecture(
  "P11", "what becomes of chapter 5's gap in networks that do learn"
)
_LEARNED = 0.8  # Validation accuracy; 0.1 is chance.
_ON_MNIST = "Tested on MNIST, with --full and --config.data_dir."


def claims(results: study.Results) -> list[Claim]:
  """Compares speeds with theory and, on MNIST, with the published ones."""
  return [
    *_intervals(),
    *_at_start(results),
    _published_speeds(results),
    *_training(results),
    _accuracy(results),
  ]


def _intervals():
  widths = readings.interval_width(readings.WEIGHTS)
  expected = readings.equation_123(readings.WEIGHTS)
  yield _EQUATION.zero(
    "equation-123",
    "Activations a with |w sigma'(w a + b)| >= 1 fill an interval as wide as "
    "equation 123 says, none below |w| = 4.",
    np.abs(widths - expected).max(),
    tolerance=1e-7,  # At |w| = 4 two ends meet: the root of a rounding error.
    quantity="largest difference of the width",
  )
  best = int(np.argmax(widths))
  width, weight = widths[best], readings.WEIGHTS[best]
  yield _EQUATION.zero(
    "widest-interval",
    "At most an interval of activations a that is 0.45 wide has "
    "|w sigma'(w a + b)| >= 1, and that at |w| = 6.9.",
    {"width": width / 0.45 - 1, "|w|": weight / 6.9 - 1},
    tolerance=0.05 / 6.9,  # Half of the last digit given.
    quantity="relative difference from the published",
    note=f"{width:.4f} at {weight:.3f}.",
  )


def _at_start(results):
  growth = {
    n: readings.growth(results.at_start[:, i], n)
    for i, n in enumerate(readings.DEPTHS)
  }
  factors = ", ".join(f"{math.exp(g.mean()):.3f}" for g in growth.values())
  yield _MEAN_FIELD.zero(
    "factor-of-five",
    "At the start each hidden layer of 30 sigmoid units learns slower than the "
    "next by the factor of theory, nearly 5.",
    {
      f"{n} hidden layers": measure.mean(
        (g - results.expected[: n - 1]).mean(axis=1)
      )
      for n, g in growth.items()
    },
    # What the width adds to the infinite one is of the order 1 / N.
    tolerance=1 / readings.WIDTH,
    quantity="log of the factor, less that of theory",
    note=f"Factors {factors} with 2, 3 and 4 hidden layers; theory, which only "
    "knows how bright the images are, "
    f"{math.exp(results.expected.mean()):.3f}.",
  )
  rising = [np.all(g > 0, axis=1) for g in growth.values()]
  yield _SPEEDS.at_least(
    "every-draw",
    "At the start every hidden layer learns faster than the one before it, "
    "in practically all draws of a digit network.",
    0.99,
    measure.share(np.all(rising, axis=0)),
    quantity="share of draws, with 2, 3 and 4 hidden layers alike",
  )


def _published_speeds(results):
  what = (
    "published-speeds",
    "Nielsen's draws are like ours: none of his layers' speeds at the start is "
    "among the most extreme 1 %.",
    (0.005, 0.995),
  )
  quantity = "share of draws below the published speed"
  if not results.is_mnist:
    return _DATA.not_run(
      *what,
      quantity=quantity,
      note=f"{_ON_MNIST} Medians there are 0.059 and 0.29 with two hidden "
      "layers; published are 0.066 and 0.31.",
    )
  below = {
    f"layer {layer + 1} of {n}": measure.share(
      results.at_start[:, i, layer] < speed
    )
    for i, n in enumerate(readings.DEPTHS)
    for layer, speed in enumerate(readings.PUBLISHED_SPEEDS[n])
  }
  return _DATA.between(*what, below, quantity=quantity)


def _training(results):
  quantity = "log of the first layer's speed over the last one's"
  yield _SPEEDS.not_run(
    "first-stays-slower",
    "Through 500 epochs of batch gradient descent on 1,000 images the first "
    "hidden layer stays slower than the last.",
    (-math.inf, 0.0),
    quantity=quantity,
    note="Networks hardly learn by it: on MNIST 4 of each depth ended at 35, "
    "14 and 12 % of these images with 2, 3 and 4 hidden layers, the log at "
    "-0.5, -2.1 and -4.8. Here they are trained until they know the digits.",
  )
  what = (
    "gap-closes",
    "Once a network knows the digits, its first hidden layer learns more than "
    "half as fast as its last.",
  )
  least = results.accuracy[..., -1].min()
  if least < _LEARNED:
    note = f"Not shown here: a network ended at an accuracy of {least:.0%}."
    expected = -math.log(2), math.inf
    yield _AFTER_LEARNING.not_run(*what, expected, quantity=quantity, note=note)
    return
  ratios = readings.first_over_last(results)
  last = results.accuracy.shape[-1] // 4  # The last quarter of the epochs.
  starts = ", ".join(f"{r[:, 0].mean():.1f}" for r in ratios.values())
  ends = ", ".join(f"{r[:, -last:].mean():.2f}" for r in ratios.values())
  yield _AFTER_LEARNING.at_least(
    *what,
    -math.log(2),
    {
      f"{n} hidden layers": measure.mean(r[:, -last:].mean(axis=1))
      for n, r in ratios.items()
    },
    strict=True,
    quantity=f"{quantity}, over the last quarter of the epochs",
    note=f"From {starts} at the start to {ends} with 2, 3 and 4 hidden layers.",
  )


def _accuracy(results):
  published = readings.PUBLISHED_ACCURACY
  percents = 100 * results.accuracy[..., -1]
  what = (
    "accuracy",
    "With one to four hidden layers digit networks end near the published 96.5 "
    "to 96.9 %.",
  )
  num_epochs = results.accuracy.shape[-1] - 1
  if not results.is_mnist or num_epochs != readings.PUBLISHED_EPOCHS:
    return _ACCURACY.not_run(
      *what,
      (96.48, 96.90),
      quantity="validation accuracy, per cent",
      note=f"{_ON_MNIST} 4 networks of each depth ended at 96.5, 96.7, 96.4 "
      "and 96.2 % there; four against two layers -0.54 +- 0.15.",
    )
  apart = {
    f"{n} hidden layers": measure.mean(percents[:, n - 1] - value)
    for n, value in published.items()
  }
  less = measure.mean(percents[:, 3] - percents[:, 1])
  return _ACCURACY.zero(
    *what,
    apart,
    # Runs of one network each, published to a hundredth: what differs by half a
    # per cent, as many as lie between them, is called the same.
    tolerance=0.5,
    quantity="validation accuracy, per cent, less the published",
    note=f"Four layers less two: {less.value:.2f}, published -0.37.",
  )
