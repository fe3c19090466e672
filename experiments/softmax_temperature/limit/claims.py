"""Claims of the study of the limit.

Sums of ten float64 numbers are right to some 1e-15, which is where the
tolerance of what is exact comes from.
"""

import math

import numpy as np

from experiments import measure, study
from experiments.claims import Claim, Source, theory
from experiments.softmax_temperature.limit import theory as closed

_ROUNDING = 1e-12
_EXERCISE = Source("S0-3.3", "S0", "exercise 3.3")
_TIES = Source("S0-3.3", "martins2016", "proposition 2, the limit eps -> 0")
_SUM = theory(
  "S0-3.3",
  "each of the n terms of the sum is at most 1, those off the maxima at most "
  "exp(-c gap), and one is that large",
)
_FORMATS = theory("S0-3.3", "exercise 3.3 in floating point", "S0")
_GRADIENT = Source("S0-3.2", "S0", "section 3.2, equation 3.6")
_JACOBIAN = theory("S0-3.2", "c (a - y) and the Jacobian c (diag(a) - a a^T)")
_MARTINS = Source("P19", "martins2016", "proposition 2")
_NAIR = Source(
  "P20", "nair2025", "abstract; at inverse temperature c it is c/2"
)
_BERTHET = theory("P22", "the Gumbel-max identity", "berthet2020")
_NORMS = ("l_1", "l_2", "l_infinity")


def claims(results: study.Results) -> list[Claim]:
  """Compares limits, gradients and bounds with sources and closed forms."""
  parts = (_limit, _rate, _formats, _gradient, _jacobian, _sparsemax)
  parts += (_lipschitz, _gumbel)
  return [claim for part in parts for claim in part(results)]


def _extremes(values, name=""):
  """The smallest and the largest of what has to lie in an interval."""
  ends = {"smallest": np.min(values), "largest": np.max(values)}
  return {f"{name} {end}".strip(): float(x) for end, x in ends.items()}


def _by_maxima(values):
  """The extremes by number k of equal maxima, arrays [K, ...]."""
  found = {}
  for k, of_k in enumerate(values, 1):
    found |= _extremes(of_k, f"k = {k},")
  return found


def _limit(results):
  uniform = closed.uniform_over_maxima(results.logits)
  n = uniform.shape[-1]
  distance = np.abs(results.ends[:, :, 1:] - uniform[:, :, None])
  yield _EXERCISE.zero(
    "one-maximum",
    "As c grows softmax(c z) becomes 1 at the maximum of z, if there is one "
    "alone, and 0 elsewhere.",
    distance[0].max(),
    quantity="largest distance at c = 1e30 and infinity",
    tolerance=_ROUNDING,
  )
  yield _TIES.zero(
    "ties",
    "As c grows k equal maxima get 1 / k each, and the others nothing.",
    {f"k = {k + 1}": distance[k].max() for k in range(1, len(distance))},
    quantity="largest distance at c = 1e30 and infinity",
    tolerance=_ROUNDING,
    note="Erratum: exercise 3.3 leaves ties out. Its denominator 1 + sum "
    'exp(c (z_i - z_r)) does not approach 1 "in any case", but k.',
  )
  yield _SUM.zero(
    "no-scale",
    "At c = 0 softmax is uniform, whatever the logits.",
    np.abs(results.ends[:, :, 0] - 1 / n).max(),
    quantity="largest distance from 1 / n",
    tolerance=_ROUNDING,
  )


def _rate(results):
  z, cs = results.logits, results.cs
  n = z.shape[-1]
  mass = closed.mass_off_maxima(results.softmax, z[:, :, None])
  scaled = closed.gaps(z)[..., None] * cs
  seen = scaled < 700  # Below, the exponential is a normal float64.
  yield _SUM.between(
    "rate",
    "Probability off the maxima vanishes exponentially: between exp(-c gap) / "
    "n and (n - 1) exp(-c gap).",
    (1 / n, n - 1),
    _extremes(mass[seen] / np.exp(-scaled[seen])),
    quantity="probability off the maxima over exp(-c gap)",
    tolerance=_ROUNDING,
  )


