"""Back-propagation through a segment of an affine cell, a_t = W z_t.

What of z_t the state does not reach, the inputs, is multiplied for all steps at
once before the loop; the loop back finds the deltas d L / d a_t alone, and

    d L / d W = sum_t (d L / d a_t) (x) z_t

is one product after it. So are the losses of all steps one batch.
"""

import functools

import jax
import numpy as np
from jax import lax
from jax import numpy as jnp

from nnfun import base, loops, numerics, sparsity
from nnfun.estimators import checks

_Zero = jax.custom_derivatives.SymbolicZero

# What activate's derivative needs of these is made again on the way back: that
# costs less than to write and to read it.
_CHEAP = frozenset({"add", "mul", "neg", "sub"})

# A batch of products d^T z with so many elements takes XLA, on a CPU, a tenth
# less time the other way round, (z^T d)^T; smaller ones take more.
_LARGE = 2**14

# In as many steps of a batch a copy of the weights, transposed, pays on a CPU.
_LONG = 16


def segment_vjp(
  cell: base.AffineCell,
  loss_fn: base.LossFn,
  params: base.Params,
  state_0: base.State,
  xs: base.PyTree,
  ys: base.PyTree,
  resets: base.Array | None,
) -> tuple[base.Array, base.State, base.Params, base.State, base.State]:
  """Runs a segment, and back, as `segment` does for any cell.

  Args:
    cell: an affine cell.
    loss_fn: the loss of one step.
    params: the parameters, in float32 or wider.
    state_0: the state at the segment's start.
    xs: inputs, leaves [K, ...].
    ys: targets, leaves [K, ...].
    resets: whether a step starts from the initial state [K], or None.

  Returns:
    (L, s_K, d L / d params with s_0 fixed, d L / d s_0, the states from which
    the steps start [K, ...]).
  """
  matrices, structure = jax.tree.flatten(params["cell"])
  start = None
  if resets is not None:
    start = base.initial_state(cell, params["cell"])
  x_0 = jax.tree.map(lambda x: x[0], xs)
  composed = cell._replace(step=base.affine_step(cell.features, cell.activate))
  jax.eval_shape(
    functools.partial(base.step, composed), params["cell"], state_0, x_0
  )  # For its checks.
  zs, z_structure = jax.tree.flatten(
    jax.vmap(cell.features, (None, 0))(state_0, xs)
  )
  reached = _reached(cell.features, state_0, x_0)
  of_state = [_as_slice(np.flatnonzero(r)) for r in reached]
  of_input = [_as_slice(np.flatnonzero(~r)) for r in reached]
  ahead = [
    z[:, i] @ w[:, i].T for z, w, i in zip(zs, matrices, of_input, strict=True)
  ]
  recurrent = [w[:, i] for w, i in zip(matrices, of_state, strict=True)]
  is_long = len(jax.tree.leaves(xs)[0]) >= _LONG
  pays = is_long and not loops.on_accelerator()
  transposed = [w.T if pays else None for w in recurrent]

  # A function of its own: of the cell's, which may have no hash, an earlier
  # trace would be taken.
  activate = jax.checkpoint(
    lambda *args: cell.activate(*args), policy=_is_kept, prevent_cse=False
  )

  def run(ahead, state_0):
    def body(state_tm1, step):
      a_of_input, x_t, reset_t = step
      if reset_t is not None:
        state_tm1 = jax.tree.map(
          lambda new, s: jnp.where(reset_t, new, s), start, state_tm1
        )
      z = jax.tree.leaves(cell.features(state_tm1, x_t))
      a = [
        _product(w, w_t, v[i]) + b
        for w, w_t, v, i, b in zip(
          recurrent, transposed, z, of_state, a_of_input, strict=True
        )
      ]
      state_t = activate(z_structure.unflatten(a), state_tm1)
      state_t = jax.tree.map(
        lambda s, like: s.astype(like.dtype), state_t, state_tm1
      )
      return state_t, (state_tm1, state_t)

    before, after = loops.scan(body, state_0, (ahead, xs, resets))[1]
    return after, before

  states, pull, before = jax.vjp(run, ahead, state_0, has_aux=True)

  def loss(params, states):
    def one(state_t, y_t):
      return checks.checked_loss(loss_fn, params, state_t, y_t)

    return jnp.sum(numerics.widen(jax.vmap(one)(states, ys)))

  total, (grads, cotangents) = jax.value_and_grad(loss, (0, 1))(params, states)
  deltas, cotangent = pull(cotangents)
  zs = jax.tree.leaves(jax.vmap(cell.features)(before, xs))
  of_steps = structure.unflatten(list(map(_sum_of_outer, deltas, zs)))
  cell_grads = jax.tree.map(jnp.add, grads["cell"], of_steps)
  state_k = jax.tree.map(lambda s: s[-1], states)
  return total, state_k, {**grads, "cell": cell_grads}, cotangent, before


@jax.custom_jvp
def _product(w, w_t, v):
  """Returns w v [R]; `w_t`, w transposed or None, is what a batch reads.

  XLA's products of matrices take a CPU twice as long where both factors are
  summed over their last axis. So w_t is read on the way forward, w on the way
  back; a vector alone is multiplied by w both ways.
  """
  if w_t is None:
    return w @ v
  return lax.cond(_is_in_batch(v == v), lambda: v @ w_t, lambda: w @ v)


def _product_jvp(primals, tangents):
  (w, w_t, v), (dw, _, dv) = primals, tangents
  terms = [
    left @ right
    for left, right in ((w, dv), (dw, v))
    if not isinstance(left, _Zero) and not isinstance(right, _Zero)
  ]
  out = _product(w, w_t, v)
  return out, sum(terms) if terms else jnp.zeros_like(out)


_product.defjvp(_product_jvp, symbolic_zeros=True)


@jax.custom_batching.custom_vmap
def _is_in_batch(probe):
  """Whether `probe` is batched: a constant of the compiled program."""
  del probe
  return jnp.zeros([], bool)


@_is_in_batch.def_vmap
def _is_in_batch_of_batch(axis_size, in_batched, probe):
  del axis_size, in_batched, probe
  return jnp.ones([], bool), False


def _sum_of_outer(d, z):
  """Returns sum_t d_t (x) z_t [R, Z] of d [T, R] and z [T, Z]."""
  is_large = d.shape[-1] * z.shape[-1] >= _LARGE
  if is_large and not loops.on_accelerator():
    return (z.T @ d).T
  return d.T @ z


def _is_kept(primitive, *_, **__):
  return primitive.name not in _CHEAP


def _reached(features, state, x):
  """Which elements of each leaf of z = features(state, x) the state reaches."""
  pattern, _ = sparsity.jacobian_pattern(features, state, x)
  reached = np.diff(pattern.indptr) > 0
  sizes = [z.size for z in jax.tree.leaves(jax.eval_shape(features, state, x))]
  return np.split(reached, np.cumsum(sizes)[:-1])


def _as_slice(indices):
  """A slice where the indices are one run, which costs nothing to take."""
  first = int(indices[0]) if len(indices) else 0
  is_run = np.array_equal(indices, first + np.arange(len(indices)))
  return slice(first, first + len(indices)) if is_run else indices
