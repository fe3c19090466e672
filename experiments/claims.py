"""Claims: what a source says, beside what was measured and how well.

A claim holds if every value that the measurement leaves possible is expected:
its limits at `CONFIDENCE` lie inside the expected interval, widened by a
tolerance fixed before. It fails if none is, and that at so high a confidence
that a page on which everything is true shows a failure in less than one of a
hundred cases (`family_chance`). In between it is undecided: something noisy is
never "equal", a difference that may be none is not "more", and neither is a
failure. A number without an error holds or fails.
"""

import dataclasses
import enum
import math
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from experiments import bibliography, measure

CONFIDENCE = 0.99  # Of the limits that have to be expected for a claim to hold.
# How often a true claim fails: its limits at 1 - FAILS_BY_CHANCE lie outside.
FAILS_BY_CHANCE = 5e-5
_MAX_WORDS = 25
# A statement has to stand alone in a table.
_REFERRING = ("It", "Its", "So", "Nor")

Variants = (
  measure.Measurement | float | Mapping[str, measure.Measurement | float]
)


class Kind(enum.StrEnum):
  """Where an expectation comes from."""

  PUBLISHED = "published"  # A number or a sentence that stands in the source.
  THEORY = "theory"  # Derived; the source, or we, say how.
  CONJECTURE = "conjecture"  # Ours.
  NOT_RUN = "not run here"  # Published, but beyond the sizes of this run.


@dataclasses.dataclass(frozen=True)
class Claim:
  """One statement of a source, and what this run found.

  Attributes:
    id: the row of the bibliography of claims that it shows, such as "P12".
    key: its own name within the study, such as "final-loss".
    statement: a sentence of at most 25 words which can stand alone.
    quantity: what was measured, with its unit, in a few words.
    source: authors, title, year, section or table.
    url: of the source; empty if it has none.
    kind: where the expectation comes from.
    expected: an interval (low, high), either end may be infinite.
    measurement: None if it was not run here.
    tolerance: absolute; widens the interval on both sides.
    strict: whether the ends of the interval are outside of it.
    num_variants: of how many it is the one nearest to failing.
    note: why the claim fails, or what the number means; may be empty.
  """

  id: str
  key: str
  statement: str
  quantity: str
  source: str
  url: str
  kind: Kind
  expected: tuple[float, float]
  measurement: measure.Measurement | None
  tolerance: float = 0.0
  strict: bool = False
  num_variants: int = 1
  note: str = ""

  def __post_init__(self) -> None:
    """Refuses what nothing could meet, and what no reader could follow."""
    low, high = self.expected
    words = self.statement.split()
    if not low <= high:  # Also true for NaN.
      self._refuse(f"expected (low, high) with low <= high, got {low}, {high}")
    if not 0 <= self.tolerance < math.inf:
      self._refuse(f"expected a finite tolerance >= 0, got {self.tolerance}")
    if self.strict and self.tolerance:
      self._refuse("expected no tolerance where the bound itself is too little")
    if not words or len(words) > _MAX_WORDS or not words[-1].endswith("."):
      self._refuse(
        f"expected a sentence of at most {_MAX_WORDS} words, got {len(words)}: "
        f"{self.statement!r}"
      )
    if words[0] in _REFERRING:
      self._refuse(
        f"expected a statement that can stand alone, got {self.statement!r}"
      )
    if (self.kind is Kind.NOT_RUN) != (self.measurement is None):
      self._refuse("expected a measurement if and only if it was run here")

  def _refuse(self, message):
    raise ValueError(f"claim {self.id} {self.key!r}: {message}")

  @property
  def interval(self) -> tuple[float, float]:
    """The expected values, tolerance included, as (low, high)."""
    low, high = self.expected
    if self.strict:
      return math.nextafter(low, math.inf), math.nextafter(high, -math.inf)
    return low - self.tolerance, high + self.tolerance

  @property
  def holds(self) -> bool | None:
    """Whether it was shown (True), or its contrary (False); None if neither."""
    if self.measurement is None:
      return None
    low, high = self.interval
    lower, upper = self.measurement.limits(CONFIDENCE)
    if low <= lower and upper <= high:
      return True
    # Each of several variants could have been the one that fails.
    chance = FAILS_BY_CHANCE / self.num_variants
    lower, upper = self.measurement.limits(1 - chance)
    is_possible = low <= upper and lower <= high  # Never with NaN.
    return None if is_possible else False

  def as_json(self, study: str) -> dict[str, Any]:
    """Describes the claim in types that strict JSON can hold.

    Args:
      study: name of the study that makes the claim.

    Returns:
      The fields, the limits at `CONFIDENCE`, and `holds`, which is None where
      undecided and where nothing was run. An infinite end of an interval is
      None; a measured number that is not finite is its name ("nan", "inf").
    """
    low, high = self.expected
    ends = [_end(low), _end(high)]
    measured = error = limits = None
    if self.measurement is not None:
      measured = _finite_or_name(self.measurement.value)
      error = _finite_or_name(self.measurement.error)
      limits = self.measurement.limits(CONFIDENCE)
      limits = [_finite_or_name(limit) for limit in limits]
    return {
      "study": study,
      "id": self.id,
      "key": self.key,
      "statement": self.statement,
      "quantity": self.quantity,
      "source": self.source,
      "url": self.url,
      "kind": str(self.kind),
      "expected": _finite_or_name(low) if low == high else ends,
      "measured": measured,
      "error": error,
      "limits": limits,
      "tolerance": float(self.tolerance),
      "strict": self.strict,
      "holds": self.holds,
      "note": self.note,
    }


