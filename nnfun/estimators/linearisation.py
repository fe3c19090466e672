"""What a tape keeps of a step of each kind of cell, and what becomes of it.

An entry has Phi_u in any case. In place of I_u = d s_u / d params, which is as
large as J, an affine cell leaves its two factors, and a cell whose inputs are
declared what it takes to run the step again. `linearisation` chooses.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import optax
from jax import flatten_util
from jax import numpy as jnp

from nnfun import base, loops, numerics, vectors
from nnfun.estimators import tape


class Linearisation(NamedTuple):
  """How the steps of one kind of cell are recorded and used.

  record: (params, states, xs), the states those from which the steps start,
    leaves [K, ...], to entries [K, ...].
  contract: (entries, cotangents, used), one or several lambda_u for each entry
    [F, ..., S] and whether it is in use [F], to sum_u lambda_u^T I_u over those
    in use, a leaf [..., ...] for each parameter.
  """

  record: Callable[[base.Params, base.State, base.PyTree], tape.Entry]
  contract: Callable[[tape.Entry, jax.Array, jax.Array], list[jax.Array]]


def linearisation(
  cell: base.Cell,
  params: base.Params,
  states: base.State,
  xs: base.PyTree,
  *,
  stored: bool,
) -> Linearisation:
  """Returns the cheapest linearisation of a cell.

  Args:
    cell: any cell.
    params: its parameters, for their shapes.
    states: leaves [K, ...], for their structure.
    xs: inputs, leaves [K, ...], for their structure and dtypes.
    stored: whether the entries go into the room of `blank`. If not, inputs can
      be kept also where their shapes were not known in advance.

  Returns:
    The two functions.
  """
  if isinstance(cell, base.AffineCell):
    return _affine(cell, params, states, xs)
  if cell.input_spec is not None or not stored:
    return _replay(cell, params, states, xs)
  return _jacobians(cell, params, states)


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
  state = base.initial_state(cell, params)
  flat, leaves = flatten_util.ravel_pytree(state)[0], jax.tree.leaves(params)
  transition = jnp.zeros((flat.size, flat.size), flat.dtype)
  if cell.input_spec is not None:
    x = _widened_input_spec(cell, flat.dtype)
  if not isinstance(cell, base.AffineCell):
    if cell.input_spec is None:
      return tape.Entry(transition, tape.zero_influence(params, flat.size))
    return tape.Entry(transition, Step(leaves, state, x))
  dtypes = [w.dtype for w in leaves]
  if cell.input_spec is not None:
    z = jax.tree.leaves(jax.eval_shape(cell.features, state, x))
    dtypes = [jnp.promote_types(v.dtype, flat.dtype) for v in z]

  def vectors(axis):
    pairs = zip(leaves, dtypes, strict=True)
    return [jnp.zeros(w.shape[axis], dtype) for w, dtype in pairs]

  return tape.Entry(transition, AffineStep(vectors(0), state, vectors(1)))


def _widened_input_spec(cell, dtype):
  """The room for one input: at least as wide as the parameters."""

  def widen(spec):
    if jnp.issubdtype(spec.dtype, jax.dtypes.extended):
      raise ValueError(
        "expected an input_spec of numbers, which a tape can hold (of keys "
        f"their jax.random.key_data), got {spec.dtype}{list(spec.shape)}"
      )
    floating = jnp.issubdtype(spec.dtype, jnp.floating)
    wide = jnp.promote_types(spec.dtype, dtype) if floating else spec.dtype
    return jax.ShapeDtypeStruct(spec.shape, wide)

  return jax.tree.map(widen, cell.input_spec)


class AffineStep(NamedTuple):
  """One step s_u = activate(W z_u, s_tm1); a and z as wide as they are."""

  preactivation: list[jax.Array]  # a_u, leaves [R_k]
  state_tm1: base.State
  features: list[jax.Array]  # z_u, leaves [Z_k]


class AffineFactors(NamedTuple):
  """One step, d s_t = Phi d s_tm1 + sum_k D_k (d W_k) z_k."""

  transition: jax.Array  # Phi = d s_t / d s_tm1  [S, S]
  deltas: list[jax.Array]  # D_k = d s_t / d a_k  [S, R_k]
  features: list[jax.Array]  # z_k  [Z_k]


def affine_factors(
  cell: base.AffineCell,
  params: base.Params,
  state_tm1: base.State,
  x_t: base.PyTree,
) -> AffineFactors:
  """Returns the derivatives of a step of an affine cell.

  Args:
    cell: an affine cell.
    params: its parameters.
    state_tm1: the state before the step.
    x_t: the input of the step.

  Returns:
    Phi, D and z; the last two may be wider than the parameters.
  """
  record_step, deltas = _affine_step(cell, state_tm1, x_t)
  transition, step = record_step(params, state_tm1, x_t)
  eye = jnp.eye(len(transition), dtype=transition.dtype)
  rows = deltas(step, loops.vary(eye, transition))
  return AffineFactors(transition, rows, step.features)


def affine_deltas(
  cell: base.AffineCell,
  params: base.Params,
  state_tm1: base.State,
  x_t: base.PyTree,
  cotangents: jax.Array,
) -> tuple[list[jax.Array], list[jax.Array]]:
  """Returns what lambda^T I of a step is made of, without Phi.

    lambda^T I_k = (lambda^T D_k) (x) z_k

  Args:
    cell: an affine cell.
    params: its parameters.
    state_tm1: the state before the step.
    x_t: the input of the step.
    cotangents: one or several lambda [..., S].

  Returns:
    lambda^T D_k [..., R_k] and z_k [Z_k] of each matrix; they may be wider than
    the parameters.
  """
  record_step, deltas = _affine_step(cell, state_tm1, x_t)
  step = record_step(params, state_tm1, x_t).immediate
  return deltas(step, cotangents), step.features


def _affine(cell, params, states, xs):
  """I_u = (d s_u / d a_u) (x) z_u: one product for all entries of a tape."""
  state_0, x_0 = jax.tree.map(lambda leaf: leaf[0], (states, xs))
  record_step, deltas = _affine_step(cell, state_0, x_0)

  def contract(entries, cotangents, used):
    def outer(d, z, w):
      # An entry not in use may be left over from a state that is NaN, or empty
      # where there is no derivative.
      d = jnp.where(used.reshape(-1, *(1,) * (d.ndim - 1)), d, 0)
      z = jnp.where(used[:, None], z, 0)
      return jnp.einsum("u...r,uz->...rz", d, z).astype(w.dtype)

    step, matrices = entries.immediate, jax.tree.leaves(params)
    each = jax.vmap(deltas)(step, cotangents)
    return list(map(outer, each, step.features, matrices))

  return Linearisation(jax.vmap(record_step, in_axes=(None, 0, 0)), contract)


def _affine_step(cell, state_0, x_0):
  """Returns how a step is recorded, and d loss / d a from lambda."""
  structure = jax.tree.structure(jax.eval_shape(cell.features, state_0, x_0))
  flat_0, unravel = flatten_util.ravel_pytree(state_0)
  dtype = flat_0.dtype

  def activate(a, flat_tm1):
    state_t = cell.activate(structure.unflatten(a), unravel(flat_tm1))
    return flatten_util.ravel_pytree(state_t)[0].astype(dtype)

  def record_step(params, state_tm1, x_t):
    def features(flat):
      leaves = jax.tree.leaves(cell.features(unravel(flat), x_t))
      return [z.astype(jnp.promote_types(z.dtype, dtype)) for z in leaves]

    flat_tm1 = flatten_util.ravel_pytree(state_tm1)[0]
    z, pull = jax.vjp(features, flat_tm1)
    a = jax.tree.leaves(base.preactivation(params, structure.unflatten(z)))

    # d a / d s = W d z / d s row by row in reverse: z is mostly a selection of
    # s, so this is a slice of W where a product would cost R Z S.
    def rows_of(k, w):
      def row(w_r):
        cotangents = [jnp.zeros_like(v) for v in z]
        cotangents[k] = w_r.astype(z[k].dtype)
        return pull(loops.vary(cotangents, z))[0]

      return jax.vmap(row)(w)

    rows = [rows_of(k, w) for k, w in enumerate(jax.tree.leaves(params))]
    transition = _transition(activate, a, flat_tm1, rows)
    return tape.Entry(transition, AffineStep(a, state_tm1, z))

  def deltas(step, cotangents):
    """Returns d loss / d a_u [..., R] for one or several lambda_u [..., S]."""
    flat_tm1 = flatten_util.ravel_pytree(step.state_tm1)[0]
    _, pull = jax.vjp(lambda a: activate(a, flat_tm1), step.preactivation)
    return _of_each(pull, cotangents)[0]

  return record_step, deltas


def _transition(activate, a, flat_tm1, rows):
  """Phi = d s_t / d s_tm1 [S, S] from rows d a_k / d s_tm1 [R_k, S]."""
  eye = loops.vary(jnp.eye(flat_tm1.size, dtype=flat_tm1.dtype), flat_tm1)

  def column(direction, *da):
    da = [t.astype(v.dtype) for t, v in zip(da, a, strict=True)]
    return jax.jvp(activate, (a, flat_tm1), (da, direction))[1]

  try:
    # Column by column forward: no product if activate acts unit by unit.
    return jax.vmap(column, in_axes=1, out_axes=1)(eye, *rows)
  except TypeError:  # A custom_vjp has no forward derivative.
    _, pull = jax.vjp(activate, a, flat_tm1)
    deltas, direct = jax.vmap(pull)(eye)
    products = [d @ row for d, row in zip(deltas, rows, strict=True)]
    return sum(products, direct).astype(flat_tm1.dtype)


class Step(NamedTuple):
  """Where one step started and what it saw; the step is run again."""

  params: list[jax.Array]
  state_tm1: base.State
  x_t: base.PyTree


def _replay(cell, params, states, xs):
  """I_u by back-propagation through the step."""
  structure = jax.tree.structure(params)
  step_fn, _ = vectors.flat_step(cell, jax.tree.map(lambda s: s[0], states))

  def record_step(params, state_tm1, x_t):
    flat_tm1 = flatten_util.ravel_pytree(state_tm1)[0]
    transition = jax.jacrev(step_fn, 1)(params, flat_tm1, x_t)
    return tape.Entry(transition, Step(jax.tree.leaves(params), state_tm1, x_t))

  def pull(step, cotangents):
    flat_tm1 = flatten_util.ravel_pytree(step.state_tm1)[0]
    # The room may be wider than an input; what it does depends on its dtype.
    x_t = jax.tree.map(lambda x, like: x.astype(like.dtype), step.x_t, xs)
    _, pull_params = jax.vjp(
      lambda leaves: step_fn(structure.unflatten(leaves), flat_tm1, x_t),
      step.params,
    )
    return _of_each(pull_params, cotangents)[0]

  record = jax.vmap(record_step, in_axes=(None, 0, 0))
  return Linearisation(record, _one_by_one(pull, params))


def _jacobians(cell, params, states):
  """I_u as it is."""
  step_fn, _ = vectors.flat_step(cell, jax.tree.map(lambda s: s[0], states))

  def record_step(params, state_tm1, x_t):
    flat_tm1 = flatten_util.ravel_pytree(state_tm1)[0]
    immediate, transition = jax.jacrev(step_fn, (0, 1))(params, flat_tm1, x_t)
    return tape.Entry(transition, jax.tree.leaves(immediate))

  def pull(immediate, cotangents):
    return tape.multiply(cotangents, immediate)

  record = jax.vmap(record_step, in_axes=(None, 0, 0))
  return Linearisation(record, _one_by_one(pull, params))


def _one_by_one(pull, params):
  """Sums pull(immediate_u, lambda_u) over the entries, in float32 or wider."""
  leaves = jax.tree.leaves(params)

  def contract(entries, cotangents, used):
    def body(sums, turn):
      u, c, used = turn

      def add(sums):
        immediate = tape.entry_at(entries.immediate, u)
        return jax.tree.map(jnp.add, sums, pull(immediate, c))

      return loops.when(used, add, sums, is_cheap=c.ndim == 1), None

    lead = cotangents.shape[1:-1]
    zeros = [
      jnp.zeros_like(numerics.widen(leaf), shape=(*lead, *leaf.shape))
      for leaf in leaves
    ]
    indices = jnp.arange(len(cotangents), dtype=jnp.int32)
    sums, _ = loops.scan(body, zeros, (indices, cotangents, used))
    return optax.tree.cast_like(sums, leaves)

  return contract


def _of_each(function, cotangents):
  """function(lambda) of one lambda [S], or of each of several [N, S]."""
  if cotangents.ndim > 1:
    function = jax.vmap(function)
  return function(cotangents)
