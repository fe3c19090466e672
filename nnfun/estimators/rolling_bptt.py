"""Rolling truncated backpropagation through time, BPTT(1, k)."""

import jax
from jax import numpy as jnp

from nnfun import base, loops
from nnfun.estimators import segment, tape_general, tape_memory
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
  influence = _window_influence(cell, window)
  init, update_one = segment.parts(cell, loss_fn, influence)

  def update(params, state, xs, ys, resets):
    def body(carry, step):
      state, grads = carry
      step = jax.tree.map(lambda leaf: leaf[None], step)
      state, estimate = update_one(params, state, *step)
      return (state, jax.tree.map(jnp.add, grads, estimate.grads)), (
        estimate.loss
      )

    start = state, jax.tree.map(jnp.zeros_like, params)
    carry, losses = loops.scan(body, start, (xs, ys, resets))
    return carry[0], base.Estimate(jnp.sum(losses), carry[1])

  return segment.estimator(init, update, precision=precision)


def _window_influence(cell, window):
  """Carries the steps themselves and forgets what is older than the window.

    J_t ~ sum_{u = t - window + 2}^{t} Phi_{t:u} I_u,

  so that with the step after it a loss is credited to `window` steps. It is a
  tape with room for `window` entries, the one being written among them, used
  round and round. Segments must have one step each.
  """

  def init(params, key):
    del key
    return tape_general.blank(cell, params, window)

  def advance(params, memory, state_0, xs, resets):
    tape = tape_general.for_cell(cell, params, state_0, xs, stored=True)
    if resets is not None:
      memory = tape_memory.forget(memory, resets[0])
    starts = tape_lib.states_before(cell, params, state_0, xs, resets)
    before, after = tape_memory.write(
      memory, tape.shared, tape.record(params, starts, xs)
    )

    def pull(cotangent):
      grads = tape_lib.pull_through(tape, before, cotangent)[1]
      return jax.tree.structure(params).unflatten(grads)

    count = jnp.minimum(after.count, window - 1)
    after = after._replace(position=after.position % window, count=count)
    return after, pull

  return base.Influence(init, advance)
