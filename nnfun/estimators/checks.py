"""Checks of what estimators are given, at trace time: one clear error each."""

from typing import Any

import jax
import numpy as np
from jax import numpy as jnp

from nnfun import base, segments


def check_params(params: base.Params) -> None:
  """Checks that the parameters have the two entries.

  Args:
    params: what an estimator was given.

  Raises:
    ValueError: if "cell" or "readout" is missing, or the cell has nothing to
      learn.
  """
  is_dict = type(params) is dict
  if not is_dict or not {"cell", "readout"} <= set(params):
    names = sorted(params) if is_dict else f"a {type(params).__name__}"
    raise ValueError(
      f'expected params = {{"cell": ..., "readout": ...}}, a dict, got {names}'
    )
  base.params_dtype(params["cell"])
  for path, leaf in jax.tree_util.tree_leaves_with_path(params):
    is_number = isinstance(leaf, jax.Array | np.ndarray | np.generic | float)
    dtype = jnp.result_type(leaf) if is_number else None
    if dtype is None or not jnp.issubdtype(dtype, jnp.floating):
      got = f"a {type(leaf).__name__}" if dtype is None else f"dtype {dtype}"
      raise ValueError(
        "expected parameters that are floating arrays, since each gets a "
        f"gradient, got {got} at {jax.tree_util.keystr(path)}"
      )


def own_key(key: Any) -> jax.Array:
  """Returns a copy of a key, which a state can keep.

  Args:
    key: what an estimator was given as randomness.

  Returns:
    The copy, for a state may be donated.

  Raises:
    ValueError: if it is no key, nor the numbers of one.
  """
  dtype = getattr(key, "dtype", None)
  is_raw = dtype == jnp.uint32 and key.ndim == 1
  if dtype is None or not (
    is_raw or jnp.issubdtype(dtype, jax.dtypes.prng_key)
  ):
    raise ValueError(
      "expected a key, such as jax.random.key(0), for an estimator that draws "
      f"random numbers, got {key!r}"
    )
  return jnp.copy(key)


def check_is_cell(cell: base.Cell) -> None:
  """Checks that what is used as a cell is one.

  Args:
    cell: the first argument of an estimator.

  Raises:
    ValueError: if it is a loss, or a function that makes a cell.
  """
  if not hasattr(cell, "initial_state"):
    name = getattr(cell, "__name__", type(cell).__name__)
    raise ValueError(
      "expected (cell, loss_fn) with a cell, as nf.cells.vanilla(num_inputs=..."
      f", num_units=...) returns one, got {name} in its place"
    )


def check_affine(cell: base.Cell, name: str) -> None:
  """Checks that a cell is affine.

  Args:
    cell: any cell.
    name: of the estimator.

  Raises:
    ValueError: otherwise.
  """
  if not isinstance(cell, base.AffineCell):
    raise ValueError(
      f"{name} is defined for an AffineCell, whose parameters enter as "
      "matrices (vanilla, linear, gru, lstm, mgu, and others "
      f"made of features and activate), got a {type(cell).__name__}"
    )


def matrices(theta: base.PyTree) -> list[jax.Array]:
  """Returns the parameters of an affine cell.

  Args:
    theta: matrices [R_k, Z_k], any pytree.

  Raises:
    ValueError: if one is no matrix.
  """
  leaves = jax.tree.leaves(theta)
  shapes = [jnp.shape(leaf) for leaf in leaves]
  if any(len(shape) != 2 for shape in shapes):
    raise ValueError(
      "expected matrices [R, Z] for the parameters of an AffineCell, got "
      f"shapes {shapes}"
    )
  return leaves


def check_state(
  init: base.EstimatorInitFn, params: base.Params, state: base.PyTree
) -> None:
  """Checks that a state is one of this estimator.

  Args:
    init: the estimator's.
    params: the parameters.
    state: what was given.

  Raises:
    ValueError: if structure, shapes or dtypes are others, as in the state of
      another estimator, or of one with other settings (`flush_every`).
  """
  expected = jax.eval_shape(init, params, jax.random.key(0))
  named = jax.tree_util.tree_leaves_with_path(expected)
  says = "expected a state of this estimator, made with the same settings, "
  if jax.tree.structure(expected) != jax.tree.structure(state):
    raise ValueError(
      f"{says}{jax.tree.structure(expected)}, got {jax.tree.structure(state)}"
    )
  for (path, e), leaf in zip(named, jax.tree.leaves(state), strict=True):
    is_key = jnp.issubdtype(e.dtype, jax.dtypes.prng_key)  # Raw keys will do.
    if (leaf.shape, leaf.dtype) != (e.shape, e.dtype) and not is_key:
      raise ValueError(
        f"{says}with {e.dtype}{list(e.shape)} at {jax.tree_util.keystr(path)}, "
        f"got {leaf.dtype}{list(leaf.shape)}"
      )


