"""Checkpoints of long training: whole or not there, and checked leaf by leaf.

Orbax writes a checkpoint beside its place and then renames it, so that one cut
short by a crash is never taken for finished. What happens to the bytes later it
does not see: a checksum for each leaf, kept in the same checkpoint, does.
"""

import fcntl
import hashlib
import json
import os
import pathlib
import shutil
import warnings
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax import numpy as jnp
from orbax import checkpoint as ocp

import nnfun as nf
from experiments import leaves

_STATE, _DESCRIPTION = "state", "description"


class Checkpoints:
  """The newest checkpoints of one training run, in a folder of their own.

  A state is any pytree of arrays and keys: parameters, optimiser, estimator,
  the place in the stream. Leaves that would come back as something else are
  refused, see `leaves`.
  """

  def __init__(self, folder: str | os.PathLike[str], *, keep: int = 3) -> None:
    """Opens a folder, which is made if it is not there.

    Args:
      folder: of this run alone.
      keep: how many are kept, the newest ones.

    Raises:
      ValueError: if `keep` is not a positive integer.
    """
    nf.base.check_count("keep", keep)
    self._folder = pathlib.Path(folder).absolute()
    self._folder.mkdir(parents=True, exist_ok=True)
    self._lock = None
    # Of several processes each has its own, and one of them writes.
    alone = ocp.options.MultiprocessingOptions(
      primary_host=jax.process_index(), active_processes={jax.process_index()}
    )
    self._manager = ocp.CheckpointManager(
      self._folder,
      options=ocp.CheckpointManagerOptions(
        max_to_keep=keep,
        create=False,
        multiprocessing_options=alone,
        # When `save` returns, the checkpoint is on the disk.
        enable_async_checkpointing=False,
        # Another process may be writing: `claim` does it.
        cleanup_tmp_directories=False,
      ),
      item_handlers={
        _STATE: ocp.StandardCheckpointHandler(multiprocessing_options=alone),
        _DESCRIPTION: ocp.JsonCheckpointHandler(multiprocessing_options=alone),
      },
    )

  def steps(self) -> list[int]:
    """Returns the steps at which there are checkpoints, the newest last."""
    self._manager.reload()  # Another process may have written.
    return sorted(self._manager.all_steps())

  def claim(self) -> None:
    """Keeps other processes from writing, until `close` or the end of this one.

    Raises:
      ValueError: if another process has claimed it.
    """
    if self._lock is not None:
      return
    # The kernel gives it free when its holder dies, however it dies.
    lock = os.open(self._folder / "LOCK", os.O_RDWR | os.O_CREAT, 0o644)
    try:
      fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
      os.close(lock)
      raise ValueError(
        f"expected a folder in which nobody trains, got {self._folder}, to "
        "which another process writes"
      ) from None
    self._lock = lock
    for half_written in self._folder.glob("*.orbax-checkpoint-tmp*"):
      shutil.rmtree(half_written, ignore_errors=True)

  def close(self) -> None:
    """Gives the folder free for others."""
    if self._lock is not None:
      os.close(self._lock)
      self._lock = None

  def save(self, step: int, state: nf.base.PyTree) -> None:
    """Writes a checkpoint; returns when it is there.

    Args:
      step: how far training is. One that is there already is damaged, or
        `restore` would have gone on from it: it is written anew.
      state: the state.

    Raises:
      ValueError: if a leaf would not come back as it is, or there is none, or
        another process writes here.
    """
    self.claim()
    description = leaves.describe(state)
    if not any(leaf["sha256"] for leaf in description["leaves"]):
      raise ValueError("expected a state with numbers in it, got none")
    if step in self.steps():
      self._manager.delete(step)
    items = {
      _STATE: ocp.args.StandardSave(_to_orbax(state)),
      _DESCRIPTION: ocp.args.JsonSave(_sealed(description)),
    }
    self._manager.save(step, args=ocp.args.Composite(**items), force=True)

  def restore(self, like: nf.base.PyTree) -> tuple[int, nf.base.PyTree] | None:
    """Returns the newest checkpoint of which every leaf is what was saved.

    Damaged ones are left out with a warning that says what is damaged.

    Args:
      like: a state of the same structure, shapes and dtypes, for example the
        one from which training started; leaves come back where it has them.

    Returns:
      The step and the state; None if there is no checkpoint.

    Raises:
      ValueError: if a checkpoint is that of another configuration.
      AllDamagedError: if all are damaged.
      OSError: if the disk cannot be read, which says nothing of what is on it.
    """
    steps = self.steps()
    for step in reversed(steps):
      try:
        return step, self._restore_step(step, like)
      except _DamagedError as error:
        warnings.warn(
          f"checkpoint {step} in {self._folder} is damaged: {error}",
          stacklevel=2,
        )
    if not steps:
      return None
    raise AllDamagedError(
      f"expected a whole checkpoint in {self._folder}, got {steps}, which are "
      "all damaged; start again in another folder"
    )

  def _restore_step(self, step, like):
    sealed = self._read(step, _DESCRIPTION, ocp.args.JsonRestore())
    description = sealed.get("description")
    if sealed != _sealed(description):
      raise _DamagedError("what it says of its leaves has changed")
    expected = leaves.describe(like)
    leaves.check_kinds(
      f"checkpoint {step} in {self._folder}", description, expected
    )
    args = ocp.args.StandardRestore(_to_orbax(like))
    saved = iter(self._read(step, _STATE, args))
    state = jax.tree.map(
      lambda leaf: _place(next(saved), leaf) if jnp.size(leaf) else leaf, like
    )
    found = leaves.describe(state)["leaves"]
    for was, now in zip(description["leaves"], found, strict=True):
      if was != now:
        raise _DamagedError(f"leaf {was['path']} is not what was saved")
    return state

  def _read(self, step, name, args):
    try:
      found = self._manager.restore(
        step, args=ocp.args.Composite(**{name: args})
      )
    # Whatever reading broken files runs into, an older one may be whole.
    except Exception as error:
      is_missing = isinstance(error, FileNotFoundError)
      if isinstance(error, OSError | MemoryError) and not is_missing:
        raise  # Of this machine, not of the checkpoint.
      raise _DamagedError(f"{type(error).__name__}: {error}") from error
    return found[name]


