"""Unbiased online recurrent optimisation."""

from typing import NamedTuple

import jax
from jax import flatten_util
from jax import numpy as jnp

from nnfun import base, loops, numerics, vectors
from nnfun.estimators import (
  affine_step,
  checks,
  dense_influence,
  low_rank,
  segment,
)
from nnfun.estimators import signs as signs_lib


class UOROInfluence(NamedTuple):
  """J ~ mean_i s~_i (x) theta~_i."""

  key: jax.Array
  bits: jax.Array  # of signs to come, see `signs`  [r, S]
  of_state: jax.Array  # s~  [r, S]
  of_params: list[jax.Array]  # theta~, an array [r, ...] for each leaf


def uoro(
  cell: base.Cell,
  loss_fn: base.LossFn,
  *,
  rank: int = 1,
  precision: str | None = "highest",
) -> base.GradientEstimator:
  """Carries the influence as outer products of two random vectors; unbiased.

    s~ <- rho_0 Phi s~ + rho_1 nu,  theta~ <- theta~ / rho_0 + nu^T I / rho_1,
    rho_0 = sqrt(|theta~| / |Phi s~|),  rho_1 = sqrt(|nu^T I| / |nu|)

  with random signs nu [S]; then E[s~ (x) theta~] = Phi J + I. Phi and I are
  those of a whole segment, by K forward products and one way back; within it
  the gradient is that of back-propagation. Segments of K steps are memory-K
  UORO, whose variance comes only from what crosses their boundaries.

  A copy has S + P numbers of state, and a step costs it a product of the step
  forward and a way back through it: O(r P), for any cell. The variance is 1 / r
  of that of one copy. It grows with S and with how long the past matters.

  Args:
    cell: any cell.
    loss_fn: the loss of one step.
    rank: r, of how many independent copies the mean is taken.
    precision: of products, see `rtrl`.

  Returns:
    The estimator; its key is in its state. Derivatives of estimates take the
    rho for constants, and are unbiased with them.

  Raises:
    ValueError: if `rank` is not a positive integer.

  References:
    Tallec, Ollivier, Unbiased online recurrent optimization, 2017,
    https://arxiv.org/abs/1702.05043 (algorithm 1)
  """
  base.check_count("rank", rank)
  influence = _rank_one_influence(cell, rank)
  return segment.from_influence(cell, loss_fn, influence, precision=precision)


def _rank_one_influence(cell, num_copies):
  """Carries s~ and theta~ of every copy."""

  def init(params, key):
    state = flatten_util.ravel_pytree(base.initial_state(cell, params))[0]
    of_state = jnp.zeros((num_copies, state.size), state.dtype)
    of_params = dense_influence.zero(params, num_copies)
    bits = signs_lib.zeros(of_state.shape)
    return UOROInfluence(checks.own_key(key), bits, of_state, of_params)

  def advance(params, influence, states, xs, resets):
    key, bits, of_state, of_params = influence
    if resets is not None:  # An episode draws as if it were the first.
      bits = jnp.where(jnp.any(resets), 0, bits)
    key, bits, signs = signs_lib.draw(key, bits)
    signs = signs.astype(of_state.dtype)
    step_fn, flat = _flat_steps(cell, params, states)
    moved = _push(step_fn, params, of_state, flat, xs, resets)
    if isinstance(cell, base.AffineCell) and len(flat) == 1:
      step = jax.tree.map(lambda leaf: leaf[0], (states, xs))
      seen, like_seen = _pull_back_affine(cell, params, signs, *step)
    else:
      seen = like_seen = _pull_back(step_fn, params, signs, flat, xs, resets)
    before = of_params
    if resets is not None:
      goes_on = ~jnp.any(resets)
      before = [jnp.where(goes_on, p, 0) for p in of_params]
    after = jax.vmap(_join)(moved, before, signs, seen, like_seen)

    def pull(cotangent):
      vector = flatten_util.ravel_pytree(cotangent)[0]
      (weights,) = dense_influence.multiply(vector, [of_state.T])
      grads = dense_influence.multiply(weights / num_copies, of_params)
      return jax.tree.structure(params).unflatten(grads)

    return UOROInfluence(key, bits, *after), pull

  return base.Influence(init, advance)


