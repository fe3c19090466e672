"""Claims of the study of approximation about ReLUs, from stored arrays.

The arrays are described at `approximation_relu.measure`.
"""

import functools
from collections.abc import Iterator

import numpy as np

from experiments import study
from experiments.textbook import approximation_relu as relu
from experiments.textbook import approximation_theory as theory

_SHEET = "Problem sheet 4, question 4."
_NAMES = {
  "target": "f(x) = 0.2 + 0.4 x^2 + 0.3 x sin(15 x) + 0.05 cos(50 x)",
  "root": "sqrt|x - 1/3|, which has no Lipschitz constant",
  "weierstrass": "Weierstrass's sum of 2^-k cos(3^k pi x)",
}


def claims(results: study.Results) -> Iterator[study.Claim]:
  """Compares networks of one ReLU layer with the answers to the sheet.

  Args:
    results: with the arrays of `approximation_relu.measure`.

  Yields:
    The claims of the rows S4-4.1 to S4-4.6.
  """
  yield from _claims_formulas(results)
  yield from _claims_certificates(results)
  yield from _claims_pieces(results)
  yield from _claims_tails(results)
  yield from _claims_signs(results)
  yield from _claims_primes(results)


def _claims_formulas(results):
  yield study.Claim(
    "S4-4.1",
    "The network computes y = w00^3 relu(w00^2 x + b0^2) + w01^3 relu(w10^2 x "
    "+ b1^2) + b0^3: the largest difference, random weights, x in [-10, 10].",
    _SHEET + "1",
    0.0,
    float(results["forward_error"]),
    1e-13,  # Rounding of numbers up to 100.
  )
  xs, ys = results["sheet_xs"], results["sheet_ys"]
  for x, expected in ((3, 0.0), (4, 1.0)):
    yield study.Claim(
      "S4-4.2",
      f"With the printed weights the output at x = {x} is {expected:.0f}.",
      _SHEET + "2",
      expected,
      float(ys[np.argmin(np.abs(xs - x))]),
      1e-13,  # x itself is rounded.
    )
  yield study.Claim(
    "S4-4.2",
    "The function is the ramp: 0 up to 3, x - 3, then 1 from 4 on (the largest "
    "difference on [-10, 10]).",
    _SHEET + "2",
    0.0,
    float(np.max(np.abs(ys - np.clip(xs - 3, 0, 1)))),
    1e-13,  # As above.
  )
  yield study.Claim(
    "S4-4.3",
    "Two ReLUs make the ramp h_{c,d} for any c < d: the largest difference "
    "from its definition, random c and d - c >= 0.1.",
    _SHEET + "3",
    0.0,
    float(results["ramp_error"]),
    1e-12,  # Rounding of (x - c) / (d - c), which is up to 150.
  )


def _claims_certificates(results):
  claim = functools.partial(study.Claim, "S4-4.4")
  eps = results["eps"]
  for name, errors, bounds, units in zip(
    relu.FUNCTIONS,
    results["certificate_errors"],
    results["certificate_bounds"],
    results["certificate_units"],
    strict=True,
  ):
    sizes = ", ".join(
      f"{n} ReLUs for {e:g}" for n, e in zip(units, eps, strict=True)
    )
    yield claim(
      f"Given {_NAMES[name]} and eps, there is a network within eps on [0, 1]: "
      "the largest error at random points, over eps.",
      _SHEET + "4",
      (0.0, 1.0),
      float(np.max(errors / eps)),
      note=sizes,
    )
    yield claim(
      f"The certificate of the network for {name} covers it: the largest error "
      "at random points over the bound.",
      "theory: grid, modulus of continuity, slope of the network, rounding",
      (0.0, 1.0),
      float(np.max(errors / bounds)),
    )


