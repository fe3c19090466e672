"""Claims of the study of Nielsen's networks, from its stored arrays.

The arrays are described at `nielsen_mnist.run`. All numbers are in per cent of
images, differences in points.
"""

import functools
import math

import numpy as np
from scipy import stats

from experiments import study
from experiments.textbook import nielsen_mnist_settings as settings_lib
from experiments.textbook import nielsen_mnist_statistics as statistics_lib

_claim = functools.partial(study.Claim, "P24")
# The book concludes from 95.49 against 96.49: half of that difference.
_HALF_A_POINT = 0.5
_OUTSIDE = " Outside, as one in twenty is expected to be: see their number."
_NOT_PUBLISHED = (
  "Not the book's data or number of epochs: its numbers need MNIST, "
  "--config.data_dir=FOLDER."
)


def all_claims(results: study.Results) -> list[study.Claim]:
  """Compares with the book: its numbers where its data are, else orderings."""
  claims = [*_regularization(results), *_variation(results)]
  if results["is_published"]:
    for more in (_baseline, _published, _overall, _orderings, _stuck, _alike):
      claims += more(results)
  return claims


def _describe(values):
  return (
    f"{len(values)} seeds: mean {values.mean():.2f}, standard deviation "
    f"{values.std(ddof=1):.2f}, from {values.min():.2f} to {values.max():.2f}."
  )


def _published(results):
  for published in settings_lib.PUBLISHED:
    low, high = statistics_lib.interval_of(results, published)
    values = statistics_lib.percent(results, published.setting, published.epoch)
    is_inside = low <= published.percent <= high
    run = "one run"
    if published.num_runs > 1:
      run = f"the best of {published.num_runs} runs that do not get stuck"
    yield _claim(
      f"{_NAMES[published.setting]}, accuracy after "
      f"{_EPOCHS[published.epoch]}: the published value is where {run} should "
      "be (middle and half-width of our seeds' 95 % prediction interval).",
      published.source,
      published.percent,
      (low + high) / 2,
      (high - low) / 2 if high >= low else 0.0,
      _describe(values) + ("" if is_inside else _OUTSIDE),
    )


def _overall(results):
  """All published numbers together."""
  outside, distances = 0, []
  for published in settings_lib.PUBLISHED:
    low, high = statistics_lib.interval_of(results, published)
    outside += not low <= published.percent <= high
    is_small = settings_lib.SETTINGS[published.setting].is_small
    if published.epoch != "first" and published.num_runs == 1 and not is_small:
      values = statistics_lib.percent(
        results, published.setting, published.epoch
      )
      distances.append(abs(float(values.mean()) - published.percent))
  count = len(settings_lib.PUBLISHED)
  most = stats.binom.ppf(
    (1 + statistics_lib.LEVEL) / 2, count, 1 - statistics_lib.LEVEL
  )
  yield _claim(
    f"Of the {count} published accuracies no more lie outside their 95 % "
    "prediction interval than chance allows (97.5 % quantile of the binomial).",
    settings_lib.OVERFITTING,
    (0, float(most)),
    outside,
  )
  yield _claim(
    f"Fully trained on 50,000 images, the {len(distances)} published single "
    "runs are within half a point of the mean over our seeds (the largest "
    "distance; the book concludes from differences of one point).",
    settings_lib.OVERFITTING,
    0.0,
    max(distances),
    _HALF_A_POINT,
  )


def _alike(results):
  """What the book calls pretty close, or almost exactly the same."""
  for first, second, epoch, statement, source in (
    (
      "entropy_30",
      "quadratic_30",
      "peak",
      "With 30 hidden units the cross-entropy is pretty close to the quadratic "
      "cost",
      settings_lib.CROSS_ENTROPY,
    ),
    (
      "narrow",
      "wide",
      "last",
      "The final accuracy is almost the same with w ~ N(0, 1 / fan-in) as with "
      "w ~ N(0, 1)",
      settings_lib.WEIGHTS,
    ),
  ):
    mean, error = statistics_lib.difference(results, first, second, epoch)
    yield _claim(
      f"{statement} (mean difference; close: half a point).",
      source,
      0.0,
      mean,
      _HALF_A_POINT,
      f"95 % confidence: +-{error:.2f}.",
    )


def _baseline(results):
  yield _claim(
    "Guessing the digit whose average darkness is nearest gets 2,225 of the "
    "10,000 test images right.",
    settings_lib.CHAPTER_1,
    settings_lib.DARKNESS_PERCENT,
    100 * float(results["darkness"]),
    1e-9,  # Rounding: one image more or less is 0.01.
  )


