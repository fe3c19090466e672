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
_SURE = conjecture(
  "P21", "section 3 finds it of deep networks on photographs", "guo2017"
)
_TABLE = conjecture("P21", "section 5, table 1 has it of others", "guo2017")
_METHOD = Source("P21", "guo2017", "section 4.2")
_OVERFITTING = conjecture("P21", "section 3 says so of others", "guo2017")
_COURSE = conjecture("P21", "figure S1 has it of another network", "guo2017")
_FIGURE = Source("P21", "guo2017", "figure S1: another network and data")


def claims(results: study.Results) -> list[Claim]:
  """Compares the probabilities with what they should be."""
  parts = (_scaling, _confidence, _overfitting, _course)
  return [claim for part in parts for claim in part(results)]


def _scaling(results):
  yield _TRADE_OFFS.zero(
    "distribution",
    "The softmax layer's outputs are a distribution over the classes.",
    results.test.simplex_error.max(),
    quantity="largest distance from sum 1 or from positive",
    tolerance=1e-14,  # Rounding of ten numbers.
  )
  yield _METHOD.zero(
    "same-predictions",
    "'temperature scaling does not affect the model's accuracy': not one "
    "prediction changes.",
    results.test.num_changed.sum(),
    quantity="changed predictions, all test sets",
    tolerance=0.0,
  )
  gaps = results.final.entropy - results.final.nll
  yield _FIGURE.zero(
    "entropy-is-loss",
    "'The post-calibration entropy and NLL on the validation set coincide'.",
    np.abs(gaps[:, VALIDATION, AFTER]).max(),
    quantity="largest difference, nats",
    tolerance=1e-12,  # The zero of dL/dc is found to rounding.
    note="They differ by c dL/dc, and L is convex: where they coincide no "
    "other temperature is better.",
  )


def _confidence(results):
  scores, test = results.final, results.test
  sure = (scores.confidence + scores.error - 1)[:, TEST]
  yield _SURE.at_least(
    "too-sure",
    "Networks trained for long are over-confident: their mean confidence on "
    "the test set exceeds their accuracy.",
    0.0,
    measure.mean(sure[:, BEFORE]),
    quantity="mean confidence minus accuracy",
    strict=True,
    note=f"{sure[:, AFTER].mean():.3f} after the scaling, with T = "
    f"{np.mean(1 / scores.c):.2f}.",
  )
  before, after = test.ece.T
  yield _TABLE.at_least(
    "calibrates",
    "Temperature scaling lowers the calibration error on the test set.",
    0.0,
    measure.difference(before, after),
    quantity="fall of the calibration error",
    strict=True,
    note=f"From {before.mean():.4f} to {after.mean():.4f}; perfect "
    f"probabilities would have {test.chance_ece.mean():.4f} by chance.",
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
  yield _OVERFITTING.at_least(
    "disconnect",
    "'neural networks can overfit to NLL without overfitting to the 0/1 loss': "
    "after the best epoch their NLL rises by more than their error.",
    0.0,
    measure.difference(rise, worse),
    quantity="relative rise of the NLL minus that of the error",
    strict=True,
    note=f"The NLL rises by {rise.mean():.3f} of itself, the error by "
    f"{worse.mean():.3f}.",
  )


def _course(results):
  ends = slice(None, None, (len(results.epochs) - 1) // 4)  # Of the quarters.
  cooling = -np.log(results.curve.c[:, ends])
  entropy = results.curve.entropy[:, ends, VALIDATION, BEFORE]
  rises = {"T": np.diff(cooling), "entropy": -np.diff(np.log(entropy))}
  yield _COURSE.at_least(
    "temperature-rises",
    "'The optimal T selected by temperature scaling rises throughout "
    "optimization, as the pre-calibration entropy decreases steadily'.",
    0.0,
    {
      f"{name}, quarter {i + 1}": measure.mean(values[:, i])
      for name, values in rises.items()
      for i in range(4)
    },
    quantity="rise of ln T, or fall of ln entropy, in a quarter",
    strict=True,
    note="Quarters of the training, from the end of its first epoch on.",
  )
