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
from typing import Any

from experiments import measure

CONFIDENCE = 0.99  # Of the limits that have to be expected for a claim to hold.
# How often a true claim fails: its limits at 1 - FAILS_BY_CHANCE lie outside.
FAILS_BY_CHANCE = 5e-5
_MAX_WORDS = 25
# A statement has to stand alone in a table.
_REFERRING = ("It", "Its", "So", "Nor")


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
      return _next(low, math.inf), _next(high, -math.inf)
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

  def distance_to_failing(self) -> tuple[int, float]:
    """Orders by verdict, then by how far inside the limits are."""
    low, high = self.interval
    lower, upper = self.measurement.limits(CONFIDENCE)
    margin = min(lower - low, high - upper)
    verdict = (False, None, True).index(self.holds)
    return verdict, -math.inf if math.isnan(margin) else margin  # NaN first.

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


def _next(end, towards):
  return math.nextafter(end, towards) if math.isfinite(end) else end


def _end(value):
  return value if math.isfinite(value) else None


def _finite_or_name(value):
  return value if math.isfinite(value) else str(value)
