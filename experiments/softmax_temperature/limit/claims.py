"""Claims of the study of the limit."""

import numpy as np

from experiments import measure, study
from experiments.claims import Claim, Source, theory
from experiments.softmax_temperature.limit import theory as closed

_ROUNDING = 1e-12  # Sums of ten float64 numbers are right to some 1e-15.
_LIMIT = Source(
  "S0-3.3",
  "martins2016",
  "proposition 2, the limit eps -> 0; exercise 3.3 for k = 1",
)
_SUM = theory(
  "S0-3.3",
  "n terms of the sum are at most 1, those off the maxima at most exp(-c gap)",
)
_FORMATS = theory("S0-3.3", "exercise 3.3 in floating point", "S0")
_GRADIENT = Source("S0-3.2", "S0", "section 3.2, equation 3.6")
_JACOBIAN = theory("S0-3.2", "c (a - y) and the Jacobian c (diag(a) - a a^T)")
_MARTINS = Source("P19", "martins2016", "proposition 2")
_NAIR = Source(
  "P20", "nair2025", "abstract; at inverse temperature c it is c/2"
)
_BERTHET = theory("P22", "the Gumbel-max identity", "berthet2020")


def claims(results: study.Results) -> list[Claim]:
  """Compares limits, gradients and bounds with sources and closed forms."""
  parts = (_limit, _formats, _gradient, _jacobian, _sparsemax, _gumbel)
  return [claim for part in parts for claim in part(results)]


def _extremes(values, name=""):
  """The smallest and the largest of what has to lie in an interval."""
  ends = {"smallest": np.min(values), "largest": np.max(values)}
  return {f"{name} {end}".strip(): float(x) for end, x in ends.items()}


def _limit(results):
  z, cs = results.logits, results.cs
  n, is_max = z.shape[-1], closed.maxima(z)
  uniform = is_max / is_max.sum(axis=-1, keepdims=True)
  distance = np.abs(results.limits - uniform[:, :, None])
  yield _LIMIT.zero(
    "limit",
    "As c grows softmax(c z) becomes 1 / k at each of the k maxima of z, and 0 "
    "elsewhere.",
    {f"k = {k}": of_k.max() for k, of_k in enumerate(distance, 1)},
    quantity="largest distance at c = 1e30 and infinity",
    tolerance=_ROUNDING,
    note="Erratum: exercise 3.3 leaves ties out. Its denominator 1 + sum "
    'exp(c (z_i - z_r)) does not approach 1 "in any case", but k.',
  )
  scaled = closed.gaps(z)[..., None] * cs
  mass = closed.mass_off_maxima(results.softmax, z[:, :, None])
  seen = scaled < 650  # Below, c exp(-c gap) is a normal float64.
  shares = mass[seen] * np.exp(scaled[seen]) / (n - 1)
  one = seen[0]
  norms = results.jacobian_norms[0, 0] / (2 * cs)
  slopes = norms[one] * np.exp(scaled[0, one]) / (n - 1)
  yield _SUM.between(
    "rate",
    "Off the maxima probability vanishes, at most (n - 1) exp(-c gap); with "
    "one maximum so does the Jacobian, at most 2 c times that.",
    (1 / n**2 / (n - 1), 1.0),
    _extremes(shares, "probability,") | _extremes(slopes, "Jacobian's l_1,"),
    quantity="ratio to the bound",
    tolerance=_ROUNDING,
  )


def _formats(results):
  yield _FORMATS.zero(
    "no-nan",
    "From c = 1e-30 to 1e30, with ties and logits of -infinity, softmax, "
    "log-softmax, sparsemax and their gradients are never NaN.",
    {
      dtype: np.isnan(found.values).sum()
      + np.isnan(found.slopes).sum()
      # Log-softmax may be -infinity; a probability may not.
      + np.isinf(found.values[:, :, ::2]).sum()
      for dtype, found in results.formats.items()
    },
    quantity="numbers that are NaN, or infinite probabilities",
    tolerance=0,
    note="As printed, exp(c z) / sum exp(c z) is NaN beyond c max z = 11 in "
    "float16 and 89 in float32.",
  )
  yield _FORMATS.at_most(
    "format-errors",
    "From c = 1e-30, where softmax is uniform, to 1e30 softmax, and where c "
    "fits the format its gradient, are right to two rounding errors.",
    # An exponential, a sum and a division; x exp(-x) < 0.37, so that the
    # rounding of the exponent x adds little.
    2.0,
    {
      f"{what}, {dtype}": error
      for dtype, found in results.formats.items()
      for what, error in _errors(found).items()
    },
    quantity="largest error in rounding errors, of 1 and (gradient) of c",
  )


