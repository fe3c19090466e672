"""Claims of the study of calibration, from its stored arrays.

Standard errors are over networks, each with examples and weights of its own;
the digits are so few that their test sets overlap. An inequality is claimed if
it holds by 2 standard errors.
"""

import functools
import math

import numpy as np

from experiments import study

_GUO = (
  "Guo, Pleiss, Sun, Weinberger, On calibration of modern neural networks, "
  "2017, "
)
_KENT = "Kent, Introduction to deep learning, slides of ISE 364 / 464, "
_BEFORE, _AFTER = 0, 1
_VALIDATION, _TEST = 0, 1
_AT_LEAST = (2.0, math.inf)

_guo_claim = functools.partial(study.Claim, "P21")
_kent_claim = functools.partial(study.Claim, "S2-softmax")


def all_claims(results: study.Results) -> list[study.Claim]:
  """Compares the probabilities with what they should be."""
  parts = (_outputs, _scaling, _improvement, _training)
  return [claim for part in parts for claim in part(results)]


def in_standard_errors(values: np.ndarray) -> float:
  """Returns the mean over networks [S] in its standard errors."""
  with np.errstate(divide="ignore", invalid="ignore"):  # NaN never holds.
    spread = values.std(ddof=1) / math.sqrt(len(values))
    return float(values.mean() / spread)


def temperatures(c: np.ndarray) -> np.ndarray:
  """Returns 1 / c, infinite where the logits are best forgotten."""
  with np.errstate(divide="ignore"):
    return 1 / c


def _outputs(results):
  yield _kent_claim(
    "The softmax layer's outputs are a distribution over the classes: the "
    "largest distance from positive numbers of sum 1.",
    _KENT + "activation function trade-offs",
    0.0,
    float(results["simplex_error"].max()),
    1e-14,  # Rounding of ten numbers.
  )
  yield _kent_claim(
    "The loss to minimise is -sum_j log(h(x)_j) [y = j]: the largest distance "
    "of the one the networks are trained with.",
    _KENT + "multi-class classification",
    0.0,
    float(results["loss_error"].max()),
    1e-12,  # Rounding of a logarithm.
  )
  accuracy = 1 - results["error"][:, _TEST]
  excess = results["confidence"] - accuracy
  yield _kent_claim(
    "Taken for probabilities they are too sure: mean confidence minus accuracy "
    f"on the test set is {100 * excess[:, _BEFORE].mean():.1f} %; in standard "
    "errors",
    _KENT + "where h(x)_j is the probability of class j; " + _GUO + "eq. 1",
    _AT_LEAST,
    in_standard_errors(excess[:, _BEFORE]),
  )
  yield _kent_claim(
    "The fitted temperature brings confidence nearer to accuracy, to "
    f"{100 * excess[:, _AFTER].mean():.1f} %: by how many standard errors of "
    "the distance.",
    _GUO + "section 4.2",
    _AT_LEAST,
    in_standard_errors(-np.diff(np.abs(excess))[:, 0]),
  )


def _scaling(results):
  yield _guo_claim(
    "'temperature scaling does not affect the model's accuracy': how many "
    "predictions it changes, over all test sets.",
    _GUO + "section 4.2",
    0.0,
    float(results["changed"].sum()),
  )
  after = {
    name: results[name][:, _VALIDATION, _AFTER] for name in ("nll", "entropy")
  }
  yield _guo_claim(
    "'The post-calibration entropy and NLL on the validation set coincide': "
    "the largest difference, nats.",
    _GUO + "figure S1; theory: they differ by c dL/dc",
    0.0,
    float(np.abs(after["entropy"] - after["nll"]).max()),
    1e-12,  # The zero of dL/dc is found to rounding.
  )
  yield _guo_claim(
    "No other temperature is better: what the validation loss gains at most on "
    "a grid from T / 8 to 8 T, nats.",
    "theory: the loss is convex in 1 / T",
    (-math.inf, 0.0),
    float((after["nll"][:, None] - results["grid_nll"]).max()),
    1e-14,  # T itself is on the grid.
  )


def _improvement(results):
  test = {name: results[name][:, _TEST] for name in ("nll", "entropy")}
  gain = {
    "cross-entropy falls": -np.diff(test["nll"])[:, 0],
    "entropy rises": np.diff(test["entropy"])[:, 0],
  }
  for what, values in gain.items():
    yield _guo_claim(
      f"'Temperature scaling not only lowers the NLL but also raises the "
      f"entropy': the {what} on the test set, by {values.mean():.3f} nats; in "
      "standard errors",
      _GUO + "section S2",
      _AT_LEAST,
      in_standard_errors(values),
    )
  before, after = results["ece"].mean(axis=0)
  yield _guo_claim(
    f"It lowers the calibration error, here with {int(results['num_bins'])} "
    f"bins from {100 * before:.1f} % to {100 * after:.1f} % "
    f"({100 * results['chance_ece'].mean():.1f} % would be chance): by how "
    "many standard errors.",
    _GUO + "table 1, which has 15 bins and other data",
    _AT_LEAST,
    in_standard_errors(-np.diff(results["ece"])[:, 0]),
  )
  temperature = temperatures(results["c"])
  yield _guo_claim(
    "Networks trained that long are over-confident: the fitted T is "
    f"{temperature.mean():.2f}, above 1 by how many standard errors.",
    _GUO + "section 3",
    _AT_LEAST,
    in_standard_errors(temperature - 1),
  )


def _training(results):
  nll = results["curve_nll"][..., _BEFORE]
  error = results["curve_error"][:, :, _TEST, _BEFORE]
  # The epoch is chosen on the one set and judged on the other.
  best = nll[:, :, _VALIDATION].argmin(axis=1)
  networks = np.arange(len(best))
  rise, worse = (
    values[:, -1] / values[networks, best] - 1
    for values in (nll[:, :, _TEST], error)
  )
  yield _guo_claim(
    "'neural networks can overfit to NLL': from the epoch that is best on the "
    f"validation set on, the test loss rises by {100 * rise.mean():.0f} % of "
    "itself; in standard errors",
    _GUO + "section 3",
    _AT_LEAST,
    in_standard_errors(rise),
  )
  yield _guo_claim(
    "'without overfitting to the 0/1 loss': meanwhile the test error rises by "
    f"{100 * worse.mean():.1f} % of itself, and by less than a tenth: the "
    "fraction, plus two standard errors.",
    _GUO + "section 3; a tenth is our reading of 'without'",
    (-math.inf, 0.1),
    float(worse.mean() + 2 * worse.std(ddof=1) / math.sqrt(worse.size)),
  )
  yield _guo_claim(
    "'a disconnect between NLL and accuracy': the loss rises by more of itself "
    "than the error does; the difference in standard errors.",
    _GUO + "section 3",
    _AT_LEAST,
    in_standard_errors(rise - worse),
  )
  epochs = quarters(nll.shape[1])
  temperature = temperatures(results["curve_c"][:, epochs])
  entropy = results["curve_entropy"][:, epochs, _VALIDATION, _BEFORE]
  for what, steps in (
    ("'The optimal T rises throughout optimization'", np.diff(temperature)),
    ("'the pre-calibration entropy decreases steadily'", -np.diff(entropy)),
  ):
    yield _guo_claim(
      f"{what}: the least change from one quarter of the training to the next, "
      "in standard errors.",
      _GUO + "figure S1",
      _AT_LEAST,
      min(in_standard_errors(step) for step in steps.T),
    )


def quarters(num_records: int) -> np.ndarray:
  """Returns the first epoch, which is record 1, and the ends of quarters."""
  return np.linspace(1, num_records - 1, 5).round().astype(int)
