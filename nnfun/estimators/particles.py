"""Pairs of networks at parameters moved to both sides, run beside one another.

Particles are indexed by sign and pair: leaves [2, N, ...], theta + eps_i first.
Noise has leaves [N, ...] like the parameters, and the matrices [R, Z] of an
affine cell are transposed in it, [N, Z, R]: products with two vectors each, one
a side, then take a CPU half as long as one after the other.
"""

import functools
from typing import NamedTuple

import jax
import optax
from jax import numpy as jnp

from nnfun import base, loops, numerics
from nnfun.estimators import checks


class ParticlesState(NamedTuple):
  """Where a stream and its particles stand between two segments."""

  cell: base.State  # of the network itself
  particles: base.State | None  # of theta + eps and theta - eps [2, N, ...]
  noise: base.Params | None  # xi
  is_new: base.Array | None  # whether the noise is still to be drawn  []
  key: base.Array


def check(num_pairs: int, sigma: float) -> None:
  """Checks the settings.

  Args:
    num_pairs: N.
    sigma: the standard deviation of the noise.

  Raises:
    ValueError: if N is not a positive integer or sigma not positive.
  """
  base.check_count("num_pairs", num_pairs)
  if isinstance(sigma, (int, float)) and not sigma > 0:
    raise ValueError(f"expected sigma > 0, got {sigma}")


def init_fn(
  cell: base.Cell,
  num_pairs: int,
  *,
  carries: bool = False,
  reuses: bool = False,
) -> base.EstimatorInitFn:
  """Returns what makes the state at the start of a sequence.

  Args:
    cell: any cell.
    num_pairs: N.
    carries: whether particles and noise go from segment to segment.
    reuses: whether the noise is drawn once an episode.

  Returns:
    (params, key) to the state.

  Raises:
    ValueError: if the cell is none.
  """
  checks.check_is_cell(cell)

  def init(params, key):
    if isinstance(cell, base.AffineCell):
      checks.matrices(params["cell"])
    state = base.initial_state(cell, params["cell"])
    if not carries:
      return ParticlesState(state, None, None, None, checks.own_key(key))
    noise = jax.tree.map(
      lambda p: jnp.zeros((num_pairs, *p.shape), p.dtype), _flip(cell, params)
    )
    is_new = jnp.ones([], bool) if reuses else None
    particles = spread(state, num_pairs)
    return ParticlesState(state, particles, noise, is_new, checks.own_key(key))

  return init


def spread(state: base.State, num_pairs: int) -> base.State:
  """Returns a state for each particle.

  Args:
    state: leaves [...].
    num_pairs: N.

  Returns:
    Leaves [2, N, ...].
  """
  return jax.tree.map(
    lambda s: jnp.broadcast_to(s, (2, num_pairs, *s.shape)), state
  )


def draw(
  key: base.Array,
  cell: base.Cell,
  params: base.Params,
  num_pairs: int,
  sigma: float,
) -> base.Params:
  """Returns eps_i ~ N(0, sigma^2) for every pair.

  Args:
    key: randomness.
    cell: any cell.
    params: the parameters.
    num_pairs: N.
    sigma: the standard deviation.

  Returns:
    Noise in the dtypes of the parameters.
  """
  leaves, structure = jax.tree.flatten(_flip(cell, params))
  keys = jax.random.split(key, len(leaves))
  return structure.unflatten(
    [
      jnp.asarray(sigma, leaf.dtype)
      * jax.random.normal(k, (num_pairs, *leaf.shape), leaf.dtype)
      for k, leaf in zip(keys, leaves, strict=True)
    ]
  )


