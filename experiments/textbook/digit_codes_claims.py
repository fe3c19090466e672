"""Claims of the study of digit codes, from its stored arrays.

The arrays are described at `digit_codes_design.measure` and
`digit_codes_training.train`.
"""

import functools

import numpy as np
from scipy import special

from experiments import study
from experiments.textbook import digit_codes_design as design

_SIKDAR = (
  "Sikdar, Neural networks and deep learning: exercises, 2021, exercise 1.3"
)
_CORRALES = (
  "Corrales, Miller, Morgenshtern, Machine learning in signal processing, "
  "solutions to problem set 5, problem 3"
)
_SHEET = "Problem sheet 4, question 2"
_BITS = np.array(
  [[int(place) for place in f"{d:04b}"[::-1]] for d in range(10)]
)
_NINE = _BITS[9]


def claims(results: study.Results) -> list[study.Claim]:
  """Compares the designed layer and trained networks with the exercises.

  Args:
    results: what `digit_codes.run` returned.

  Returns:
    The claims.
  """
  return [
    *_claims_margins(results),
    *_claims_errata(results),
    *_claims_example(results),
    *_claims_code(results),
    *_claims_designed(results),
    *_claims_size(results),
    *_claims_harder(results),
    *_claims_smaller(results),
  ]


def _claims_margins(results):
  claim = functools.partial(study.Claim, "S0-1.3")
  margins = results["margins"][0]
  is_odd = _BITS[:, 0] == 1
  corners = " (least over all 2^10 corners of the admissible activations)"
  yield claim(
    "With weights +1 and -1 and bias 0, z_0 > 0.90 for 1, 3, 5, 7, 9" + corners,
    _SIKDAR,
    (0.90, np.inf),
    float(np.min(margins[is_odd, 0])),
  )
  yield claim(
    "and z_0 < -0.90 for the other digits"
    + corners.replace("least", "largest"),
    _SIKDAR,
    (-np.inf, -0.90),
    -float(np.min(margins[~is_odd, 0])),
  )
  # The unit of the right digit at 0.99 and, where they do harm, others at 0.01.
  num_set = np.sum(_BITS, axis=0)
  exact = 0.99 - 0.01 * np.where(_BITS == 1, 10 - num_set, num_set)
  yield claim(
    "The margins of all digits and bits are 0.99 - 0.01 times the number of "
    "digits with the other value of the bit: the largest difference, in both "
    "orders of the digits.",
    "theory: a linear function on a box",
    0.0,
    float(np.max(np.abs(results["margins"] - exact))),
    1e-14,  # Rounding.
  )
  worst = float(np.min(exact))
  yield study.Claim(
    "S1-P3",
    "The layer turns any admissible one-hot code into the four bits: the least "
    "margin of all digits and bits, above 0.",
    f"{_CORRALES}, table of the weights; theory: bit 3 of 8 and 9, 0.99 - 0.08",
    worst,
    float(np.min(results["margins"])),
    1e-14,  # As above.
  )
  gains, errors = results["gains"], results["output_errors"]
  for gain, error in zip(gains, errors, strict=True):
    expected = float(special.expit(-gain * worst))
    yield claim(
      f"Multiplied by {gain:g} the weights drive the sigmoids to 0 and 1: the "
      "worst difference from the bit.",
      f"{_SIKDAR}: 'amplify'; theory: sigma(-0.91 c)",
      expected,
      float(error),
      1e-12 * expected,  # Rounding of z, of which the error is exp(-z).
    )


