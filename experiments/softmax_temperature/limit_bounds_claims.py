"""Claims on sparsemax, the Lipschitz constant and the smooth maximum.

The arrays are described at `limit.run`.
"""

import functools
import math

import numpy as np

from experiments import study
from experiments.softmax_temperature import limit_theory as theory

MARTINS = "Martins, Astudillo, From softmax to sparsemax, 2016, proposition 2"
_NAIR = (
  "Nair, Softmax is 1/2-Lipschitz: a tight bound across all l_p norms, 2025, "
  "abstract; at inverse temperature c it is c / 2"
)
_ROUNDING = 1e-12  # Of float64, in sums of ten numbers.

_martins_claim = functools.partial(study.Claim, "P19")
_nair_claim = functools.partial(study.Claim, "P20")


def all_claims(results: study.Results) -> list[study.Claim]:
  """Compares sparsemax, slopes and smooth maxima with their bounds."""
  parts = (_sparsemax, _monotone, _lipschitz, _smooth_maximum)
  return [claim for part in parts for claim in part(results)]


def _sparsemax(results):
  logits, n = results["logits"], results["logits"].shape[-1]
  k = np.arange(1, len(logits) + 1)[:, None]
  units = results["thresholds"] * theory.gaps(logits) * k
  yield _martins_claim(
    "sparsemax(z / eps) is the uniform distribution over the k maxima for eps "
    "<= k gap: the threshold found, k gap / eps, farthest from 1.",
    MARTINS,
    1.0,
    theory.farthest(units, 1.0),
    1e-9,  # Rounding of z over the smallest gap.
  )
  yield _martins_claim(
    "From there on it is that distribution exactly: the largest distance.",
    MARTINS,
    0.0,
    float(np.abs(results["beyond"] - theory.uniform_over_maxima(logits)).max()),
    2 * float(np.finfo(np.float64).eps),
  )
  off = theory.mass_off_maxima(results["softmax_beyond"], logits)
  yield _martins_claim(
    "Softmax never is: at the same eps what is off the maxima is at least "
    "exp(-1 / k) / n; the smallest ratio of both.",
    "theory: c gap = 1 / k in the bound from below",
    (0.99, math.inf),  # eps is a thousandth beyond the threshold.
    float(np.min(off * n * np.exp(1 / k))),
  )


def _monotone(results):
  logits, cs = results["logits"], results["cs"]
  rises = cs[:, None] * np.diff(np.sort(logits))[:, :, None]
  differ = np.broadcast_to(rises > 1e-6, (*logits.shape[:2], *rises.shape[2:]))
  order = np.argsort(logits)[:, :, None]
  for name, eta in (("softmax", 0.5), ("sparsemax", 1.0)):
    ordered = np.take_along_axis(results[name], order, axis=-1)
    slopes = np.diff(ordered)[differ] / rises[differ]
    yield _martins_claim(
      f"{name}: 0 <= rho_j - rho_i if z_i <= z_j; the smallest slope between "
      "neighbouring logits, for c from 0.01 to 1000.",
      MARTINS,
      (0.0, math.inf),
      float(slopes.min()),
      1e-9,  # Rounding of rho over the smallest rise.
    )
    yield _martins_claim(
      f"{name}: rho_j - rho_i <= eta (z_j - z_i) with eta = {eta:g}; the "
      "largest slope, in units of c.",
      MARTINS,
      (-math.inf, eta),
      float(slopes.max()),
      1e-9,
    )