def _formats(results):
  yield _FORMATS.zero(
    "no-nan",
    "From c = 1e-30 to 1e30, with ties and logits of -infinity, softmax, "
    "log-softmax, sparsemax and their derivatives keep their numbers.",
    {d: _num_wrong(f) for d, f in results.formats.items()},
    quantity="NaN, or infinite where the exact value is not, numbers",
    tolerance=0,
    note="As printed, exp(c z) / sum exp(c z) is NaN beyond c max z = 11 in "
    "float16 and 89 in float32.",
  )
  yield _FORMATS.at_most(
    "format-errors",
    "From c = 1e-30 to 1e30 softmax and its derivatives are right to two "
    "rounding errors, in all four formats.",
    # An exponential, a sum and a division; x exp(-x) < 0.37, so that the
    # rounding of the exponent x adds little.
    2.0,
    {
      f"{what}, {dtype}": error
      for dtype, found in results.formats.items()
      for what, error in _errors(found).items()
    },
    quantity="largest error in rounding errors, of 1 and (derivative) of c",
  )


def _num_wrong(found):
  """How many numbers are NaN, or infinite where the exact one is not."""
  small = found.cs < 0.25 * found.largest  # 0.5 c times the logits' range.
  infinite = np.isinf(found.values[:, small])
  wrong = infinite & np.isfinite(found.logits)[:, None, None]
  num_infinite = wrong.sum() + np.isinf(found.slopes[:, :, small]).sum()
  num_nan = np.isnan(found.values).sum() + np.isnan(found.slopes).sum()
  return num_nan + num_infinite


def _errors(found):
  """The errors of softmax and of its derivatives by z, in units."""
  z, cs = found.logits[:, None], found.cs
  value = np.abs(found.values[:, :, 0] - closed.softmax(z, cs[None]))
  used = cs < 0.5 * found.largest
  exact = closed.softmax_jacobian(z, cs[None, used])
  unit = (cs[used] * found.epsilon + found.smallest)[:, None, None]
  slope = np.abs(found.slopes[:, :, used, 0, :, :4] - exact) / unit
  return {"value": value.max() / found.epsilon, "derivative": slope.max()}


def _gradient(results):
  actual, z = results.cost_gradients, results.logits[:, :, None]
  first = np.eye(z.shape[-1])[0]
  a = closed.softmax(z, results.cs[None, None])
  yield _GRADIENT.zero(
    "gradient",
    "The cost -ln a_r of softmax(c z) has the gradient c (a - y) by z, as by "
    "the biases of the last layer.",
    _by_maxima(actual[:, :, :-1] - (a - first)),
    quantity="gradient over c, less a - y",
    tolerance=_ROUNDING,
    note="Printed for c = 1; c from 0.01 to 1000 by the chain rule.",
  )
  wrong = ~closed.maxima(results.logits[0])[:, 0]
  yield _JACOBIAN.equal(
    "gradient-stays",
    "The gradient of the cross-entropy does not vanish as c grows: it is c "
    "sqrt(2) long where the label is not the maximum.",
    math.sqrt(2),
    _extremes(np.linalg.norm(actual[0, wrong, -1], axis=-1)),
    quantity="l_2 norm of the gradient by z over c, at c = 1e30",
    tolerance=_ROUNDING,
  )


