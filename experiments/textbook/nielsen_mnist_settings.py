"""The networks that Nielsen trains on MNIST in chapters 1 and 3, and how well.

Chapter 1 gives the best of three runs. All runs were trained in mini-batches
of 10, and judged after every epoch. The book has many of its accuracies from
the best epoch; where the files behind its figures (fig/*.json beside the code)
show a run, so do they here.
"""

from typing import NamedTuple

_BOOK = "Nielsen, Neural networks and deep learning, 2015"
CHAPTER_1 = f"{_BOOK}, chapter 1, Implementing our network to classify digits"
CROSS_ENTROPY = f"{_BOOK}, chapter 3, Using the cross-entropy to classify MNIST"
OVERFITTING = f"{_BOOK}, chapter 3, Overfitting and regularization"
WEIGHTS = f"{_BOOK}, chapter 3, Weight initialization"


class Setting(NamedTuple):
  """How a network of sigmoid units is trained."""

  num_hidden: int
  is_cross_entropy: bool  # Otherwise the cost is quadratic.
  learning_rate: float  # eta, on the mean over the mini-batch.
  is_decayed: bool  # Weights shrink by eta lambda / n; the book: 5 / 50,000.
  is_narrow: bool = False  # w ~ N(0, 1 / fan-in) at the start, else N(0, 1).
  is_small: bool = False  # Trained on the first 1,000 images alone.
  num_rounds: int = 1  # Times the usual number of epochs.
  held_out: str = "test"  # What is judged on: "test" or "validation".


class Published(NamedTuple):
  """One accuracy in the book."""

  setting: str
  epoch: str  # "first", "last", or "peak" for the best one.
  percent: float
  source: str
  num_runs: int = 1  # The best of so many.


SETTINGS = {
  "quadratic_30": Setting(30, False, 3.0, False),
  "quadratic_100": Setting(100, False, 3.0, False),
  "entropy_30": Setting(30, True, 0.5, False),
  "entropy_100": Setting(100, True, 0.5, False),
  "small": Setting(30, True, 0.5, False, is_small=True),
  "small_decay": Setting(30, True, 0.5, True, is_small=True),
  "decay_30": Setting(30, True, 0.5, True),
  "decay_100": Setting(100, True, 0.5, True, held_out="validation"),
  "slow_100": Setting(
    100, True, 0.1, True, num_rounds=2, held_out="validation"
  ),
  "wide": Setting(30, True, 0.1, True, held_out="validation"),
  "narrow": Setting(30, True, 0.1, True, is_narrow=True, held_out="validation"),
}
MAX_HIDDEN = max(setting.num_hidden for setting in SETTINGS.values())

PUBLISHED = (
  Published("quadratic_30", "peak", 95.42, CHAPTER_1, num_runs=3),
  Published("quadratic_100", "peak", 96.59, CHAPTER_1, num_runs=3),
  Published("entropy_30", "peak", 95.49, CROSS_ENTROPY),
  # The same again, drawn in a figure: "95.33 percent on the test data".
  Published("entropy_30", "peak", 95.33, OVERFITTING),
  Published("entropy_100", "peak", 96.82, CROSS_ENTROPY),
  Published("small", "peak", 82.27, OVERFITTING),
  Published("small_decay", "peak", 87.10, OVERFITTING),
  # The last epoch of that run is 95.61 in the file behind the figure.
  Published("decay_30", "peak", 96.49, OVERFITTING),
  # "The final result"; "accuracy", both on the validation data.
  Published("decay_100", "last", 97.92, OVERFITTING),
  Published("slow_100", "last", 98.04, OVERFITTING),
  Published("wide", "first", 86.43, f"{WEIGHTS}, file behind the figure"),
  Published("wide", "last", 96.37, f"{WEIGHTS}, file behind the figure"),
  Published("narrow", "first", 92.70, f"{WEIGHTS}, file behind the figure"),
  Published("narrow", "last", 96.50, f"{WEIGHTS}, file behind the figure"),
)
DARKNESS_PERCENT = 22.25  # Of the nearest average darkness: 2,225 of 10,000.
