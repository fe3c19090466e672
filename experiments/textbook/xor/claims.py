"""Claims of the study of XOR."""

import numpy as np

from experiments import measure, study
from experiments.claims import Claim, Source, conjecture, theory
from experiments.textbook.xor import readings

_TABLE = Source("S3-1.4-table", "S3", "section 1.4, table")
_MATRICES = theory("S3-1.4-table", "section 1.4, W, U and table", "S3")
_UPDATES = Source("S3-1.4-updates", "S3", "equations 1.15 to 1.24")
_MISPRINTS = theory("S3-misprints", "sections 1.2, 1.4 and 1.5", "S3")
_TRAINED = Source("S3-1.4-trained", "S3", "equations 1.26 and 1.27")
_REACHED = Source("S3-1.4-batch", "S3", "equations 1.26 and 1.27")
_RATE = theory("S3-1.4-batch", "equations 1.8 and 1.9, no learning rate", "S3")
_STARTS = conjecture("S3-1.4-batch", "the printed start is not special", "S3")
_DEAD = theory("S3-1.4-batch", "a ReLU at 0 on all patterns has gradient 0")
_ONE_DEAD = theory("S3-1.4-batch", "what is left is as linear as a perceptron")
_LEAKY = conjecture("S3-1.4-batch", "the slope of a leaky ReLU is nowhere 0")

_HALF_DIGIT = 0.0005 + 1e-12  # Of three printed decimals.
_ROUNDING = 1e-12  # Of numbers of order one in float64.


def claims(results: study.Results) -> list[Claim]:
  """Compares the notes with what their networks compute and learn."""
  return [
    *_table(results.tables),
    _updates(results),
    _misprints(results.misprints),
    _trained(results.tables),
    *_printed_start(results),
    *_random_starts(results),
  ]


def _table(tables):
  yield _TABLE.zero(
    "table",
    "The notes' table is that of the sigmoid network with W = [[3, 4, -2], "
    "[2, 3, -4]] and U = [5, -5, -2].",
    np.max(np.abs(tables.signed - readings.TABLE)),
    tolerance=_HALF_DIGIT,
    quantity="largest difference from the twelve printed numbers",
    note="Erratum: the text says ReLU and prints the matrices without a minus.",
  )
  is_right = np.abs(tables.signs - readings.TABLE) <= _HALF_DIGIT
  matches = is_right.sum(axis=(-2, -1))
  relu, sigmoid = matches[:, 0]
  yield _MATRICES.equal(
    "printed-matrices",
    "Of 512 choices of signs for the printed matrices, with ReLU or sigmoid, "
    "only one gives the table.",
    1,
    np.sum(matches == readings.TABLE.size),
    tolerance=0,
    quantity="networks with all twelve numbers, of 1024",
    note=f"As printed the matrices have {relu} of the twelve numbers with "
    f"ReLU, {sigmoid} with sigmoid.",
  )


def _updates(results):
  return _UPDATES.zero(
    "updates",
    "The notes' update formulas of all nine weights, biases included, are "
    "those of the gradient, with ReLU and with sigmoid.",
    results.update_error,
    tolerance=_ROUNDING,
    quantity="largest deviation of an update from autodiff",
  )


def _misprints(misprints):
  shown = [
    name
    for name, m in misprints.items()
    if m.printed > 1e-6 and m.corrected <= _ROUNDING
  ]
  return _MISPRINTS.equal(
    "misprints",
    "Six equations of the notes are misprinted: as printed each disagrees with "
    "autodiff or in shape, and corrected it agrees.",
    6,
    len(shown),
    tolerance=0,
    quantity="equations that only their correction makes right",
    note=f"Printed are: {'; '.join(shown)}. Right are u_15, a 5 x 4 W, a sum "
    "over the outputs, r' of sum_k w_ik x_k = s_hi, and the factor x_j.",
  )


def _trained(tables):
  return _TRAINED.zero(
    "trained-outputs",
    "The printed trained weights, with ReLU in both layers, do XOR: their "
    "outputs are 1, 0, 1, 0.",
    np.max(np.abs(tables.trained[:, 2] - readings.TARGETS)),
    tolerance=1e-7,  # Eight printed decimals, times numbers below 3.
    quantity="largest error of an output",
  )


def _printed_start(results):
  reached, printed = results.reached, readings.TRAINED
  yield _REACHED.zero(
    "printed-weights",
    "Batch gradient descent on the printed ReLU network reaches the printed "
    "trained weights.",
    max(
      np.max(np.abs(reached.hidden[0] - printed.hidden)),
      np.max(np.abs(reached.output[0] - printed.output)),
    ),
    tolerance=5e-9,  # Half of the last printed digit.
    quantity="largest distance of a weight",
    note=f"At learning rate {results.learning_rate_printed:g}, which the notes "
    "leave out.",
  )
  yield _RATE.zero(
    "learning-rate",
    "With the update formulas as printed, at learning rate 1, the printed "
    "start dies: no pattern switches the output on.",
    np.max(np.abs(reached.y[1])),
    tolerance=0,
    quantity="largest output on the four patterns",
    note="Erratum: a learning rate is missing in (1.8), (1.9).",
  )


def _random_starts(results):
  solved = {n: readings.solved(s)[:, 0, -1] for n, s in results.starts.items()}
  relu = results.starts[readings.RELU]
  dead_hidden = np.any(relu.dead_end[:, 0, :2], axis=1)
  yield _STARTS.at_least(
    "some-starts",
    "Batch gradient descent finds weights with which the ReLU network does XOR "
    "from some random starts too.",
    0,
    measure.share(solved[readings.RELU]),
    strict=True,
    quantity="share of starts that do XOR",
    note=f"Of the others most have died: {dead_hidden.mean():.1%} of all end "
    f"with a dead hidden unit, {relu.dead_end[:, 0, 2].mean():.1%} with a dead "
    "output.",
  )
  yield _DEAD.zero(
    "dead-stays",
    "A ReLU that is dead on all four patterns at the start never learns, at "
    "any learning rate: its incoming weights stay.",
    {
      name: _dead_moved(results.starts[name])
      for name in (readings.RELU, readings.LINEAR)
    },
    tolerance=0,
    quantity="farthest way of a weight",
  )
  is_dead = np.any(relu.dead_start[:, 0, :2], axis=1)
  yield _ONE_DEAD.zero(
    "one-dead",
    "With one of the two hidden ReLUs dead at the start no network learns XOR.",
    np.sum(solved[readings.RELU][is_dead]) if is_dead.any() else np.nan,
    tolerance=0,
    quantity=f"starts that do XOR, of {is_dead.sum()} with a dead unit",
    note="Therefore at most (3/4)^2 of all starts do it.",
  )
  yield _LEAKY.at_least(
    "leaky",
    "Leaky ReLUs, which never die, learn XOR from more of the same starts than "
    "ReLUs, both with a linear output.",
    0,
    measure.difference(solved[readings.LEAKY], solved[readings.LINEAR]),
    strict=True,
    quantity="difference of the shares that do XOR",
  )


def _dead_moved(starts):
  """The farthest way of a weight into a unit dead at the start; NaN if none."""
  moved = starts.moved[starts.dead_start]
  return moved.max() if moved.size else np.nan
