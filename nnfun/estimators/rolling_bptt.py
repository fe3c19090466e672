"""Rolling truncated backpropagation through time, BPTT(1, k)."""

import jax
import optax
from jax import flatten_util
from jax import numpy as jnp

from nnfun import base, loops, numerics
from nnfun.estimators import linearisation, segment
from nnfun.estimators import tape as tape_lib


def rolling_bptt(
  cell: base.Cell,
  loss_fn: base.LossFn,
  *,
  window: int,
  precision: str | None = "highest",
) -> base.GradientEstimator:
  """Backpropagates every step's loss through the last `window` steps.

    d loss_t / d params ~ sum_{u = t - window + 1}^{t} (lambda_t Phi_{t:u}) I_u

  Each Phi_u, I_u is taken at the parameters which step u used. All of the last
  `window` steps count for every loss, whatever the segment length, at `window`
  times the cost of a step; `window` >= T is the exact gradient.

  Args:
    cell: any cell.
    loss_fn: the loss of one step.
    window: how many steps back a loss is credited, the present one included.
    precision: of products, see `rtrl`.

  Returns:
    The estimator.

  Raises:
    ValueError: if `window` is not a positive integer.

  References:
    Williams, Peng, An efficient gradient-based algorithm for on-line training
    of recurrent network trajectories, 1990,
    https://doi.org/10.1162/neco.1990.2.4.490 (BPTT(h))
  """
  base.check_count("window", window)
  one = segment.from_influence(
    cell, loss_fn, _window_influence(cell, window), precision=None
  )

  def update(params, state, xs, ys, resets):
    def body(carry, step):
      state, grads = carry
      step = jax.tree.map(lambda leaf: leaf[None], step)
      state, estimate = one.update(params, state, *step)
      return (state, jax.tree.map(jnp.add, grads, estimate.grads)), (
        estimate.loss
      )

    zeros = jax.tree.map(lambda p: jnp.zeros_like(numerics.widen(p)), params)
    (state, grads), losses = loops.scan(body, (state, zeros), (xs, ys, resets))
    grads = optax.tree.cast_like(grads, params)
    return state, base.Estimate(jnp.sum(losses), grads)

  return segment.estimator(one.init, update, precision=precision)


def _window_influence(cell, window):
  """Carries the steps themselves and forgets what is older than the window.

    J_t ~ sum_{u = t - window + 2}^{t} Phi_{t:u} I_u,

  so that with the step after it a loss is credited to `window` steps. It is a
  tape with room for `window` entries, the one being written among them, used
  round and round. Segments must have one step each.
  """

  def init(params, key):
    del key
    return tape_lib.empty(linearisation.blank(cell, params), window)

  def advance(params, tape, states, xs, resets):
    entries, contract = linearisation.linearise(cell, params, states, xs)
    if resets is not None:
      tape = tape_lib.forget(tape, resets[0])
    before, after = tape_lib.write(tape, entries)

    def pull(cotangent):
      flat = flatten_util.ravel_pytree(cotangent)[0]
      _, *path = tape_lib.go_back(before, flat, wraps=True)
      grads = contract(before.entries, *path)
      return jax.tree.structure(params).unflatten(grads)

    count = jnp.minimum(after.count, window - 1)
    after = after._replace(position=after.position % window, count=count)
    return after, pull

  return base.Influence(init, advance)