def _join(moved, before, signs, seen, like_seen):
  """Returns one product with the mean of both."""
  rho_0, inverse_0 = low_rank.balance(moved, before)
  rho_1, inverse_1 = low_rank.balance(signs, like_seen)
  of_state = rho_0 * moved + rho_1 * signs
  of_params = [
    (inverse_0 * p + inverse_1 * i).astype(p.dtype)
    for p, i in zip(before, seen, strict=True)
  ]
  return of_state.astype(moved.dtype), of_params


def _flat_steps(cell, params, states):
  """The step on leaves of parameters and flat states, and the states [K, S]."""
  state_0 = jax.tree.map(lambda s: s[0], states)
  flat_step, _ = vectors.flat_step(cell, state_0)
  structure = jax.tree.structure(params)

  def step_fn(leaves, flat_tm1, x_t):
    return flat_step(structure.unflatten(leaves), flat_tm1, x_t)

  return step_fn, jax.vmap(lambda s: flatten_util.ravel_pytree(s)[0])(states)


def _push(step_fn, params, of_state, flat, xs, resets):
  """Returns Phi s~ of a segment, one step after another."""
  leaves = jax.tree.leaves(params)

  def body(tangents, step):
    flat_tm1, x_t, reset_t = step
    if reset_t is not None:
      tangents = jnp.where(reset_t, 0, tangents)

    def of_s(flat_tm1):
      return step_fn(leaves, flat_tm1, x_t)

    def forward(tangent):
      return jax.jvp(of_s, (flat_tm1,), (tangent,))[1]

    try:
      return jax.vmap(forward)(tangents), None
    except TypeError:  # A custom_vjp has no forward derivative.
      _, pull = jax.vjp(of_s, flat_tm1)
      _, twice = jax.vjp(lambda c: pull(c)[0], jnp.zeros_like(flat_tm1))
      return jax.vmap(twice)(tangents)[0], None

  return loops.scan(body, of_state, (flat, xs, resets))[0]


def _pull_back(step_fn, params, signs, flat, xs, resets):
  """Returns nu^T (d s_K / d params), leaves [r, ...], summed wide."""
  leaves = jax.tree.leaves(params)

  def body(carry, step):
    cotangents, sums, reaches = carry
    flat_tm1, x_t, reset_t = step
    _, pull = jax.vjp(lambda p, s: step_fn(p, s, x_t), leaves, flat_tm1)
    grads, cotangents = jax.vmap(pull)(cotangents)
    if reset_t is not None:
      # What came before may be NaN, and does not reach the end.
      grads = [jnp.where(reaches, g, 0) for g in grads]
      reaches &= ~reset_t
    sums = jax.tree.map(jnp.add, sums, grads)
    return (cotangents, sums, reaches), None

  sums = [
    jnp.zeros_like(numerics.widen(p), shape=(len(signs), *p.shape))
    for p in leaves
  ]
  reaches = None if resets is None else jnp.ones_like(resets[0])
  (_, sums, _), _ = loops.scan(
    body, (signs, sums, reaches), (flat, xs, resets), reverse=True
  )
  return sums


def _pull_back_affine(cell, params, signs, state_tm1, x_t):
  """Returns nu^T I of one step, and what has its norm.

  The product (nu^T D_k) (x) z_k needs no pass over its elements to be measured.
  """
  _, deltas, zs = affine_step.factors(cell, params, state_tm1, x_t, signs)
  outer = jax.vmap(jnp.outer, (0, None))
  seen = [outer(d, z) for d, z in zip(deltas, zs, strict=True)]
  norms = map(numerics.global_norm, zs)
  return seen, [d * norm for d, norm in zip(deltas, norms, strict=True)]
