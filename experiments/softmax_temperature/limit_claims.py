"""Claims of the study of the limit, from its stored arrays.

The arrays are described at `limit.run`. Sums of ten float64 numbers are right
to some 1e-15, which is where tolerances of 1e-12 and 1e-13 come from.
"""

import functools
import math

import numpy as np
from jax import numpy as jnp

from experiments import study
from experiments.softmax_temperature import (
  limit_bounds_claims,
  limit_extremes,
  limit_gradient_claims,
)
from experiments.softmax_temperature import limit_theory as theory

_EXERCISE = (
  "Sikdar, Neural networks and deep learning: exercises, 2021, exercise 3.3"
)
_BERTHET = (
  "Berthet et al., Learning with differentiable perturbed optimizers, 2020"
)
_ROUNDING = 1e-12

_claim = functools.partial(study.Claim, "S0-3.3")
_gumbel_claim = functools.partial(study.Claim, "P22")


def all_claims(results: study.Results) -> list[study.Claim]:
  """Compares limits, gradients and bounds with sources and closed forms."""
  parts = (
    _limit,
    _rate,
    _extremes,
    limit_gradient_claims.all_claims,
    limit_bounds_claims.all_claims,
    _gumbel,
  )
  return [claim for part in parts for claim in part(results)]


def _limit(results):
  logits, ends = results["logits"], results["ends"]
  uniform = theory.uniform_over_maxima(logits)
  k, n = len(logits), logits.shape[-1]
  yield _claim(
    "'a_j^L = 1 if z_j^L is the maximum and a_j^L = 0 otherwise', one maximum: "
    "the largest distance from it at c = 1e30.",
    _EXERCISE,
    0.0,
    float(np.abs(ends[0, :, 1] - uniform[0]).max()),
  )
  yield _claim(
    "Erratum: this leaves ties out. 'the denominator in any case approaches 1' "
    f"is what goes wrong; with {k} equal maxima, at c = 1e30, it is",
    _EXERCISE + "; its denominator is 1 + sum_{i != r} e^{c (z_i - z_r)}",
    float(k),
    theory.farthest(1 / ends[-1, :, 1].max(axis=-1), k),
    _ROUNDING,
  )
  yield _claim(
    f"With {k} equal maxima each gets the same, and the others nothing: what a "
    "maximum gets at c = 1e30.",
    "theory: e^0 / (k e^0)",
    1 / k,
    theory.farthest(ends[-1, :, 1].max(axis=-1), 1 / k),
    _ROUNDING,
  )
  yield study.Claim(
    "P19",
    "softmax(z / eps) goes to the uniform distribution over the maxima as eps "
    "-> 0, ties or not: the largest distance at 1 / eps = 1e30 and infinity.",
    limit_bounds_claims.MARTINS,
    0.0,
    float(np.abs(ends[:, :, 1:] - uniform[:, :, None]).max()),
    _ROUNDING,
  )
  yield _claim(
    "At c = 0 the activations are uniform, whatever the logits: the largest "
    "distance from 1 / n.",
    limit_bounds_claims.MARTINS + "; softmax(0) = 1 / n",
    0.0,
    float(np.abs(ends[:, :, 0] - 1 / n).max()),
    _ROUNDING,
  )


def _rate(results):
  logits, cs = results["logits"], results["cs"]
  n = logits.shape[-1]
  mass = theory.mass_off_maxima(results["softmax"], logits[:, :, None])
  scaled = theory.gaps(logits)[..., None] * cs
  seen = scaled < 700  # Below, the exponential is a normal float64.
  k = np.arange(1, len(logits) + 1)[:, None, None]
  bound = theory.error_bound(scaled, num_classes=n)
  sharp = theory.error_bound(scaled, num_classes=n, num_maxima=k)
  for name, limit in (
    ("(n - 1) exp(-c gap)", bound),
    ("(n - k) / k exp(-c gap), for k equal maxima", sharp),
  ):
    yield _claim(
      f"What is off the maxima is at most {name}: the largest ratio of both.",
      "theory: each other term of the sum is at most exp(-c gap)",
      (-math.inf, 1.0),
      float(np.max(mass[seen] / limit[seen])),
      _ROUNDING,
    )
  yield _claim(
    "It vanishes no faster than that, for it is at least exp(-c gap) / n: the "
    "smallest ratio of both.",
    "theory: the sum of n terms, each at most 1, is at most n",
    (1.0, math.inf),
    float(np.min(mass[seen] / bound[seen] * (n - 1) * n)),
    _ROUNDING,
  )


