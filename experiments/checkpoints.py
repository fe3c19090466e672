"""Checkpoints of long training: whole or not there, and checked leaf by leaf.

Orbax writes a checkpoint beside its place and then renames it, so that one cut
short by a crash is never taken for finished. What happens to the bytes later it
does not see: a checksum for each leaf, kept in the same checkpoint, does.
"""

import hashlib
import json
import os
import pathlib
import warnings
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax import numpy as jnp
from orbax import checkpoint as ocp

import nnfun as nf

_STATE, _LEAVES = "state", "leaves"


class Checkpoints:
  """The newest checkpoints of one training run, in a folder of their own."""

  def __init__(self, folder: str | os.PathLike[str], *, keep: int = 3) -> None:
    """Opens a folder, which is made if it is not there.

    Args:
      folder: of this run alone.
      keep: how many are kept, the newest ones.

    Raises:
      ValueError: if `keep` is not a positive integer.
    """
    nf.base.check_count("keep", keep)
    options = ocp.CheckpointManagerOptions(
      max_to_keep=keep,
      # When `save` returns, the checkpoint is on the disk.
      enable_async_checkpointing=False,
      cleanup_tmp_directories=True,
    )
    self._manager = ocp.CheckpointManager(
      pathlib.Path(folder).absolute(),
      options=options,
      item_handlers={
        _STATE: ocp.StandardCheckpointHandler(),
        _LEAVES: ocp.JsonCheckpointHandler(),
      },
    )

  def steps(self) -> list[int]:
    """Returns the steps at which there are checkpoints, the newest last."""
    return sorted(self._manager.all_steps())

  def save(self, step: int, state: nf.base.PyTree) -> None:
    """Writes a checkpoint; returns when it is there.

    Args:
      step: how far training is. One that is there already is written anew, as
        after a damaged one.
      state: any pytree of arrays and keys: parameters, optimiser, estimator,
        the place in the stream.
    """
    leaves = map(_as_data, jax.tree.leaves(state))
    leaves = [leaf for leaf in leaves if leaf.size]  # Orbax takes no other.
    if step in self.steps():
      self._manager.delete(step)
    self._manager.save(
      step,
      args=ocp.args.Composite(
        **{
          _STATE: ocp.args.StandardSave(leaves),
          _LEAVES: ocp.args.JsonSave(_sealed(list(map(_describe, leaves)))),
        }
      ),
      force=True,
    )

  def restore(self, like: nf.base.PyTree) -> tuple[int, nf.base.PyTree] | None:
    """Returns the newest checkpoint of which every leaf is what was saved.

    Damaged ones are left out with a warning that says what is damaged.

    Args:
      like: a state of the same structure, shapes and dtypes, for example the
        one from which training started; leaves come back where it has them.

    Returns:
      The step and the state; None if there is none to go on from.

    Raises:
      ValueError: if a checkpoint is that of another configuration.
    """
    for step in reversed(self.steps()):
      try:
        return step, self._restore_step(step, like)
      except _DamagedError as error:
        warnings.warn(
          f"checkpoint {step} in {self._manager.directory} is damaged: {error}",
          stacklevel=2,
        )
    return None

  def _restore_step(self, step, like):
    (sealed,) = self._read(step, **{_LEAVES: ocp.args.JsonRestore()})
    described = sealed.get("leaves")
    if sealed != _sealed(described):
      raise _DamagedError("what it says of its leaves has changed")
    paths, likes = zip(
      *(
        (jax.tree_util.keystr(path), _as_data(leaf))
        for path, leaf in jax.tree_util.tree_leaves_with_path(like)
        if jnp.size(leaf)
      ),
      strict=True,
    )
    self._check_kinds(step, paths, described, likes)
    (leaves,) = self._read(
      step, **{_STATE: ocp.args.StandardRestore(list(likes))}
    )
    for path, was, leaf in zip(paths, described, leaves, strict=True):
      if was != _describe(leaf):
        raise _DamagedError(f"leaf {path} is not what was saved")
    saved = iter(leaves)
    return jax.tree.map(
      lambda leaf: _as_leaf(next(saved), leaf) if jnp.size(leaf) else leaf, like
    )

  def _read(self, step, **args):
    try:
      found = self._manager.restore(step, args=ocp.args.Composite(**args))
    # Whatever reading broken files runs into, an older one may be whole.
    except Exception as error:
      raise _DamagedError(f"{type(error).__name__}: {error}") from error
    return [found[name] for name in args]

  def _check_kinds(self, step, paths, described, likes):
    saved = [leaf["kind"] for leaf in described]
    expected = [_kind(leaf) for leaf in likes]
    if saved == expected:
      return
    where = f"{len(saved)} leaves for {len(expected)}"
    if len(saved) == len(expected):
      triples = zip(paths, saved, expected, strict=True)
      path, was, now = next(t for t in triples if t[1] != t[2])
      where = f"leaf {path} is {was}, expected {now}"
    raise ValueError(
      f"checkpoint {step} in {self._manager.directory} is one of another "
      f"configuration: {where}"
    )


class _DamagedError(Exception):
  """A checkpoint that cannot be read, or is not what was written."""


def run(
  work: Callable[[Any], Any],
  state: nf.base.PyTree,
  num_steps: int,
  checkpoints: Checkpoints,
) -> nf.base.PyTree:
  """Does work in steps, from the newest checkpoint on, one after each step.

  A run that is killed, at whatever moment, and started again ends bit for bit
  where one that never stopped does, if `work` is a function of its argument.

  Args:
    work: the state to the state one step later; a compiled piece of training.
    state: where it starts if there is no checkpoint.
    num_steps: how often it is done in all.
    checkpoints: where they are kept.

  Returns:
    The state after the last step.

  Raises:
    ValueError: if the checkpoints are of another configuration, or of a longer
      run.
  """
  found = checkpoints.restore(state)
  start, state = (0, state) if found is None else found
  if start > num_steps:
    raise ValueError(
      f"expected checkpoints of at most {num_steps} steps, got one of {start}"
    )
  for step in range(start + 1, num_steps + 1):
    state = work(state)
    checkpoints.save(step, state)
  return state


def _as_data(leaf):
  """An array; of a key its data."""
  leaf = jnp.asarray(leaf) if not isinstance(leaf, jax.Array) else leaf
  is_key = jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
  return jax.random.key_data(leaf) if is_key else leaf


def _as_leaf(data, like):
  dtype = getattr(like, "dtype", None)
  if dtype is None or not jnp.issubdtype(dtype, jax.dtypes.prng_key):
    return data
  return jax.random.wrap_key_data(data, impl=jax.random.key_impl(like))


def _sealed(described):
  seal = hashlib.sha256(json.dumps(described).encode()).hexdigest()
  return {"leaves": described, "sha256": seal}


def _kind(leaf):
  return f"{leaf.dtype}{list(leaf.shape)}"


def _describe(leaf):
  array = np.ascontiguousarray(leaf)
  sha256 = hashlib.sha256(array.tobytes()).hexdigest()
  return {"kind": _kind(leaf), "sha256": sha256}
