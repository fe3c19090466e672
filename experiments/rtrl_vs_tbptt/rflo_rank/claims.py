"""Claims of the study of the rank of what RFLO learns."""

import numpy as np

from experiments import measure, study
from experiments.claims import Claim, Source, conjecture, theory
from experiments.rtrl_vs_tbptt.rflo_rank import readings

_TEXT = "williams2026"
_ABSTRACT = Source("P26", _TEXT, "abstract")
_SPAN = theory("P26", "every step adds B^T e_t times a trace of the state")
_SADDLE = theory("P26", "errors return through a readout that is zero")
_ADAM = theory(
  "P26", "(b_i a_j) over its own root mean square is sign(b_i) f_j"
)
_LEAVES = conjecture("P26", "errors return through B, not the readout")
_BEYOND = conjecture("P26", "the proof needs linear units and gradient descent")
_RATIO = "decades, singular value m + 1 over the first"
_SMALL, _LARGE = -12.0, -4.0  # Decades: rounding, and surely not.


def claims(results: study.Results) -> list[Claim]:
  """Compares singular values with the bound."""
  return [
    _bound(results),
    _reached(results),
    *_no_bound(results),
    *_saddle(results),
  ]


def _decades(results, methods, beyond):
  found = {}
  for method in methods:
    found |= readings.decades(readings.ratio(results, method, beyond))
  return found


def _bound(results):
  found = _decades(results, (readings.RANDOM, readings.SYMMETRIC), 1)
  return _ABSTRACT.at_most(
    "low-rank",
    "The solutions learned by RFLO are restricted to low-rank perturbations of "
    "initial parameters.",
    _SMALL,
    {name: float(np.max(values)) for name, values in found.items()},
    quantity=f"{_RATIO}, largest of all networks",
    note="The rank is at most m, the number of outputs; the rest is rounding.",
  )


def _reached(results):
  found = _decades(results, (readings.RANDOM, readings.SYMMETRIC), 0)
  return _SPAN.at_least(
    "rank-reached",
    "RFLO uses all of the directions that m outputs give it.",
    _LARGE,
    {name: float(np.min(values)) for name, values in found.items()},
    quantity="decades, singular value m over the first, least of all networks",
  )


def _no_bound(results):
  for key, methods, statement, source in (
    (
      "bptt-is-not",
      (readings.BPTT, readings.ONE_STEP),
      "BPTT, whole or cut to one step with a readout that learns, changes more "
      "directions than there are outputs.",
      _SPAN,
    ),
    (
      "linear-only",
      (readings.TANH, readings.ADAM),
      "With tanh units, or with Adam and several outputs, RFLO changes more "
      "directions than there are outputs.",
      _BEYOND,
    ),
  ):
    found = _decades(results, methods, 1)
    found.pop(f"{readings.ADAM}, m = 1", None)
    yield source.at_least(
      key,
      statement,
      _LARGE,
      {name: measure.mean(values) for name, values in found.items()},
      quantity=_RATIO,
    )
  alone = _decades(results, (readings.ADAM,), 1).get(f"{readings.ADAM}, m = 1")
  if alone is not None:
    yield _ADAM.at_most(
      "adam-one-output",
      "With one output Adam keeps the change of RFLO at rank one.",
      _SMALL,
      float(np.max(alone)),
      quantity=f"{_RATIO}, largest of all networks",
    )


def _saddle(results):
  left = {
    name: losses[:, 1] / losses[:, 0]
    for name, losses in results.from_zero.items()
  }
  yield _SADDLE.equal(
    "saddle",
    "From input and readout weights of zero BPTT never learns, whole or cut to "
    "one step.",
    1.0,
    {
      name: float(np.min(left[name]))
      for name in (readings.BPTT, readings.ONE_STEP)
    },
    tolerance=1e-12,
    quantity="loss at the end over that at the start, least of all networks",
  )
  yield _LEAVES.at_most(
    "no-saddle",
    "From input and readout weights of zero RFLO with random feedback learns: "
    "at least half of the loss goes.",
    0.5,
    measure.mean(left[readings.RANDOM]),
    quantity="loss at the end over that at the start",
  )
