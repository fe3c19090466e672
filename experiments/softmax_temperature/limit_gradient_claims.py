"""Claims on the gradient of softmax and of its cross-entropy.

The arrays are described at `limit.run`.
"""

import functools
import math

import numpy as np

from experiments import study
from experiments.softmax_temperature import limit_theory as theory

_GRADIENT = (
  "Sikdar, Neural networks and deep learning: exercises, 2021, section 3.2, "
  "equation "
)
_ROUNDING = 1e-12  # Of float64, in sums of ten numbers.

_claim = functools.partial(study.Claim, "S0-3.2")


def all_claims(results: study.Results) -> list[study.Claim]:
  """Compares the gradient with a - y, and how it vanishes with theory."""
  parts = (_gradient, _vanishing, _peak)
  return [claim for part in parts for claim in part(results)]


def _gradient(results):
  error, x = results["gradient_error"], results["gradient_x"]
  by_b, by_w = results["gradient_b"], results["gradient_w"]
  cs = results["gradient_cs"]
  one = int(np.argmin(np.abs(cs - 1)))
  expected_w = error[..., None] * x[:, None, None]
  for name, formula, equation, actual, expected in (
    ("b_j", "a_j - y_j", "3.6", by_b[:, one], error[:, one]),
    ("w_jk", "x_k (a_j - y_j)", "3.7", by_w[:, one], expected_w[:, one]),
  ):
    yield _claim(
      f"The cost -ln a_r has the gradient dC/d{name} = {formula}: the largest "
      "distance from autodiff of the printed formulas.",
      _GRADIENT + equation,
      0.0,
      float(np.abs(actual - expected).max()),
      1e-13,
    )
  yield _claim(
    "With an inverse temperature c the gradients are c times that: the largest "
    "distance from autodiff, in units of c, for c = 0.1, 1 and 10.",
    _GRADIENT + "3.6 by the chain rule; the exercise stops at the limit",
    0.0,
    float((np.abs(by_b - error).max(axis=(0, 2)) / cs).max()),
    # The printed formulas add powers of very different size.
    _ROUNDING,
  )


def _vanishing(results):
  logits, cs = results["logits"], results["cs"]
  n, scaled = logits.shape[-1], theory.gaps(logits)[..., None] * cs
  norms = results["jacobian_norms"]
  l_1 = norms[0, :, :, 0] / cs
  seen = scaled[0] < 650  # c exp(-c gap) is a normal float64.
  bound = 2 * theory.error_bound(scaled[0], num_classes=n)
  yield _claim(
    "The gradient vanishes as c grows where the maximum is single: the l_1 "
    "norm of the Jacobian is at most 2 c (n - 1) exp(-c gap); the largest "
    "ratio of both.",
    "theory: c max_j 2 a_j (1 - a_j)",
    (-math.inf, 1.0),
    float(np.max(l_1[seen] / bound[seen])),
    _ROUNDING,
  )
  for k in range(2, len(logits) + 1):
    there = scaled[k - 1] > 40
    yield _claim(
      f"It does not vanish between {k} equal maxima: the l_2 norm of the "
      "Jacobian, over c, from c gap = 40 on.",
      "theory: c (I / k - 1 1^T / k^2)",
      1 / k,
      theory.farthest((norms[k - 1, ..., 1] / cs)[there], 1 / k),
      _ROUNDING,
    )
  ends, is_max = results["ends"][0, :, 1], theory.maxima(logits[0])
  wrong = [a - np.eye(n)[~m][:1] for a, m in zip(ends, is_max, strict=True)]
  yield _claim(
    "Nor does the cross-entropy's gradient c (a - y) where the label is not "
    "the maximum: its l_2 norm over c at c = 1e30.",
    _GRADIENT + "3.6, with a a corner of the simplex and y another",
    math.sqrt(2),
    theory.farthest(
      np.linalg.norm(np.concatenate(wrong), axis=-1), math.sqrt(2)
    ),
    _ROUNDING,
  )


def _peak(results):
  xs, widths = results["peak_xs"], results["gaps"][:, None]
  n = results["logits"].shape[-1]
  for num_classes, norms in zip(
    (2, n), results["peak_norms"][..., 1], strict=True
  ):
    expected = theory.jacobian_norm(
      xs / widths, widths, num_classes=num_classes
    )
    yield _claim(
      f"{num_classes} classes at (gap, 0, ..., 0): the l_2 norm of the "
      "Jacobian is c n a_1 a_2; the largest relative error over gaps and c.",
      "theory: eigenvalues of c (diag(a) - a a^T)",
      0.0,
      float(np.abs(norms / expected - 1).max()),
      # c gap up to 32 magnifies rounding.
      1e-10,
    )
    at, height = theory.jacobian_peak(num_classes)
    step = xs[1] / xs[0] - 1
    yield _claim(
      f"{num_classes} classes: it peaks at one c gap, for every gap.",
      "theory: c gap (2 a_1 - 1) = 1",
      at,
      theory.farthest(xs[norms.argmax(axis=-1)], at),
      at * step,  # The grid of c.
    )
    yield _claim(
      f"{num_classes} classes: its largest value over all c, times the gap.",
      "theory: c gap n a_1 a_2 there",
      height,
      theory.farthest(norms.max(axis=-1) * widths[:, 0], height),
      height * step**2,  # Of second order in a step of the grid.
    )
