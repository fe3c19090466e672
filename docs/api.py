"""Pages of the reference: one for each module, with all its public names."""

import ast
import inspect
import pathlib
import types

import nnfun as nf
from docs import estimators


def pages() -> dict[str, str]:
  """Returns the text of each page by its path."""
  modules = public_modules()
  listed = "\n".join(f"   {module.__name__}" for module in modules)
  index = (
    f"{_title('Reference')}\nEvery public name of nnfun, by module. ``import "
    "nnfun as nf`` gives all of them.\n\n"
    f".. toctree::\n   :maxdepth: 1\n\n{listed}\n"
  )
  found = {f"api/{module.__name__}.rst": _page(module) for module in modules}
  return found | {"api/index.rst": index}


def public_modules() -> list[types.ModuleType]:
  """Returns nnfun and the modules that it, and its packages, list."""
  found = [nf]
  for module in found:  # Grows while it is read.
    if hasattr(module, "__path__"):
      values = [getattr(module, name) for name in public_names(module)]
      found += [value for value in values if inspect.ismodule(value)]
  return found


def public_names(module: types.ModuleType) -> list[str]:
  """Returns what a module defines, or a package lists to be imported."""
  found = []
  for node in ast.parse(pathlib.Path(module.__file__).read_text()).body:
    match node:
      case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
        found.append(name)
      case ast.ImportFrom(names=names):
        found += [alias.asname for alias in names if alias.name == alias.asname]
      case ast.Assign(targets=[ast.Name(id=name)]):
        found.append(name)
      case ast.AnnAssign(target=ast.Name(id=name)):
        found.append(name)
  return [name for name in found if not name.startswith("_")]


def _page(module):
  """Docstring, pages of estimators, and every other name in full."""
  name = module.__name__
  parts = [_title(name), f".. automodule:: {name}\n   :no-members:"]
  names = public_names(module)
  if module is nf.estimators:
    parts.append(
      "The estimators have :doc:`pages of their own </estimators/index>`."
    )
    names = [n for n in names if n not in estimators.NAMES]
  if module is nf.base:
    names = [n for n in names if n not in public_names(nf)]
    parts.append("The records themselves are part of :doc:`nnfun`.")
  for entry in names:
    value = getattr(module, entry)
    if inspect.ismodule(value):
      continue
    parts.append(f".. {_directive(value)}:: {name}::{entry}")
    if parts[-1].startswith(".. autodata") and inspect.isclass(value):
      origin = f"{value.__module__}.{value.__qualname__}"
      parts[-1] += f"\n   :annotation: = {origin}"
    if parts[-1].startswith(".. autoclass"):
      parts[-1] += "\n   :members:"
      if getattr(value, "_is_protocol", False):
        parts[-1] += "\n   :special-members: __call__"
  return "\n\n".join(parts) + "\n"


def _directive(value):
  if inspect.isclass(value) and value.__module__.startswith("nnfun"):
    return "autoclass"
  is_own = getattr(value, "__module__", "").startswith("nnfun")
  return "autofunction" if callable(value) and is_own else "autodata"


def _title(text):
  return f"{text}\n{'=' * len(text)}"
