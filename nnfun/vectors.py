"""Steps whose states are vectors."""

from collections.abc import Callable
from typing import NamedTuple

import jax
from jax import flatten_util
from jax import numpy as jnp

from nnfun import base


def flat_step(
  cell: base.Cell, state: base.State
) -> tuple[Callable[..., base.Array], Callable[[base.Array], base.State]]:
  """Returns the step on flat states, with the map from flat to structured.

  Args:
    cell: any cell.
    state: a state, for its structure.

  Returns:
    step_fn(params, s_tm1 [S], x_t) -> s_t [S], and unravel(s [S]) -> state.
  """
  _, unravel = flatten_util.ravel_pytree(state)

  def step_fn(params, flat_tm1, x_t):
    state_t = base.step(cell, params, unravel(flat_tm1), x_t)
    return flatten_util.ravel_pytree(state_t)[0]

  return step_fn, unravel


class FlatAffine(NamedTuple):
  """The parts of an affine step on flat states, s_t = activate(W z, s_tm1)."""

  features: Callable[..., list[base.Array]]  # (s_tm1 [S], x_t) -> [Z_k]
  preactivation: Callable[..., list[base.Array]]  # (params, z) -> a_k [R_k]
  activate: Callable[..., base.Array]  # (a, s_tm1 [S]) -> s_t [S]


def flat_affine(
  cell: base.AffineCell, state: base.State, x: base.PyTree
) -> FlatAffine:
  """Returns the parts of the step on flat states, z and a as lists of leaves.

  Args:
    cell: an affine cell.
    state: a state, or its shapes.
    x: an input, or its shapes.

  Returns:
    The three functions; z_k are at least as wide as the state.
  """
  zeros = jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), state)
  flat, unravel = flatten_util.ravel_pytree(zeros)
  structure = jax.tree.structure(jax.eval_shape(cell.features, state, x))
  dtype = flat.dtype

  def features(flat_tm1, x_t):
    leaves = jax.tree.leaves(cell.features(unravel(flat_tm1), x_t))
    return [z.astype(jnp.promote_types(z.dtype, dtype)) for z in leaves]

  def preactivation(params, z):
    return jax.tree.leaves(base.preactivation(params, structure.unflatten(z)))

  def activate(a, flat_tm1):
    state_t = cell.activate(structure.unflatten(a), unravel(flat_tm1))
    return flatten_util.ravel_pytree(state_t)[0].astype(dtype)

  return FlatAffine(features, preactivation, activate)


def of_each(
  function: Callable[[base.Array], base.PyTree], vectors: base.Array
) -> base.PyTree:
  """Returns function(v) of one vector, or of each of several.

  Args:
    function: of a vector [S].
    vectors: [S], or [N, S].

  Returns:
    Leaves [...], or [N, ...].
  """
  return function(vectors) if vectors.ndim == 1 else jax.vmap(function)(vectors)
