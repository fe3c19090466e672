"""Run folders: written atomically, complete or not at all.

A folder holds config.json (what was run: study, configuration, code, settings
of JAX), env.json (on what) and arrays.npz, with their checksums in RUN; then
claims.json and figure.svg, with theirs in DONE. Each mark is written after what
it vouches for, and says by which code that was made, so neither a half-written
nor a stale result is ever shown.
"""

import contextlib
import fcntl
import hashlib
import importlib.metadata
import io
import json
import os
import pathlib
import sys
import typing
import urllib.parse
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parent.parent
_RUN_FILES = ("config.json", "env.json", "arrays.npz")
_JUDGED_FILES = ("claims.json", "figure.svg")
PACKAGES = ("jax", "jaxlib", "numpy")


def has_run(
  folder: pathlib.Path, identity: Mapping[str, Any] | None = None
) -> bool:
  """Says whether a folder holds the results of a run, byte for byte.

  Args:
    folder: The run folder.
    identity: What `fingerprints.identity` returns now; None accepts results of
      earlier code and of any configuration.

  Returns:
    False if anything is missing, damaged or stale.
  """
  if _vouched(folder, "RUN", _RUN_FILES) is None:
    return False
  return identity in (None, read_json(folder / "config.json"))


def is_begun(folder: pathlib.Path, identity: Mapping[str, Any]) -> bool:
  """Says whether this very run has been started here, and not finished."""
  is_same = read_json(folder / "config.json") == identity
  return is_same and not (folder / "RUN").exists()


def is_judged(folder: pathlib.Path, judging: str | None = None) -> bool:
  """Says the same of claims and figure; `judging` as of `fingerprints`."""
  mark = _vouched(folder, "DONE", _JUDGED_FILES)
  return mark is not None and judging in (None, mark.get("judging"))


def is_finished(folder: pathlib.Path) -> bool:
  """Says whether a folder holds all that a page shows, by whatever code."""
  return has_run(folder) and is_judged(folder)


def _vouched(folder, name, files):
  """The mark of this name, if all that it vouches for is intact."""
  mark = read_json(folder / name)
  checksums = mark.get("sha256") if isinstance(mark, dict) else None
  if not isinstance(checksums, dict) or set(checksums) != set(files):
    return None
  try:
    found = {f: digest((folder / f).read_bytes()) for f in files}
  except OSError:
    return None
  return mark if found == checksums else None


def read_json(path: pathlib.Path) -> Any:
  """Returns what a file holds; None if it is missing or no JSON."""
  try:
    return json.loads(path.read_text())
  except (OSError, ValueError):
    return None


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


def is_locked(folder: pathlib.Path) -> bool:
  """Says whether a process writes to the folder now."""
  try:
    file = open(folder / "LOCK")
  except OSError:
    return False
  with file:
    try:
      # Shared: those who only ask do not stand in one another's way.
      fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
      return True
  return False


def begin(
  folder: pathlib.Path, identity: Mapping[str, Any], env: Mapping[str, Any]
) -> None:
  """Clears the folder and writes what is about to be run, and on what."""
  # The marks first: what follows is incomplete.
  _clear(folder, "DONE", "RUN", *_RUN_FILES, *_JUDGED_FILES)
  write_json(folder / "env.json", env)
  write_json(folder / "config.json", identity)  # Last: see `is_begun`.


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


def load_arrays(folder: pathlib.Path, kind: Any) -> Any:
  """Reads the results.

  Args:
    folder: The run folder.
    kind: The NamedTuple that was saved.

  Returns:
    What was saved.
  """
  with np.load(folder / "arrays.npz") as arrays:
    flat = dict(arrays)
  return _unflatten(kind, flat)


def _flatten(path, tree):
  """Pairs of a path ("a/b") and a leaf."""
  if tree is None:
    return
  named = tree._asdict() if hasattr(tree, "_asdict") else tree
  if not isinstance(named, Mapping):
    yield path, tree
    return
  for name, branch in named.items():
    name = urllib.parse.quote(str(name), safe=" ,()=")  # A "/" is not a path's.
    yield from _flatten(f"{path}/{name}" if path else name, branch)


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
    return {
      urllib.parse.unquote(name): _unflatten(kinds[1], _below(flat, name))
      for name in names
    }
  return flat[""]


def _below(flat, name):
  """The leaves below a name, by the rest of their paths."""
  return {
    path[len(name) + 1 :]: leaf
    for path, leaf in flat.items()
    if path == name or path.startswith(name + "/")
  }


def vouch_for_run(folder: pathlib.Path, seconds: float) -> None:
  """Declares the results complete."""
  mark = {"seconds": seconds, "sha256": _checksums(folder, _RUN_FILES)}
  write_json(folder / "RUN", mark)


def save_judged(
  folder: pathlib.Path, claims: list[dict], figure: str, judging: str
) -> None:
  """Writes claims and figure, and declares them complete.

  Args:
    folder: The run folder.
    claims: JSON records.
    figure: SVG.
    judging: What `fingerprints.judging` returns now.
  """
  _clear(folder, "DONE")
  write_json(folder / "claims.json", claims)
  write(folder / "figure.svg", figure)
  mark = {"judging": judging, "sha256": _checksums(folder, _JUDGED_FILES)}
  write_json(folder / "DONE", mark)


def _clear(folder, *names):
  """Removes files, and what a killed process has left half-written."""
  for path in (*(folder / name for name in names), *folder.glob("*.tmp")):
    path.unlink(missing_ok=True)


def _checksums(folder, files):
  return {name: digest((folder / name).read_bytes()) for name in files}


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


def digest(data: bytes) -> str:
  """Returns the SHA-256 of data, as hexadecimal digits."""
  return hashlib.sha256(data).hexdigest()


def version(package: str) -> str | None:
  """Returns which version of a package is installed; None if none is."""
  try:
    return importlib.metadata.version(package)
  except importlib.metadata.PackageNotFoundError:
    return None
