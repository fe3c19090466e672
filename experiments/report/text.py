"""Text for a reader: numbers, verdicts, durations, docstrings and code."""

import inspect
import math
import re
import textwrap
from collections.abc import Mapping
from typing import Any

import markupsafe
from latex2mathml import converter


def format_duration(seconds: float) -> str:
  """Returns a duration as one says it."""
  if seconds < 9.95:
    return f"{seconds:.1f} s"
  minutes, rest = divmod(round(seconds), 60)
  hours, minutes = divmod(minutes, 60)
  if hours:
    return f"{hours} h {minutes:02d} min"
  return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


def blocks(docstring: str) -> list[tuple[str, Any]]:
  """Splits a docstring into what to set as text, as a list and as code.

  Args:
    docstring: With or without indentation.

  Returns:
    Pairs of "text" or "code" and the block, or of "list" and its items, which
    start with "- " in the docstring.
  """
  result = []
  for block in re.split(r"\n\s*\n", inspect.cleandoc(docstring)):
    if block.startswith((" ", "|", ">>>", "```")):
      result.append(("code", textwrap.dedent(block).strip("\n")))
      continue
    text, *items = re.split(r"^- ", block, flags=re.MULTILINE)
    if text.strip():
      result.append(("text", text.strip("\n")))
    if items:
      result.append(("list", [item.strip("\n") for item in items]))
  return result


def formula(latex: str) -> markupsafe.Markup:
  """Sets LaTeX as MathML, a line of its own."""
  return markupsafe.Markup(converter.convert(latex, display="block"))


def code(text: str) -> markupsafe.Markup:
  """Sets what stands between backticks as code."""
  escaped = str(markupsafe.escape(text))
  return markupsafe.Markup(
    re.sub(r"``?([^`]+)``?", r"<code>\1</code>", escaped)
  )


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


FILTERS = {  # Of templates, by their names in them.
  "number": format_number,
  "expected": format_expected,
  "measured": format_measured,
  "verdict": verdict,
  "duration": format_duration,
  "code": code,
  "formula": formula,
}
