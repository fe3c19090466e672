"""Metrics of training as they come in: JSON lines, and TensorBoard's files.

with metrics.Writer(folder, start=number_of_the_next_update) as writer:
  on_update = nf.training.every(10, writer.report)

A line is written at once and whole, so that a killed run loses none but the one
it was writing. Call `flush` before each checkpoint: a run that goes on from one
then has every line of the updates before it, and none twice.
"""

import json
import os
import pathlib
import time
import warnings
from typing import Any

import jax
import numpy as np

import nnfun as nf
from experiments import records

_FILE = "metrics.jsonl"
# JSON has no words for these; as strings they are still strict JSON.
_NOT_FINITE = {str(x): x for x in (float("nan"), float("inf"), -float("inf"))}


class Writer:
  """Appends what training reports to the files of its run's folder."""

  def __init__(
    self,
    folder: str | os.PathLike[str],
    *,
    start: int = 0,
    tensorboard: bool = False,
  ) -> None:
    """Opens metrics.jsonl in a folder, which is made if it is not there.

    Args:
      folder: of this run alone; one process writes to it.
      start: number of the first update to come. What a dead run has reported of
        it and of later ones is removed, and a last line cut short.
      tensorboard: whether to write TensorBoard's event files beside it, of the
        measurements that are single numbers.

    Raises:
      ValueError: if the file is damaged, or tensorboardX is not installed.
    """
    folder = pathlib.Path(folder)
    self._events = _open_events(folder, start) if tensorboard else None
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / _FILE
    if path.exists():
      kept = [line for line in _read(path)[0] if line["update"] < start]
      records.write(path, "".join(map(_dump, kept)))
    # Without a buffer: each line is one write to the end of the file, also
    # where several of the runtime's threads report.
    self._file = open(path, "ab", buffering=0)

  def report(self, number: int, measured: nf.base.PyTree) -> None:
    """Writes one line; what `nf.training.every` calls.

    Args:
      number: of the update.
      measured: any pytree of real numbers; a leaf is named by its path, with
        slashes, or "value" if it is the whole tree.
    """
    leaves, _ = jax.tree_util.tree_flatten_with_path(measured)
    named = {
      jax.tree_util.keystr(path, simple=True, separator="/") or "value": leaf
      for path, leaf in leaves
    }
    arrays = {name: _as_array(leaf) for name, leaf in named.items()}
    line = {name: array.tolist() for name, array in arrays.items()}
    self._file.write(_dump({"update": int(number)} | line).encode())
    if self._events is not None:
      for name, array in arrays.items():
        if not array.ndim:
          self._events.add_scalar(name, array.item(), int(number))

  def flush(self) -> None:
    """Waits for reports under way; returns when all are on the disk."""
    jax.effects_barrier()
    os.fsync(self._file.fileno())
    if self._events is not None:
      self._events.flush()

  def close(self) -> None:
    """Flushes, and closes the files."""
    self.flush()
    self._file.close()
    if self._events is not None:
      self._events.close()

  def __enter__(self) -> "Writer":
    """Returns the writer."""
    return self

  def __exit__(self, *exception: Any) -> None:
    """Closes the files."""
    self.close()


def read(folder: str | os.PathLike[str]) -> list[dict[str, Any]]:
  """Returns the lines of a run, in the order of the updates.

  A last line cut short, by a kill or because it is just being written, is left
  out with a warning.

  Args:
    folder: of the run.

  Returns:
    For each line the number of the update, as "update", and what was measured
    by name: numbers, or nested lists of them.

  Raises:
    ValueError: if a line before the last is damaged.
    FileNotFoundError: if there are no metrics.
  """
  path = pathlib.Path(folder) / _FILE
  lines, torn = _read(path)
  if torn:
    warnings.warn(
      f"the last line of {path} is cut short and left out", stacklevel=2
    )
  # The runtime does not keep the order of what a compiled loop reports.
  return sorted(lines, key=lambda line: line["update"])


def _read(path):
  """The whole lines of a file, and whether there is more after them."""
  *texts, rest = path.read_bytes().split(b"\n")
  lines = []
  for number, text in enumerate(texts, start=1):
    try:
      line = json.loads(text)
      int(line["update"])
    except (ValueError, TypeError, KeyError) as error:
      raise ValueError(
        f"expected {path} to hold one JSON object with an update a line, got "
        f"{text[:60]!r} in line {number}"
      ) from error
    lines.append(jax.tree.map(lambda x: _NOT_FINITE.get(x, x), line))
  return lines, bool(rest)


def _dump(line):
  return json.dumps(jax.tree.map(_as_json, line), allow_nan=False) + "\n"


def _as_json(number):
  return number if np.isfinite(number) else str(number)


def _as_array(leaf):
  """An array of a kind that has a counterpart in JSON."""
  array = np.asarray(leaf)
  return array if array.dtype.kind in "biuf" else array.astype(np.float64)


def _open_events(folder, start):
  try:
    import tensorboardX
  except ImportError as error:
    raise ValueError(
      "expected the package tensorboardX, by which files for TensorBoard are "
      "written, got none; pip install tensorboardX"
    ) from error
  return tensorboardX.SummaryWriter(
    str(folder),
    purge_step=start,  # What a dead run has reported of later ones is hidden.
    # Its own names tell seconds apart, and replace what has the same.
    filename_suffix=f".{time.time_ns()}",
  )
