"""Claims of the study of digit codes."""

import numpy as np
from scipy import special

from experiments import measure, study
from experiments.claims import Claim, Source, conjecture, theory
from experiments.textbook.digit_codes import readings

_MARGINS = Source("S0-1.3", "S0", "exercise 1.3")
_AMPLIFIED = theory("S0-1.3", "exercise 1.3, 'amplify'; sigma(-0.91 c)", "S0")
_BIT_1 = theory("S0-1.3", "exercise 1.3, bit 1; 9 is 1001, 1011 is 11", "S0")
_TABLE = Source("S1-P3", "S1", "problem 3, table of the weights")
_MISPRINTS = theory("S1-P3", "problem 3, text and example", "S1")
_LABEL = Source("S4-2.0", "S4", "question 2")
_ORDER = theory("S4-2.0", "question 2; the loss is a sum over outputs", "S4")
_SAME = Source("S4-2.2", "S4", "question 2.2")
_DOMINANT = theory("S4-2.2", "each bit's sum is at least their difference")
_SIZE = theory("S4-2.1", "question 2.1; 6 (H + 1) of 785 H + 10 (H + 1)", "S4")
_BITS = conjecture("S4-2.1", "question 2.1, which asks", "S4")
_DEEP = conjecture("S4-2.3", "question 2.3, which asks", "S4")
_SMALLER = conjecture("S4-2.3", "questions 2.1 and 2.3, which ask", "S4")

_LEAST_MARGIN = 0.91  # Bit 3 of 8 and 9: 0.99 - 8 * 0.01.


def claims(results: study.Results) -> list[Claim]:
  """Compares the designed layer and trained networks with the exercises."""
  return [
    *_designed_layer(results.layer),
    *_code(results),
    *_trained_layer(results),
    *_four_outputs(results),
  ]


def _designed_layer(layer):
  margins = layer.margins.min(axis=(0, 1))
  yield _MARGINS.at_least(
    "margins",
    "With weights +1 and -1 and bias 0 every admissible one-hot code decides "
    "each bit by more than 0.90.",
    0.90,
    {f"bit {i}": margin for i, margin in enumerate(margins)},
    strict=True,
    quantity="least of z (bit set) and -z over all 2^10 corners",
    note="In both orders of the digits. The exercise shows it of bit 0.",
  )
  logs = np.log(layer.output_errors)
  expected = special.log_expit(-_LEAST_MARGIN * layer.gains)
  yield _AMPLIFIED.zero(
    "amplified",
    "Multiplied by c the layer's weights drive its sigmoids to the bits, the "
    "worst up to sigma(-0.91 c).",
    {
      f"c = {c:g}": d for c, d in zip(layer.gains, logs - expected, strict=True)
    },
    tolerance=1e-3,  # At c = 30 rounding of 1 - a is 1e-4 of it.
    quantity="log abs(a - bit) less log sigma(-0.91 c), worst input",
  )
  yield _BIT_1.equal(
    "bit-1-of-nine",
    "Bit 1 is set for 2, 3, 6, 7 alone: with weight +1 for 9 as well, the "
    "digit 9 is read as 11.",
    11,
    layer.nine,
    tolerance=0,
    quantity="what 9 is read as",
    note="Erratum: the exercise says 2, 3, 6, 7, 9.",
  )
  yield _TABLE.equal(
    "table",
    "The weights in the solution's table read all ten digits rightly from any "
    "admissible one-hot code.",
    10,
    np.sum(np.all(layer.table_margins > 0, axis=1)),
    tolerance=0,
    quantity="digits read rightly at every corner",
  )
  shown = [
    n for n, m in layer.misprints.items() if m.printed > m.corrected == 0
  ]
  yield _MISPRINTS.equal(
    "misprints",
    "Three statements of the solution are misprinted: each contradicts its own "
    "result, and corrected it does not.",
    3,
    len(shown),
    tolerance=0,
    quantity="statements that only their correction makes right",
    note=f"Printed are: {'; '.join(shown)}. Right are w = -1, 0.99, and sigma "
    "of each row's own sum; 1001 ends in 1.",
  )


