"""Claims of the study of cost: counts, not times, but for one."""

import numpy as np

from experiments import study
from experiments.claims import Claim, theory
from experiments.rtrl_vs_tbptt.cost import readings
from experiments.rtrl_vs_tbptt.cost.readings import (
  BLOCK,
  BPTT,
  DIAGONAL,
  LAZY,
  TEXTBOOK,
  TRUNCATED,
)

_ASKED = "question 5.2, which asks for it; derived: "
_COUNT = theory("S4-5.2", _ASKED + "products with W and with J counted", "S4")
_KEPT = theory("S4-5.2", _ASKED + "one number for each d h_i / d theta_j", "S4")
_STREAM = theory("S4-5.2", _ASKED + "what has to be kept of the past", "S4")
_TIME = theory("S4-5.2", "ten times is little of a thousand operations for one")
_EXPONENT = "exponent of n in operations per step and parameter, extrapolated"
# Another method would differ by 1; what extrapolation leaves falls as 1 / n^2.
_MARGIN = 0.03


def claims(results: study.Results) -> list[Claim]:
  """Compares operations, numbers and bytes with what has to be done."""
  return [
    *_operations(results),
    *_factors(results),
    _numbers(results),
    *_memory(results),
    _time(results),
  ]


def _operations(results):
  for key, statement, power, names in (
    (
      "operations-bptt",
      "BPTT, truncated or not, and RTRL of a diagonal cell need as many "
      "operations per parameter and step in a network of any size.",
      0.0,
      (BPTT, TRUNCATED, DIAGONAL),
    ),
    (
      "operations-textbook",
      "Textbook RTRL needs operations that grow as n^2 per parameter and step, "
      "as n^4 in all.",
      2.0,
      (TEXTBOOK,),
    ),
    (
      "operations-lazy",
      "Block and lazy RTRL need operations that grow as n per parameter and "
      "step, as n^3 in all.",
      1.0,
      (BLOCK, LAZY),
    ),
  ):
    found = {
      name: readings.exponent(_per_parameter(results, name)) for name in names
    }
    yield _COUNT.equivalent(
      key,
      statement,
      power,
      found if len(found) > 1 else found[names[0]],
      margin=_MARGIN,
      quantity=_EXPONENT,
    )


def _per_parameter(results, name):
  cost = results.methods[name]
  return cost.operations / cost.num_parameters


def _factors(results):
  n = int(results.units[-1])
  bptt = _per_parameter(results, BPTT)[-1]
  for key, name, statement, expected, note in (
    (
      "factor-textbook",
      TEXTBOOK,
      "Disadvantage: at equal n a step of textbook RTRL needs n^2 / 3 times "
      "the operations of one of BPTT.",
      n / 3,
      "2 n^2 P against 6 P: W forward, W^T back, and the sum of gradients.",
    ),
    (
      "factor-lazy",
      LAZY,
      "Disadvantage: at equal n a step of lazy RTRL needs 1.9 n times the "
      "operations of one of BPTT.",
      11.5 / 6,
      "11.5 n P against 6 P: 4 for Phi J once in n / 2 steps, 2 to read J, "
      "2 + 2 for the tape's share of it, 1.5 to go back through the tape.",
    ),
  ):
    ratio = _per_parameter(results, name)[-1] / bptt
    yield _COUNT.equivalent(
      key,
      statement,
      expected,
      ratio / n,
      margin=0.1 * expected,  # Sums and slopes, O(n) of O(n^2).
      quantity=f"ratio of operations per step, over n = {n}",
      note=note,
    )


def _numbers(results):
  n = results.units

  def excess(name, expected):
    return np.abs(results.methods[name].numbers - expected).max()

  dense = results.methods[TEXTBOOK].num_parameters
  diagonal = results.methods[DIAGONAL].num_parameters
  return _KEPT.zero(
    "numbers-kept",
    "RTRL carries its state and one number for each unit and parameter it "
    "depends on, n P if dense, P if diagonal.",
    {
      TEXTBOOK: excess(TEXTBOOK, n + n * dense),
      BLOCK: excess(BLOCK, n + n * dense),
      LAZY: excess(LAZY, n + n * dense + n // 2 * (n**2 + 3 * n + 3) + 4),
      DIAGONAL: excess(DIAGONAL, n + diagonal),
    },
    tolerance=0.0,
    quantity="numbers kept beside those expected, largest over n",
    note="P = n (n + 3): n units, 2 inputs and a bias. Lazy RTRL keeps a tape "
    "besides: W, a, h and the inputs of W of n / 2 steps, and 4 counters.",
  )


def _memory(results):
  lengths, methods = results.lengths, results.methods
  bptt = methods[BPTT].stream_bytes
  yield _STREAM.equivalent(
    "memory-bptt",
    "Disadvantage of BPTT: the memory of its program grows as T.",
    1.0,
    readings.growth(lengths, bptt),
    margin=_MARGIN,
    quantity="exponent of T in bytes beside arguments and results",
  )
  yield _STREAM.equal(
    "memory-rtrl",
    "Advantage of RTRL, as of truncated BPTT: the memory of its program is the "
    "same for streams of any length.",
    1.0,
    {
      name: cost.stream_bytes[1] / cost.stream_bytes[0]
      for name, cost in methods.items()
      if name != BPTT
    },
    tolerance=0.0,
    quantity=f"bytes at T = {lengths[1]} over those at {lengths[0]}",
  )
  of_step = np.diff(bptt)[0] / np.diff(lengths)[0] / 4  # float32.
  dense = methods[TEXTBOOK]
  yield _STREAM.between(
    "memory-break-even",
    "BPTT needs more memory than the influence of RTRL where the stream has "
    "more than P / 4 to P steps.",
    (1.0, 4.0),
    of_step * dense.num_parameters[0] / dense.numbers[0],
    quantity="numbers BPTT adds in P steps over those RTRL keeps",
    note="BPTT keeps at least the state, n numbers, and at most four arrays of "
    "n: the state, the pre-activation, the slope, the cotangent.",
  )


def _time(results):
  textbook, bptt = (
    float(results.methods[name].microseconds) for name in (TEXTBOOK, BPTT)
  )
  return _TIME.at_least(
    "time-tenfold",
    "At equal n a step of textbook RTRL takes more than ten times as long as "
    "one of BPTT.",
    10.0,
    textbook / bptt,
    quantity=f"ratio of times at n = {results.units[-1]}, the best of rounds",
    note="The only claim on time; operations differ by thousands.",
  )
