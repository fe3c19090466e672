"""Claims of the study of Nielsen's networks, in per cent of images."""

import numpy as np

from experiments import measure, study
from experiments.claims import Claim, Source, conjecture
from experiments.textbook.nielsen_mnist import readings

_HOW = "Tested with --config.data_dir=FOLDER (MNIST)"
# Below, a network hardly ever answers with one of the digits: 8.92 % of MNIST's
# test images show a 5, the rarest.
_STUCK = 100 - 8.92


def claims(results: study.Results) -> list[Claim]:
  """Compares with the book: its numbers where its data are, else orderings."""
  return [
    _learned_by_heart(results),
    _regularization(results),
    _variation(results),
    *(_published(results, published) for published in readings.PUBLISHED),
    _same_end(results),
  ]


def _source(results, where):
  """The book speaks of MNIST; that digits do the same is for us to say."""
  if results.is_published:
    return Source("P24", "nielsen2015", where)
  where = f"{where}; the book's images are others"
  return conjecture("P24", where, "nielsen2015")


def _peaks(results, *names):
  return [readings.percent(results, name, "best") for name in names]


def _learned_by_heart(results):
  return _source(results, readings.OVERFITTING).equal(
    "learned-by-heart",
    "Without regularization every network learns its few training images by "
    "heart.",
    100.0,
    100 * results.curves["small"][:, -1, 2].min(),
    tolerance=1e-3,  # Rounding in float32: one image of 1,000 is 0.1.
    quantity="accuracy on the training images at the end, %, lowest of seeds",
  )


def _regularization(results):
  return _source(results, readings.OVERFITTING).at_least(
    "regularization-helps",
    "Regularization raises the best accuracy of networks that are trained on "
    "few images.",
    0.0,
    measure.difference(*_peaks(results, "small_decay", "small")),
    quantity="accuracy gained on held-out images, points",
    strict=True,
  )


def _variation(results):
  peaks = _peaks(results, "quadratic_100", "entropy_100")
  return _source(results, "chapter 1, footnote on reader feedback").at_least(
    "variation",
    "Cross-entropy instead of the quadratic cost greatly reduces the variation "
    "among networks with 100 hidden units: at least twofold.",
    float(np.log10(2)),
    measure.jackknife(log_ratio_of_spreads, np.stack(peaks, axis=1)),
    quantity="log10 of the ratio of standard deviations of the best accuracy",
  )


def log_ratio_of_spreads(peaks: np.ndarray) -> float:
  """log10 of how much more the first column varies among seeds [S, 2]."""
  # Of 10,000 images or fewer: no spread is known better than to 0.01.
  spread = np.maximum(np.std(peaks, axis=0), 0.01)
  return np.log10(spread[0] / spread[1])


def _published(results, published):
  name, epoch, percent, where, against, found = published
  values, which = readings.percent(results, name, epoch), ""
  num_networks = len(values)
  if name.startswith("quadratic"):  # The best of three runs in the book.
    values, which = values[values > _STUCK], ", networks that are not stuck"
  return _on_mnist(
    results,
    where,
    f"{name}-{epoch}".replace("_", "-"),
    f"{readings.NAMES[name]}{which}: the accuracy of the {epoch} epoch is the "
    f"book's {percent:.2f} %.",
    percent,
    measure.mean(values) if len(values) > 1 else None,
    # Half of what the book concludes from would not change its conclusion.
    margin=abs(percent - against) / 2,
    note=f"{_HOW}; --full found {found}, mean and standard deviation of 20 "
    "networks, stuck ones included.",
    quantity=f"accuracy, %, mean of {len(values)} of {num_networks} networks",
  )


def _same_end(results):
  last = [readings.percent(results, name, "last") for name in readings.LAST]
  return _on_mnist(
    results,
    readings.WEIGHTS,
    "narrow-end",
    "Weights from N(0, 1) and from N(0, 1/fan-in) end at almost the same "
    "accuracy.",
    0.0,
    measure.difference(*last),
    margin=0.5,  # Half of the differences of a point that the book calls large.
    note=f"{_HOW} and --full.",
    quantity="difference of the accuracy of the last epoch, points",
  )


def _on_mnist(
  results, where, key, statement, expected, measured, *, margin, quantity, note
):
  source = Source("P24", "nielsen2015", where)
  if not results.is_published or measured is None:
    return source.not_run(
      key, statement, expected, quantity=quantity, note=note
    )
  return source.equivalent(
    key, statement, expected, measured, margin=margin, quantity=quantity
  )
