"""Penalties on how a recurrent network carries its error back in time."""

from typing import NamedTuple

import jax
from jax import lax
from jax import numpy as jnp

from nnfun import base, numerics


class Backpropagated(NamedTuple):
  """What one pass of backpropagation through time passes through."""

  loss: base.Array  # E = sum_t loss_t  []
  grads: base.Params  # d E / d params
  states_tm1: base.State  # s_{t-1}, leaves [T, ...]
  errors: base.State  # d E / d s_t, later losses included, leaves [T, ...]


def backpropagate(
  cell: base.Cell,
  loss_fn: base.LossFn,
  params: base.Params,
  xs: base.PyTree,
  ys: base.PyTree,
) -> Backpropagated:
  """Returns the gradient of an episode and the errors at every state.

  Args:
    cell: any cell.
    loss_fn: the loss of one step.
    params: the parameters, with the entries "cell" and "readout".
    xs: inputs, leaves [T, ...].
    ys: what the loss needs, leaves [T, ...].

  Returns:
    Loss, gradient, states and errors, from one pass through the episode.
  """
  state_0 = base.initial_state(cell, params["cell"])
  num_steps = jax.tree.leaves(xs)[0].shape[0]
  nudges = jax.tree.map(
    lambda s: jnp.zeros((num_steps, *s.shape), s.dtype), state_0
  )

  def episode_loss(params, nudges):
    def body(state_tm1, inputs):
      x_t, y_t, nudge_t = inputs
      state_t = base.step(cell, params["cell"], state_tm1, x_t)
      # d E / d nudge_t = d E / d s_t: what all that follows owes to s_t.
      state_t = jax.tree.map(jnp.add, state_t, nudge_t)
      return state_t, (loss_fn(params, state_t, y_t), state_tm1)

    _, (losses, states_tm1) = lax.scan(body, state_0, (xs, ys, nudges))
    return jnp.sum(losses), states_tm1

  (loss, states_tm1), (grads, errors) = jax.value_and_grad(
    episode_loss, (0, 1), has_aux=True
  )(params, nudges)
  return Backpropagated(loss, grads, states_tm1, errors)


def norm_preservation(
  cell: base.AffineCell,
  theta: base.Params,
  states_tm1: base.State,
  xs: base.PyTree,
  errors: base.State,
  *,
  squared: bool = False,
  min_error: float = 1e-10,
) -> base.Array:
  """Penalises an error which grows or shrinks on its way back in time.

    Omega = sum_t (r_t - 1)^2,
    r_t = norm(e_t ds_t/ds_tm1) / norm(e_t),  e_t = d E / d s_t.

  Its gradient is the paper's "immediate" one: s_tm1, e_t and the slopes of the
  activation are constants, so that only the matrix W of the Jacobian

    ds_t/ds_tm1 = (d activate/da) W (dz/ds_tm1) + d activate/ds_tm1

  is varied. A penalty on the error's direction alone, it does not ask all
  singular values to be 1.

  The paper writes the state before the activation, x_t = W sigma(x_tm1) + ...;
  here as in the authors' code it is the cell's own, after it. Equation 9 has
  the ratio r_t, equation 10 and the code its square (`squared`). The code also
  divides by the number of steps. Equations 5 and 10 print the transpose of W.

  Args:
    cell: the cell.
    theta: its parameters.
    states_tm1: s_tm1, leaves [T, ...]; these and the errors are given by
      `backpropagate`.
    xs: inputs, leaves [T, ...].
    errors: e_t, leaves [T, ...].
    squared: whether to penalise (r_t^2 - 1)^2.
    min_error: steps whose error has a norm below it do not count; by default
      the authors' 1e-20 for its square.

  Returns:
    Omega, a scalar.

  Raises:
    ValueError: if the cell is not affine: no other has a W apart from the
      slopes.

  References:
    Pascanu, Mikolov, Bengio, On the difficulty of training recurrent neural
    networks, 2013, https://arxiv.org/abs/1211.5063 (equations 9 and 10)
  """
  if not isinstance(cell, base.AffineCell):
    raise ValueError(
      f"expected an AffineCell, whose Jacobian is (slopes) W (slopes), got a "
      f"{type(cell).__name__}"
    )
  states_tm1, errors = lax.stop_gradient((states_tm1, errors))

  def term(s_tm1, x_t, error):
    norm = numerics.global_norm(error)
    counts = norm >= min_error
    norm = jnp.where(counts, norm, 1)
    unit = jax.tree.map(lambda e: (e / norm).astype(e.dtype), error)
    carried = numerics.global_norm(_pull(cell, theta, s_tm1, x_t, unit))
    ratio = carried**2 if squared else carried
    return jnp.where(counts, (ratio - 1) ** 2, 0)

  return jnp.sum(jax.vmap(term)(states_tm1, xs, errors))


def _pull(cell, theta, s_tm1, x_t, cotangent):
  """Returns cotangent ds_t/ds_tm1, differentiable in theta as W alone."""
  z, pull_z = jax.vjp(lambda s: cell.features(s, x_t), s_tm1)
  a = lax.stop_gradient(base.preactivation(theta, z))
  _, pull_activate = jax.vjp(cell.activate, a, s_tm1)
  cotangent_a, direct = pull_activate(cotangent)
  structure = jax.tree.structure(z)
  matrices = jax.tree.leaves(theta)
  cotangent_z = [
    c @ w for c, w in zip(jax.tree.leaves(cotangent_a), matrices, strict=True)
  ]
  (through,) = pull_z(structure.unflatten(cotangent_z))
  return jax.tree.map(jnp.add, through, direct)
