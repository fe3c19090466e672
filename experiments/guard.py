"""Training that stops at what is not finite, and says where it began.

While training nothing is looked at but the losses and the state after a piece:
the guard costs nothing and changes no bit. Only where these are not finite is
the piece run again, from the state before it, by a program that looks at the
loss, the gradient and the parameters of each update.
"""

import functools
from collections.abc import Callable

import jax
from jax import numpy as jnp

import nnfun as nf


def guard(
  train: Callable[..., tuple[nf.base.PyTree, nf.base.Array]],
  on_update: nf.training.OnUpdateFn | None = None,
) -> Callable[[nf.base.PyTree], nf.base.PyTree]:
  """Compiles a piece of training that never ends in NaN unnoticed.

  Args:
    train: (state, on_update=...) -> (state, losses), like the functions of
      `nf.training`, to which it gives `on_update`; a function of its arguments.
    on_update: for training as it is, see `nf.training.every`.

  Returns:
    The work for `checkpoints.run`, state -> state, which keeps the state that
    it is given. It raises FloatingPointError with the first bad update and its
    leaf if a loss is not finite, or the new state has a NaN somewhere, or is
    infinite where it was not before.
  """
  work = jax.jit(functools.partial(train, on_update=on_update))

  def guarded(state):
    after, losses = work(state)
    bad = _bad(state, after, losses)
    if any(map(bool, jax.tree.leaves(bad))):
      raise FloatingPointError(
        f"training is no longer finite: {_explain(train, state, bad[0])}"
      )
    return after

  return guarded


@jax.jit
def _bad(before, after, losses):
  """Which leaves of the state nothing can go on from; whether a loss is one."""

  def is_bad(before, after):
    if not jnp.issubdtype(after.dtype, jnp.inexact):
      return False
    # A best loss, for instance, may be infinite until there is one.
    was_finite = jnp.isfinite(before)
    return jnp.any(jnp.isnan(after) | (jnp.isinf(after) & was_finite))

  lost = ~jnp.all(jnp.isfinite(losses))
  return jax.tree.map(is_bad, before, after), lost


def _explain(train, state, bad):
  """Names the first bad update of a piece, and what is bad about it."""
  last, found = -1, {}

  def note(number, flags):
    nonlocal last
    last = max(last, number)
    if any(jax.tree.leaves(flags)):
      found.setdefault(number, flags)

  on_update = nf.training.every(1, note, nf.diagnostics.nonfinite)
  watched = jax.jit(functools.partial(train, on_update=on_update))
  jax.block_until_ready(watched(state))
  jax.effects_barrier()
  if last < 0 and jax.process_index():  # The first process is called back.
    return "process 0 says where it began"
  finite = "its loss and gradient are finite"
  if not found:
    when = f"update {last}" if last >= 0 else "a piece without updates"
    return f"{when} ends with {_paths(bad) or 'no finite loss'}, and {finite}"
  first = min(found)
  params, loss, grads = found[first]
  if any(jax.tree.leaves(params)):
    if not first:
      return f"it starts with params{_paths(params)}"
    return f"update {first - 1} ends with params{_paths(params)}, and {finite}"
  if loss:
    return f"the loss of update {first}"
  return (
    f"the gradient of update {first} by params{_paths(grads)}, in the backward "
    "pass: its loss is finite"
  )


def _paths(flags):
  """The leaves that are flagged, by their paths."""
  leaves, _ = jax.tree_util.tree_flatten_with_path(flags)
  bad = [jax.tree_util.keystr(path) for path, is_bad in leaves if is_bad]
  return ", ".join(bad)
