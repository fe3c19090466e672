"""Claims of the study of cost: counts, not times, but for one."""

import numpy as np

from experiments import study
from experiments.claims import Claim, Source, conjecture, theory
from experiments.rtrl_vs_tbptt.cost import readings
from experiments.rtrl_vs_tbptt.cost.readings import BPTT, LAZY, TEXTBOOK

_ASKED = "question 5.2, which asks for it; derived: "
_COUNT = theory("S4-5.2", _ASKED + "products with W and with J counted", "S4")
_KEPT = theory("S4-5.2", _ASKED + "one number for each d h_i / d theta_j", "S4")
_STREAM = theory("S4-5.2", _ASKED + "what has to be kept of the past", "S4")
_TIME = theory("S4-5.2", "ten times is little of a thousand operations for one")
_SNAP = Source(
  "P7", "menick2020", "abstract: n = 1 is no more expensive than BPTT"
)
_SPARSE = conjecture(
  "P7", "abstract: n = 2 is tractable for highly sparse networks", "menick2020"
)
# Of n in the operations of a step and parameter.
_POWERS = dict(zip(readings.NAMES[:-1], (0, 0, 2, 1, 1, 0), strict=True))
# Another method would differ by 1; what extrapolation leaves falls as 1 / n^2.
_MARGIN = 0.03


def claims(results: study.Results) -> list[Claim]:
  """Compares operations, numbers and bytes with what has to be done."""
  return [*_operations(results), *_snap(results), *_memory(results)]


def _operations(results):
  found = {
    name: cost.operations / cost.num_parameters
    for name, cost in results.methods.items()
  }
  yield _COUNT.zero(
    "operations",
    "Per parameter and step, BPTT and RTRL of a diagonal cell need O(1) "
    "operations, block and lazy RTRL O(n), textbook RTRL O(n^2).",
    {name: readings.exponent(found[name]) - p for name, p in _POWERS.items()},
    tolerance=_MARGIN,
    quantity="exponent of n, extrapolated, minus the one stated",
  )
  n = int(results.units[-1])
  yield _COUNT.equivalent(
    "factor",
    "Disadvantage: at equal n textbook RTRL needs n^2 / 3 times the operations "
    "of a step of BPTT, lazy RTRL 1.9 n times.",
    1.0,
    {
      TEXTBOOK: found[TEXTBOOK][-1] / found[BPTT][-1] / (n**2 / 3),
      LAZY: found[LAZY][-1] / found[BPTT][-1] / (11.5 / 6 * n),
    },
    margin=0.1,  # Sums and slopes, O(n) of O(n^2).
    quantity=f"ratio of operations over the one stated, n = {n}",
    note="Textbook, 2 n^2 P against 6 P: W forward, W^T back, and the sum of "
    "gradients. Lazy, 11.5 n P: 4 for Phi J once in n / 2 steps, 2 to read J, "
    "2 + 2 for the tape's share of it, 1.5 to go back through the tape.",
  )
  seconds = dict(zip(results.methods, results.seconds, strict=True))
  yield _TIME.at_least(
    "time-tenfold",
    "At equal n a step of textbook RTRL takes more than ten times as long as "
    "one of BPTT.",
    10.0,
    seconds[TEXTBOOK] / seconds[BPTT],
    quantity=f"ratio of times at n = {n}, the best of rounds",
  )


def _snap(results):
  operations = {name: cost.operations for name, cost in results.methods.items()}
  ratio = operations[readings.SNAP] / operations[BPTT]
  yield _SNAP.at_most(
    "snap-1",
    "The operations of SnAp-1 grow with the units no faster than those of "
    "backpropagation.",
    0.0,
    readings.exponent(ratio),
    tolerance=_MARGIN,
    quantity="exponent of n in the operations of SnAp-1 by those of BPTT",
    note=f"Their quotient is {ratio[-1]:.1f} for all n: some 13 P to 6 P.",
  )
  shares = results.snap_2 / operations[TEXTBOOK][1]
  listed = ", ".join(
    f"{share:.4f} at {density:g}"
    for share, density in zip(shares, results.densities, strict=True)
  )
  yield _SPARSE.at_most(
    "snap-2",
    "SnAp-2 is tractable in highly sparse networks: with a sixteenth of the "
    "weights it needs less than a fiftieth of RTRL's operations.",
    1 / 50,
    float(shares[-1]),
    quantity="operations of a step of SnAp-2 by those of textbook RTRL",
    note=f"{results.units[1]} units; by density: {listed}.",
  )


def _memory(results):
  n, methods = results.units, results.methods
  dense = methods[TEXTBOOK].num_parameters
  tape = n // 2 * (n**2 + 3 * n + 3) + 3
  expected = {
    TEXTBOOK: n + n * dense,
    readings.BLOCK: n + n * dense,
    LAZY: n + n * dense + tape,
    readings.DIAGONAL: n + methods[readings.DIAGONAL].num_parameters,
  }
  yield _KEPT.zero(
    "numbers-kept",
    "RTRL carries its state and one number for each unit and parameter it "
    "depends on, n P if dense, P if diagonal.",
    {
      name: np.abs(methods[name].numbers - numbers).max()
      for name, numbers in expected.items()
    },
    tolerance=0.0,
    quantity="numbers kept beside those expected, largest over n",
    note="P = n (n + 3): n units, 2 inputs and a bias. Lazy RTRL keeps a tape "
    "besides: Phi, a, h and the inputs of W of n / 2 steps, and 3 counters.",
  )
  lengths, bptt = results.lengths, methods[BPTT].stream_bytes
  of_step = np.diff(bptt)[0] / np.diff(lengths)[0] / 4  # float32.
  added = of_step * dense[0] / methods[TEXTBOOK].numbers[0]
  yield _STREAM.equivalent(
    "memory-bptt",
    "Disadvantage of BPTT: the memory of its program grows as T.",
    1.0,
    readings.growth(lengths, bptt),
    margin=_MARGIN,
    quantity="exponent of T in bytes beside arguments and results",
    note=f"In P steps it adds {added:.1f} times the numbers that RTRL keeps.",
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
