"""Claims of the study of XOR, from its stored arrays.

The arrays are described at `xor.run`.
"""

import numpy as np

from experiments import study
from experiments.textbook import xor_source

_NOTES = "Chapter 1 (lecture notes on a network that learns XOR), section 1.4"
_HALF_DIGIT = 0.0005 + 1e-12  # Of three printed decimals.
# Rows of the variants.
_RELU, _LINEAR, _LEAKY = 0, 1, 2


def all_claims(results: study.Results) -> list[study.Claim]:
  """Compares the notes with what their networks compute and learn."""
  return [
    *_table(results),
    *_updates(results),
    *_trained(results),
    *_printed_start(results),
    *_random_starts(results),
  ]


def _matches(tables):
  """Counts entries that agree with the printed table, [...]."""
  near = np.abs(tables - xor_source.TABLE) <= _HALF_DIGIT
  return np.sum(near, axis=(-2, -1))


def _table(results):
  row, source = "S3-1.4-table", f"{_NOTES}, table"
  yield study.Claim(
    row,
    "Erratum: the sigmoid network with W = [[3, 4, -2], [2, 3, -4]] and U = "
    "[5, -5, -2] has the table's twelve numbers to the printed digits.",
    source,
    12,
    float(_matches(results["table_signed"])),
  )
  relu, sigmoid = _matches(results["table_printed"])
  for name, matches in (
    ("ReLU, as the text says", relu),
    ("sigmoid", sigmoid),
  ):
    yield study.Claim(
      row,
      "Erratum: the printed matrices W = [[3, 4, 2], [2, 3, 4]] and U = [5, 5, "
      f"2] with {name}: how many of the twelve numbers agree.",
      source,
      0,
      float(matches),
    )
  yield study.Claim(
    row,
    "Of the 512 choices of signs for the nine printed magnitudes, with ReLU or "
    "sigmoid, this many have the table's twelve numbers.",
    f"{source}; by enumeration",
    1,
    float(np.sum(_matches(results["table_signs"]) == 12)),
  )
  hidden = np.linalg.solve(  # Three of the four patterns fix the three weights.
    np.column_stack([xor_source.PATTERNS[:3], np.ones(3)]),
    xor_source.TABLE_PREACTIVATIONS[:3, :2],
  )
  yield study.Claim(
    row,
    "The pre-activations printed in the table determine the first layer; "
    "largest distance from [[3, 4, -2], [2, 3, -4]].",
    source,
    0.0,
    float(np.max(np.abs(hidden.T - xor_source.SIGNED.hidden))),
    1e-12,  # Rounding: the printed numbers are integers.
  )
  rounded = np.column_stack([xor_source.TABLE[:, :2], np.ones(4)])
  deviation = (
    rounded @ xor_source.SIGNED.output - xor_source.TABLE_PREACTIVATIONS[:, 2]
  )
  yield study.Claim(
    row,
    "Those of the output (1.060, -1.495, 1.060, -0.690) follow with U = [5, "
    "-5, -2] from the hidden values as printed: largest deviation.",
    source,
    0.0,
    float(np.max(np.abs(deviation))),
    _HALF_DIGIT,
  )


def _updates(results):
  row = "S3-1.4-updates"
  yield study.Claim(
    row,
    "The update formulas of all nine weights, biases included, are those of "
    "the gradient, with ReLU and with sigmoid: largest deviation from "
    "autodiff.",
    f"{_NOTES}, equations 1.15 to 1.24",
    0.0,
    float(results["update_error"]),
    1e-12,  # Rounding of numbers of order one in float64.
  )
  yield study.Claim(
    row,
    "Erratum: the line after equation 1.14 prints dh_i/dw_ij = r'(s_hi) x_i; "
    "with it w_12 and w_21 go wrong: the same deviation.",
    f"{_NOTES}, between equations 1.14 and 1.15",
    (0.01, np.inf),
    float(results["misprint_error"]),
  )


def _trained(results):
  y = results["table_trained"][:, 2]
  yield study.Claim(
    "S3-1.4-trained",
    "The printed trained weights, with ReLU in both layers, give 1, 0, 1, 0: "
    "largest error of an output.",
    f"{_NOTES}, equations 1.26 and 1.27",
    0.0,
    float(np.max(np.abs(y - xor_source.TARGETS))),
    1e-7,  # Eight printed decimals, each multiplied by numbers below 3.
  )


