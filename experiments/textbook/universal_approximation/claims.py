"""Claims of the study of approximation: steps, bumps and towers of sigmoids."""

import numpy as np
from scipy import special

from experiments import study
from experiments.claims import Claim, Source, theory
from experiments.textbook.universal_approximation import (
  claims_relu,
  readings,
)
from experiments.textbook.universal_approximation import theory as theory_lib

_STEPS = Source("S0-4.1", "S0", "section 4.1, figure 4.1")
_BUMP = Source("S0-4.1", "S0", "section 4.1, figure 4.3: w = h = 10000")
_ONE = Source("S0-4.2", "S0", "section 4.2, figure 4.5")
_SLOPE = theory("S0-4.2", "Taylor's formula on one part; figure 4.5", "S0")
_SEVERAL = Source("S0-4.3", "S0", "section 4.3")
_ERRATUM = theory("S0-4.3", "erratum to section 4.3", "S0")
_CORNERS = theory("S0-4.3", "each tower is sigma(h (1/2 + 1/2) - 3h/2) there")
_ONE_LAYER = Source("S2-approximation", "cybenko1989", "abstract")


def claims(results: study.Results) -> list[Claim]:
  """Compares the networks with the exercises, the sheet and the papers."""
  return [
    _step(results.steps),
    _bump(results.steps),
    *_sums(results.sums),
    _one_layer(results.sums),
    *_towers(results.towers),
    _bias(results.towers),
    *_plane(results.towers),
    *claims_relu.claims(results),
  ]


def _step(steps):
  # In units of 1 / w, where sigma has these levels.
  expected = special.logit(readings.LEVELS)
  weights = np.array(readings.WEIGHTS)
  found = (steps.levels - readings.STEP) * weights[:, None]
  return _STEPS.zero(
    "step",
    "A sigmoid neuron with bias -s w steps up at s, from 0.1 to 0.9 within "
    "2 log(9) / w.",
    {
      f"w = {weight:g}": float(np.max(np.abs(row - expected)))
      for weight, row in zip(weights, found, strict=True)
    },
    tolerance=1e-5,  # Linear interpolation between points 0.002 / w apart.
    quantity="largest distance of 0.1, 0.5 and 0.9 from their place, 1 / w",
  )


def _bump(steps):
  return _BUMP.zero(
    "bump",
    "Two sigmoids make a bump, sigma(h a_1 - h a_2 - h/2): 1 between s_1 and "
    "s_2, 0 elsewhere.",
    float(np.max(np.abs(steps.bump - [0, 0.5, 1, 0.5, 0]))),
    # The steps' inputs are known to 1e-12, the output's to h times that.
    tolerance=1e-6,
    quantity="largest difference inside, outside, and from 1/2 at the ends",
  )


def _sums(sums):
  errors = dict(zip(sums.counts.tolist(), sums.errors, strict=True))
  ideal = dict(zip(sums.counts.tolist(), sums.mean_errors, strict=True))
  found = ", ".join(f"{n}: {error:.3g}" for n, error in errors.items())
  yield _ONE.zero(
    "bump-sums",
    "Bumps side by side approximate a function as well as its means over the "
    "intervals do.",
    {f"{n} bumps": errors[n] - ideal[n] for n in errors},
    tolerance=1e-7,  # Rounding of h w, 1e8, times that of x.
    quantity="largest error less that of the means",
    note=f"Errors by number of bumps: {found}.",
  )
  slope, bend = theory_lib.largest_slopes()
  last = sums.counts[-1]
  yield _SLOPE.equivalent(
    "better-with-more",
    "More intervals give a better approximation: the error falls as 1/N, N "
    "times it tends to max|f'| / 2.",
    1.0,
    float(2 * last * sums.errors[-1] / slope),
    # The next order of the formula; and the points end 0.001 parts before it.
    margin=bend / (3 * last * slope) + 2e-3,
    quantity=f"largest error of {last} bumps over max|f'| / 2N",
  )


def _one_layer(sums):
  slope, _ = theory_lib.largest_slopes()
  return _ONE_LAYER.at_most(
    "one-layer",
    "One hidden layer of sigmoids suffices: with N - 1 steps the error stays "
    "below 2 max|f'| / N, which tends to 0.",
    1.0,
    {
      f"N = {n}": float(error * n / (2 * slope))
      for n, error in zip(sums.counts, sums.one_layer_errors, strict=True)
    },
    quantity="largest error over 2 max|f'| / N",
  )


def _by_axes(errors):
  return {f"m = {m}": error for m, error in enumerate(errors, start=1)}


def _towers(towers):
  yield _SEVERAL.equal(
    "tower",
    "A tower of m axes with output bias -(2m - 1)h/2 is 1 in its box and 0 out "
    "of it, up to sigma(-h/2).",
    float(special.expit(-readings.TOWER_GAIN / 2)),
    _by_axes(towers.errors),
    tolerance=1e-9,  # What steps lack of 0 and 1, a tenth of the box away.
    quantity="worst error, m = 1 to 4",
    note="Printed for two and three variables: -3h/2 and -5h/2.",
  )
  yield _ERRATUM.at_least(
    "printed-bias",
    "The bias printed for m variables, -(h + h - 1)/2, fails for one, two and "
    "three; right is -(2m - 1)h/2.",
    1 / 4,  # Of 1: an indicator that is a quarter off.
    _by_axes(towers.printed_errors[:3]),
    quantity="worst error with the printed bias, m = 1 to 3",
  )


def _bias(towers):
  places = readings.BIAS_PLACES
  between = (places > 0) & (places < 1)
  worst = {
    "between, error": towers.place_errors[:, between].max(),
    "beyond, output": 1 - towers.place_errors[:, ~between].min(),
  }
  return _SEVERAL.equal(
    "bias",
    "Output biases between -(m - 1)h and -mh make a tower, others do not.",
    float(special.expit(-0.1 * readings.TOWER_GAIN)),
    worst,
    tolerance=1e-6,  # As of a tower, times h.
    quantity="worst error h/10 inside the ends; what it lacks of 1 beyond",
    note="Expected is sigma(-h/10). Printed for m = 3: between 2h and 3h; for "
    "m = 2 'between h and h', for between h and 2h.",
  )


def _plane(towers):
  count, error = float(towers.cells[-1]), float(towers.plane_errors[-1])
  within = 1 - 40 * count / readings.WEIGHT  # Of a cell, off the steps.
  yield _SEVERAL.equivalent(
    "plane",
    "Towers over N^2 cells approximate a map from R^2 to R^2: N times the "
    "error tends to half its largest slope.",
    1.0,
    2 * count * error / (3 * within),
    margin=2 / count,  # The next order, 2.6 / N^2, over 1.5 / N.
    quantity=f"largest error within cells, N = {count:.0f}, over 3 / 2N",
    note="3 is the largest |df/dx| + |df/dy|.",
  )
  yield _CORNERS.zero(
    "corners",
    "Where four cells meet a sum of towers is 0, whatever the function is.",
    float(np.max(towers.plane_corners)),
    tolerance=1e-12,
    quantity="largest output there",
    note="Sums of towers converge in the mean, not uniformly; in one "
    "dimension, where two bumps meet, they add up to 1.",
  )
