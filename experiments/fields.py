"""The fields of a Config for a reader: as flags, and what comments say."""

import ast
import inspect
import io
import shlex
import textwrap
import tokenize
from typing import Any


def flag(name: str, value: Any) -> str:
  """Returns the flag that sets a field, to be copied into a shell."""
  if isinstance(value, tuple):
    is_flat = not any(isinstance(v, tuple) for v in value)
    value = ",".join(map(str, value)) if is_flat else repr(value)
  return f"--config.{name}={shlex.quote(str(value))}"


def comments(config_type: Any) -> dict[str, str]:
  """Returns the comment of each field of a dataclass.

  Args:
    config_type: The dataclass, its source at hand.

  Returns:
    By field name, the comment behind the field, or else the lines of comment
    directly above it; fields of base classes included.
  """
  found = {}
  for kind in reversed(config_type.__mro__[:-1]):
    found |= _comments_in(textwrap.dedent(inspect.getsource(kind)))
  return found


def _comments_in(source):
  behind, alone = {}, {}
  for token in tokenize.generate_tokens(io.StringIO(source).readline):
    if token.type == tokenize.COMMENT:
      is_alone = token.line.lstrip().startswith("#")
      text = token.string.lstrip("# ")
      (alone if is_alone else behind)[token.start[0]] = text
  comments = {}
  for node in ast.walk(ast.parse(source)):
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
      lines = range(node.lineno, node.end_lineno + 1)
      found = [behind[line] for line in lines if line in behind]
      line = node.lineno - 1
      while not any(number in behind for number in lines) and line in alone:
        found.insert(0, alone[line])
        line -= 1
      comments[node.target.id] = " ".join(found)
  return comments
