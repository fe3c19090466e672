"""What the times are compared with, and what is aimed at on a CPU."""

from collections.abc import Collection, Sequence
from typing import NamedTuple

from benchmarks import (
  family,
  limits,
  measure,
  others,
  programs,
  timing,
  with_torch,
)


class Target(NamedTuple):
  """A bound of a ratio; None stands for all."""

  bound: float
  at_least: bool = True  # else at most
  cells: Collection[str] | None = None
  units: Collection[int] | None = None
  batches: Collection[int] | None = None
  regimes: Collection[str] | None = None


class Comparison(NamedTuple):
  """A ratio of two programs, and what is aimed at where."""

  name: str
  over: Sequence[str]  # the quickest of these
  under: str
  targets: Sequence[Target] = ()


class Finding(NamedTuple):
  """A comparison that was made, with its verdict."""

  cell: str
  units: int
  batch: int
  regime: str
  name: str
  value: timing.Spread
  target: str = ""  # "" if nothing is aimed at here
  verdict: str = ""


_STREAM = dict(cells={"vanilla"}, batches={1}, regimes={"moving"})
_FIRST_CALL_SECONDS, _FIRST_CALL_UNITS = 3.0, 128
_ESTIMATORS = {
  programs.TEXTBOOK,
  programs.LAZY,
  programs.ROLLING,
  programs.DIAGONAL,
  programs.BPTT,
  family.SNAP_1,
  family.UORO,
  family.RFLO,
  family.EPROP,
  family.KF,
  family.SKETCHED,
  family.PES,
}
COMPARISONS = (
  Comparison(
    "textbook / lazy",
    [programs.TEXTBOOK],
    programs.LAZY,
    [
      Target(5, units={64}, **_STREAM),
      Target(10, units={128}, **_STREAM),
      Target(15, units={256}, **_STREAM),
    ],
  ),
  Comparison(
    "lazy (default) / textbook",
    [programs.LAZY],
    programs.TEXTBOOK,
    [Target(1.1, at_least=False)],
  ),
  Comparison(
    "best of the others / lazy",
    [others.TORCH_RTRL, others.BRAINTRACE],
    programs.LAZY,
    [Target(20, units={128}, **_STREAM)],
  ),
  Comparison(
    "textbook / torch.bmm",
    [programs.TEXTBOOK],
    others.TORCH_RTRL,
    [Target(1, at_least=False, cells={"vanilla"})],
  ),
  Comparison("textbook / product", [programs.TEXTBOOK], limits.PRODUCT),
  Comparison(
    "lazy / reading J",
    [programs.LAZY],
    limits.READING,
    [Target(2, at_least=False, units=range(256, 10**6), **_STREAM)],
  ),
  Comparison("lazy / diagonal", [programs.LAZY], programs.DIAGONAL),
  *(
    Comparison(
      f"BPTT / {others.torch_bptt_name(cell)}",
      [programs.BPTT],
      others.torch_bptt_name(cell),
      [
        Target(
          1,
          at_least=False,
          cells={"vanilla", "lstm"},
          units={64, 128},
          batches={16},
        )
      ],
    )
    for cell in with_torch.LAYERS
  ),
  *(
    Comparison(
      f"{name} / BPTT",
      [name],
      programs.BPTT,
      [
        Target(bound, False, {"vanilla"}, {128}, {batch})
        for batch, bound in bounds.items()
      ],
    )
    for name, bounds in (
      (family.SNAP_1, {1: 2, 16: 5}),
      (family.UORO, {1: 4}),
      (family.RFLO, {1: 2}),
      (family.EPROP, {1: 2}),
      (family.KF, {1: 10}),
      (family.SKETCHED, {}),
    )
  ),
  Comparison(
    "lazy / SnAp-2",
    [programs.LAZY],
    family.SNAP_2,
    [Target(5, cells={"sparse"}, units={256}, batches={1})],
  ),
  Comparison(
    f"{family.PES} / {family.FORWARD}",
    [family.PES],
    family.FORWARD,
    [Target(1.5, False, {"vanilla"}, {128}, {1})],
  ),
)


def findings(
  rows: Sequence[measure.Row], *, judged: bool = True
) -> list[Finding]:
  """Compares the programs of one problem.

  Args:
    rows: of one network in one regime.
    judged: whether this is a machine for which there are targets, a CPU.

  Returns:
    A finding for each comparison of two programs which were timed, and for the
    first calls that have a target.
  """
  timed = {row.program: row for row in rows if row.microseconds}
  found = []
  for comparison in COMPARISONS:
    over = [timed[name] for name in comparison.over if name in timed]
    under = timed.get(comparison.under)
    if not over or under is None:
      continue
    best = min(over, key=lambda row: timing.spread(row.microseconds).median)
    ratios = timing.paired(best.microseconds, under.microseconds)
    target = next(
      (t for t in comparison.targets if judged and _applies(t, under)), None
    )
    found.append(
      _finding(under, comparison.name, timing.spread(ratios), target)
    )
  for row in timed.values():
    is_aimed_at = judged and row.units == _FIRST_CALL_UNITS
    if is_aimed_at and row.program in _ESTIMATORS:
      value = timing.spread([row.first_seconds])
      target = Target(_FIRST_CALL_SECONDS, at_least=False)
      name = f"first call of {row.program} [s]"
      found.append(_finding(row, name, value, target))
  return found


def _applies(target, row):
  pairs = (
    (target.cells, row.cell),
    (target.units, row.units),
    (target.batches, row.batch),
    (target.regimes, row.regime),
  )
  return all(allowed is None or value in allowed for allowed, value in pairs)


def _finding(row, name, value, target):
  words, verdict = "", ""
  if target is not None:
    words = f"{'>=' if target.at_least else '<='} {target.bound:g}"
    verdict = timing.verdict(value, target.bound, at_least=target.at_least)
  place = row.cell, row.units, row.batch, row.regime
  return Finding(*place, name, value, words, verdict)
