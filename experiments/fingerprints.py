"""What decides a result: the code it comes from, the configuration, settings.

A run depends on what its `run` imports, directly or not, and on nothing else;
how it is judged and drawn on what its `claims` and `plot` import. So an edited
statement or figure is judged and drawn again without running anything.
"""

import ast
import dataclasses
import functools
import inspect
import json
import os
import pathlib
from typing import Any

import jax

from experiments import records
from experiments import study as study_lib

_PACKAGES = ("nnfun", "experiments")
# Settings of JAX that change numbers or draws, by their names in `jax.config`.
# The platforms are those asked for: asking which are there would take an
# accelerator, and results that were copied here from one are to stay finished.
_SETTINGS = (
  "jax_default_matmul_precision",
  "jax_default_prng_impl",
  "jax_disable_jit",
  "jax_disable_most_optimizations",
  "jax_enable_x64",
  "jax_high_dynamic_range_gumbel",
  "jax_numpy_dtype_promotion",
  "jax_optimization_level",
  "jax_platforms",
  "jax_random_seed_offset",
  "jax_softmax_custom_jvp",
  "jax_threefry_partitionable",
)
# Variables that do so where JAX does not look.
_VARIABLES = ("LIBTPU_INIT_ARGS", "NVIDIA_TF32_OVERRIDE", "XLA_FLAGS")


def identity(study: study_lib.Study, config: Any) -> dict[str, Any]:
  """Returns what decides a run's result, in types JSON can hold."""
  record = {
    "study": study.name,
    "config": dataclasses.asdict(config),
    "source": source_hash(study.run),
    "inputs": _input_digests(config),
    "versions": {name: records.version(name) for name in records.PACKAGES},
    "settings": settings(),
  }
  return json.loads(records.dump_json(record))


def settings() -> dict[str, Any]:
  """Returns the settings of JAX and XLA that change a run's numbers."""
  values = {name: getattr(jax.config, name, None) for name in _SETTINGS}
  for name in _VARIABLES:
    arguments = os.environ.get(name, "").split()
    # What XLA writes down about a program does not change it.
    kept = [a for a in arguments if not a.startswith("--xla_dump_")]
    values[name] = " ".join(kept)
  return values


def _input_digests(config: Any) -> dict[str, str]:
  """Digests of the user's own files: fields whose name ends in _path.

  Folders (data_dir) hold published data, whose readers know the checksums.
  """
  paths = {
    name: pathlib.Path(value)
    for name, value in dataclasses.asdict(config).items()
    if name.endswith("_path") and value
  }
  return {
    name: records.digest(path.read_bytes())
    for name, path in paths.items()
    if path.is_file()
  }


def judging(study: study_lib.Study) -> str:
  """Returns a digest of all code that judges and draws a study's results."""
  return source_hash(study.claims, study.plot)


def source_hash(*functions: Any) -> str:
  """Returns a digest of all code that functions depend on."""
  paths = [pathlib.Path(inspect.getsourcefile(f)).resolve() for f in functions]
  lines = (
    # Relative, so that another checkout has the same digest.
    f"{os.path.relpath(path, records.ROOT)} {records.digest(data)}\n"
    for path in sorted(source_files(*paths))
    for data in [path.read_bytes()]
  )
  return records.digest("".join(lines).encode())


def source_files(*paths: pathlib.Path) -> set[pathlib.Path]:
  """Finds the code that files depend on.

  Args:
    *paths: The files.

  Returns:
    These files and those in experiments/ and nnfun/ which they import, directly
    or not; of `import nnfun as nf` what is used of `nf`. A module does not
    depend on the packages above it. Data that lies beside a module counts, in
    experiments/ that of the same name.
  """
  files, queue = set(paths), list(paths)
  while queue:
    new = set(_imported(queue.pop())) - files
    files |= new
    queue += [path for path in new if path.suffix == ".py"]
  return files


def _imported(path):
  for name in _names(path.read_bytes()):
    file = _file_of(name)
    if file is not None:
      yield file
      in_library = file.is_relative_to(records.ROOT / "nnfun")
      beside = file.parent.glob("*.*" if in_library else f"{file.stem}.*")
      yield from (f for f in beside if f.suffix != ".py")


@functools.cache
def _names(code):
  """Dotted names of what code imports, and of what it uses of a package."""
  nodes = list(ast.walk(ast.parse(code)))
  packages, names = {}, []
  for node in nodes:
    if isinstance(node, ast.Import):
      for alias in node.names:
        if alias.name in _PACKAGES:
          packages[alias.asname or alias.name] = alias.name
        else:
          names.append(alias.name)
    elif isinstance(node, ast.ImportFrom) and node.module:
      names += [f"{node.module}.{alias.name}" for alias in node.names]
  attributes = [n for n in nodes if isinstance(n, ast.Attribute)]
  inner = {id(node.value) for node in attributes}  # The a.b of a.b.c.
  for node in attributes:
    if id(node) not in inner:
      chain = _chain(node)
      if chain and chain[0] in packages:
        names.append(".".join([packages[chain[0]], *chain[1:]]))
  return tuple(dict.fromkeys(names))


def _chain(node):
  """The names of `a.b.c`, or nothing if it starts with something else."""
  if isinstance(node, ast.Name):
    return [node.id]
  if isinstance(node, ast.Attribute):
    start = _chain(node.value)
    return start and [*start, node.attr]
  return []


def _file_of(name):
  """The file that defines a name: through packages that export it again."""
  parts = name.split(".")
  if parts[0] not in _PACKAGES:
    return None
  for num_parts in range(1, len(parts) + 1):
    stem = records.ROOT.joinpath(*parts[:num_parts])
    if stem.with_suffix(".py").is_file():
      return stem.with_suffix(".py")
    package = stem / "__init__.py"
    if not package.is_file():
      return None
    rest = parts[num_parts:]
    exported = _exports(package.read_bytes()).get(rest[0]) if rest else None
    if exported and not name.startswith(exported):
      return _file_of(exported)
    if not rest or not _is_module(stem / rest[0]):
      # The package itself: nothing says which part of it is used.
      return package
  return None


def _is_module(stem):
  return stem.with_suffix(".py").is_file() or (stem / "__init__.py").is_file()


@functools.cache
def _exports(code):
  """What a package's own code takes from other modules, by its name here."""
  return {
    alias.asname or alias.name: f"{node.module}.{alias.name}"
    for node in ast.walk(ast.parse(code))
    if isinstance(node, ast.ImportFrom) and node.module
    for alias in node.names
  }