def run(
  cell: base.Cell,
  loss_fn: base.LossFn,
  params: base.Params,
  noise: base.Params,
  carry: tuple[base.State, base.State],
  xs: base.PyTree,
  ys: base.PyTree,
  resets: base.Array | None,
) -> tuple[tuple[base.State, base.State], base.Array, base.Array]:
  """Runs the network and its particles through a segment.

  Args:
    cell: any cell.
    loss_fn: the loss of one step.
    params: the parameters.
    noise: eps.
    carry: the state, and those of the particles [2, N, ...].
    xs: inputs, leaves [K, ...].
    ys: targets, leaves [K, ...].
    resets: whether a step starts from the initial state [K], or None.

  Returns:
    The carry after it, the losses [K], and those of theta + eps less those of
    theta - eps [K, N].
  """
  start = None
  if resets is not None:
    state = base.initial_state(cell, params["cell"])
    start = state, spread(state, jax.tree.leaves(noise)[0].shape[0])
  thetas = jax.tree.map(  # Leaves [N, 2, ...].
    lambda p, e: jnp.stack([p[None] + e, p[None] - e], 1),
    params,
    _flip(cell, noise),
  )
  moved = _moved(cell, params, noise, thetas)

  def body(carry, step):
    x_t, y_t, reset_t = step
    if reset_t is not None:
      carry = jax.tree.map(
        lambda new, s: jnp.where(reset_t, new, s), start, carry
      )

    def one(cell, of_cell, params, state_tm1):
      state_t = base.step(cell, of_cell, state_tm1, x_t)
      loss = checks.checked_loss(loss_fn, params, state_t, y_t)
      return state_t, numerics.widen(loss)

    state, loss = one(cell, params["cell"], params, carry[0])
    sides = jax.vmap(functools.partial(one, moved.cell), (moved.of_side, 0, 0))
    pairs = jax.vmap(sides, (moved.of_pair, 0, 1), 1)
    particles, losses = pairs(moved.of_cell, thetas, carry[1])
    return (state, particles), (loss, losses[0] - losses[1])

  carry, (losses, gaps) = loops.scan(body, carry, (xs, ys, resets))
  return carry, losses, gaps


class _Moved(NamedTuple):
  """Networks at theta + eps_i and theta - eps_i."""

  cell: base.Cell  # whose step takes `of_cell`
  of_cell: base.PyTree
  of_pair: base.PyTree  # the axis of each of its leaves along pairs, or None
  of_side: base.PyTree  # likewise along sides, for one pair


def _moved(cell, params, noise, thetas):
  """Moves the parameters of a cell.

  To the step of an affine cell theta and eps_i come apart: (theta + eps_i) z =
  theta z + eps_i z is a product of one matrix with all z, and of N more which
  both sides share, where a machine would otherwise read 2 N at each step.
  """
  if not isinstance(cell, base.AffineCell):
    return _Moved(cell, thetas["cell"], 0, 0)

  def step_fn(parts, state_tm1, x_t):
    w, e, sign = parts
    z = cell.features(state_tm1, x_t)
    a, structure = jax.tree.flatten(base.preactivation(w, z))
    parts = zip(a, *map(jax.tree.leaves, (z, e)), strict=True)
    products = [(a_k, z_k @ e_k) for a_k, z_k, e_k in parts]
    a = [a_k + sign.astype(p.dtype) * p for a_k, p in products]
    return cell.activate(structure.unflatten(a), state_tm1)

  parts = params["cell"], noise["cell"], jnp.array([1, -1], jnp.int32)
  cell = cell._replace(step=step_fn)
  return _Moved(cell, parts, (None, 0, None), (None, None, 0))


def credit(
  cell: base.Cell, noise: base.Params, gaps: base.Array, sigma: float
) -> base.Params:
  """Returns 1 / (2 sigma^2 N) sum_i xi_i (L_i^+ - L_i^-).

  Args:
    cell: any cell.
    noise: xi.
    gaps: L_i^+ - L_i^- [N].
    sigma: the standard deviation of eps.

  Returns:
    Leaves like the parameters, in float32 or wider.
  """
  # Divided twice: the square of a small sigma has fewer digits, or none.
  scale = jnp.asarray(sigma, gaps.dtype)
  weights = gaps / scale / scale / (2 * len(gaps))
  sums = jax.tree.map(
    lambda e: jnp.tensordot(weights, numerics.widen(e), 1), noise
  )
  return _flip(cell, sums)


def _flip(cell, tree):
  """Transposes the matrices of an affine cell, in parameters or in noise."""
  if not isinstance(cell, base.AffineCell):
    return tree
  return {**tree, "cell": jax.tree.map(jnp.matrix_transpose, tree["cell"])}


def estimate(
  losses: base.Array, grads: base.Params, params: base.Params
) -> base.Estimate:
  """Returns the estimate of a segment.

  Args:
    losses: of the network itself [K].
    grads: in float32 or wider.
    params: for their dtypes.

  Returns:
    The estimate.
  """
  return base.Estimate(jnp.sum(losses), optax.tree.cast_like(grads, params))