def _lipschitz(results):
  logits, cs, a = results["logits"], results["cs"], results["softmax"]
  n, half = logits.shape[-1], cs[:, None] / 2
  yield _nair_claim(
    "The norm of the Jacobian is at most c / 2: the largest ratio of both over "
    "logits, c, and l_1, l_2 and l_infinity.",
    _NAIR,
    (-math.inf, 1.0),
    float(np.max(results["jacobian_norms"] / half)),
    _ROUNDING,
  )

  def norms(differences):
    return [np.linalg.norm(differences, p, axis=-1) for p in (1, 2, np.inf)]

  rises = np.array(norms(np.diff(a, axis=1)))
  steps = np.array(norms(np.diff(logits, axis=1)))[..., None]
  yield _nair_claim(
    "Between two logits softmax(c z) moves at most c / 2 times as far: the "
    "largest ratio over pairs, c, and l_1, l_2 and l_infinity.",
    _NAIR,
    (-math.inf, 1.0),
    float(np.max(rises / steps / (cs / 2))),
    _ROUNDING,
  )
  yield _nair_claim(
    f"It is attained in l_1 and l_infinity, here with {n} classes, one of them "
    "of probability 1/2: the norm of the Jacobian over c / 2, farthest from 1.",
    _NAIR,
    1.0,
    theory.farthest((results["half_norms"] / half)[:, [0, 2]], 1.0),
    _ROUNDING,
  )
  below = 1 - 2 * results["pair_norms"][:, 1]
  others = (n - 2) * np.exp(-results["pair_ys"])
  yield _nair_claim(
    "For p in (1, infinity) it 'remains strictly below 1/2 and the supremum "
    f"1/2 is achieved only in the limit', here in l_2 with {n} classes at (0, "
    "0, -y, ..., -y): what it lacks, over the lack in theory, farthest from 1.",
    _NAIR + "; theory: 1 - 2 a_1",
    1.0,
    theory.farthest(below * (2 + others) / others, 1.0),
    1e-6,  # 1 minus a number that is 1 up to 1e-8.
  )
  yield _nair_claim(
    "Erratum: this needs three classes. With two that tie it is attained in "
    "l_2 too: the norm, over c / 2.",
    "theory: the Jacobian c / 4 ((1, -1), (-1, 1)) takes (1, -1) to c / 2 (1, "
    "-1); the abstract does not restrict the number of classes",
    1.0,
    theory.farthest(results["two_norms"][..., 1] / (cs / 2), 1.0),
    _ROUNDING,
  )


def _smooth_maximum(results):
  logits, cs, a = results["logits"], results["cs"], results["softmax"]
  n, top = logits.shape[-1], logits.max(axis=-1)[..., None]
  mean = np.sum(a * logits[:, :, None], axis=-1)
  regret = cs * (top - mean)
  excess = results["logsumexp"] - cs * top
  rounding = 1e-11  # c z is up to 1e4.
  for formula, values in (
    ("max z - <z>", regret),
    ("logsumexp(c z) / c - max z", excess),
  ):
    yield _nair_claim(
      f"0 <= {formula}: the smallest, over 1 / c.",
      "standard; theory: a mean is at most the maximum, a sum at least a term",
      (0.0, math.inf),
      float(values.min()),
      rounding,
    )
    yield _nair_claim(
      f"{formula} <= ln(n) / c: the largest, over 1 / c.",
      "standard; theory: an entropy is at most ln n, a sum at most n terms",
      (-math.inf, math.log(n)),
      float(values.max()),
      rounding,
    )
  xs, p = results["peak_xs"], results["peak_softmax"]
  designed = xs * (1 - p[:, 0])
  bound = theory.regret_bound(n)
  yield _nair_claim(
    "The best constant for max z - <z> is smaller, W((n - 1) / e): the largest "
    "over these logits and over (x, 0, ..., 0).",
    "theory: all other logits 1 + F below the maximum",
    bound,
    float(max(designed.max(), regret.max())),
    bound * (xs[1] / xs[0] - 1) ** 2,  # Of second order in a step of x.
  )
  k = np.arange(1, len(logits) + 1)[:, None, None]
  there = theory.gaps(logits)[..., None] * cs > 40
  yield _nair_claim(
    "logsumexp(c z) - c max z goes to ln k with k equal maxima: the farthest "
    "from it, from c gap = 40 on.",
    "theory: the sum is k + S with S < (n - k) exp(-40)",
    0.0,
    theory.farthest((excess - np.log(k))[there], 0.0),
    rounding,
  )
