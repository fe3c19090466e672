"""Claims of the study of approximation."""

import numpy as np
from scipy import special

from experiments import measure, study
from experiments.claims import Claim, Source, conjecture, theory
from experiments.textbook.universal_approximation import readings

_STEPS = Source("S0-4.1", "S0", "section 4.1, figures 4.1 and 4.3")
_SLOPE = theory("S0-4.2", "Taylor's formula on one part; figure 4.5", "S0")
_ONE_LAYER = theory(
  "S2-approximation", "abstract; the rate by means over N parts", "cybenko1989"
)
_SEVERAL = Source("S0-4.3", "S0", "section 4.3")
_ERRATUM = theory("S0-4.3", "erratum to section 4.3", "S0")
_TELGARSKY = Source("P23", "telgarsky2016", "abstract and section 2")
_YAROTSKY = Source("P23", "yarotsky2017", "proposition 2 (second-hand)")
_KENT = Source("S2-approximation", "S2", "universal approximators")
_FOUND = conjecture("S2-approximation", "our own guess, of no source")


def claims(results: study.Results) -> list[Claim]:
  """Compares the networks with the exercises, the sheet and the papers."""
  return [
    _steps(results.steps),
    *_sums(results.sums),
    *_towers(results.towers),
    *_sheet(results.sheet),
    _within_eps(results.approximations),
    *_depth(results.depth),
    *_training(results),
  ]


def _by(symbol, values, numbers):
  pairs = zip(values, numbers, strict=True)
  return {f"{symbol} = {value:g}": float(number) for value, number in pairs}


def _steps(steps):
  xs, weights = readings.LINE, np.array(readings.WEIGHTS)[:, None]
  expected = special.expit(weights * (xs - readings.STEP))
  errors = np.max(np.abs(steps.drawn - expected), axis=1)
  up, down = (np.heaviside(xs - place, 0.5) for place in readings.BUMP)
  bump = special.expit(readings.TOWER_GAIN * (up - down - 0.5))
  return _STEPS.zero(
    "step",
    "A sigmoid neuron with bias -s w steps up at s, from 0.1 to 0.9 within "
    "2 log(9) / w; two make a bump.",
    _by("step, w", readings.WEIGHTS, errors)
    | {"bump, w = 10000": float(np.max(np.abs(steps.drawn_bumps[-1] - bump)))},
    tolerance=1e-9,  # Inputs are known to 1e-16, outputs to h w / 16 times it.
    quantity="largest difference from sigma(w (x - s)); of the bump, from "
    "sigma(h/2) inside, 1/2 at the ends and sigma(-h/2) outside",
  )


def _sums(sums):
  slope, bend = readings.largest_slopes()
  last = sums.counts[-1]
  found = _by("N", sums.counts, sums.errors)
  yield _SLOPE.equivalent(
    "better-with-more",
    "More bumps approximate a function better: the error falls as 1/N, N times "
    "it tends to max|f'| / 2.",
    1.0,
    float(2 * last * sums.errors[-1] / slope),
    # The next order of the formula; and the points end 0.001 parts before it.
    margin=bend / (3 * last * slope) + 2e-3,
    quantity=f"largest error of {last} bumps over max|f'| / 2N",
    note="Errors: "
    + ", ".join(f"{name}, {error:.3g}" for name, error in found.items()),
  )
  yield _ONE_LAYER.at_most(
    "one-layer",
    "One hidden layer of sigmoids suffices: with N - 1 steps the error stays "
    "below max|f'| / 2N, which tends to 0.",
    1.0,
    _by("N", sums.counts, sums.one_layer_errors * sums.counts / (slope / 2)),
    quantity="largest error over max|f'| / 2N",
  )


def _towers(towers):
  places = np.array([0.5, *readings.BIAS_PLACES])
  margins = -special.logit(towers.errors) / readings.TOWER_GAIN
  missed = np.abs(margins - np.minimum(places, 1 - places))
  yield _SEVERAL.zero(
    "tower",
    "A tower of m axes may have any output bias between -(m - 1)h and -mh; "
    "-(2m - 1)h/2 leaves the largest margin, h/2.",
    _by("m", (1, 2, 3, 4), np.max(missed, axis=1)),
    tolerance=1e-9,  # Rounding of a logit.
    quantity="-logit(worst error) / h less the distance to the nearer end / h",
    note="Printed for two and three variables: -3h/2 and -5h/2; for m = 2 "
    "'between h and h', for between h and 2h.",
  )
  yield _ERRATUM.at_least(
    "printed-bias",
    "The bias printed for m variables, -(h + h - 1)/2, fails for one, two and "
    "three; right is -(2m - 1)h/2.",
    1 / 4,  # Of 1: an indicator that is a quarter off.
    _by("m", (1, 2, 3), towers.printed_errors[:3]),
    quantity="worst error with the printed bias",
  )
  count = readings.NUM_CELLS
  within = 1 - 40 * count / readings.WEIGHT  # Of a cell, off the steps.
  yield _SEVERAL.equivalent(
    "plane",
    "Towers over N^2 cells approximate a map from R^2 to R^2: N times the "
    "error tends to half its largest slope.",
    1.0,
    2 * count * float(towers.plane_error) / (3 * within),
    margin=2 / count,  # The next order, 2.6 / N^2, over 1.5 / N.
    quantity=f"largest error within cells, N = {count}, over 3 / 2N",
    note="3 is the largest |df/dx| + |df/dy|. Sums of towers do not converge "
    "uniformly: where four cells meet each tower is sigma(-h/2), and the "
    f"largest output {towers.plane_corner:.1g}.",
  )


