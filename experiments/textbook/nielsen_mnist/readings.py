"""The networks that Nielsen trains in chapters 1 and 3, and how well they do.

All runs were judged after every epoch. The book has many of its accuracies from
the best epoch; where the files behind its figures (fig/*.json beside the code)
show a run, so do they here.
"""

from typing import NamedTuple

import numpy as np

from experiments import study

_CHAPTER_1 = "chapter 1, Implementing our network to classify digits"
_CROSS_ENTROPY = "chapter 3, Using the cross-entropy to classify MNIST digits"
OVERFITTING = "chapter 3, Overfitting and regularization"
_WEIGHTS = "chapter 3, Weight initialization; file behind the figure"

NAMES = {
  "quadratic_30": "Quadratic cost, 30 hidden units",
  "quadratic_100": "Quadratic cost, 100 hidden units",
  "entropy_30": "Cross-entropy, 30 hidden units",
  "entropy_100": "Cross-entropy, 100 hidden units",
  "small": "Few images, no regularization",
  "small_decay": "Few images, regularized",
  "decay_30": "Regularized, 30 hidden units",
  "decay_100": "Regularized, 100 hidden units",
  "slow_100": "Regularized, 100 units, slow and long",
  "wide": "Weights from N(0, 1)",
  "narrow": "Weights from N(0, 1/fan-in)",
}
EPOCHS = {"first": "first epoch", "last": "last epoch", "peak": "best epoch"}


class Published(NamedTuple):
  """One accuracy in the book, in per cent."""

  setting: str
  epoch: str  # One of EPOCHS.
  percent: float
  where: str  # In the book.
  # The accuracy that the book sets it beside, and concludes from the two.
  against: float
  found: str = ""  # On MNIST, 20 seeds.
  num_runs: int = 1  # The best of so many.


PUBLISHED = (
  Published(
    "quadratic_30", "peak", 95.42, _CHAPTER_1, 96.59, "94.6 +- 2.1", num_runs=3
  ),
  Published(
    "quadratic_100", "peak", 96.59, _CHAPTER_1, 95.42, "89 +- 8", num_runs=3
  ),
  # The same again, drawn in a figure, has 95.33.
  Published(
    "entropy_30", "peak", 95.49, _CROSS_ENTROPY, 96.82, "95.23 +- 0.24"
  ),
  Published(
    "entropy_100", "peak", 96.82, _CROSS_ENTROPY, 95.49, "96.81 +- 0.13"
  ),
  Published("small", "peak", 82.27, OVERFITTING, 87.10, "82.7 +- 0.6"),
  Published("small_decay", "peak", 87.10, OVERFITTING, 82.27, "87.6 +- 0.3"),
  # The last epoch of that run is 95.61 in the file behind the figure.
  Published("decay_30", "peak", 96.49, OVERFITTING, 95.33, "96.15 +- 0.13"),
  # "The final result"; "accuracy", both on the validation data.
  Published("decay_100", "last", 97.92, OVERFITTING, 96.49, "97.56 +- 0.23"),
  Published("slow_100", "last", 98.04, OVERFITTING, 96.49, "97.87 +- 0.08"),
  Published("wide", "first", 86.43, _WEIGHTS, 92.70, "87.2 +- 0.6"),
  Published("narrow", "first", 92.70, _WEIGHTS, 86.43, "92.68 +- 0.28"),
)
LAST_WIDE, LAST_NARROW = 96.37, 96.50  # Of the two runs before.
DARKNESS = 22.25  # Of the nearest average darkness: 2,225 of 10,000 images.


def percent(results: study.Results, name: str, epoch: str) -> np.ndarray:
  """Returns the accuracy of each seed [S], in per cent of held-out images."""
  curves = 100 * np.asarray(results.curves[name].held_out, np.float64)[:, 1:]
  if epoch == "peak":
    return curves.max(axis=1)
  return curves[:, {"first": 0, "last": -1}[epoch]]


def unstuck(results: study.Results, name: str) -> np.ndarray:
  """Returns which seeds must answer with every digit [S].

  A network that never gives one of the digits is wrong on every image of it.
  """
  most = 100 * (1 - float(results.rarest))
  return percent(results, name, "peak") > most


def log_ratio_of_spreads(peaks: np.ndarray) -> float:
  """log10 of how much more the first column varies among seeds [S, 2]."""
  # Of 10,000 images or fewer: no spread is known better than to 0.01.
  spread = np.maximum(np.std(peaks, axis=0, ddof=1), 0.01)
  return float(np.log10(spread[0] / spread[1]))
