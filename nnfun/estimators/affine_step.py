"""The derivatives of one step of an affine cell, s_t = activate(W z_t, s_tm1).

With D_k = d s_t / d a_k, a_k = W_k z_k, they are

    Phi = d activate / d s_tm1 + sum_k D_k W_k (d z_k / d s_tm1)
    lambda^T I_k = (lambda^T D_k) (x) z_k

States are flat, z and a are lists with an array for each matrix.
"""

from typing import NamedTuple

import jax
from jax import flatten_util
from jax import numpy as jnp

from nnfun import base, loops, vectors


class AffineStep(NamedTuple):
  """One step; a and z as wide as they are."""

  preactivation: list[jax.Array]  # a_t, leaves [R_k]
  state_tm1: jax.Array  # [S]
  features: list[jax.Array]  # z_t, leaves [Z_k]


def linearise(
  parts: vectors.FlatAffine,
  params: base.Params,
  flat_tm1: jax.Array,
  x_t: base.PyTree,
) -> tuple[jax.Array, AffineStep]:
  """Returns Phi, and what `deltas` needs.

  Args:
    parts: of an affine cell.
    params: its parameters.
    flat_tm1: the state before the step [S].
    x_t: the input of the step.

  Returns:
    Phi [S, S], and the step.
  """
  z = parts.features(flat_tm1, x_t)
  a = parts.preactivation(params, z)

  # d a / d s = W d z / d s row by row in reverse: z is mostly a selection of s,
  # so this is a slice of W where a product would cost R Z S.
  def rows_of(k, w):
    _, pull = jax.vjp(lambda s: parts.features(s, x_t)[k], flat_tm1)
    return jax.vmap(pull)(w.astype(z[k].dtype))[0]

  rows = [rows_of(k, w) for k, w in enumerate(jax.tree.leaves(params))]
  transition = _transition(parts.activate, a, flat_tm1, rows)
  return transition, AffineStep(a, flat_tm1, z)


def _transition(activate, a, flat_tm1, rows):
  """Phi [S, S] from rows d a_k / d s_tm1 [R_k, S]."""
  eye = _unit_vectors(flat_tm1)

  def column(direction, *da):
    da = [t.astype(v.dtype) for t, v in zip(da, a, strict=True)]
    return jax.jvp(activate, (a, flat_tm1), (da, direction))[1]

  try:
    # Column by column forward: no product if activate acts unit by unit.
    return jax.vmap(column, in_axes=1, out_axes=1)(eye, *rows)
  except TypeError:  # A custom_vjp has no forward derivative.
    _, pull = jax.vjp(activate, a, flat_tm1)
    deltas_k, direct = jax.vmap(pull)(eye)
    products = [d @ row for d, row in zip(deltas_k, rows, strict=True)]
    return sum(products, direct).astype(flat_tm1.dtype)


def deltas(
  parts: vectors.FlatAffine, step: AffineStep, cotangents: jax.Array
) -> list[jax.Array]:
  """Returns lambda^T D_k, which is d loss / d a_k.

  Args:
    parts: of an affine cell.
    step: one of its steps.
    cotangents: one or several lambda [..., S].

  Returns:
    Arrays [..., R_k].
  """
  _, pull = jax.vjp(
    lambda a: parts.activate(a, step.state_tm1), step.preactivation
  )
  return vectors.of_each(pull, cotangents)[0]


class AffineFactors(NamedTuple):
  """One step, d s_t = Phi d s_tm1 + sum_k D_k (d W_k) z_k."""

  transition: jax.Array  # Phi = d s_t / d s_tm1  [S, S]
  deltas: list[jax.Array]  # D_k = d s_t / d a_k  [S, R_k], or lambda^T D_k
  features: list[jax.Array]  # z_k  [Z_k]


def factors(
  cell: base.AffineCell,
  params: base.Params,
  state_tm1: base.State,
  x_t: base.PyTree,
  cotangents: jax.Array | None = None,
) -> AffineFactors:
  """Returns the derivatives of a step.

  Args:
    cell: an affine cell.
    params: its parameters.
    state_tm1: the state before the step.
    x_t: the input of the step.
    cotangents: one or several lambda [..., S]; the unit vectors by default.

  Returns:
    Phi, lambda^T D and z; the last two may be wider than the parameters.
  """
  parts = vectors.flat_affine(cell, state_tm1, x_t)
  flat_tm1, _ = flatten_util.ravel_pytree(state_tm1)
  transition, step = linearise(parts, params, flat_tm1, x_t)
  if cotangents is None:
    cotangents = _unit_vectors(flat_tm1)
  return AffineFactors(
    transition, deltas(parts, step, cotangents), step.features
  )


def _unit_vectors(flat):
  return loops.vary(jnp.eye(flat.size, dtype=flat.dtype), flat)