class AllDamagedError(ValueError):
  """There are checkpoints, and none from which to go on."""


class _DamagedError(Exception):
  """A checkpoint that cannot be read, or is not what was written."""


def run(
  work: Callable[[Any], Any],
  state: nf.base.PyTree,
  num_steps: int,
  checkpoints: Checkpoints,
) -> nf.base.PyTree:
  """Works on from the newest checkpoint, and makes one after each step.

  Killed at whatever moment and started again it ends bit for bit where a run
  that never stopped does, if `work` is a function of its argument.

  Args:
    work: the state to the state one step later; a compiled piece of training.
    state: where it starts if there is no checkpoint.
    num_steps: how often it is done in all.
    checkpoints: where they are kept.

  Returns:
    The state after the last step.

  Raises:
    ValueError: if another process writes there, or the checkpoints are of
      another configuration, or of a longer run.
  """
  checkpoints.claim()
  try:
    found = checkpoints.restore(state)
    start, state = (0, state) if found is None else found
    if start > num_steps:
      raise ValueError(
        f"expected checkpoints of at most {num_steps} steps, got one of {start}"
      )
    for step in range(start + 1, num_steps + 1):
      state = work(state)
      checkpoints.save(step, state)
  finally:
    checkpoints.close()
  return state


def _place(data, like):
  """A leaf where another one is."""
  placed = jax.device_put(data, leaves.as_data(like).sharding)
  return leaves.as_leaf(placed, like)


def _to_orbax(state):
  """Arrays of the host, which it takes in one of several processes as well."""
  data = map(leaves.as_data, jax.tree.leaves(state))
  return [np.asarray(d) for d in data if d.size]  # None without a number.


def _sealed(description):
  seal = hashlib.sha256(json.dumps(description).encode()).hexdigest()
  return {"description": description, "sha256": seal}