def _claims_pieces(results):
  claim = functools.partial(study.Claim, "S4-4.4")
  counts = results["num_pieces"]
  # h^2 / 8 max |f''| with f'' = 2 and h = 1 / N.
  ratios = 4 * counts**2 * results["parabola_errors"]
  taylor = "theory: the remainder of linear interpolation"
  yield claim(
    "Interpolated with N ReLUs, x^2 is missed by h^2 / 8 max|f''| = 1 / (4 "
    "N^2): the error over this, at the N where it deviates most.",
    taylor,
    1.0,
    float(ratios[np.argmax(np.abs(ratios - 1))]),
    1e-6,  # Rounding, 1e-13 with many ReLUs, against 1 / (4 N^2).
  )
  _, second = theory.target_slopes(np.linspace(0, 1, 10**5 + 1))
  largest = np.max(np.abs(second))
  ratios = 8 * counts**2 * results["fixed_errors"] / largest
  yield claim(
    "This bounds the error for f(x) = 0.2 + 0.4 x^2 + 0.3 x sin(15 x) + 0.05 "
    "cos(50 x) too: the largest ratio.",
    taylor,
    (0.0, 1.0),
    float(np.max(ratios)),
  )
  yield claim(
    "And it is not pessimistic: the ratio tends to 1; at the largest N.",
    taylor,
    1.0,
    float(ratios[-1]),
    # The third derivative is at most 202.5 + 1012.5 + 6250, term by term: what
    # f'' varies by from the end to the middle of a piece.
    float(7465 / (2 * counts[-1] * largest)),
  )


def _claims_tails(results):
  claim = functools.partial(study.Claim, "S4-4.5")
  widths = ", ".join(map(str, results["widths"]))
  yield claim(
    "Beyond x0 = max(-b/w) the network is m x + n, with m and n from the units "
    f"that rise: the largest relative deviation, 1 to 10^6 beyond, {widths} "
    "random ReLUs.",
    _SHEET + "5",
    0.0,
    float(np.max(results["tail_residuals"])),
    # A sum of N products is known to N roundings at worst.
    float(np.max(results["widths"]) * np.finfo(float).eps),
  )
  yield claim(
    "It is not that line everywhere: the least relative deviation one before "
    "the first kink.",
    _SHEET + "5",
    (1e-9, np.inf),  # Well above the rounding of the claim above.
    float(np.min(results["left_residuals"])),
  )


def _claims_signs(results):
  claim = functools.partial(study.Claim, "S4-4.6")
  pieces = "theory: N kinks make N + 1 linear pieces"
  yield claim(
    "A network of N ReLUs changes between > 0 and <= 0 at most N + 1 times: "
    "the largest number of changes less N, random networks.",
    pieces,
    (-np.inf, 1.0),
    float(np.max(results["sign_changes"] - results["widths"])),
  )
  yield claim(
    "The bound is reached: changes of -3 relu(x) + 2.5 relu(x - 1) - relu(5 - "
    "x) + 6, a network of three ReLUs.",
    pieces + "; signs at the kinks 0, 1, 5 and at infinity: -, +, -, +, -",
    4.0,
    float(results["zigzag_changes"]),
  )


def _claims_primes(results):
  claim = functools.partial(study.Claim, "S4-4.6")
  number = relu.PRIME_LIMIT
  # 25 primes, of which 2 and 3 are neighbours; known values of pi(x).
  changes, missed = 2 * (25 - 1), 1229 - 25
  yield claim(
    f"A network of {number} ReLUs can detect the primes up to {number}: its "
    f"wrong answers on 0 ... {number}.",
    "theory: interpolation of 0 and 1",
    0.0,
    float(results["prime_errors"][0]),
  )
  yield claim(
    f"For this it changes 48 times between > 0 and <= 0, so that {changes - 1} "
    "ReLUs is the least that any such network has; the changes.",
    "theory: 25 primes up to 100, of which 2 and 3 are neighbours",
    float(changes),
    float(results["prime_changes"]),
  )
  yield claim(
    "No such network detects all primes; do not invest: beyond x0 this one is "
    f"linear, and misses every prime. Primes missed up to {relu.LAST_NUMBER}.",
    _SHEET + "6; pi(10000) - pi(100) = 1229 - 25",
    float(missed),
    float(results["prime_misses"][1]),
  )
