"""Text for the page: durations, docstrings and code."""

import inspect
import re
import textwrap
from typing import Any

import markupsafe


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


def code(text: str) -> markupsafe.Markup:
  """Sets what stands between backticks as code."""
  escaped = str(markupsafe.escape(text))
  return markupsafe.Markup(
    re.sub(r"``?([^`]+)``?", r"<code>\1</code>", escaped)
  )
