"""Gradients to compare with: `jax.grad` through the sequence of one network."""

from typing import NamedTuple

import jax
import optax
from jax import lax
from jax import numpy as jnp

import nnfun as nf


class Problem(NamedTuple):
  """A network with a sequence; or one of each for every seed, [S, ...]."""

  cell: nf.Cell
  loss_fn: nf.base.LossFn
  params: nf.base.Params
  xs: jax.Array  # [T, I]
  ys: jax.Array  # [T, O]


def gradients(
  problem: Problem, used: nf.base.Params, losses: jax.Array, moves: jax.Array
) -> nf.base.Params:
  """Differentiates sum_t losses_t loss_t by s, used_t + moves_t s being used.

  A step that does not move is a constant, as is its state. Each row of losses
  and moves [R, T] gives a gradient, leaves [R, ...]; `used` has [T, ...].
  """

  def total(shift, losses, moves):
    def body(s_tm1, inputs_t):
      params_t, loss_t, moves_t, x_t, y_t = inputs_t
      params_t = optax.tree.add_scale(params_t, moves_t, shift)
      s_t = problem.cell.step(params_t["cell"], s_tm1, x_t)
      return s_t, loss_t * problem.loss_fn(params_t, s_t, y_t)

    s_0 = nf.base.initial_state(problem.cell, problem.params["cell"])
    inputs = used, losses, moves, problem.xs, problem.ys
    return jnp.sum(lax.scan(body, s_0, inputs)[1])

  shift = optax.tree.zeros_like(problem.params)
  return jax.vmap(jax.grad(total), (None, 0, 0))(shift, losses, moves)


def windowed(problem: Problem, window: jax.Array) -> nf.base.Params:
  """Sums each loss's gradient through steps of its row of the window [T, T]."""
  used = hold(problem.params, len(window))
  grads = gradients(problem, used, jnp.eye(len(window)), window)
  return jax.tree.map(lambda g: g.sum(axis=0), grads)


def train(
  problem: Problem, rate: jax.Array
) -> tuple[nf.base.Params, nf.base.Params]:
  """Returns the parameters that each step uses, and its gradient by RTRL."""
  estimator = nf.estimators.rtrl(problem.cell, problem.loss_fn, flush_every=1)

  def body(carry, inputs):
    params, state = carry
    state, estimate = estimator.update(params, state, *inputs)
    after = optax.tree.add_scale(params, -rate, estimate.grads)
    return (after, state), (params, estimate.grads)

  start = problem.params, estimator.init(problem.params, jax.random.key(0))
  return lax.scan(body, start, (problem.xs[:, None], problem.ys[:, None]))[1]


def online_errors(
  problem: Problem, rate: jax.Array
) -> tuple[jax.Array, jax.Array]:
  """Returns errors of RTRL's gradients, with an update at every step.

  To the derivative of each step's loss by a common shift of the parameters
  used [T]; at the last step, to the gradient at the present parameters [].
  """
  used, grads = train(problem, rate)
  losses = jnp.eye(len(problem.xs))
  moves = jnp.ones_like(losses)
  shift = gradients(problem, used, losses, moves)
  present = hold(jax.tree.map(lambda p: p[-1], used), len(losses))
  now = gradients(problem, present, losses[-1:], moves[-1:])
  last = jax.tree.map(lambda g: g[-1:], grads)
  return errors(grads, shift), errors(last, now)[0]


def errors(estimates: nf.base.Params, exact: nf.base.Params) -> jax.Array:
  """Returns relative distances [B] of gradients, leaves [B, ...]."""
  norm = jax.vmap(optax.tree.norm)
  return norm(optax.tree.sub(estimates, exact)) / norm(exact)


def hold(params: nf.base.Params, num_steps: int) -> nf.base.Params:
  """Repeats parameters for each step, leaves [T, ...]."""
  return jax.tree.map(lambda p: jnp.stack([p] * num_steps), params)