def _of_sheet(row, where=""):
  """The sheet asks; what is expected follows from its definitions."""
  return theory(row, f"question {row.removeprefix('S4-')}{where}", "S4")


def _sheet(sheet):
  widths = readings.WIDTHS
  # A sum of N products is known to N roundings at worst.
  rounding = float(max(widths) * np.finfo(float).eps)
  yield _of_sheet("S4-4.1").zero(
    "forward",
    "The sheet's network computes w00 relu(w00 x + b0) + w01 relu(w10 x + b1) "
    "+ b0, weights and biases by layer.",
    _by("ReLUs", widths, sheet.forward_errors),
    tolerance=rounding,
    quantity="largest difference, random weights, relative",
  )
  yield _of_sheet("S4-4.2").zero(
    "printed-weights",
    "With the printed weights the sheet's network is a ramp: 0 at x = 3, 1 at "
    "x = 4, linear between.",
    float(np.max(np.abs(sheet.ys - np.clip(readings.SHEET - 3, 0, 1)))),
    tolerance=1e-13,  # x itself is rounded.
    quantity="largest difference from the ramp, x from -10 to 10",
  )
  yield _of_sheet("S4-4.3").zero(
    "ramps",
    "Two ReLUs make the ramp h_{c,d} for any c < d.",
    float(sheet.ramp_error),
    tolerance=1e-12,  # Rounding of (x - c) / (d - c), which is up to 150.
    quantity="largest difference, random c and d",
  )
  yield _of_sheet("S4-4.5").zero(
    "linear-tail",
    "Beyond its last kink a network of finitely many ReLUs is linear.",
    _by("ReLUs", widths, sheet.residuals),
    tolerance=rounding,
    quantity="largest deviation from the line, 1 to 10^6 beyond, relative",
  )
  yield _of_sheet("S4-4.6", "; N kinks make N + 1 linear pieces").at_most(
    "sign-changes",
    "A network of N ReLUs changes between > 0 and <= 0 at most N + 1 times, so "
    "none detects all primes.",
    1.0,
    _by("ReLUs", widths, sheet.sign_changes - np.array(widths)),
    quantity="number of changes less N, random weights",
  )


def _within_eps(found):
  sizes = "; ".join(
    f"{name}: {', '.join(f'{n:.0f}' for n in row)}"
    for name, row in zip(readings.CERTIFIED, found.units, strict=True)
  )
  return _of_sheet("S4-4.4").at_most(
    "within-eps",
    "Given any continuous f and eps, ReLUs in one hidden layer can be built "
    "that are within eps on [0, 1].",
    1.0,
    float(np.max(found.errors / found.bounds)),
    quantity="error at random points over the certified bound, itself < eps",
    note=f"ReLUs for eps from large to small: {sizes}.",
  )


def _depth(depth):
  folds = readings.FOLDS
  yield _TELGARSKY.equal(
    "sawtooth",
    "f(z) = relu(2 relu(z) - 4 relu(z - 1/2)), applied k times, bends 2^k - 1 "
    "times, which takes one layer as many units.",
    1.0,
    _by("peaks, k", folds, depth.peaks / 2 ** (folds - 1))
    | _by("bends, k", folds, depth.bends / (2**folds - 1)),
    tolerance=0.0,
    quantity="number found over 2^(k-1) peaks or 2^k - 1 bends",
    note="Deep, it has 3k units.",
  )
  yield _YAROTSKY.equal(
    "square",
    "x - sum of g^s(x) / 4^s, with 3m units, approximates x^2 on [0, 1] within "
    "2^(-2m-2), as 2^m ReLUs in one layer do.",
    1.0,
    _by("deep, m", folds, depth.deep_errors * 4.0 ** (folds + 1))
    | _by("one layer, m", folds, depth.wide_errors * 4.0 ** (folds + 1)),
    tolerance=1e-9,  # Rounding, 1e-16, against 2^(-2m-2).
    quantity="largest error over 2^(-2m-2) = max|f''| / 8N^2, N = 2^m",
  )


def _training(results):
  errors = np.log10(readings.best_errors(results))
  widths = results.training.widths
  designed = np.log10(results.approximations.designed_error)
  yield _KENT.at_most(
    "more-neurons",
    "As neurons are added, a trained network comes closer to the function.",
    0.0,
    measure.difference(errors[:, -1], errors[:, 0]),
    strict=True,
    quantity=f"log10 of the largest error, {widths[-1]} less {widths[0]} ReLUs",
  )
  yield _FOUND.at_most(
    "found-as-designed",
    f"Training finds {widths[-1]} ReLUs that are as close as {widths[-1]} "
    "designed ones, within a factor of 2.",
    float(np.log10(2)),
    measure.mean(errors[:, -1] - designed),
    quantity="log10 of the largest error, trained less designed",
    note="That a network exists does not say that gradient descent finds it.",
  )
