"""Run folders: written atomically, complete or not at all.

A folder holds config.json (what was run: study, configuration, code, settings
of JAX), env.json (on what), arrays.npz, claims.json, figure.svg and, written
last, DONE with the checksum of the others. A run is finished only if all of it
is intact and was made by the present code with the present settings, so neither
a half-written nor a stale result is ever shown.
"""

import ast
import contextlib
import dataclasses
import datetime
import fcntl
import functools
import hashlib
import importlib.metadata
import inspect
import io
import json
import os
import pathlib
import platform
import shlex
import subprocess
import sys
import typing
from collections.abc import Iterator, Mapping
from typing import Any

import jax
import numpy as np

from experiments import study as study_lib

ROOT = pathlib.Path(__file__).resolve().parent.parent
_FILES = (
  "config.json",
  "env.json",
  "arrays.npz",
  "claims.json",
  "figure.svg",
)
_PACKAGES = ("jax", "jaxlib", "numpy")
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


def folder_of(
  study: study_lib.Study, config: Any, runs_dir: str | os.PathLike[str]
) -> pathlib.Path:
  """Returns where a run is kept: runs_dir / study / configuration."""
  if config == study.Config():
    label = "quick"
  elif config == study.full:
    label = "full"
  else:
    label = _digest(dump_json(dataclasses.asdict(config)).encode())[:10]
  return pathlib.Path(runs_dir) / study.name / label


def identity(study: study_lib.Study, config: Any) -> dict[str, Any]:
  """Returns what decides a run's result, in types JSON can hold."""
  source = inspect.getsourcefile(study.run)
  record = {
    "study": study.name,
    "config": dataclasses.asdict(config),
    "source": source_hash(pathlib.Path(source)),
    "inputs": _input_digests(config),
    "versions": {name: _version(name) for name in _PACKAGES},
    "settings": settings(),
  }
  return json.loads(dump_json(record))


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
    name: _digest(path.read_bytes())
    for name, path in paths.items()
    if path.is_file()
  }


def environment(config: Any) -> dict[str, Any]:
  """Returns what a run was made on, and how it was started."""
  device = jax.devices()[0]
  return {
    "python": platform.python_version(),
    "versions": {name: _version(name) for name in (*_PACKAGES, "nnfun")},
    "platform": device.platform,
    "device": device.device_kind,
    "num_devices": jax.device_count(),
    "processor": _processor(),
    "num_cpus": os.cpu_count(),
    "settings": settings(),
    "flags": {
      name: value
      for name, value in sorted(os.environ.items())
      if name.startswith(("JAX_", "NPROC", "XLA_"))
    },
    "commit": _git("rev-parse", "HEAD"),
    "modified": _git("status", "--porcelain") not in ("", None),
    "seed": getattr(config, "seed", None),
    "started": datetime.datetime.now(datetime.UTC).isoformat(
      timespec="seconds"
    ),
    "command": shlex.join(["python", *sys.orig_argv[1:]]),
  }


def is_finished(
  folder: pathlib.Path, run_identity: Mapping[str, Any] | None = None
) -> bool:
  """Says whether a folder holds a complete run, byte for byte.

  Args:
    folder: The run folder.
    run_identity: What `identity` returns now; None accepts results of earlier
      code and of any configuration.

  Returns:
    False if anything is missing, damaged or stale.
  """
  try:
    checksums = json.loads((folder / "DONE").read_text())["sha256"]
    intact = set(checksums) == set(_FILES) and all(
      _digest((folder / name).read_bytes()) == checksum
      for name, checksum in checksums.items()
    )
    config = json.loads((folder / "config.json").read_text())
  except (OSError, ValueError, KeyError, TypeError):
    return False
  return intact and run_identity in (None, config)


@contextlib.contextmanager
def lock(folder: pathlib.Path) -> Iterator[None]:
  """Waits until no other process writes to the folder, then keeps it.

  The kernel releases the lock when its holder dies, however it dies.
  """
  folder.mkdir(parents=True, exist_ok=True)
  with open(folder / "LOCK", "w") as file:
    try:
      fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
      print(f"Waiting for another run in {folder}.", file=sys.stderr)
      fcntl.flock(file, fcntl.LOCK_EX)
    yield


def begin(
  folder: pathlib.Path, run_identity: Mapping[str, Any], env: Mapping[str, Any]
) -> None:
  """Clears the folder and writes what is about to be run, and on what."""
  for name in ("DONE", *_FILES):  # DONE first: what follows is incomplete.
    (folder / name).unlink(missing_ok=True)
  for leftover in folder.glob("*.tmp"):
    leftover.unlink()
  write_json(folder / "config.json", run_identity)
  write_json(folder / "env.json", env)


def save_arrays(folder: pathlib.Path, results: Any) -> None:
  """Writes the results.

  Args:
    folder: The run folder.
    results: Arrays of numbers, booleans or strings, in NamedTuples and in
      mappings by name, as deep as need be; None for what there is not.

  Raises:
    ValueError: If an entry is something else, which could not be read back.
  """
  arrays = {name: np.asarray(v) for name, v in _flatten("", results)}
  for name, array in arrays.items():
    if array.dtype.kind not in "biufcUS":
      raise ValueError(
        f"Result {name!r} must hold numbers, booleans or strings, got dtype"
        f" {array.dtype}."
      )
  buffer = io.BytesIO()
  np.savez_compressed(buffer, allow_pickle=False, **arrays)
  write(folder / "arrays.npz", buffer.getvalue())


