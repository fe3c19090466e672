"""Gradients to compare with: `jax.grad` through whole sequences, in batches.

Leaves [B, ...] have a batch axis first; the examples of a batch are networks
with a sequence of their own. A window says which steps a loss sees.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
import optax
from jax import lax
from jax import numpy as jnp

import nnfun as nf
from experiments import sweeps

_map = jax.tree.map


class Problem(NamedTuple):
  """A cell with a batch of networks and sequences, one for each seed."""

  cell: nf.Cell
  loss_fn: nf.base.LossFn
  params: nf.base.Params  # leaves [S, ...]
  xs: np.ndarray  # [S, T, I]
  ys: np.ndarray  # [S, T, O]


class OnlineErrors(NamedTuple):
  """Relative errors of RTRL's gradient at single steps."""

  steps: np.ndarray  # At every step, without updates  [S, T]
  # At the last step of online training, against the gradient with the present
  # parameters at all steps  [S, L]
  stale: np.ndarray
  # ... and the derivative by a common shift of the parameters used  [S, L]
  shift: np.ndarray


def for_each(one: Callable[[Any], Any], batch: Any) -> Any:
  """Maps a function over a batch; a loop compiles faster than a vmap."""
  mapped = sweeps.quick_jit(lambda batch: lax.map(one, batch))
  return _map(np.asarray, mapped(batch))


def window(length: int, num_steps: int, *, rolls: bool) -> np.ndarray:
  """Returns whether loss t may see step u: its last ones, or its segment's."""
  t, u = np.indices((num_steps, num_steps))
  return (t - length < u) & (u <= t) if rolls else t // length == u // length


def _derivative(problem, used, losses, moves, xs, ys):
  """Differentiates sum_t losses_t loss_t by s, used_t + moves_t s being used.

  Leaves [T, ...]; a step that does not move is a constant, as is its state.
  """

  def total(shift):
    def body(s_tm1, inputs_t):
      params_t, loss_t, moves_t, x_t, y_t = inputs_t
      shift_t = optax.tree.scale(moves_t, shift)
      params_t = optax.tree.add(params_t, shift_t)
      s_t = problem.cell.step(params_t["cell"], s_tm1, x_t)
      return s_t, loss_t * problem.loss_fn(params_t, s_t, y_t)

    s_0 = nf.base.initial_state(problem.cell, used["cell"])
    return jnp.sum(lax.scan(body, s_0, (used, losses, moves, xs, ys))[1])

  return jax.grad(total)(_map(lambda p: jnp.zeros_like(p[0]), used))


def gradient(problem: Problem) -> nf.base.Params:
  """Returns the gradient of each sequence's summed loss, leaves [S, ...]."""
  num_seeds, num_steps, _ = problem.xs.shape
  used = _hold(problem.params, num_steps)
  losses = np.ones((num_seeds, num_steps))
  return shift_gradient(problem, used, losses, problem.xs, problem.ys)


def windowed(problem: Problem, windows: np.ndarray) -> nf.base.Params:
  """Returns the sums over t of loss t's gradient through steps it may see.

  Windows [M, T, T] give leaves [S, M, ...].
  """
  num_steps = windows.shape[-1]
  each = jnp.tile(jnp.eye(num_steps), (len(windows), 1))
  moves = jnp.asarray(windows.reshape(-1, num_steps), float)

  def one(example):
    params, xs, ys = example
    used = _map(lambda p: jnp.broadcast_to(p, (num_steps, *p.shape)), params)
    grads = jax.vmap(
      lambda losses, moves: _derivative(problem, used, losses, moves, xs, ys)
    )(each, moves)
    return _map(lambda g: g.reshape(-1, num_steps, *g.shape[1:]).sum(1), grads)

  return for_each(one, problem[2:])