class Source(NamedTuple):
  """Where a statement stands; its methods make claims of it.

  Where a claim holds for several variants (activations, sizes, methods), pass
  what was measured by their names: the one nearest to failing is the number,
  and the note says which of how many it is. A plain number has no error.
  """

  id: str  # The row: "S0-1.1", "P12".
  cite: str  # A key of the bibliography; "" for what is derived here.
  where: str  # Section, table, equation; or the derivation in a few words.
  kind: Kind = Kind.PUBLISHED

  def between(
    self,
    key: str,
    statement: str,
    expected: tuple[float, float],
    measured: Variants,
    *,
    quantity: str,
    tolerance: float = 0.0,
    strict: bool = False,
    note: str = "",
  ) -> Claim:
    """Claims that the true value lies in an interval.

    Args:
      key: the claim's own name within the study.
      statement: a sentence of at most 25 words which can stand alone.
      expected: the interval (low, high).
      measured: the number measured, or by variant.
      quantity: what was measured, with its unit.
      tolerance: absolute, fixed before; widens the interval.
      strict: whether the ends are outside of it.
      note: why it fails, or what the number means.

    Returns:
      The claim.

    Raises:
      ValueError: if nothing could meet it, or the statement is unfit.
    """
    variants = measured if isinstance(measured, Mapping) else {"": measured}
    claims = [
      Claim(
        self.id,
        key,
        statement,
        quantity,
        bibliography.text(self.cite, self.where),
        bibliography.url(self.cite),
        self.kind,
        (float(expected[0]), float(expected[1])),
        _measurement(value),
        float(tolerance),
        strict,
        len(variants),
        _with_variant(note, name, len(variants)),
      )
      for name, value in variants.items()
    ]
    return min(claims, key=_distance_to_failing)

  def equal(
    self,
    key: str,
    statement: str,
    expected: float,
    measured: Variants,
    *,
    tolerance: float,
    quantity: str,
    note: str = "",
  ) -> Claim:
    """Claims a number; nothing is left to chance but rounding."""
    return self.between(
      key,
      statement,
      (expected, expected),
      measured,
      quantity=quantity,
      tolerance=tolerance,
      note=note,
    )

  def zero(
    self,
    key: str,
    statement: str,
    measured: Variants,
    *,
    tolerance: float,
    quantity: str,
    note: str = "",
  ) -> Claim:
    """Claims that a difference is rounding, at most the tolerance in size."""
    return self.equal(
      key,
      statement,
      0.0,
      measured,
      tolerance=tolerance,
      quantity=quantity,
      note=note,
    )

  def equivalent(
    self,
    key: str,
    statement: str,
    expected: float,
    measured: Variants,
    *,
    margin: float,
    quantity: str,
    note: str = "",
  ) -> Claim:
    """Claims a number up to a margin in which a difference does not matter.

    The margin is a choice made before measuring: by theory, by the digits of
    the source, or by what a reader would still call the same.
    """
    return self.equal(
      key,
      statement,
      expected,
      measured,
      tolerance=margin,
      quantity=quantity,
      note=note,
    )

  def at_least(
    self,
    key: str,
    statement: str,
    bound: float,
    measured: Variants,
    *,
    quantity: str,
    tolerance: float = 0.0,
    strict: bool = False,
    note: str = "",
  ) -> Claim:
    """Claims a lower bound; `strict` if the bound itself is too little."""
    return self.between(
      key,
      statement,
      (bound, math.inf),
      measured,
      quantity=quantity,
      tolerance=tolerance,
      strict=strict,
      note=note,
    )

  def at_most(
    self,
    key: str,
    statement: str,
    bound: float,
    measured: Variants,
    *,
    quantity: str,
    tolerance: float = 0.0,
    strict: bool = False,
    note: str = "",
  ) -> Claim:
    """Claims an upper bound; `strict` if the bound itself is too much."""
    return self.between(
      key,
      statement,
      (-math.inf, bound),
      measured,
      quantity=quantity,
      tolerance=tolerance,
      strict=strict,
      note=note,
    )

  def not_run(
    self,
    key: str,
    statement: str,
    expected: float | tuple[float, float],
    *,
    quantity: str,
    note: str,
  ) -> Claim:
    """Says what is published and what this run's sizes cannot test.

    Args:
      key: the claim's own name within the study.
      statement: a sentence of at most 25 words which can stand alone.
      expected: the published number, or an interval.
      quantity: what would be measured, with its unit.
      note: which setting tests it, and what it found.

    Returns:
      A claim without a verdict.
    """
    pair = expected if isinstance(expected, tuple) else (expected, expected)
    return Claim(
      self.id,
      key,
      statement,
      quantity,
      bibliography.text(self.cite, self.where),
      bibliography.url(self.cite),
      Kind.NOT_RUN,
      (float(pair[0]), float(pair[1])),
      None,
      note=note,
    )


