"""What the study of cost claims: fitted exponents against counted ones."""

import math
from collections.abc import Mapping

import numpy as np

from experiments import study

NAMES = (
  "BPTT",
  "truncated BPTT",
  "textbook RTRL",
  "block RTRL, K = n",
  "lazy RTRL, F = n/2",
  "RTRL, diagonal cell",
)
BPTT, TRUNCATED, TEXTBOOK, BLOCK, LAZY, DIAGONAL = range(len(NAMES))

# Exponents of n, counted: the operations of a step, and the numbers carried
# from one update to the next: one for each pair of a state and a parameter it
# depends on, or with BPTT the state alone.
TIME_EXPONENTS = (2, 2, 4, 3, 3, 1)
MEMORY_EXPONENTS = (1, 1, 3, 3, 3, 1)

# By which a step gets slower where what it works on leaves the caches.
_CACHES = 1.5

_SHEET = (
  "Problem sheet 4, question 5.2 (the algorithm that computes dh_n/dtheta in "
  "order; its complexity, advantages and disadvantages versus BPTT)"
)


def exponent(sizes: np.ndarray, values: np.ndarray) -> float:
  """Fits values ~ sizes^e by least squares on logarithms.

  Args:
    sizes: positive numbers [M].
    values: positive numbers [M].

  Returns:
    e.
  """
  return float(np.polyfit(np.log(sizes), np.log(values), 1)[0])


def claims(results: Mapping[str, np.ndarray]) -> list[study.Claim]:
  """Compares fitted exponents with those of the counted operations.

  Args:
    results: what `run` returned.

  Returns:
    The claims.
  """
  return [
    *_time_claims(results),
    *_ratio_claims(results),
    *_memory_claims(results),
    *_length_claims(results),
  ]


def _time_claims(results):
  # Up to the peak of the machine a product of twice the size runs up to twice
  # as fast per operation, which hides a power of n.
  made = []
  for name, power, units, times in zip(
    NAMES,
    TIME_EXPONENTS,
    results["units"],
    results["microseconds"],
    strict=True,
  ):
    made.append(
      study.Claim(
        id="S4-5.2",
        statement=f"The time per step of {name} grows as n^{power}, or a power "
        "less while a larger product still runs faster (fitted exponent, n = "
        f"{units[0]} to {units[-1]}).",
        source=_SHEET + "; expected: exponent of the operation count",
        expected=(power - 1.0, float(power)),
        measured=exponent(units, times),
        tolerance=_tolerance(units),
      )
    )
  return made


def _tolerance(sizes):
  """What a factor of `_CACHES` between the ends is in the exponent."""
  return math.log(_CACHES) / math.log(sizes[-1] / sizes[0])


def _ratio_claims(results):
  units, times = results["units"], results["microseconds"]
  span = f"n = {units[LAZY][0]} to {units[LAZY][-1]}"
  ratios = times[TEXTBOOK] / times[LAZY]
  return [
    study.Claim(
      id="S4-5.2",
      statement="Textbook over lazy RTRL, the same gradient, is a ratio that "
      f"grows as n (fitted exponent, {span}).",
      source=_SHEET + "; expected: difference of the operation counts",
      expected=1.0,
      measured=exponent(units[LAZY], ratios),
      tolerance=0.5,
    ),
    study.Claim(
      id="S4-5.2",
      statement="Lazy RTRL gives the same gradient at every step as textbook "
      "RTRL in less time: how many times less at n = "
      f"{units[LAZY][-1]}.",
      source=_SHEET + "; expected: faster at all",
      expected=(1.0, math.inf),
      measured=float(ratios[-1]),
    ),
  ]


def _memory_claims(results):
  made = []
  for name, power, units, carried in zip(
    NAMES, MEMORY_EXPONENTS, results["units"], results["state_bytes"],
    strict=True,
  ):  # fmt: skip
    made.append(
      study.Claim(
        id="S4-5.2",
        statement=f"What {name} carries from one update to the next grows as "
        f"n^{power} (fitted exponent, n = {units[0]} to {units[-1]}).",
        source=_SHEET + "; expected: one number for each pair of a state and "
        "a parameter it depends on, or the state alone",
        expected=float(power),
        measured=exponent(units, carried),
        tolerance=0.1,  # P = n (n + 3) and not n^2: 0.03 in the exponent.
      )
    )
  return made


def _length_claims(results):
  lengths = results["lengths"]
  span = f"T = {lengths[0]} to {lengths[-1]}, n = {results['length_units']}"
  growth = float(lengths[-1] / lengths[0])
  made = []
  for i, name in enumerate(NAMES):
    made.append(
      study.Claim(
        id="S4-5.2",
        statement=f"The time of a whole stream with {name} grows as T (fitted "
        f"exponent, {span}).",
        source=_SHEET + "; expected: every step costs the same",
        expected=1.0,
        measured=exponent(lengths, results["run_microseconds"][i]),
        tolerance=_tolerance(lengths),
      )
    )
    kept = (
      "the states of all steps"
      if i == BPTT
      else "nothing of the past but the state, the influence and one segment"
    )
    made.append(
      study.Claim(
        id="S4-5.2",
        statement=f"A stream {growth:g} times as long needs "
        + (f"{growth:g} times" if i == BPTT else "no more than")
        + f" the memory with {name} (bytes of the compiled program, ratio, "
        f"{span}).",
        source=f"{_SHEET}; expected: {kept} is kept",
        expected=growth if i == BPTT else 1.0,
        measured=float(
          results["run_bytes"][i, -1] / results["run_bytes"][i, 0]
        ),
        # Parameters and gradient do not grow.
        tolerance=0.1 * growth if i == BPTT else 0.0,
      )
    )
  return made
