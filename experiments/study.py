"""The records of a study: what it asks, what it runs, what it claims.

A study runs once (`run`) and stores arrays. Its claims and its figure are
functions of those arrays alone, so they can be judged and drawn again without
running anything.
"""

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

import numpy as np
from matplotlib import figure as mpl_figure

# The NamedTuple of arrays that a study's `run` returns (or, still, a mapping).
Results = Any
# The interval of what must be more than zero. An interval includes its ends,
# and something compared with itself differs by exactly 0. Takes no tolerance.
POSITIVE = (float(np.finfo(np.float64).tiny), math.inf)


@dataclasses.dataclass(frozen=True)
class Claim:
  """One number a source states, beside the number measured.

  Attributes:
    id: The row of the bibliography it shows, such as "P12". Several claims may
      share one.
    statement: What is claimed, as a sentence.
    source: Author, title, section or table, written out for a reader.
    expected: A number, or an interval `(low, high)`; either side of an interval
      may be infinite, which makes it an inequality.
    measured: The number this run found. NaN never holds.
    tolerance: Absolute, non-negative; widens the interval on both sides.
    note: Why the claim fails, or what the number means. May be empty.
  """

  id: str
  statement: str
  source: str
  expected: float | tuple[float, float]
  measured: float
  tolerance: float = 0.0
  note: str = ""

  def __post_init__(self) -> None:
    """Refuses an expectation that nothing could meet."""
    low, high = self.interval
    if not low <= high:  # Also true for NaN.
      raise ValueError(
        f"Claim {self.id}: expected must be a number or an interval"
        f" (low, high) with low <= high, got {self.expected}."
      )
    if not 0 <= self.tolerance < math.inf:
      raise ValueError(
        f"Claim {self.id}: tolerance must be finite and >= 0, got"
        f" {self.tolerance}."
      )
    if self.expected == POSITIVE and self.tolerance:
      raise ValueError(
        f"Claim {self.id}: expected no tolerance where nothing is not enough,"
        f" got {self.tolerance}."
      )

  @property
  def interval(self) -> tuple[float, float]:
    """The expected value as `(low, high)`."""
    if isinstance(self.expected, tuple | list):
      low, high = self.expected
    else:
      low = high = self.expected
    return float(low), float(high)

  @property
  def holds(self) -> bool:
    """True if the measured number is expected, up to the tolerance."""
    low, high = self.interval
    measured, tolerance = float(self.measured), float(self.tolerance)
    return low - tolerance <= measured <= high + tolerance

  def as_json(self, study: str) -> dict[str, Any]:
    """Describes the claim in types that strict JSON can hold.

    Args:
      study: Name of the study that makes the claim.

    Returns:
      A dict with the claim's fields, the study and the verdict. An infinite
      side of an interval is None; a measured number that is not finite is its
      name ("nan", "inf", "-inf").
    """
    low, high = self.interval
    measured = float(self.measured)
    expected = low if low == high else [_finite_or(low), _finite_or(high)]
    if low == high and not math.isfinite(low):
      expected = str(low)
    record = {
      "study": study,
      "id": self.id,
      "statement": self.statement,
      "source": self.source,
      "expected": expected,
      "measured": _finite_or(measured, str(measured)),
      "tolerance": float(self.tolerance),
      "holds": self.holds,
    }
    return record | {"note": self.note}


def _finite_or(value: float, otherwise: str | None = None) -> Any:
  return value if math.isfinite(value) else otherwise


class RunFn(Protocol):
  """Does the work of a study."""

  def __call__(self, config: Any) -> Results:
    """Runs the study.

    Args:
      config: An instance of the study's `Config`.

    Returns:
      Named arrays; everything the claims and the figure need.

    Raises:
      ValueError: If the configuration cannot be run, as one sentence with
        expected and actual. The user sees only that sentence.
    """


class ClaimsFn(Protocol):
  """Judges stored results."""

  def __call__(self, results: Results) -> list[Claim]:
    """Compares the results with the sources.

    Args:
      results: What `run` returned, read back from the disk.

    Returns:
      The claims, those that fail included.
    """


class PlotFn(Protocol):
  """Draws stored results."""

  def __call__(self, results: Results) -> mpl_figure.Figure:
    """Draws the study's one figure.

    Args:
      results: What `run` returned, read back from the disk.

    Returns:
      A figure made with `experiments.style.figure`.
    """


class Study(NamedTuple):
  """One question, and how it is answered."""

  name: str  # The module's path in experiments/: "rtrl_vs_tbptt/exactness".
  question: str  # One sentence.
  Config: Callable[..., Any]  # Frozen dataclass; its defaults are quick.
  run: RunFn
  claims: ClaimsFn
  plot: PlotFn
  full: Any  # The Config with the published sizes.
  exclusive: bool = False  # Measures time: nothing else may run beside it.
  answer: str = ""  # One sentence, for a reader who stops there.
  caption: str = ""  # What is seen in the figure, panel by panel.
  Results: Any = None  # The NamedTuple that `run` returns; None: named arrays.


def format_number(value: float | str | None) -> str:
  """Returns a number with four significant digits, as a reader writes it."""
  value = float("nan" if value is None else value)
  if not math.isfinite(value):
    return {math.inf: "∞", -math.inf: "−∞"}.get(value, "NaN")
  text = f"{value:.4g}"
  if value == round(value) and abs(value) < 1e7:
    text = f"{value:.0f}"
  mantissa, _, exponent = text.replace("-", "−").partition("e")
  if not exponent:
    return mantissa
  exponent = exponent.replace("+", "").replace("−0", "−").lstrip("0")
  return f"{mantissa}e{exponent}"


def format_expected(record: Mapping[str, Any]) -> str:
  """Returns the expectation of a claim's JSON record for a reader."""
  expected = record["expected"]
  if not isinstance(expected, list):
    return format_number(expected)
  low, high = expected
  if record.get("strict") and low is None and high is not None:
    return f"< {format_number(high)}"
  if low is None:
    return "any number" if high is None else f"≤ {format_number(high)}"
  if record.get("strict") and high is None:
    return f"> {format_number(low)}"
  if high is None and low == POSITIVE[0]:
    return "> 0"
  if high is None:
    return f"≥ {format_number(low)}"
  return f"{format_number(low)} … {format_number(high)}"


def format_measured(record: Mapping[str, Any]) -> str:
  """Returns what a claim's JSON record has measured, with its error."""
  if record["measured"] is None:
    return "–"
  text = format_number(record["measured"])
  error = record.get("error")
  return f"{text} ± {float(error):.2g}" if error else text


def verdict(record: Mapping[str, Any]) -> str:
  """Returns the verdict on a claim's JSON record in words."""
  if record["holds"] is None:
    return "not run here" if record["measured"] is None else "undecided"
  return "holds" if record["holds"] else "fails"