def theory(id: str, where: str, cite: str = "") -> Source:
  """Returns a source for what is derived.

  Args:
    id: the row that it belongs to.
    where: the derivation in a few words, or where in the source it stands.
    cite: a key of the bibliography, if the derivation stands there.

  Returns:
    The source.
  """
  return Source(id, cite, where, Kind.THEORY)


def conjecture(id: str, where: str, cite: str = "") -> Source:
  """Returns a source for what we expect, and nobody has claimed.

  Args:
    id: the row that it belongs to.
    where: why it is expected, or which question of a source it answers.
    cite: a key of the bibliography, if the question stands there.

  Returns:
    The source.
  """
  return Source(id, cite, where, Kind.CONJECTURE)


def family_chance(claims: Iterable[Mapping[str, Any]]) -> float:
  """Returns how likely a page shows a failure although everything is true.

  Args:
    claims: their JSON records.

  Returns:
    At most this probability, for claims of seeds that have nothing to do with
    each other; what has no error cannot fail by chance.
  """
  num_uncertain = sum(bool(claim["error"]) for claim in claims)
  return -math.expm1(num_uncertain * math.log1p(-FAILS_BY_CHANCE))


def _measurement(value):
  is_measurement = isinstance(value, measure.Measured | measure.Share)
  return value if is_measurement else measure.Measured(float(value))


def _distance_to_failing(claim):
  """Orders by verdict, then by how far inside the limits are; NaN is first."""
  low, high = claim.interval
  lower, upper = claim.measurement.limits(CONFIDENCE)
  margin = min(lower - low, high - upper)
  verdict = (False, None, True).index(claim.holds)
  return verdict, -math.inf if math.isnan(margin) else margin


def _with_variant(note, name, num_variants):
  if not name:
    return note
  return f"{note} Nearest to failing of {num_variants}: {name}.".strip()


def _end(value):
  return value if math.isfinite(value) else None


def _finite_or_name(value):
  return value if math.isfinite(value) else str(value)