def _claims_errata(results):
  read = results["printed_digits"]
  yield study.Claim(
    "S0-1.3",
    "Erratum: the text says that bit 1 is set for 2, 3, 6, 7, 9. With these "
    "weights the digit 9 is read as",
    _SIKDAR + "; theory: 9 is 1001, and 1011 is 11",
    11.0,
    float(read[9]),
  )
  yield study.Claim(
    "S0-1.3",
    "It is the only digit misread so; set for 2, 3, 6, 7 bit 1 is right (see "
    "the margins). Digits misread:",
    "theory: binary places of the ten digits",
    1.0,
    float(np.sum(read != np.arange(10))),
  )
  yield study.Claim(
    "S1-P3",
    "Erratum: the text says that bits which must be 0 use w = 0. With bias 0 "
    "no sum is then negative, and no sigmoid below 1/2: digits read rightly at "
    "all admissible activations.",
    _CORRALES + "; theory: every digit below 10 has a bit that is 0",
    0.0,
    float(results["text_right"]),
  )
  yield study.Claim(
    "S1-P3",
    "The table of the same solution has w = -1: digits read rightly.",
    _CORRALES + ", table",
    10.0,
    float(results["table_right"]),
  )


def _claims_example(results):
  claim = functools.partial(study.Claim, "S1-P3")
  printed = design.EXAMPLE_RESULTS
  yield claim(
    "Erratum: the example's input for 9 ends in 0.09. With it the sums are "
    "0.08, -0.1, -0.1, 0.02: the largest difference from the printed 0.98, -1, "
    "-1, 0.92.",
    _CORRALES + ", example; theory: 0.99 - 0.09",
    0.9,
    float(np.max(np.abs(results["example_z"] - printed))),
    1e-14,  # Rounding.
  )
  yield claim(
    "With 0.99 for 0.09 the sums are as printed: the largest difference.",
    _CORRALES + ", example",
    0.0,
    float(np.max(np.abs(results["corrected_z"] - printed))),
    1e-14,  # As above.
  )
  yield claim(
    "Erratum: all four rows print sigma(0.98) > 0.5. Read so all bits are 1, "
    "and of 1001 this many are wrong:",
    _CORRALES + ", example; theory: 9 has two bits that are 0",
    2.0,
    float(np.sum((special.expit([printed[0]] * 4) > 0.5) != _NINE)),
    note="The fourth row also concludes 0 from it, where 1001 needs 1.",
  )
  yield claim(
    "With the sigma of each row's own sum the bits are 1001: bits wrong.",
    _CORRALES + ", example",
    0.0,
    float(np.sum((special.expit(results["corrected_z"]) > 0.5) != _NINE)),
  )


def _claims_code(results):
  printed = [0, 0, 1, 0, 0, 0, 0, 0, 0, 0]
  yield study.Claim(
    "S4-2.0",
    "With the digit 0 last the label 3 is [0, 0, 1, 0, 0, 0, 0, 0, 0, 0]: "
    "entries that differ.",
    _SHEET,
    0.0,
    float(np.sum(results["code_of_three"] != printed)),
  )
  yield study.Claim(
    "S4-2.0",
    "The order of the digits is a matter of names: gradients of the squared "
    "loss with the digit 0 first and last, rows put in the same order, differ "
    "by",
    _SHEET + "; theory: the loss is a sum over outputs",
    0.0,
    float(results["order_difference"]),
    1e-11,  # Float64 sums over 100 images in another order.
  )


def best(results: study.Results, name: str) -> np.ndarray:
  """Returns a reading's test accuracies at the best learning rate.

  The rate is chosen for each size by the mean accuracy on the validation
  images, and for the designed layer by that of the one-hot networks which it
  reads.

  Args:
    results: what `digit_codes.run` returned.
    name: the reading.

  Returns:
    [sizes, seeds].
  """
  key = name if name in ("bits", "deep") else "one_hot"
  rates = np.argmax(np.mean(results[f"validation_{key}"], axis=-1), axis=1)
  values = results[f"test_{name}"]
  return values[np.arange(len(values)), rates].astype(float)


