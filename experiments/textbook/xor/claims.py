"""Claims of the study of XOR."""

import numpy as np

from experiments import measure, study
from experiments.claims import Claim, Source, conjecture, theory
from experiments.textbook.xor import readings

_HALF_DIGIT = 0.0005 + 1e-12  # Of three printed decimals.
_ROUNDING = 1e-12  # Of numbers of order one in float64.


def claims(results: study.Results) -> list[Claim]:
  """Compares the notes with what their networks compute and learn."""
  return [
    _table(results.tables),
    *_updates(results),
    *_printed_start(results),
    *_random_starts(results.starts),
  ]


def _table(tables):
  gaps = {k: np.abs(table - readings.TABLE) for k, table in tables.items()}
  hits = {name: np.sum(gap <= _HALF_DIGIT) for name, gap in gaps.items()}
  return Source("S3-1.4-table", "S3", "section 1.4, table").zero(
    "table",
    "The notes' table is that of the sigmoid network with W = [[3, 4, -2], "
    "[2, 3, -4]] and U = [5, -5, -2].",
    gaps["signed, sigmoid"].max(),
    tolerance=_HALF_DIGIT,
    quantity="largest difference from the twelve printed numbers",
    note="Erratum: the text says ReLU and prints the matrices without a minus, "
    f"which gives {hits['printed, ReLU']} of the twelve numbers, or "
    f"{hits['printed, sigmoid']} with sigmoids.",
  )


def _updates(results):
  yield Source("S3-1.4-updates", "S3", "equations 1.15 to 1.24").zero(
    "updates",
    "The notes' update formulas of all nine weights, biases included, are "
    "those of the gradient, with ReLU and with sigmoid.",
    results.update_error,
    tolerance=_ROUNDING,
    quantity="largest deviation of an update from autodiff",
  )
  shown = [
    name
    for name, (printed, corrected) in results.misprints.items()
    if printed > 1e-6 and corrected <= _ROUNDING
  ]
  yield theory("S3-misprints", "sections 1.4 and 1.5", "S3").equal(
    "misprints",
    "Four equations of the notes are misprinted: as printed each disagrees "
    "with autodiff, and corrected it agrees.",
    4,
    len(shown),
    tolerance=0,
    quantity="equations that only their correction makes right",
    note=f"Printed are: {'; '.join(shown)}. Right are a sum over the outputs, "
    "r' of sum_k w_ik x_k = s_hi, and the factor x_j. Further, U ends in w_15 "
    "for u_15, and W is 4 x 4 for five hidden nodes, which need 5 x 4.",
  )


def _printed_start(results):
  reached = results.reached
  yield Source("S3-1.4-trained", "S3", "equations 1.26 and 1.27").zero(
    "trained-outputs",
    "The printed trained weights, with ReLU in both layers, do XOR: their "
    "outputs are 1, 0, 1, 0.",
    np.max(np.abs(results.tables["trained, ReLU"][:, 2] - readings.TARGETS)),
    tolerance=1e-7,  # Eight printed decimals, times numbers below 3.
    quantity="largest error of an output",
  )
  yield Source("S3-1.4-batch", "S3", "equations 1.26 and 1.27").zero(
    "printed-weights",
    "Batch gradient descent on the printed ReLU network reaches the printed "
    "trained weights.",
    np.max(np.abs(reached.networks[0] - readings.TRAINED)),
    tolerance=5e-9,  # Half of the last printed digit.
    quantity="largest distance of a weight",
    note="At learning rate 0.01, which the notes leave out.",
  )
  yield theory("S3-1.4-batch", "equations 1.8 and 1.9, no rate", "S3").zero(
    "learning-rate",
    "With the update formulas as printed, at learning rate 1, the printed "
    "start dies: no pattern switches the output on.",
    np.max(np.abs(reached.outputs[1])),
    tolerance=0,
    quantity="largest output on the four patterns",
    note="Erratum: a learning rate is missing in (1.8), (1.9).",
  )


def _random_starts(starts):
  solved = {name: kind.does_xor[:, -1] for name, kind in starts.items()}
  dead = starts[readings.RELU].dead
  at_start, *_, at_end = np.any(dead[..., :2], axis=2).T
  yield conjecture("S3-1.4-batch", "another start would do", "S3").at_least(
    "some-starts",
    "Batch gradient descent finds weights with which the ReLU network does XOR "
    "from some random starts too.",
    1,
    np.sum(solved[readings.RELU]),
    quantity="starts that do XOR",
    note=f"They are {np.mean(solved[readings.RELU]):.0%} of all. Of the others "
    f"most have died: {at_end.mean():.1%} of all end with a "
    f"dead hidden unit, {dead[:, -1, 2].mean():.1%} with a dead output.",
  )
  yield theory("S3-1.4-batch", "one unit is as linear as a perceptron").zero(
    "one-dead",
    "With one of the two hidden ReLUs dead at the start no network learns XOR.",
    np.sum(solved[readings.RELU][at_start]) if at_start.any() else np.nan,
    tolerance=0,
    quantity=f"starts that do XOR, of {at_start.sum()} with a dead unit",
    note="Dead on all four patterns, it has gradient 0 and stays so. Therefore "
    "at most (3/4)^2 of all starts do XOR.",
  )
  yield conjecture("S3-1.4-batch", "a leaky ReLU never dies", "S3").at_least(
    "leaky",
    "Leaky ReLUs, which never die, learn XOR from more of the same starts than "
    "ReLUs, both with a linear output.",
    0,
    measure.difference(solved[readings.LEAKY], solved[readings.LINEAR]),
    strict=True,
    quantity="difference of the shares that do XOR",
  )
