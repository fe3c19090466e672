"""Claims of the study of approximation: ReLUs, depth and training."""

from collections.abc import Iterator

import numpy as np

from experiments import measure, study
from experiments.claims import Claim, Source, conjecture, theory
from experiments.textbook.universal_approximation import readings

_TELGARSKY = Source("P23", "telgarsky2016", "abstract and section 2")
_YAROTSKY = Source("P23", "yarotsky2017", "proposition 2 (second-hand)")
_KENT = Source("S2-approximation", "S2", "universal approximators")
_FOUND = conjecture("S2-approximation", "our own guess, of no source")


def _sheet(row, where=""):
  """The sheet asks; what is expected follows from its definitions."""
  return theory(row, f"question {row.removeprefix('S4-')}{where}", "S4")


def claims(results: study.Results) -> Iterator[Claim]:
  """Compares ReLU networks with the answers to the sheet and the papers."""
  yield from _formulas(results.sheet)
  yield _certificates(results.certificates)
  yield _parabola(results.depth)
  yield from _limits(results.tails)
  yield from _depth(results.depth)
  yield from _training(results)


def _formulas(sheet):
  yield _sheet("S4-4.1").zero(
    "forward",
    "The sheet's network computes w00 relu(w00 x + b0) + w01 relu(w10 x + b1) "
    "+ b0, weights and biases by layer.",
    float(sheet.forward_error),
    tolerance=1e-13,  # Rounding of numbers up to 100.
    quantity="largest difference, random weights, x from -10 to 10",
  )
  at = {x: sheet.ys[np.argmin(np.abs(readings.SHEET - x))] for x in (3, 4)}
  ramp = np.clip(readings.SHEET - 3, 0, 1)
  yield _sheet("S4-4.2").zero(
    "printed-weights",
    "With the printed weights the sheet's network is a ramp: 0 at x = 3, 1 at "
    "x = 4, linear between.",
    {
      "x = 3": at[3],
      "x = 4": at[4] - 1,
      "x from -10 to 10": float(np.max(np.abs(sheet.ys - ramp))),
    },
    tolerance=1e-13,  # x itself is rounded.
    quantity="difference from the ramp",
  )
  yield _sheet("S4-4.3").zero(
    "ramps",
    "Two ReLUs make the ramp h_{c,d} for any c < d.",
    float(sheet.ramp_error),
    tolerance=1e-12,  # Rounding of (x - c) / (d - c), which is up to 150.
    quantity="largest difference, random c and d",
  )


def _certificates(certificates):
  eps, names, bounds, errors, units = certificates
  sizes = "; ".join(
    f"{name}: {', '.join(f'{n:.0f}' for n in row)}"
    for name, row in zip(names, units, strict=True)
  )
  return _sheet("S4-4.4").at_most(
    "within-eps",
    "Given any continuous f and eps, ReLUs in one hidden layer can be built "
    "that are within eps on [0, 1].",
    1.0,
    {
      f"{name} within {allowed:g}, {what}": ratios[i, j]
      for what, ratios in (("bound", bounds / eps), ("error", errors / bounds))
      for i, name in enumerate(names)
      for j, allowed in enumerate(eps)
    },
    quantity="certified bound over eps; error at random points over the bound",
    note=f"ReLUs for eps from large to small: {sizes}.",
  )


def _parabola(depth):
  counts = 2**depth.folds
  return _sheet("S4-4.4", "; the remainder of linear interpolation").equal(
    "parabola",
    "N ReLUs that interpolate miss x^2 by max|f''| / 8 N^2 = 1 / 4 N^2.",
    1.0,
    {
      f"N = {n}": float(4.0 * n**2 * error)
      for n, error in zip(counts, depth.square_shallow_errors, strict=True)
    },
    tolerance=1e-6,  # Rounding, 1e-13 with many ReLUs, against 1 / (4 N^2).
    quantity="largest error over 1 / 4 N^2",
  )


def _limits(tails):
  yield _sheet("S4-4.5").zero(
    "linear-tail",
    "Beyond its last kink a network of finitely many ReLUs is linear.",
    {
      f"{n} ReLUs": float(residual)
      for n, residual in zip(tails.widths, tails.residuals, strict=True)
    },
    # A sum of N products is known to N roundings at worst.
    tolerance=float(np.max(tails.widths) * np.finfo(float).eps),
    quantity="largest deviation from the line, 1 to 10^6 beyond, relative",
  )
  yield _sheet("S4-4.6", "; N kinks make N + 1 linear pieces").at_most(
    "sign-changes",
    "A network of N ReLUs changes between > 0 and <= 0 at most N + 1 times.",
    1.0,
    {
      f"{n} random ReLUs": float(changes - n)
      for n, changes in zip(tails.widths, tails.sign_changes, strict=True)
    }
    | {"detector of primes, 100 ReLUs": float(tails.prime_changes - 100)},
    quantity="number of changes less N",
  )
  yield _sheet("S4-4.6", "; pi(10000) - pi(100) = 1229 - 25").equal(
    "primes",
    "No such network detects all primes, do not invest: one that is right up "
    "to 100 misses every prime beyond.",
    1229 - 25,
    float(tails.prime_misses),
    tolerance=0.0,
    quantity="primes missed between 100 and 10,000",
    note=f"Up to 100 it gives {tails.prime_errors} wrong answers; for that it "
    f"changes {tails.prime_changes} times between > 0 and <= 0.",
  )


def _depth(depth):
  folds = depth.folds
  yield _TELGARSKY.equal(
    "sawtooth",
    "f(z) = relu(2 relu(z) - 4 relu(z - 1/2)), applied k times, has 2^(k-1) "
    "peaks and 2^k + 1 pieces.",
    1.0,
    {
      f"{name}, k = {k}": float(found)
      for name, row in (
        ("peaks", depth.peaks / 2 ** (folds - 1)),
        ("pieces", (depth.crossings + 1) / (2**folds + 1)),
      )
      for k, found in zip(folds, row, strict=True)
    },
    tolerance=0.0,
    quantity="number found over that",
    note="Pieces are counted as crossings of 1/2, and one.",
  )
  yield _TELGARSKY.equal(
    "depth-helps",
    "Depth saves exponentially many units: one hidden layer needs 2^k - 1 "
    "bends to equal what 3k units do.",
    float(2 ** folds[-1] - 1),
    float(depth.bends[-1]),
    tolerance=0.0,
    quantity=f"bends of the one layer that equals it, k = {folds[-1]}",
    note=f"Deep: {depth.units[-1]} units. The two networks differ by at most "
    f"{np.max(depth.shallow_errors):.1g} on [0, 1].",
  )
  yield _YAROTSKY.equal(
    "square",
    "x - sum of g^s(x) / 4^s, with 3m units, approximates x^2 on [0, 1] within "
    "2^(-2m-2).",
    1.0,
    {
      f"m = {m}": float(error * 4.0 ** (m + 1))
      for m, error in zip(folds, depth.square_errors, strict=True)
    },
    tolerance=1e-9,  # Rounding, 1e-16, against 2^(-2m-2).
    quantity="largest error over 2^(-2m-2)",
    note="One hidden layer takes 2^m ReLUs at equal steps for the same error.",
  )


def _training(results):
  errors = np.log10(readings.best_errors(results))
  widths = results.training.widths
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
    measure.mean(errors[:, -1] - np.log10(results.pieces.designed_errors[-1])),
    quantity="log10 of the largest error, trained less designed",
    note="That a network exists does not say that gradient descent finds it.",
  )
