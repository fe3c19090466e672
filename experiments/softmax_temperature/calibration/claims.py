"""Claims of the study of calibration.

Errors are over networks, each with examples and weights of its own; the digits
are so few that their test sets overlap.
"""

import numpy as np

from experiments import measure, study
from experiments.claims import Claim, Source, conjecture
from experiments.softmax_temperature.calibration import readings

AFTER, BEFORE = readings.AFTER, readings.BEFORE
TEST, VALIDATION = readings.TEST, readings.VALIDATION

_TRADE_OFFS = Source("S2-softmax", "S2", "activation function trade-offs")
_LOSS = Source("S2-softmax", "S2", "multi-class classification")
_SURE = conjecture(
  "P21", "section 3 finds it of deep networks on photographs", "guo2017"
)
_DEFINITION = Source("P21", "guo2017", "eq. 3")
_TABLE = Source("P21", "guo2017", "section 5, table 1: on other data")
_METHOD = Source("P21", "guo2017", "section 4.2")
_OVERFITTING = Source("P21", "guo2017", "section 3")
_ENTROPY = Source("P21", "guo2017", "section S2")
_FIGURE = Source("P21", "guo2017", "figure S1: another network and data")


def claims(results: study.Results) -> list[Claim]:
  """Compares the probabilities with what they should be."""
  parts = (_outputs, _scaling, _errors, _overfitting, _course)
  return [claim for part in parts for claim in part(results)]


def _outputs(results):
  yield _TRADE_OFFS.zero(
    "distribution",
    "The softmax layer's outputs are a distribution over the classes.",
    results.test.simplex_error.max(),
    quantity="largest distance from sum 1 or from positive",
    tolerance=1e-14,  # Rounding of ten numbers.
  )
  yield _LOSS.zero(
    "printed-loss",
    "The loss that networks are trained with is minus the logarithm of the "
    "softmax element of the right class.",
    results.test.loss_error.max(),
    quantity="largest difference, nats",
    tolerance=1e-12,  # Rounding of a logarithm.
  )


def _scaling(results):
  before, after = np.moveaxis(results.test.predictions, 1, 0)
  yield _METHOD.zero(
    "same-predictions",
    "'temperature scaling does not affect the model's accuracy': not one "
    "prediction changes.",
    np.sum(before != after),
    quantity="changed predictions, all test sets",
    tolerance=0.0,
  )
  final = results.final
  gaps = (final.entropy - final.nll)[:, VALIDATION, AFTER]
  yield _FIGURE.zero(
    "entropy-is-loss",
    "'The post-calibration entropy and NLL on the validation set coincide'.",
    np.abs(gaps).max(),
    quantity="largest difference, nats",
    tolerance=1e-12,  # The zero of dL/dc is found to rounding.
    note="They differ by c dL/dc, and L is convex: where they coincide no "
    "other temperature is better.",
  )
  test = final.nll[:, TEST], final.entropy[:, TEST]
  yield _ENTROPY.at_least(
    "loss-and-entropy",
    "'Temperature scaling not only lowers the NLL but also raises the "
    "entropy', on the test set.",
    0.0,
    {
      "fall of the NLL": measure.difference(*test[0].T),
      "rise of the entropy": measure.difference(*test[1].T[::-1]),
    },
    quantity="change, nats",
    strict=True,
  )


def _errors(results):
  confidences, right = results.test.confidences, readings.is_correct(results)
  num_bins = int(results.num_bins)
  sure = (confidences - right).mean(axis=-1)
  temperature = measure.mean(readings.temperature(results.final.c))
  yield _SURE.at_least(
    "too-sure",
    "Networks trained for long are over-confident: their mean confidence on "
    "the test set exceeds their accuracy.",
    0.0,
    measure.mean(sure[:, BEFORE]),
    quantity="mean confidence minus accuracy",
    strict=True,
    note=f"{sure[:, AFTER].mean():.3f} after the scaling, with T = "
    f"{temperature.value:.2f} ± {temperature.error:.2f}.",
  )
  by_hand = [
    [
      readings.calibration_error(confidences[i, j], right[i, j], num_bins)
      for j in (BEFORE, AFTER)
    ]
    for i in range(len(right))
  ]
  yield _DEFINITION.zero(
    "calibration-error",
    "The calibration error is the mean distance of accuracy and confidence "
    "over the bins, weighted by their examples.",
    np.abs(results.test.ece - by_hand).max(),
    quantity="largest difference to a count in NumPy",
    tolerance=1e-12,  # Sums of some hundred numbers.
  )
  before, after = results.test.ece.T
  chance = results.test.chance_ece.mean()
  yield _TABLE.at_least(
    "calibrates",
    "Temperature scaling lowers the calibration error on the test set.",
    0.0,
    measure.difference(before, after),
    quantity="fall of the calibration error",
    strict=True,
    note=f"{num_bins} bins, from {before.mean():.4f} to {after.mean():.4f}; "
    f"perfect probabilities would have {chance:.4f} by chance.",
  )


def _overfitting(results):
  nll = results.curve.nll[..., BEFORE]
  error = results.curve.error[:, :, TEST, BEFORE]
  # The epoch is chosen on the one set and judged on the other.
  best = nll[:, :, VALIDATION].argmin(axis=1)
  networks = np.arange(len(best))
  rise, worse = (
    values[:, -1] / values[networks, best] - 1
    for values in (nll[:, :, TEST], error)
  )
  means = [measure.mean(values) for values in (rise, worse)]
  yield _OVERFITTING.at_least(
    "disconnect",
    "'neural networks can overfit to NLL without overfitting to the 0/1 loss': "
    "after the best epoch their NLL rises by more than their error.",
    0.0,
    measure.difference(rise, worse),
    quantity="relative rise of the NLL minus that of the error",
    strict=True,
    note="The NLL rises by {:.3f} ± {:.3f} of itself, the error by {:.3f} ± "
    "{:.3f}.".format(*(x for m in means for x in m[:2])),
  )


def _course(results):
  epochs = quarters(results.curve.c.shape[1])
  temperature = readings.temperature(results.curve.c[:, epochs])
  entropy = results.curve.entropy[:, epochs, VALIDATION, BEFORE]
  yield _FIGURE.at_least(
    "temperature-rises",
    "'The optimal T selected by temperature scaling rises throughout "
    "optimization, as the pre-calibration entropy decreases steadily'.",
    0.0,
    {
      f"{name}, quarter {i + 1}": measure.difference(
        values[:, i + 1], values[:, i]
      )
      for name, values in (
        ("T", np.log(temperature)),
        ("entropy", -np.log(entropy)),
      )
      for i in range(4)
    },
    quantity="rise of ln T, or fall of ln entropy, in a quarter",
    strict=True,
    note="Quarters of the training, from the end of its first epoch on.",
  )


def quarters(num_records: int) -> np.ndarray:
  """Returns the first epoch, which is record 1, and the ends of quarters."""
  return np.linspace(1, num_records - 1, 5).round().astype(int)
