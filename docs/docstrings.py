"""Docstrings as they stand in the code, for Sphinx.

They are plain text: equations are indented, names are in single backticks, and
what the fields of a record hold is said by comments behind them.
"""

import inspect
import re
import textwrap

from sphinx import application

_SECTION = re.compile(r"(Args|Returns|Raises|References):$")

# Of reStructuredText; a letter and a dot would begin a list.
_MARKUP = re.compile(r"[\\*|]|_(?!\w)|(?<=\b\w)\.(?!\S)")


def setup(app: application.Sphinx) -> dict[str, bool]:
  """Registers what is done to every docstring, before napoleon's part."""
  app.connect("autodoc-process-docstring", _process, priority=400)
  app.connect("autodoc-process-signature", _signature)
  app.connect("autodoc-skip-member", _skip)
  return {"parallel_read_safe": True}


def _process(app, what, name, obj, options, lines):
  del app, name, options
  if what == "data":  # An alias has the docstring of what it stands for.
    lines.clear()
  lines[:] = restructured("\n".join(lines)).split("\n")
  if inspect.isclass(obj) and hasattr(obj, "_fields"):
    lines += ["", *_fields(obj)]


def _signature(app, what, name, obj, options, signature, returned):
  """A Protocol is not called: what it says is the signature of `__call__`."""
  del app, name, options
  is_protocol = what == "class" and getattr(obj, "_is_protocol", False)
  return ("", None) if is_protocol else (signature, returned)


def _skip(app, what, name, obj, skip, options):
  """Fields of records stand in a list of their own; `__call__` is shown."""
  del app, what, options
  if type(obj).__name__ == "_tuplegetter":
    return True
  is_contract = name == "__call__" and inspect.getdoc(obj)
  return skip and not is_contract


def restructured(text: str) -> str:
  """Returns a docstring as reStructuredText with sections for napoleon.

  Args:
    text: The docstring, without the indentation of its code.

  Returns:
    Indented blocks before the first section as literal text, and all that
    would be markup of reStructuredText escaped.
  """
  result, in_section = [], False
  for block in re.split(r"\n\s*\n", text.strip("\n")):
    in_section = in_section or bool(_SECTION.match(block.split("\n")[0]))
    if block.startswith(">>>"):
      result.append(block)
    elif block.startswith(" ") and not in_section:
      indented = textwrap.indent(textwrap.dedent(block), "  ")
      result.append(f".. code-block:: text\n  :class: equation\n\n{indented}")
    else:
      result.append(_returned(_escaped(block)))
  return "\n\n".join(result) + "\n"


def _escaped(block):
  """Escapes what is outside of backticks."""
  parts = re.split(r"(``?[^`]+``?)", block)
  parts[::2] = [_MARKUP.sub(r"\\\g<0>", part) for part in parts[::2]]
  # Markup ends before a space, which may be one that is not shown.
  parts[2::2] = [re.sub(r"^(?=\w)", r"\\ ", part) for part in parts[2::2]]
  return "".join(parts)


def _returned(block):
  """Keeps napoleon from reading what is before a colon as a type."""
  return re.sub(r"^(Returns:\n\s+)", r"\1: ", block)


def _fields(record):
  """A list of a record's fields, where comments behind them say more."""
  source = inspect.getsource(record)
  comments = dict(re.findall(r"^  (\w+): .*?  # (.*)$", source, re.MULTILINE))
  return [
    f"* **{name}**"
    + (f": {_escaped(comments[name])}" if name in comments else "")
    for name in record._fields
    if comments
  ]