def _code(results):
  yield _LABEL.zero(
    "label",
    "With the digit 0 last the label 3 is [0, 0, 1, 0, 0, 0, 0, 0, 0, 0].",
    np.sum(results.code_of_three != [0, 0, 1, 0, 0, 0, 0, 0, 0, 0]),
    tolerance=0,
    quantity="entries that differ",
  )
  yield _ORDER.zero(
    "order",
    "Whether the digit 0 comes first or last is a matter of names: gradients "
    "of the squared loss are the same.",
    results.order_difference,
    tolerance=1e-11,  # Float64 sums over 100 images in another order.
    quantity="largest difference, rows put in the same order",
  )
  ten, four = results.num_parameters
  yield _SIZE.equal(
    "size",
    "Four outputs for ten save less than one in a hundred parameters of a "
    "784-32-10 network.",
    198 / 25450,
    1 - four / ten,
    tolerance=1e-12,
    quantity="share of the parameters",
  )


def _read_rightly(results, source, key, statement, is_such, errors):
  """Claims that no test image which is such is misread; none may be such."""
  size, quantity = results.hidden_sizes[-1], "share of images such and misread"
  if not is_such.any():
    note = "After so short a training no test image is such."
    return source.not_run(key, statement, 0.0, quantity=quantity, note=note)
  share = readings.at_best_rate(results.ten, is_such)[:, -1].mean()
  return source.zero(
    key,
    statement,
    errors.max(),
    tolerance=0,
    quantity=quantity + ", worst network",
    note=f"With {size} hidden neurons {share:.1%} of the test images are such.",
  )


def _trained_layer(results):
  ten, largest = results.ten, results.hidden_sizes[-1]
  yield _read_rightly(
    results,
    _MARGINS,
    "admissible-images",
    "Every image whose right output is at 0.99 or more, the others below 0.01, "
    "is read rightly by the designed layer.",
    ten.admissible,
    ten.admissible_errors,
  )
  yield _read_rightly(
    results,
    _DOMINANT,
    "dominant-images",
    "For the designed layer to be right it is enough that the right output "
    "exceeds the sum of the others.",
    ten.dominant,
    ten.dominant_errors,
  )
  designed, by_largest = (
    readings.at_best_rate(ten, values)[:, -1]
    for values in (ten.designed, ten.test)
  )
  yield _SAME.equivalent(
    "same-error",
    "From a trained network of high accuracy the designed layer makes a binary "
    "one with roughly the same error.",
    0,
    measure.difference(designed, by_largest),
    margin=0.01,  # Within one point in a hundred we call it roughly the same.
    quantity=f"difference of accuracies, {largest} hidden neurons",
    note=f"Accuracy {by_largest.mean():.4f} by the largest output.",
  )


def _four_outputs(results):
  lost, sizes = readings.lost(results), results.hidden_sizes
  asks = "The sheet asks what one thinks of it; the conjecture is ours."
  for source, name, statement in (
    (
      _BITS,
      "bits",
      "Four outputs trained directly recognise less, at every size of the "
      "hidden layer, than ten outputs and the designed layer.",
    ),
    (
      _DEEP,
      "deep",
      "The network with the extra layer, trained as a whole, recognises less "
      "at every size than with that layer designed.",
    ),
  ):
    yield source.at_least(
      f"{name}-harder",
      statement,
      0,
      {
        f"{size} hidden neurons": measure.mean(lost[name][:, i])
        for i, size in enumerate(sizes)
      },
      strict=True,
      quantity="accuracy lost on test images, same seeds",
      note=asks,
    )
  slopes = {
    name: measure.mean(-np.polyfit(np.log2(sizes), values.T, 1)[0])
    for name, values in lost.items()
  }
  found = ", ".join(
    f"{slope.value:.4f} ({name}, standard error {slope.error:.4f})"
    for name, slope in slopes.items()
  )
  yield _SMALLER.at_least(
    "the-more-so",
    "The smaller the hidden layer, the more accuracy is lost by training four "
    "outputs, directly or behind ten.",
    0,
    slopes,
    strict=True,
    quantity="accuracy lost more per halving, slope over all sizes",
    note=f"{asks} Found: {found}.",
  )
