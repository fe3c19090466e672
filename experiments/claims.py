"""Claims of sources: what was measured, beside what is stated.

The rule by which a claim holds, fails or is undecided is that of `verdict`.
"""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from experiments import bibliography, measure
from experiments.verdict import Claim as Claim
from experiments.verdict import Kind as Kind
from experiments.verdict import family_chance as family_chance

Variants = (
  measure.Measurement | float | Mapping[str, measure.Measurement | float]
)


class Source(NamedTuple):
  """Where a statement stands; its methods make claims of it.

  Where a claim holds for several variants (activations, sizes, methods), pass
  what was measured by their names: the one nearest to failing is the number,
  and the note says which of how many it is. A plain number has no error.
  `details` of the methods are the keywords of `between`.
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
    return min(claims, key=Claim.distance_to_failing)

  def equal(
    self,
    key: str,
    statement: str,
    expected: float,
    measured: Variants,
    *,
    tolerance: float,
    **details: Any,
  ) -> Claim:
    """Claims a number; nothing is left to chance but rounding."""
    details["tolerance"] = tolerance
    return self.between(
      key, statement, (expected, expected), measured, **details
    )

  def zero(
    self,
    key: str,
    statement: str,
    measured: Variants,
    *,
    tolerance: float,
    **details: Any,
  ) -> Claim:
    """Claims that a difference is rounding, at most the tolerance in size."""
    details["tolerance"] = tolerance
    return self.equal(key, statement, 0.0, measured, **details)

  def equivalent(
    self,
    key: str,
    statement: str,
    expected: float,
    measured: Variants,
    *,
    margin: float,
    **details: Any,
  ) -> Claim:
    """Claims a number up to a margin in which a difference does not matter.

    The margin is a choice made before measuring: by theory, by the digits of
    the source, or by what a reader would still call the same.
    """
    details["tolerance"] = margin
    return self.equal(key, statement, expected, measured, **details)

  def at_least(
    self,
    key: str,
    statement: str,
    bound: float,
    measured: Variants,
    **details: Any,
  ) -> Claim:
    """Claims a lower bound; `strict` if the bound itself is too little."""
    return self.between(key, statement, (bound, math.inf), measured, **details)

  def at_most(
    self,
    key: str,
    statement: str,
    bound: float,
    measured: Variants,
    **details: Any,
  ) -> Claim:
    """Claims an upper bound; `strict` if the bound itself is too much."""
    return self.between(key, statement, (-math.inf, bound), measured, **details)

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


def _measurement(value):
  is_measurement = isinstance(value, measure.Measured | measure.Share)
  return value if is_measurement else measure.Measured(float(value))


def _with_variant(note, name, num_variants):
  if not name:
    return note
  return f"{note} Nearest to failing of {num_variants}: {name}.".strip()
