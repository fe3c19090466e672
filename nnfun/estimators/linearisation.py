"""What a tape keeps of a step of each kind of cell, and what becomes of it.

An entry has Phi_u = d s_u / d s_tm1 in any case, s the flat state [S]. In place
of I_u = d s_u / d params, which is as large as J, an affine cell leaves its two
factors, and a cell whose inputs are declared what it takes to run the step
again. Parameters and gradients are lists of leaves here.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import optax
from jax import flatten_util
from jax import numpy as jnp

from nnfun import base, loops, numerics, vectors
from nnfun.estimators import affine_step, dense_influence, tape

# (entries, cotangents, used): of one or several lambda_u for each entry
# [F, ..., S], and which entries are in use [F], the sum of lambda_u^T I_u over
# those, a leaf [..., ...] for each parameter.
ContractFn = Callable[[tape.Entry, jax.Array, jax.Array], list[jax.Array]]


class Step(NamedTuple):
  """Where one step started and what it saw; the step is run again."""

  params: base.Params
  state_tm1: jax.Array  # [S]
  x_t: base.PyTree


def linearise(
  cell: base.Cell,
  params: base.Params,
  states: base.State,
  xs: base.PyTree,
  *,
  stored: bool = True,
) -> tuple[tape.Entry, ContractFn]:
  """Returns entries of the cheapest kind for a cell, and how to contract them.

  Args:
    cell: any cell.
    params: its parameters.
    states: those from which the steps start, leaves [K, ...].
    xs: inputs, leaves [K, ...].
    stored: whether the entries go into the room of `blank`. If not, inputs can
      be kept also where their shapes were not known in advance.

  Returns:
    The entries [K, ...], and the function for these and all others of the cell.
  """
  state_0, x_0 = jax.tree.map(lambda leaf: leaf[0], (states, xs))
  if isinstance(cell, base.AffineCell):
    record, contract = _affine(cell, params, state_0, x_0)
  elif cell.input_spec is not None or not stored:
    record, contract = _replay(cell, params, state_0, x_0)
  else:
    record, contract = _jacobians(cell, params, state_0)
  flat = jax.vmap(lambda state: flatten_util.ravel_pytree(state)[0])(states)
  return jax.vmap(record, in_axes=(None, 0, 0))(params, flat, xs), contract


def blank(cell: base.Cell, params: base.Params) -> tape.Entry:
  """Returns an entry of zeros, or of their shapes.

  Args:
    cell: any cell.
    params: its parameters.

  Returns:
    The entry. Beside Phi_u, S^2 numbers, it has for an `AffineCell` the state
    and the two factors of I_u, S + R + Z numbers; for a cell with an
    `input_spec` parameters, state and input of the step, P + S + I numbers; for
    any other cell I_u itself, S P numbers.
  """
  state, leaves = base.initial_state(cell, params), jax.tree.leaves(params)
  flat, _ = flatten_util.ravel_pytree(state)
  transition = jnp.zeros((flat.size, flat.size), flat.dtype)

  def room(spec):
    """For one input: at least as wide as the parameters."""
    if jnp.issubdtype(spec.dtype, jax.dtypes.extended):
      raise ValueError(
        "expected an input_spec of numbers, which a tape can hold (of keys "
        f"their jax.random.key_data), got {spec.dtype}{list(spec.shape)}"
      )
    is_floating = jnp.issubdtype(spec.dtype, jnp.floating)
    wide = jnp.promote_types(spec.dtype, flat.dtype)
    return jax.ShapeDtypeStruct(spec.shape, wide if is_floating else spec.dtype)

  x = jax.tree.map(room, cell.input_spec)
  if isinstance(cell, base.AffineCell):
    z = [jax.ShapeDtypeStruct(w.shape[1:], w.dtype) for w in leaves]
    if x is not None:
      features = vectors.flat_affine(cell, state, x).features
      z = jax.eval_shape(features, flat, x)
    pairs = zip(leaves, z, strict=True)
    a = [jnp.zeros(w.shape[:1], v.dtype) for w, v in pairs]
    return tape.Entry(transition, affine_step.AffineStep(a, flat, z))
  if x is not None:
    return tape.Entry(transition, Step(params, flat, x))
  return tape.Entry(transition, dense_influence.zero(params, flat.size))


def _affine(cell, params, state_0, x_0):
  """I_u = D_u (x) z_u, D_u = d s_u / d a_u: one product for all entries."""
  parts = vectors.flat_affine(cell, state_0, x_0)

  def record(*step):
    return tape.Entry(*affine_step.linearise(parts, *step))

  def deltas_of_step(step, cotangents):
    return affine_step.deltas(parts, step, cotangents)

  def contract(entries, cotangents, used):
    def outer(d, z, w):
      # An entry not in use may be left over from a state that is NaN, or empty
      # where there is no derivative.
      d = jnp.where(used.reshape(-1, *(1,) * (d.ndim - 1)), d, 0)
      z = jnp.where(used[:, None], z, 0)
      return jnp.einsum("u...r,uz->...rz", d, z).astype(w.dtype)

    steps, matrices = entries.immediate, jax.tree.leaves(params)
    deltas = jax.vmap(deltas_of_step)(steps, cotangents)
    return list(map(outer, deltas, steps.features, matrices))

  return record, contract


def _replay(cell, params, state_0, x_0):
  """I_u by back-propagation through the step, run again."""
  step_fn, _ = vectors.flat_step(cell, state_0)

  def record(params, flat_tm1, x_t):
    transition = jax.jacrev(step_fn, 1)(params, flat_tm1, x_t)
    return tape.Entry(transition, Step(params, flat_tm1, x_t))

  def pull(step, cotangents):
    # The room may be wider than an input; what it does depends on its dtype.
    x_t = jax.tree.map(lambda x, like: x.astype(like.dtype), step.x_t, x_0)
    _, pull_params = jax.vjp(
      lambda params: step_fn(params, step.state_tm1, x_t), step.params
    )
    return jax.tree.leaves(vectors.of_each(pull_params, cotangents))

  return record, _one_by_one(pull, params)


def _jacobians(cell, params, state_0):
  """I_u as it is."""
  step_fn, _ = vectors.flat_step(cell, state_0)

  def record(params, flat_tm1, x_t):
    immediate, transition = jax.jacrev(step_fn, (0, 1))(params, flat_tm1, x_t)
    return tape.Entry(transition, jax.tree.leaves(immediate))

  def pull(immediate, cotangents):
    return dense_influence.multiply(cotangents, immediate)

  return record, _one_by_one(pull, params)


def _one_by_one(pull, params):
  """Sums pull(immediate_u, lambda_u) over the entries, in float32 or wider."""
  leaves = jax.tree.leaves(params)

  def contract(entries, cotangents, used):
    def body(sums, turn):
      u, c, used = turn

      def add(sums):
        immediate = jax.tree.map(lambda i: i[u], entries.immediate)
        return jax.tree.map(jnp.add, sums, pull(immediate, c))

      return loops.when(used, add, sums, is_cheap=c.ndim == 1), None

    lead = cotangents.shape[1:-1]
    zeros = [
      jnp.zeros_like(numerics.widen(leaf), shape=(*lead, *leaf.shape))
      for leaf in leaves
    ]
    places = jnp.arange(len(cotangents), dtype=jnp.int32)
    sums, _ = loops.scan(body, zeros, (places, cotangents, used))
    return optax.tree.cast_like(sums, leaves)

  return contract