def _errors(found):
  """The errors of softmax and of its derivatives by z, in units."""
  z, cs = found.logits[:, None], found.cs
  value = np.abs(found.values[:, :, 0] - closed.softmax(z, cs[None]))
  used = cs < 1 / found.smallest
  exact = closed.softmax_jacobian(z, cs[None, used])
  unit = (cs[used] * found.epsilon + found.smallest)[:, None, None]
  slope = np.abs(found.slopes[:, used, 0] - exact) / unit
  return {"value": value.max() / found.epsilon, "gradient": slope.max()}


def _gradient(results):
  a = closed.softmax(results.logits[:, :, None], results.cs[None, None])
  yield _GRADIENT.zero(
    "gradient",
    "The cost -ln a_r of softmax(c z) has the gradient c (a - y) by z, as by "
    "the biases of the last layer.",
    _extremes(results.cost_gradients - (a - np.eye(a.shape[-1])[0])),
    quantity="gradient over c, less a - y",
    tolerance=_ROUNDING,
    note="Printed for c = 1; c from 0.01 to 1000 by the chain rule. Where the "
    "label is not the maximum, a - y becomes sqrt(2) long: the gradient grows "
    "like c.",
  )


def _jacobian(results):
  step = results.pair_cs[1] / results.pair_cs[0] - 1
  yield _JACOBIAN.equal(
    "peak",
    "Two classes pass on at most 0.4477 / gap of a gradient, whatever c.",
    closed.PEAK,
    results.pair_norms.max(),
    quantity="largest l_2 norm of the Jacobian over c, gap 1",
    tolerance=closed.PEAK * step**2,  # Of second order in a step of c.
    note="At c gap = 1.543.",
  )
  largest = (2 * results.jacobian_norms / results.cs).max(axis=(1, 2, 3))
  yield _NAIR.equal(
    "lipschitz",
    "Softmax(c z) moves at most c / 2 times as far as z, in every l_p norm, "
    "and that is attained.",
    1.0,
    dict(zip(("l_1", "l_2", "l_infinity"), largest, strict=True)),
    quantity="largest norm of the Jacobian over c / 2",
    tolerance=_ROUNDING,
    note="Attained between two equal maxima, where the Jacobian grows like c.",
  )


def _sparsemax(results):
  z, cs = results.logits, results.cs
  below, above = closed.mass_off_maxima(results.brinks, z[:, :, None]).T
  yield _MARTINS.zero(
    "sparsemax-threshold",
    "Sparsemax(z / eps) is exactly uniform over the k maxima of z for eps up "
    "to k gap.",
    {"larger eps": np.sum(below <= 0), "smaller eps": np.sum(above != 0)},
    quantity="vectors z for which that is wrong at k gap (1 +- 1e-9)",
    tolerance=0.0,
  )
  rises = cs[:, None] * np.diff(np.sort(z))[:, :, None]
  differ = rises > 1e-6
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


def _gumbel(results):
  ts = results.temperatures
  expected = closed.softmax(results.logits[:1, 0], 1 / ts)
  yield _BERTHET.equivalent(
    "gumbel-max",
    "With Gumbel noise G class i has the largest x + T G as often as softmax(x "
    "/ T) says.",
    0.0,
    {
      f"T = {ts[j]:g}, class {i}": measure.mean((results.picked[j] == i) - p)
      for (j, i), p in np.ndenumerate(expected)
    },
    quantity="frequency less probability",
    margin=0.01,  # One draw of a hundred.
  )