def load_arrays(folder: pathlib.Path, kind: Any = None) -> Any:
  """Reads the results.

  Args:
    folder: The run folder.
    kind: The NamedTuple that was saved; None for a mapping of arrays.

  Returns:
    What was saved.
  """
  with np.load(folder / "arrays.npz") as arrays:
    flat = dict(arrays)
  return flat if kind is None else _unflatten(kind, flat)


def _flatten(path, tree):
  """Pairs of a path ("a/b") and a leaf."""
  if tree is None:
    return
  named = tree._asdict() if hasattr(tree, "_asdict") else tree
  if not isinstance(named, Mapping):
    yield path, tree
    return
  for name, branch in named.items():
    yield from _flatten(f"{path}/{name}" if path else str(name), branch)


def _unflatten(kind, flat):
  """Builds a value of the annotated type from the leaves below its path."""
  kinds = typing.get_args(kind)
  if type(None) in kinds:
    (kind,) = [k for k in kinds if k is not type(None)]
    return _unflatten(kind, flat) if flat else None
  if hasattr(kind, "_fields"):
    hints = typing.get_type_hints(kind)
    return kind(**{n: _unflatten(hints[n], _below(flat, n)) for n in hints})
  if typing.get_origin(kind) in (dict, Mapping):
    names = dict.fromkeys(path.split("/")[0] for path in flat)
    return {name: _unflatten(kinds[1], _below(flat, name)) for name in names}
  return flat[""]


def _below(flat, name):
  """The leaves below a name, by the rest of their paths."""
  return {
    path[len(name) + 1 :]: leaf
    for path, leaf in flat.items()
    if path == name or path.startswith(name + "/")
  }


def finish(folder: pathlib.Path, seconds: float) -> None:
  """Declares the run complete; the last thing written."""
  checksums = {name: _digest((folder / name).read_bytes()) for name in _FILES}
  write_json(folder / "DONE", {"seconds": seconds, "sha256": checksums})


def write(path: pathlib.Path, data: bytes | str) -> None:
  """Writes a file that is at no time half there, even after a power cut."""
  temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
  with open(temporary, "wb") as file:
    file.write(data.encode() if isinstance(data, str) else data)
    file.flush()
    os.fsync(file.fileno())
  os.replace(temporary, path)


def write_json(path: pathlib.Path, record: Any) -> None:
  """Writes strict JSON: NaN and infinity are errors, not extensions."""
  write(path, dump_json(record))


def dump_json(record: Any) -> str:
  """Returns readable strict JSON."""
  return json.dumps(record, indent=2, allow_nan=False, ensure_ascii=False)


def source_hash(path: pathlib.Path) -> str:
  """Hashes all code a study's result depends on.

  Args:
    path: The study's file.

  Returns:
    A digest of `source_files`.
  """
  lines = (
    f"{file.name} {_digest(file.read_bytes())}\n"
    for file in sorted(source_files(path))
  )
  return _digest("".join(lines).encode())


def source_files(path: pathlib.Path) -> set[pathlib.Path]:
  """Finds the code a study's result depends on.

  Args:
    path: The study's file.

  Returns:
    That file, the files in experiments/ it imports, directly or not, and
    everything in nnfun/, shipped data included.
  """
  files, queue = {path.resolve()}, [path.resolve()]
  while queue:
    new = _imports(queue.pop()) - files
    files |= new
    queue += new
  library = (ROOT / "nnfun").rglob("*")
  return files | {
    file
    for file in library
    if file.is_file() and "__pycache__" not in file.parts
  }


def _imports(path: pathlib.Path) -> set[pathlib.Path]:
  names = set()
  for node in ast.walk(ast.parse(path.read_bytes())):
    if isinstance(node, ast.Import):
      names |= {alias.name for alias in node.names}
    elif isinstance(node, ast.ImportFrom) and node.module:
      names |= {f"{node.module}.{alias.name}" for alias in node.names}
  files = set()
  for parts in (name.split(".") for name in names):
    if parts[0] == "experiments":
      stem = ROOT.joinpath(*parts)
      files.add(stem.with_suffix(".py"))
      # Importing a module also runs each package above it.
      files |= {p / "__init__.py" for p in (stem, *stem.parents)}
  return {file for file in files if file.is_file()}


def _digest(data: bytes) -> str:
  return hashlib.sha256(data).hexdigest()


def _version(package: str) -> str | None:
  try:
    return importlib.metadata.version(package)
  except importlib.metadata.PackageNotFoundError:
    return None


@functools.cache
def _git(*args: str) -> str | None:
  try:
    return subprocess.run(
      ["git", *args],
      cwd=ROOT,
      capture_output=True,
      text=True,
      check=True,
    ).stdout.strip()
  except (OSError, subprocess.CalledProcessError):
    return None


def _processor() -> str:
  try:
    lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
  except OSError:
    lines = []
  names = [
    line.split(":")[1] for line in lines if line.startswith("model name")
  ]
  return names[0].strip() if names else platform.processor()