def _orderings(results):
  for *names, statement, source in (
    (
      "entropy_100",
      "entropy_30",
      "peak",
      "With the cross-entropy 100 hidden units are better than 30",
      settings_lib.CROSS_ENTROPY,
    ),
    (
      "slow_100",
      "decay_100",
      "last",
      "A fifth of the learning rate for twice the epochs is better, with 100 "
      "regularized hidden units",
      settings_lib.OVERFITTING,
    ),
    (
      "narrow",
      "wide",
      "first",
      "Weights ~ N(0, 1 / fan-in) learn faster than weights ~ N(0, 1)",
      settings_lib.WEIGHTS,
    ),
  ):
    yield _better(results, names, statement, source)


def _stuck(results):
  """The quadratic cost with 100 hidden units, from weights ~ N(0, 1)."""
  free = statistics_lib.unstuck(results, "quadratic_100")
  yield _better(
    results,
    ("quadratic_100", "quadratic_30", "peak"),
    "With the quadratic cost, too, 100 hidden units are better than 30",
    settings_lib.CHAPTER_1,
    f"{np.sum(~free)} of {len(free)} networks with 100 units stay below what "
    "is possible without one of the digits, which they hardly ever answer. The "
    "book's run is the best of three.",
  )
  values = (
    statistics_lib.percent(results, "quadratic_100", "peak")[free],
    statistics_lib.percent(results, "quadratic_30", "peak")[
      statistics_lib.unstuck(results, "quadratic_30")
    ],
  )
  low = math.nan
  if min(map(len, values)) > 1:
    test = stats.ttest_ind(*values, equal_var=False)
    low = float(test.confidence_interval(statistics_lib.LEVEL).low)
  yield _claim(
    "Among the networks that do learn to answer with every digit, 100 hidden "
    "units are better than 30 with the quadratic cost (lower end of the 95 % "
    "confidence interval of the difference of the means, by Welch).",
    settings_lib.CHAPTER_1,
    study.POSITIVE,
    low,
    note=f"{len(values[0])} and {len(values[1])} networks.",
  )


def _variation(results):
  spreads = [
    float(statistics_lib.percent(results, f"{cost}_100", "peak").std(ddof=1))
    for cost in ("quadratic", "entropy")
  ]
  freedom = len(results["held_out_entropy_100"]) - 1
  yield _claim(
    "The techniques of chapter 3 greatly reduce the variation among runs: with "
    "100 hidden units, the standard deviation of the best accuracy with the "
    "quadratic cost over that with the cross-entropy (expected: above what "
    "equal variances give in 39 of 40 cases, F test).",
    f"{settings_lib.CHAPTER_1}, footnote on reader feedback",
    (
      math.sqrt(stats.f.ppf((1 + statistics_lib.LEVEL) / 2, freedom, freedom)),
      math.inf,
    ),
    spreads[0] / max(spreads[1], 1e-9),
    note=_note(results),
  )


def _regularization(results):
  source = settings_lib.OVERFITTING
  yield _claim(
    "Without regularization every network ends with the small training set "
    "learned by heart (lowest accuracy on it).",
    source,
    100.0,
    100 * float(np.min(results["small_small"][:, -1])),
    1e-3,  # Rounding in float32: one image of 1,000 is 0.1.
    _note(results),
  )
  for names, images in (
    (("small_decay", "small"), "few"),
    (("decay_30", "entropy_30"), "all"),
  ):
    yield _better(
      results,
      (*names, "peak"),
      f"Trained on {images} images, regularization improves the best accuracy",
      source,
    )


def _better(results, names, statement, source, reason=""):
  mean, error = statistics_lib.difference(results, *names)
  parts = f"Mean difference {mean:+.2f}.", reason, _note(results)
  return _claim(
    f"{statement} ({_EPOCHS[names[-1]]}; lower end of the 95 % confidence "
    "interval of the mean difference).",
    source,
    study.POSITIVE,
    mean - error,
    note=" ".join(filter(None, parts)),
  )


def _note(results):
  return "" if results["is_published"] else _NOT_PUBLISHED


_EPOCHS = {
  "first": "the first epoch",
  "last": "the last epoch",
  "peak": "the best epoch",
}
_NAMES = {
  "quadratic_30": "Quadratic cost, 30 hidden units, eta 3",
  "quadratic_100": "Quadratic cost, 100 hidden units, eta 3",
  "entropy_30": "Cross-entropy, 30 hidden units, eta 0.5",
  "entropy_100": "Cross-entropy, 100 hidden units, eta 0.5",
  "small": "Cross-entropy, 30 hidden units, 1,000 images",
  "small_decay": "Cross-entropy, 30 hidden units, 1,000 images, lambda 0.1",
  "decay_30": "Cross-entropy, 30 hidden units, eta 0.5, lambda 5",
  "decay_100": "Cross-entropy, 100 hidden units, eta 0.5, lambda 5, validation",
  "slow_100": "Cross-entropy, 100 hidden units, eta 0.1, lambda 5, validation",
  "wide": "w ~ N(0, 1), 30 hidden units, eta 0.1, lambda 5, validation",
  "narrow": "w ~ N(0, 1 / fan-in), the same otherwise, validation",
}