def mean_and_error(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  """Returns mean and standard error over the seeds.

  Args:
    values: [..., seeds].

  Returns:
    Two arrays [...].
  """
  error = np.std(values, axis=-1, ddof=1) / np.sqrt(values.shape[-1])
  return np.mean(values, axis=-1), error


def _claims_designed(results):
  one_hot, designed = best(results, "one_hot"), best(results, "designed")
  sizes = results["hidden_sizes"]
  share = float(np.mean(best(results, "admissible")[-1]))
  yield study.Claim(
    "S0-1.3",
    "Every test image whose right output is at 0.99 or more and whose others "
    "are below 0.01 is read rightly: the share of such images misread, of all "
    "networks the largest.",
    _SIKDAR,
    0.0,
    float(np.max(results["test_admissible_errors"])),
    note=f"With {sizes[-1]} hidden neurons {share:.1%} of the images are such.",
  )
  share = float(np.mean(best(results, "dominant")[-1]))
  yield study.Claim(
    "S4-2.2",
    "It is enough that the right output exceeds the sum of the others: the "
    "share of such images misread, of all networks the largest.",
    "theory: each bit's sum is at least their difference",
    0.0,
    float(np.max(results["test_dominant_errors"])),
    note=f"With {sizes[-1]} hidden neurons {share:.1%} of the images are such.",
  )
  mean, error = mean_and_error(designed[-1] - one_hot[-1])
  yield study.Claim(
    "S4-2.2",
    "From a trained network of high accuracy the designed layer makes a binary "
    "one with roughly the same error, taken as within one point in a hundred: "
    f"the difference of accuracies with {sizes[-1]} hidden neurons.",
    _SHEET + ".2",
    (-0.01, 0.01),
    float(mean),
    note=f"Accuracy {np.mean(one_hot[-1]):.4f} by the largest output; standard "
    f"error of the difference {error:.4f}.",
  )


def _claims_size(results):
  ten, four = results["num_parameters"]
  yield study.Claim(
    "S4-2.1",
    "Four outputs for ten reduce the size of the network: the share of the "
    "parameters of a 784-32-10 network that is saved.",
    _SHEET + ".1; theory: 6 (H + 1) of 785 H + 10 (H + 1), H = 32",
    6 * 33 / (785 * 32 + 330),
    float(1 - four / ten),
    1e-12,
  )


_CHALLENGERS = (
  ("S4-2.1", "bits", "four outputs trained directly", ".1"),
  ("S4-2.3", "deep", "the network with the extra layer, trained as a whole,",
   ".3"),
)  # fmt: skip


def _claims_harder(results):
  designed = best(results, "designed")
  for row, name, what, number in _CHALLENGERS:
    mean, error = mean_and_error(designed - best(results, name))
    for size, lead, spread in zip(
      results["hidden_sizes"], mean, error, strict=True
    ):
      yield study.Claim(
        row,
        f"Training is harder on the bits: with {size} hidden neurons {what} "
        "recognises less of the test images than the designed layer behind ten "
        "outputs; difference of accuracies less two standard errors.",
        f"{_SHEET}{number}, which asks",
        study.POSITIVE,
        float(lead - 2 * spread),
        note=f"Difference {lead:.4f}, standard error {spread:.4f}.",
      )


def _claims_smaller(results):
  designed, octaves = (
    best(results, "designed"),
    np.log2(results["hidden_sizes"]),
  )
  # A network without an error would have an infinite ratio.
  least = 1 / (2 * float(results["num_test"]))
  for _, name, what, _ in _CHALLENGERS:
    other = best(results, name)
    ratio = np.log(
      np.maximum(1 - other, least) / np.maximum(1 - designed, least)
    )
    for measure, values, note in (
      ("accuracy lost", designed - other, ""),
      (
        "logarithm of the ratio of the errors",
        ratio,
        " A small network makes many errors with either code.",
      ),
    ):
      # One line for each seed, fitted by least squares: less a doubling.
      mean, error = mean_and_error(-np.polyfit(octaves, values, 1)[0])
      yield study.Claim(
        "S4-2.3",
        f"With a smaller hidden layer the more so: {what} against ten outputs "
        f"and the designed layer, change of the {measure} when the hidden "
        "layer is halved (slope over all sizes) less two standard errors.",
        f"{_SHEET}.1 and .3, which ask",
        study.POSITIVE,
        float(mean - 2 * error),
        note=f"Slope {mean:.4f}, standard error {error:.4f}.{note}",
      )
