"""What estimators share that credit every loss by itself, at its own step.

    g_t = d loss_t / d params + lambda_t^T J_t,  lambda_t = d loss_t / d s_t

with J_t some stand-in for d s_t / d params that is carried from step to step. A
segment is its steps: the estimate does not depend on where a stream is cut.
"""

from typing import Any, NamedTuple, Protocol

import jax
import optax
from jax import numpy as jnp

from nnfun import base, loops, numerics
from nnfun.estimators import checks, segment
from nnfun.estimators import feedback as feedback_lib


class AdvanceFn(Protocol):
  """Carries an influence over one step."""

  def __call__(
    self,
    params: base.Params,
    influence: base.PyTree,
    state_tm1: base.State,
    x_t: base.PyTree,
  ) -> tuple[base.PyTree, base.PullFn]:
    """Returns J_t, and lambda -> lambda^T J_t."""
    ...


class StepInfluence(NamedTuple):
  """A stand-in for d s_t / d params, carried over single steps."""

  init: base.InfluenceInitFn
  advance: AdvanceFn


class StepwiseState(NamedTuple):
  """Where a stream stands between two steps."""

  cell: base.State  # s_t
  influence: Any  # J_t, as the influence carries it
  feedback: base.Params  # what stands for the readout on the way back, or ()


def from_step_influence(
  cell: base.Cell,
  loss_fn: base.LossFn,
  influence: StepInfluence,
  *,
  feedback: str = "symmetric",
  precision: str | None = "highest",
) -> base.GradientEstimator:
  """Joins the gradient of each loss with the influence on its own state.

  Args:
    cell: any cell.
    loss_fn: the loss of one step.
    influence: what is carried.
    feedback: "symmetric" for lambda_t = d loss_t / d s_t, "random" for what
      comes back through fixed random matrices.
    precision: of products, see `rtrl`.

  Returns:
    The estimator.

  Raises:
    ValueError: if the feedback is neither, or the cell none.
  """
  checks.check_is_cell(cell)
  if feedback not in ("symmetric", "random"):
    raise ValueError(
      f'expected feedback "symmetric" or "random", got {feedback!r}'
    )
  is_random = feedback == "random"

  def loss_of(params, state_t, y_t, matrices):
    if is_random:
      return feedback_lib.with_feedback(loss_fn)(params, matrices, state_t, y_t)
    return checks.checked_loss(loss_fn, params, state_t, y_t)

  def init(params, key):
    theta = params["cell"]
    matrices = feedback_lib.draw(params["readout"], key) if is_random else ()
    return StepwiseState(
      base.initial_state(cell, theta), influence.init(theta, key), matrices
    )

  def update(params, state, xs, ys, resets):
    theta = params["cell"]
    fresh = None
    if resets is not None:
      fresh = (
        base.initial_state(cell, theta),
        jax.tree.map(jnp.zeros_like, state.influence),
      )

    def one(before, step):
      x_t, y_t, reset_t = step
      if reset_t is not None:
        before = jax.tree.map(
          lambda new, old: jnp.where(reset_t, new, old), fresh, before
        )
      state_tm1, carried = before
      state_t = base.step(cell, theta, state_tm1, x_t)
      carried, pull = influence.advance(theta, carried, state_tm1, x_t)
      loss, (direct, cotangent) = jax.value_and_grad(loss_of, (0, 1))(
        params, state_t, y_t, state.feedback
      )
      of_cell = jax.tree.map(jnp.add, direct["cell"], pull(cotangent))
      grads = {**direct, "cell": of_cell}
      return (state_t, carried), numerics.widen(loss), grads

    def body(carry, step):
      before, total = carry
      after, loss, grads = one(before, step)
      return (after, jax.tree.map(jnp.add, total, grads)), loss

    before = state.cell, state.influence
    if jax.tree.leaves(xs)[0].shape[0] == 1:
      first = jax.tree.map(lambda leaf: leaf[0], (xs, ys, resets))
      after, loss, grads = one(before, first)
    else:
      zeros = jax.tree.map(lambda p: jnp.zeros_like(numerics.widen(p)), params)
      (after, grads), losses = loops.scan(
        body, (before, zeros), (xs, ys, resets)
      )
      loss = jnp.sum(losses)
    grads = optax.tree.cast_like(grads, params)
    return StepwiseState(*after, state.feedback), base.Estimate(loss, grads)

  return segment.estimator(init, update, precision=precision)
