"""Influences of affine cells as sums of Kronecker products: what they share.

A step of an affine cell has d s_t / d W_k = D_k (x) z_k, an outer product of
[S, R_k] and [Z_k], and Phi (A (x) u) = (Phi A) (x) u: a sum of such products is
carried as one, and a method only says how it is kept short.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import jax
from jax import flatten_util
from jax import numpy as jnp

from nnfun import base, loops
from nnfun.estimators import affine_step, checks, dense_influence, segment


class KroneckerInfluence(NamedTuple):
  """J, in factors, with the randomness to come."""

  key: jax.Array
  drawn: Any  # what came of the key and is not used up, zero for nothing
  factors: list[Any]  # for each matrix of the parameters


class Randomness(NamedTuple):
  """What the steps get from the key.

  zeros: number of matrices to what is kept of a draw, nothing yet.
  draw: (key, what is kept, number of matrices) to (key, what is kept, a list of
    what the step of each matrix gets).
  """

  zeros: Callable[[int], Any]
  draw: Callable[[jax.Array, Any, int], tuple[jax.Array, Any, list[jax.Array]]]


def _draw_keys(key, drawn, num_matrices):
  key, *keys = jax.random.split(key, 1 + num_matrices)
  return key, drawn, keys


KEYS = Randomness(lambda num_matrices: (), _draw_keys)


class StepFn(Protocol):
  """Carries the factors of one matrix over a step."""

  def __call__(
    self,
    random: jax.Array,
    factors: Any,
    transition: jax.Array,
    delta: jax.Array,
    z: jax.Array,
  ) -> Any:
    """Returns factors with the mean Phi J + D (x) z.

    Args:
      random: of this step and matrix, a key or what `Randomness` draws.
      factors: of J.
      transition: Phi [S, S].
      delta: D [S, R].
      z: [Z].
    """
    ...


class Factors(NamedTuple):
  """How J is kept for a matrix [R, Z], and carried.

  zeros: (matrix, S) to the factors of J = 0.
  step: a `StepFn`.
  pull: (lambda [S], factors) to lambda^T J [R, Z].
  randomness: by default each step gets a key.
  """

  zeros: Callable[[jax.Array, int], Any]
  step: StepFn
  pull: Callable[[jax.Array, Any], jax.Array]
  randomness: Randomness = KEYS


def from_factors(
  name: str,
  cell: base.AffineCell,
  loss_fn: base.LossFn,
  factors: Factors,
  *,
  precision: str | None,
) -> base.GradientEstimator:
  """Returns the estimator that carries such factors, step by step.

  Args:
    name: of the estimator, for the error.
    cell: an affine cell.
    loss_fn: the loss of one step.
    factors: how J is kept.
    precision: of products, see `rtrl`.

  Returns:
    The estimator; its key is in its state.

  Raises:
    ValueError: if the cell is of another kind.
  """
  checks.check_affine(cell, name)
  influence = _kronecker_influence(cell, factors)
  return segment.from_influence(cell, loss_fn, influence, precision=precision)


def weigh(weights: jax.Array, vectors: jax.Array) -> jax.Array:
  """Returns sum_i weights_i (x) u_i; what a zero multiplies is not read.

  Args:
    weights: [r, R].
    vectors: u [r, Z].

  Returns:
    [R, Z].
  """
  return dense_influence.multiply(weights.T, [vectors])[0]


def _kronecker_influence(cell, factors):
  def init(params, key):
    state = flatten_util.ravel_pytree(base.initial_state(cell, params))[0]
    matrices = checks.matrices(params)
    zeros = [factors.zeros(w, state.size) for w in matrices]
    drawn = factors.randomness.zeros(len(matrices))
    return KroneckerInfluence(checks.own_key(key), drawn, zeros)

  def advance(params, influence, states, xs, resets):
    matrices, structure = jax.tree.flatten(params)

    def body(carry, step):
      key, *carried = carry
      state_tm1, x_t, reset_t = step
      if reset_t is not None:
        carried = jax.tree.map(lambda c: jnp.where(reset_t, 0, c), carried)
      drawn, kept = carried
      key, drawn, randoms = factors.randomness.draw(key, drawn, len(matrices))
      phi, deltas, zs = affine_step.factors(cell, params, state_tm1, x_t)
      parts = zip(randoms, kept, deltas, zs, matrices, strict=True)
      kept = [
        factors.step(r, f, phi, d.astype(w.dtype), z.astype(w.dtype))
        for r, f, d, z, w in parts
      ]
      return KroneckerInfluence(key, drawn, kept), None

    after, _ = loops.scan(body, influence, (states, xs, resets))

    def pull(cotangent):
      flat = flatten_util.ravel_pytree(cotangent)[0]
      grads = [factors.pull(flat, kept) for kept in influence.factors]
      return structure.unflatten(grads)

    return after, pull

  return base.Influence(init, advance)
