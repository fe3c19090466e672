"""Claims of the study of Nielsen's networks, in per cent of images."""

import numpy as np

from experiments import measure, study
from experiments.claims import Claim, Source, conjecture
from experiments.textbook.nielsen_mnist import readings

_HOW = "Tested with --config.data_dir=FOLDER (MNIST) and --full."


def claims(results: study.Results) -> list[Claim]:
  """Compares with the book: its numbers where its data are, else orderings."""
  return [
    _learned_by_heart(results),
    _regularization(results),
    _variation(results),
    *(_published(results, published) for published in readings.PUBLISHED),
    _same_end(results),
    _darkness(results),
  ]


def _source(results, where):
  """The book speaks of MNIST; that digits do the same is for us to say."""
  if results.is_published:
    return Source("P24", "nielsen2015", where)
  where = f"{where}; the book's images are others"
  return conjecture("P24", where, "nielsen2015")


def _learned_by_heart(results):
  return _source(results, readings.OVERFITTING).equal(
    "learned-by-heart",
    "Without regularization every network learns its few training images by "
    "heart.",
    100.0,
    100 * float(np.min(results.curves["small"].few[:, -1])),
    tolerance=1e-3,  # Rounding in float32: one image of 1,000 is 0.1.
    quantity="accuracy on the training images at the end, %, lowest of seeds",
  )


def _regularization(results):
  gain = measure.difference(
    readings.percent(results, "small_decay", "peak"),
    readings.percent(results, "small", "peak"),
  )
  return _source(results, readings.OVERFITTING).at_least(
    "regularization-helps",
    "Regularization raises the best accuracy of networks that are trained on "
    "few images.",
    0.0,
    gain,
    quantity="accuracy gained on held-out images, points",
    strict=True,
  )


def _variation(results):
  peaks = [
    readings.percent(results, f"{cost}_100", "peak")
    for cost in ("quadratic", "entropy")
  ]
  num_stuck = int(np.sum(~readings.unstuck(results, "quadratic_100")))
  return _source(results, "chapter 1, footnote on reader feedback").at_least(
    "variation",
    "Cross-entropy instead of the quadratic cost greatly reduces the variation "
    "among networks with 100 hidden units: at least twofold.",
    float(np.log10(2)),
    measure.jackknife(readings.log_ratio_of_spreads, np.stack(peaks, axis=1)),
    quantity="log10 of the ratio of standard deviations of the best accuracy",
    note=f"With the quadratic cost {num_stuck} of {len(peaks[0])} networks "
    "hardly ever answer with one or more of the digits.",
  )


def _published(results, published):
  """Half of what the book concludes from would not change its conclusion."""
  name, epoch, percent, where, against, found, num_runs = published
  source = Source("P24", "nielsen2015", where)
  key = f"{name}-{epoch}".replace("_", "-")
  kind = f"{readings.NAMES[name]}: the accuracy of the {readings.EPOCHS[epoch]}"
  statement = f"{kind} is the book's {percent:.2f} %."
  values = readings.percent(results, name, epoch)
  best = ""
  if num_runs > 1:
    best = f"The book's is the best of {num_runs} runs. "
    values = values[readings.unstuck(results, name)]
  if not results.is_published or len(values) < 2:
    return source.not_run(
      key,
      statement,
      percent,
      quantity="accuracy, %",
      note=f"{best}{_HOW} It found {found} (mean and standard deviation of 20 "
      "networks).",
    )
  kept = "that answer with every digit" if num_runs > 1 else "of all seeds"
  return source.equivalent(
    key,
    statement,
    percent,
    measure.mean(values),
    margin=abs(percent - against) / 2,
    quantity=f"accuracy, %, mean of the {len(values)} networks {kept}",
    note=f"{best}Margin: half of the difference to {against:.2f}, which the "
    "book sets beside it.",
  )


def _same_end(results):
  source = Source("P24", "nielsen2015", "chapter 3, Weight initialization")
  statement = (
    "Weights from N(0, 1) and from N(0, 1/fan-in) end at almost the same "
    "accuracy."
  )
  published = readings.LAST_NARROW - readings.LAST_WIDE
  if not results.is_published:
    return source.not_run(
      "narrow-end",
      statement,
      published,
      quantity="difference of the accuracy of the last epoch, points",
      note=f"The book: {readings.LAST_WIDE:.2f} and {readings.LAST_NARROW:.2f} "
      f"%. {_HOW}",
    )
  return source.equivalent(
    "narrow-end",
    statement,
    0.0,
    measure.difference(
      *(readings.percent(results, name, "last") for name in ("narrow", "wide"))
    ),
    margin=0.5,  # Half of the differences of a point that the book calls large.
    quantity="difference of the accuracy of the last epoch, points",
  )


def _darkness(results):
  source = Source(
    "P24", "nielsen2015", "chapter 1, Implementing our network: baselines"
  )
  statement = (
    "Guessing the digit whose average darkness is nearest gets 2,225 of "
    "MNIST's 10,000 test images right."
  )
  quantity = "accuracy on the test images, %"
  if not results.is_published:
    return source.not_run(
      "darkness", statement, readings.DARKNESS, quantity=quantity, note=_HOW
    )
  return source.equal(
    "darkness",
    statement,
    readings.DARKNESS,
    100 * float(results.darkness),
    tolerance=1e-9,  # Rounding: one image more or less is 0.01.
    quantity=quantity,
  )