def _extremes(results):
  errors = [_errors(results, d) for d in range(len(limit_extremes.DTYPES))]
  for d, dtype in enumerate(limit_extremes.DTYPES):
    wrong = 0
    for kind in ("values", "forward", "reverse"):
      numbers = results[f"extreme_{kind}"][d]
      overflows = np.isinf(numbers) & _is_representable(results, d, kind)
      wrong += np.sum(np.isnan(numbers) | overflows)
    yield _claim(
      f"{dtype}: softmax, log-softmax and sparsemax and their derivatives by z "
      "and c, forward and reverse, with ties, near-ties and logits of -inf, at "
      "c = 1e-30, 1e-29 ... 1e30: how many numbers are NaN, or infinite though "
      f"{dtype} can hold c (derivatives) or c times the range of the logits.",
      _EXERCISE + ", in floating point",
      0.0,
      float(wrong),
    )
  for what, unit, reference, column in (
    ("softmax", "1", "softmax(c z)", 0),
    ("its derivative by z", "c", "c (diag(a) - a a^T)", 1),
  ):
    yield _claim(
      f"The largest error of {what} in these cases, in rounding errors of "
      f"{unit} in the number format.",
      f"theory: {reference} in float64, NumPy alone",
      # An exponential, a sum and a division; x exp(-x) < 0.37, so that the
      # rounding of the exponent x adds little.
      (0.0, 2.0),
      max(error[column] for error in errors),
    )
  cs = results["printed_cs"]
  largest = [float(jnp.finfo(dtype).max) for dtype in limit_extremes.DTYPES]
  finite = np.isfinite(results["printed"]).all(axis=-1)
  last = np.where(finite, cs, 0).max(axis=-1)
  yield _claim(
    "As printed, e^{c z} / sum e^{c z} is NaN from c max z = ln(largest "
    "number) on: the largest c that works over this one, the farthest from 1 "
    "of the four formats.",
    _EXERCISE + "; its formula taken literally",
    1.0,
    theory.farthest(last / np.log(largest), 1.0),
    float(cs[1] / cs[0] - 1),  # One step of the grid of c.
  )


def _is_representable(results, d, kind):
  """Returns where the exact number is finite in the d-th dtype [X, E, ...]."""
  cs = results["extreme_cs"][:, None]
  largest = float(jnp.finfo(limit_extremes.DTYPES[d]).max)
  logits = results["extreme_logits"][d]
  if kind == "values":
    below = logits.max(axis=-1, keepdims=True) - logits
    with np.errstate(invalid="ignore"):
      logs = cs * below[:, None] < 0.5 * largest
    always = np.ones_like(logs)
    return np.stack([always, logs, always], axis=2)
  # Derivatives by z are at most c, those by c at most the range of the logits.
  return np.broadcast_to(
    (cs < 0.5 * largest)[None, :, :, None, None],
    results["extreme_forward"].shape[1:],
  )


def _errors(results, d):
  """Returns the errors of softmax and of its derivative, in units."""
  info = jnp.finfo(limit_extremes.DTYPES[d])
  eps, tiny = float(info.eps), float(info.tiny)
  cs = results["extreme_cs"]
  z, c = results["extreme_logits"][d][:, None], cs[None]
  values = results["extreme_values"][d, :, :, 0]
  value_error = np.abs(values - theory.softmax(z, c)).max() / eps
  used = cs < 0.5 * float(info.max)
  exact = theory.softmax_jacobian(z, c[:, used])
  unit = (cs[used] * eps + tiny)[:, None, None]
  slope_error = max(
    np.max(
      np.abs(results[f"extreme_{mode}"][d, :, :, 0, :, :4][:, used] - exact)
      / unit
    )
    for mode in ("forward", "reverse")
  )
  return float(value_error), float(slope_error)


def _gumbel(results):
  temperatures = results["temperatures"]
  values, jacobians = results["gumbel_values"], results["gumbel_jacobians"]
  draws = values.shape[1] * int(results["num_samples"])
  x = np.broadcast_to(results["gumbel_logits"], values[:, 0].shape)
  p = theory.softmax(x, 1 / temperatures)
  scores = np.abs(values.mean(axis=1) - p) / np.sqrt(p * (1 - p) / draws)
  at_one = scores[temperatures == 1]
  if at_one.size:
    yield _gumbel_claim(
      "P(argmax(z + G) = i) = softmax_i(z) with Gumbel noise G: the largest "
      "distance over classes, in standard errors.",
      "the Gumbel-max identity; " + _BERTHET,
      (0.0, 4.0),
      float(at_one.max()),
    )
  yield _gumbel_claim(
    "E[one-hot of argmax(x + T G)] = softmax(x / T): the largest distance over "
    "classes and temperatures, in standard errors.",
    _BERTHET + "; by optax.perturbations, which is told the maximum alone",
    (0.0, 4.0),
    float(scores.max()),
  )
  spread = jacobians.std(axis=1, ddof=1) / math.sqrt(values.shape[1])
  exact = theory.softmax_jacobian(x, 1 / temperatures)
  yield _gumbel_claim(
    "The derivative of that expectation, estimated without a derivative of "
    "softmax, is (diag(a) - a a^T) / T: the largest distance over entries and "
    "temperatures, in standard errors.",
    _BERTHET + "; by the score of the noise",
    (0.0, 4.0),
    float(np.max(np.abs(jacobians.mean(axis=1) - exact) / spread)),
  )