def shift_gradient(
  problem: Problem, used: nf.base.Params, losses: np.ndarray, *data: np.ndarray
) -> nf.base.Params:
  """Differentiates sum_t losses_t loss_t by a shift of all parameters used."""

  def one(example):
    used, losses, *data = example
    moves = jnp.ones_like(losses)
    return _derivative(problem, used, losses, moves, *data)

  return for_each(one, (used, losses, *data))


def errors(estimates: nf.base.Params, exact: nf.base.Params) -> np.ndarray:
  """Returns relative errors [B] of gradients, leaves [B, ...]."""
  estimates, exact = _flat(estimates), _flat(exact)
  distance = np.linalg.norm(estimates - exact, axis=1)
  return distance / np.linalg.norm(exact, axis=1)


def online_errors(
  problem: Problem, learning_rates: Sequence[float]
) -> OnlineErrors:
  """Compares RTRL's gradient at a step with `jax.grad` up to that step."""
  num_seeds, num_steps, _ = problem.xs.shape
  num_rates, data = len(learning_rates), (problem.xs, problem.ys)
  used, grads = train(problem, np.array([0.0, *learning_rates]))

  # Without updates: the loss of each step, and what RTRL had at that step.
  steps = _map(lambda g: np.concatenate(g[:num_seeds]), grads)
  still = _map(
    lambda leaf: np.repeat(leaf[:num_seeds], num_steps, axis=0), (used, *data)
  )
  each = np.tile(np.eye(num_steps), (num_seeds, 1))
  # With updates: the loss of the last step.
  last, now = _map(lambda leaf: leaf[num_seeds:, -1], (grads, used))
  moved = _map(lambda leaf: leaf[num_seeds:], used)
  end = np.tile(np.eye(num_steps)[-1], (num_rates * num_seeds, 1))
  data = _tile(data, num_rates)

  estimates, *inputs = _map(
    lambda *leaves: np.concatenate(leaves),
    (steps, still[0], each, *still[1:]),
    (last, _hold(now, num_steps), end, *data),
    (last, moved, end, *data),
  )
  found = errors(estimates, shift_gradient(problem, *inputs))
  by_step, *by_rate = np.split(
    found, num_seeds * np.array([num_steps, num_steps + num_rates])
  )
  stale, shift = (e.reshape(num_rates, num_seeds).T for e in by_rate)
  return OnlineErrors(by_step.reshape(num_seeds, num_steps), stale, shift)


def train(
  problem: Problem, rates: np.ndarray
) -> tuple[nf.base.Params, nf.base.Params]:
  """Runs RTRL with an update at every step, for each rate and seed.

  Returns the parameters each step used, and its gradient: [L * S, T, ...].
  """
  estimator = nf.estimators.rtrl(problem.cell, problem.loss_fn)

  def one(example):
    rate, params, xs, ys = example
    optimizer = optax.sgd(rate)

    def body(carry, inputs):
      params, state = carry
      state, estimate = estimator.update(params, state, *inputs)
      change, _ = optimizer.update(estimate.grads, optimizer.init(params))
      carry = optax.apply_updates(params, change), state
      return carry, (params, estimate.grads)

    start = params, estimator.init(params, jax.random.key(0))
    return lax.scan(body, start, (xs[:, None], ys[:, None]))[1]

  data = _tile((problem.params, problem.xs, problem.ys), len(rates))
  return for_each(one, (np.repeat(rates, len(problem.xs)), *data))


def _tile(tree, times):
  return _map(lambda leaf: np.concatenate([leaf] * times), tree)


def _hold(params, num_steps):
  """Uses the same parameters, leaves [B, ...], at all steps: [B, T, ...]."""
  return _map(lambda leaf: np.repeat(leaf[:, None], num_steps, axis=1), params)


def _flat(tree):
  """Returns leaves [B, ...] as vectors [B, P] in float64."""
  rows = [np.reshape(leaf, (len(leaf), -1)) for leaf in jax.tree.leaves(tree)]
  return np.concatenate(rows, axis=1).astype(np.float64)
