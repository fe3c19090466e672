"""The ring, a tanh network, and the influence of their parameters."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np
from jax import flatten_util, lax
from jax import numpy as jnp

import nnfun as nf
from nnfun import base

_NUM_INPUTS = 2  # Of tanh networks.
_GAIN = 0.95  # Largest singular value of their recurrent weights.


class Problem(NamedTuple):
  """A cell, its parameters, and what it reads."""

  cell: base.AffineCell
  theta: base.Array  # W
  xs: base.Array  # [T, I]


def ring(num_units: int, num_steps: int, decay: float) -> Problem:
  """Returns h_t = a P h_tm1 + W x_t, which reads unit vectors; W is 0."""

  def features(h_tm1, x_t):
    del h_tm1
    return x_t

  def activate(a, h_tm1):
    return decay * jnp.roll(h_tm1, 1) + a

  cell = base.AffineCell(
    init=lambda key: jnp.zeros((num_units, num_steps)),
    initial_state=lambda: jnp.zeros(num_units),
    step=base.affine_step(features, activate),
    features=features,
    activate=activate,
    input_spec=jax.ShapeDtypeStruct((num_steps,), jnp.float32),
  )
  return Problem(cell, jnp.zeros((num_units, num_steps)), jnp.eye(num_steps))


def ring_influences(num_units: int, num_steps: int, decay: float) -> np.ndarray:
  """Returns d h_t / d W of every step, in closed form  [T, n, n T]."""
  found = np.zeros((num_steps, num_units, num_units, num_steps), np.float32)
  for t in range(num_steps):
    for s in range(t + 1):
      turned = np.roll(np.eye(num_units), t - s, axis=0)
      found[t, :, :, s] = decay ** (t - s) * turned
  return found.reshape(num_steps, num_units, -1)


def network(num_units: int, num_steps: int, key: base.Array) -> Problem:
  """Returns a tanh network that forgets, and random inputs."""
  orthogonal = jax.nn.initializers.orthogonal(_GAIN)
  cell = nf.cells.vanilla(
    num_inputs=_NUM_INPUTS, num_units=num_units, recurrent_init=orthogonal
  )
  key_cell, key_inputs = jax.random.split(key)
  xs = jax.random.normal(key_inputs, (num_steps, _NUM_INPUTS))
  return Problem(cell, cell.init(key_cell), xs)


def exact_influences(problem: Problem) -> base.Array:
  """Returns d h_t / d W of every step by forward derivatives  [T, n, P]."""
  cell, theta, xs = problem
  flat, unravel = flatten_util.ravel_pytree(theta)

  def states(flat):
    def body(h_tm1, x_t):
      h_t = cell.step(unravel(flat), h_tm1, x_t)
      return h_t, h_t

    return lax.scan(body, cell.initial_state().astype(flat.dtype), xs)[1]

  return jax.jacfwd(states)(flat)


def follow(
  make: Callable[..., base.GradientEstimator],
  problem: Problem,
  exact: base.Array,
  key: base.Array,
) -> tuple[base.Array, base.PyTree]:
  """Returns |J_t - exact|^2 of an estimator [T], and its states [T, ...].

  The gradient of h_t's i-th entry is the i-th row of J_t.
  """
  cell, theta, xs = problem
  estimator = make(cell, nf.estimators.cotangent_loss)
  params = {"cell": theta, "readout": {}}
  rows = jnp.eye(exact.shape[1], dtype=theta.dtype)

  def body(state, step):
    x_t, exact_t = step

    def row(cotangent):
      # Whatever the cotangent is, the state after the step is the same.
      after, estimate = estimator.update(
        params, state, x_t[None], cotangent[None]
      )
      return after, estimate.grads["cell"].ravel()

    after, found = jax.vmap(row, out_axes=(None, 0))(rows)
    return after, (jnp.sum((found - exact_t) ** 2), after)

  start = estimator.init(params, key)
  return lax.scan(body, start, (xs, exact))[1]


def last_gradient(
  make: Callable[..., base.GradientEstimator],
  problem: Problem,
  key: base.Array,
  *,
  segment: int,
) -> tuple[base.Array, base.Array]:
  """Returns the gradient of a squared error of h_T by W [n, T], and the error.

  W is 0, so h_T is, and the error can be what is asked for: random signs [n].
  """
  cell, theta, xs = problem
  num_steps = len(xs)
  key_signs, key = jax.random.split(key)
  signs = jax.random.rademacher(key_signs, (len(theta),), theta.dtype)
  value = jnp.broadcast_to(-signs, (num_steps, len(theta)))
  weight = jnp.zeros(num_steps).at[-1].set(1)

  def loss_fn(params, h_t, y_t):
    del params
    return 0.5 * y_t.weight * jnp.sum((h_t - y_t.value) ** 2)

  estimate = nf.training.episode_gradient(
    make(cell, loss_fn),
    {"cell": theta, "readout": {}},
    key,
    xs,
    nf.Target(value, weight),
    segment=segment,
  )
  return estimate.grads["cell"], signs