def check_segment(xs: base.PyTree, ys: base.PyTree, resets: Any) -> None:
  """Checks that inputs and targets are segments of the same K >= 1 steps.

  Args:
    xs: inputs, leaves [K, ...].
    ys: targets, leaves [K, ...].
    resets: booleans [K], or None.

  Raises:
    ValueError: if a leaf has no time axis, lengths differ, K = 0, or resets are
      something else.
  """
  if not jax.tree.leaves(xs):
    raise ValueError("expected xs with at least one leaf, got none")
  num_steps = segments.num_segments((xs, ys), 1)
  if resets is None:
    return
  expected = f"expected resets to be booleans [{num_steps}], one for each step"
  if not isinstance(resets, jax.Array | np.ndarray | np.generic):
    raise ValueError(f"{expected}, an array, got a {type(resets).__name__}")
  if resets.shape != (num_steps,) or resets.dtype != bool:
    raise ValueError(f"{expected}, got {resets.dtype}{list(resets.shape)}")


def check_entry(room: jax.Array, new: jax.Array) -> None:
  """Checks that what a tape is to keep of steps fits what it has room for.

  Args:
    room: a leaf of the tape [F, ...].
    new: the same leaf of new entries [K, ...].

  Raises:
    ValueError: if their shape is another, or rounding would lose digits.
  """
  keeps = jnp.promote_types(room.dtype, new.dtype) == room.dtype
  if jnp.issubdtype(new.dtype, jnp.integer) and keeps:
    # JAX promotes any integer to any floating dtype, whatever is lost.
    is_floating = jnp.issubdtype(room.dtype, jnp.floating)
    info = jnp.iinfo(new.dtype)
    keeps = not is_floating or info.bits <= jnp.finfo(room.dtype).nmant + 1
  if room.shape[1:] != new.shape[1:] or not keeps:
    raise ValueError(
      "expected states and inputs as the cell declares them (its input_spec, "
      "whose dtype must not be narrower than that of the inputs), "
      f"{room.dtype}{list(room.shape[1:])}, got "
      f"{new.dtype}{list(new.shape[1:])}"
    )


def checked_loss(
  loss_fn: base.LossFn, params: base.Params, state_t: base.State, y_t: Any
) -> base.Array:
  """Returns the loss of a step, which has to be a real scalar.

  Args:
    loss_fn: the loss of one step.
    params: the parameters.
    state_t: the state.
    y_t: what the loss needs.

  Returns:
    The loss.

  Raises:
    ValueError: if it is not, or if the loss took the state for an array while
      it has several parts.
  """
  try:
    loss = loss_fn(params, state_t, y_t)
  except (AttributeError, TypeError) as error:
    if isinstance(state_t, jax.Array):
      raise
    raise ValueError(
      f"loss_fn failed on the state of this cell, a {type(state_t).__name__} "
      f"with shapes {jax.tree.map(jnp.shape, jax.tree.leaves(state_t))}; where "
      "it needs one vector, take nf.base.last_leaf(state_t), which is the h of "
      "(c, h), or cell.output(state_t)"
    ) from error
  return real_scalar("loss_fn(params, state_t, y_t)", loss)


def real_scalar(call: str, loss: Any) -> base.Array:
  """Returns a loss, which has to be a real scalar.

  Args:
    call: what returned it.
    loss: the loss.

  Returns:
    The loss, an array.

  Raises:
    ValueError: if it is not.
  """
  expected = f"expected {call} to return a real scalar"
  if not isinstance(loss, jax.Array | np.ndarray | np.generic | float):
    raise ValueError(f"{expected}, got a {type(loss).__name__}")
  if jnp.shape(loss) or not jnp.issubdtype(jnp.result_type(loss), jnp.floating):
    raise ValueError(
      f"{expected}, got shape {jnp.shape(loss)} and dtype "
      f"{jnp.result_type(loss)}"
    )
  return jnp.asarray(loss)
