"""What all estimators share: their contract, and the VJP through a segment."""

import contextlib
import functools
import math
from typing import Any, NamedTuple

import jax
import optax
from jax import numpy as jnp

from nnfun import base, loops, numerics
from nnfun.estimators import affine_segment, checks


def estimator(
  init: base.EstimatorInitFn,
  update: base.EstimatorUpdateFn,
  *,
  precision: str | None = "highest",
) -> base.GradientEstimator:
  """Returns an estimator that keeps the contract of all.

  Arguments are checked, arrays vary alike inside `jax.shard_map` (the gradient
  with respect to replicated parameters would otherwise be summed over devices
  where it goes through a VJP, and not where it goes through J), and products
  have the precision asked for.

  Args:
    init: makes the state; may assume parameters that passed the checks.
    update: likewise; gets `resets` as the last argument.
    precision: of every product, also those of the cell and the loss: a value of
      `jax.default_matmul_precision`, or None for what is set there.

  Returns:
    The estimator.
  """

  def checked_init(params, key):
    checks.check_params(params)
    return init(jax.tree.map(jnp.asarray, params), key)

  def checked_update(params, state, xs, ys, resets=None):
    checks.check_params(params)
    checks.check_segment(xs, ys, resets)
    args = jax.tree.map(jnp.asarray, (params, state, xs, ys, resets))
    checks.check_state(init, *args[:2])
    products = contextlib.nullcontext()
    if precision is not None:
      products = jax.default_matmul_precision(precision)
    with products:
      return update(*loops.vary(args, args))

  return base.GradientEstimator(checked_init, checked_update)


class SegmentState(NamedTuple):
  """Where a stream stands between two segments."""

  cell: base.State  # s_0 of the next segment
  influence: Any  # d s_0 / d params, as the influence carries it


def from_influence(
  cell: base.Cell,
  loss_fn: base.LossFn,
  influence: base.Influence,
  *,
  precision: str | None = "highest",
  remat: bool = False,
) -> base.GradientEstimator:
  """Joins the VJP through a segment with the influence on its first state.

    d L / d params = (VJP through the segment) + lambda^T J_0,
    lambda = d L / d s_0,  L = sum_{t=1}^{K} loss(params, s_t, y_t)

  Args:
    cell: any cell.
    loss_fn: the loss of one step.
    influence: what crosses the boundary; it decides what the estimator is.
    precision: of products, as of `jax.default_matmul_precision`; None leaves it
      as it is set there.
    remat: whether to keep every sqrt(K)-th state only and to run the steps
      between once more on the way back, in memory O(sqrt(K)) for O(K).

  Returns:
    The estimator.

  Raises:
    ValueError: if the cell is none.
  """
  checks.check_is_cell(cell)

  def init(params, key):
    theta = params["cell"]
    return SegmentState(
      base.initial_state(cell, theta), influence.init(theta, key)
    )

  def update(params, state, xs, ys, resets):
    num_steps = jax.tree.leaves(xs)[0].shape[0]
    is_affine = isinstance(cell, base.AffineCell)
    leaves = jax.tree.leaves(params)
    is_wide = all(leaf.dtype.itemsize >= 4 for leaf in leaves)
    vjp = functools.partial(_segment_vjp, remat=remat)
    if is_affine and is_wide and num_steps > 1 and not remat:
      vjp = affine_segment.segment_vjp
    loss, state_k, grads, cotangent, states = vjp(
      cell, loss_fn, params, state.cell, xs, ys, resets
    )
    influence_k, pull = influence.advance(
      params["cell"], state.influence, states, xs, resets
    )
    total = jax.tree.map(jnp.add, grads["cell"], pull(cotangent))
    grads = optax.tree.cast_like({**grads, "cell": total}, params)
    return SegmentState(state_k, influence_k), base.Estimate(loss, grads)

  return estimator(init, update, precision=precision)


def _segment_vjp(cell, loss_fn, params, state_0, xs, ys, resets, *, remat):
  """Runs a segment, and back.

  Args:
    cell: any cell.
    loss_fn: the loss of one step.
    params: the parameters, with the entries "cell" and "readout".
    state_0: the state at the segment's start.
    xs: inputs, leaves [K, ...].
    ys: targets, leaves [K, ...].
    resets: whether a step starts from the initial state [K], or None.
    remat: as of `from_influence`.

  Returns:
    (L, s_K, d L / d params with s_0 fixed, d L / d s_0, the states from which
    the steps start [K, ...]); L and its gradient in float32 or wider.
  """
  start = None if resets is None else base.initial_state(cell, params["cell"])

  def segment_loss(wide, state_0):
    def body(state_tm1, step):
      x_t, y_t, reset_t = step
      # Cast here and not before the loop: gradients of steps are summed wide.
      narrow = optax.tree.cast_like(wide, params)
      if reset_t is not None:
        state_tm1 = jax.tree.map(
          lambda new, s: jnp.where(reset_t, new, s), start, state_tm1
        )
      state_t = base.step(cell, narrow["cell"], state_tm1, x_t)
      loss = checks.checked_loss(loss_fn, narrow, state_t, y_t)
      return state_t, (numerics.widen(loss), state_tm1)

    scan = _scan_in_chunks if remat else loops.scan
    state_k, (losses, states) = scan(body, state_0, (xs, ys, resets))
    return jnp.sum(losses), (state_k, states)

  loss, pull, (state_k, states) = jax.vjp(
    segment_loss, jax.tree.map(numerics.widen, params), state_0, has_aux=True
  )
  grads, cotangent = pull(jnp.ones_like(loss))
  return loss, state_k, grads, cotangent, states


def _scan_in_chunks(body, carry, xs):
  """A scan of which sqrt(K) carries are kept for the way back."""
  num_steps = jax.tree.leaves(xs)[0].shape[0]
  size = math.isqrt(num_steps)
  num_chunks = num_steps // size
  whole = num_chunks * size
  chunks = jax.tree.map(
    lambda x: x[:whole].reshape(num_chunks, size, *x.shape[1:]), xs
  )
  rest = jax.tree.map(lambda x: x[whole:], xs)
  chunk = jax.checkpoint(functools.partial(loops.scan, body))
  carry, outputs = loops.scan(chunk, carry, chunks)
  outputs = jax.tree.map(lambda y: y.reshape(whole, *y.shape[2:]), outputs)
  if num_steps % size:
    carry, last = chunk(carry, rest)
    outputs = jax.tree.map(lambda *y: jnp.concatenate(y), outputs, last)
  return carry, outputs