def _printed_start(results):
  row, source = "S3-1.4-batch", f"{_NOTES}, equations 1.26 and 1.27"
  printed = np.concatenate([w.ravel() for w in xor_source.TRAINED])
  distance = np.max(np.abs(results["reached"] - printed), axis=1)
  rate = float(results["learning_rate_printed"])
  yield study.Claim(
    row,
    "Batch gradient descent on the printed network, ReLU in both layers, "
    f"reaches the printed trained weights at learning rate {rate:g}, which "
    "the notes leave out: largest distance of a weight.",
    source,
    0.0,
    float(distance[0]),
    5e-9,  # Half of the last printed digit.
  )
  yield study.Claim(
    row,
    "Erratum: the update formulas have no learning rate. Taken as printed (1) "
    "they leave the same start dead: the largest output on the four patterns.",
    f"{_NOTES}, equations 1.8, 1.9 and batch gradient descent",
    0.0,
    float(np.max(np.abs(results["reached_y"][1]))),
  )


def _standard_error(fraction, count):
  return float(np.sqrt(fraction * (1 - fraction) / count))


def _random_starts(results):
  row, source = "S3-1.4-batch", f"{_NOTES}, batch gradient descent"
  theory = "theory: a ReLU at 0 on all patterns has gradient 0"
  count = results["error"].shape[-1]
  # The same starts at every rate.
  dead_start = results["dead_start"][_RELU, 0]
  dead_end = results["dead_end"][_RELU, 0]
  solved = results["error"][:, 0] < 0.1
  fraction = float(np.mean(solved[_RELU]))
  yield study.Claim(
    row,
    "Batch gradient descent finds weights that do XOR from some random starts: "
    "the fraction, less four standard errors.",
    source,
    (1 / count, np.inf),
    fraction - 4 * _standard_error(fraction, count),
    note="Quick settings train for thousands of epochs, the source for tens of "
    "thousands.",
  )
  yield study.Claim(
    row,
    "At most it finds them from starts with both hidden units alive, (3/4)^2: "
    "the fraction.",
    "theory: a network with one live hidden unit cannot do XOR",
    (0.0, 9 / 16),
    fraction,
    4 * _standard_error(9 / 16, count),
  )
  yield study.Claim(
    row,
    "A hidden ReLU with bias 0 is dead at the start if both weights are "
    "negative: the fraction of units.",
    "theory: two signs, independent of one another",
    0.25,
    float(np.mean(dead_start[:, :2])),
    4 * _standard_error(0.25, 2 * count),
  )
  yield study.Claim(
    row,
    "A dead ReLU, hidden or output, stays dead: units that revive, at all "
    "learning rates, with either output.",
    theory,
    0,
    float(
      np.sum((results["dead_start"] & ~results["dead_end"])[[_RELU, _LINEAR]])
    ),
  )
  yield study.Claim(
    row,
    "Its incoming weights do not move at all: the farthest.",
    theory,
    0.0,
    float(np.max(results["dead_moved"][[_RELU, _LINEAR]])),
  )
  yield study.Claim(
    row,
    "With one of the two hidden ReLUs dead no network does XOR: solved ones "
    "among those that start so.",
    "theory: what is left is monotone in one linear function, as a perceptron",
    0,
    float(np.sum(solved[_RELU] & np.any(dead_start[:, :2], axis=1))),
  )
  yield study.Claim(
    row,
    "After training at least the 7/16 of the networks that had one at the "
    "start have a dead hidden ReLU: the fraction.",
    theory,
    (7 / 16 - 4 * _standard_error(7 / 16, count), 1.0),
    float(np.mean(np.any(dead_end[:, :2], axis=1))),
  )
  leaky, relu = np.mean(solved[[_LEAKY, _LINEAR]], axis=1)
  spread = np.hypot(*(_standard_error(p, count) for p in (leaky, relu)))
  yield study.Claim(
    row,
    "Leaky ReLUs, which never die, solve XOR from more of the same starts "
    "(both with a linear output): difference of the fractions, beyond 4 "
    "standard errors.",
    f"{source}; theory: their slope is nowhere 0",
    (4 * max(spread, 1 / count), np.inf),
    float(leaky - relu),
  )
