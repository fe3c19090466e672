"""What a setting may be, as types: the fields of a Config check themselves.

@dataclasses.dataclass(frozen=True)
class Config(settings.Config):
  num_units: settings.Count = 50  # n.
  rates: tuple[settings.Positive, ...] = (0.1, 0.3)  # Of SGD.
  seed: settings.Seed = 0  # Of the initial weights.

What fields have to be to each other, the method `rules` yields.
"""

import dataclasses
import math
import re
import typing
from collections.abc import Iterable, Sequence
from typing import Annotated, Any, NamedTuple, TypeVar

_T = TypeVar("_T")


class Range(NamedTuple):
  """The numbers that a setting may be; always finite."""

  low: float = -math.inf
  high: float = math.inf
  above: float = -math.inf  # Like `low`, but the end itself is outside.
  below: float = math.inf

  def __contains__(self, value: float) -> bool:
    """Whether a number may be set."""
    return (
      math.isfinite(value)
      and self.low <= value <= self.high
      and self.above < value < self.below
    )

  def __str__(self) -> str:
    """Says it as a reader would: "a finite number > 0"."""
    bounds = (
      (">=", self.low),
      (">", self.above),
      ("<=", self.high),
      ("<", self.below),
    )
    ends = [f"{sign} {end:g}" for sign, end in bounds if math.isfinite(end)]
    return "a finite number" + (f" {' and '.join(ends)}" if ends else "")


class Order(NamedTuple):
  """Values of which each is larger than the one before."""

  def __contains__(self, values: Sequence[float]) -> bool:
    """Whether values may be set."""
    return all(a < b for a, b in zip(values[:-1], values[1:], strict=True))

  def __str__(self) -> str:
    """Says it as a reader would."""
    return "ascending"


class Names(NamedTuple):
  """The names that may be set."""

  allowed: tuple[str, ...]

  def __contains__(self, value: str) -> bool:
    """Whether a name may be set."""
    return value in self.allowed

  def __str__(self) -> str:
    """Says it as a reader would: "one of adding, copy"."""
    return f"one of {', '.join(self.allowed)}"


def one_of(names: Iterable[str]) -> Any:
  """Returns the type of a name out of some, for instance of a mapping's."""
  return Annotated[str, Names(tuple(names))]


def at_least(low: int) -> Any:
  """Returns the type of a whole number with a lower bound."""
  return Annotated[int, Range(low=low)]


Count = Annotated[int, Range(low=1)]
Several = Annotated[int, Range(low=2)]  # Seeds or draws: fewer have no error.
Whole = Annotated[int, Range(low=0)]  # A count that may be none.
Seed = Annotated[int, Range(low=0, high=2**32 - 1)]
Finite = Annotated[float, Range()]
Positive = Annotated[float, Range(above=0.0)]
NonNegative = Annotated[float, Range(low=0.0)]
Fraction = Annotated[float, Range(low=0.0, high=1.0)]
Ascending = Annotated[tuple[_T, ...], Order()]  # Of another: Ascending[Count].


@dataclasses.dataclass(frozen=True)
class Config:
  """Base of every study's Config: refuses what a field's type excludes."""

  def __post_init__(self) -> None:
    """Checks every field, then the rules.

    Raises:
      ValueError: naming the fields, what they may be and what they are.
    """
    hints = typing.get_type_hints(type(self), include_extras=True)
    fields = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
    for name, value in fields.items():
      _check(name, value, hints[name])
    for is_right, expected in self.rules():
      words = re.findall(r"\w+", expected)
      named = {name: fields[name] for name in fields if name in words}
      _require(is_right, expected, **named)

  def rules(self) -> Iterable[tuple[bool, str]]:
    """Yields what fields have to be to each other.

    Returns:
      Pairs: whether they are so, and in words what they should be, with the
      names of the fields concerned: "num_a <= num_b".
    """
    return ()


def _require(condition, expected, **actual):
  if not condition:
    found = ", ".join(f"{name}={value!r}" for name, value in actual.items())
    raise ValueError(f"expected {expected}, got {found}")


def _check(name, value, kind):
  if typing.get_origin(kind) is tuple:
    _require(len(value) > 0, f"at least one value of {name}", **{name: value})
    for element in value:
      _check(name, element, typing.get_args(kind)[0])
  elif typing.get_origin(kind) is Annotated:
    inner, *rules = typing.get_args(kind)
    if typing.get_origin(inner) is tuple:
      _check(name, value, inner)
    for rule in rules:
      _require(value in rule, f"{name} to be {rule}", **{name: value})
  elif kind is float:
    _require(value in Range(), f"{name} to be {Range()}", **{name: value})