def _jacobian(results):
  norms, cs = results.jacobian_norms, results.cs
  scaled = closed.gaps(results.logits)[..., None] * cs
  ks = np.arange(2, len(norms) + 1)[:, None, None]
  seen = scaled[0] < 650  # c exp(-c gap) is a normal float64.
  bound = 2 * (results.logits.shape[-1] - 1)
  ratio = norms[0, ..., 0] / cs * np.exp(np.minimum(scaled[0], 650)) / bound
  yield _JACOBIAN.at_most(
    "jacobian-vanishes",
    "With one maximum the Jacobian of softmax(c z) vanishes as c grows: its "
    "l_1 norm is at most 2 c (n - 1) exp(-c gap).",
    1.0,
    float(ratio[seen].max()),
    quantity="largest ratio of both",
    tolerance=_ROUNDING,
  )
  yield _JACOBIAN.equal(
    "jacobian-at-ties",
    "Between k equal maxima the Jacobian does not vanish: its l_2 norm goes to "
    "c / k.",
    1.0,
    _extremes((ks * norms[1:, ..., 1] / cs)[scaled[1:] > 40]),
    quantity="norm times k / c, from c gap = 40 on",
    tolerance=_ROUNDING,
  )
  step = results.peak_xs[1] / results.peak_xs[0] - 1
  yield _JACOBIAN.equal(
    "peak",
    "Two classes pass on at most 0.4477 / gap of a gradient, whatever c.",
    closed.PEAK,
    _extremes(results.peak_norms.max(axis=1) * results.gaps),
    quantity="largest l_2 norm of the Jacobian over c, times the gap",
    tolerance=closed.PEAK * step**2,  # Of second order in a step of c.
    note="At c gap = 1.543.",
  )


def _sparsemax(results):
  z, cs = results.logits, results.cs
  k = np.arange(1, len(z) + 1)[:, None]
  yield _MARTINS.equal(
    "sparsemax-threshold",
    "Sparsemax(z / eps) is exactly uniform over the k maxima of z for eps up "
    "to k gap.",
    1.0,
    _by_maxima(results.thresholds * closed.gaps(z) * k),
    quantity="k gap / eps at the threshold found",
    tolerance=1e-9,  # Rounding of z over the smallest gap.
  )
  rises = cs[:, None] * np.diff(np.sort(z))[:, :, None]
  differ = np.broadcast_to(rises > 1e-6, (*z.shape[:2], *rises.shape[2:]))
  order = np.argsort(z)[:, :, None]
  slopes = {}
  for name, eta in (("softmax", 0.5), ("sparsemax", 1.0)):
    p = np.take_along_axis(getattr(results, name), order, axis=-1)
    slopes |= _extremes(np.diff(p)[differ] / rises[differ] / eta, name)
  yield _MARTINS.between(
    "slopes",
    "A larger logit gets more by at most eta times the difference: eta = 1/2 "
    "for softmax, 1 for sparsemax.",
    (0.0, 1.0),
    slopes,
    quantity="slope between neighbouring logits, over c eta",
    tolerance=1e-9,  # Rounding of the probabilities over the smallest rise.
  )


def _lipschitz(results):
  half = results.cs[:, None] / 2
  jacobians = results.jacobian_norms / half
  yield _NAIR.at_most(
    "lipschitz",
    "Softmax(c z) moves at most c / 2 times as far as z, in every l_p norm.",
    1.0,
    {name: jacobians[..., i].max() for i, name in enumerate(_NORMS)},
    quantity="largest norm of the Jacobian over c / 2",
    tolerance=_ROUNDING,
  )
  attained = results.half_norms / half
  yield _NAIR.equal(
    "attained",
    "The constant c / 2 is attained in l_1 and l_infinity.",
    1.0,
    _extremes(attained[:, [0, 2]]),
    quantity="norm of the Jacobian over c / 2, one probability being 1/2",
    tolerance=_ROUNDING,
    note="Two classes alone attain it in l_2 as well, where they tie.",
  )


def _gumbel(results):
  ts = results.temperatures
  x = np.broadcast_to(results.noisy_logits, (len(ts), results.logits.shape[-1]))
  errors = results.picked - closed.softmax(x, 1 / ts)[:, None]
  yield _BERTHET.equivalent(
    "gumbel-max",
    "With Gumbel noise G class i has the largest x + T G as often as softmax(x "
    "/ T) says.",
    0.0,
    {
      f"T = {t:g}, class {i}": measure.mean(errors[j, :, i])
      for j, t in enumerate(ts)
      for i in range(x.shape[1])
    },
    quantity="frequency less probability",
    margin=0.01,  # One draw of a hundred.
  )
