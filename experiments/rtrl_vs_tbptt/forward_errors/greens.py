"""RTRL by the Green's function of the linearised network, with inverses."""

import jax
from jax import lax
from jax import numpy as jnp

import nnfun as nf


def gradients(
  cell: nf.AffineCell,
  loss_fn: nf.base.LossFn,
  params: nf.base.Params,
  xs: jax.Array,
  ys: jax.Array,
) -> tuple[jax.Array, jax.Array]:
  """Returns each step's gradient by the cell's parameters, and a condition.

    d h_t / d theta = U_t V_t,  V_t = sum_{u <= t} U_u^-1 I_u,
    U_t = Phi_t U_tm1,  U_0 = 1.

  For an affine cell each term costs O(n^3), for I_u = D_u (x) z_u; so does the
  inverse. In exact arithmetic this is RTRL.

  Args:
    cell: a cell with one matrix W [N, Z] of parameters.
    loss_fn: the loss of one step.
    params: the parameters.
    xs: inputs [T, I].
    ys: targets [T, O].

  Returns:
    Gradients [T, N, Z], and the condition number of U_t [T].

  References:
    Sun, Chen, Lee, Green's function method for fast on-line learning algorithm
    of recurrent neural networks, 1991
  """
  w = params["cell"]

  def body(carry, inputs):
    (h_tm1, u, v), (x_t, y_t) = carry, inputs
    z = cell.features(h_tm1, x_t)
    delta = jax.jacfwd(cell.activate)(w @ z, h_tm1)  # D_t  [N, N]
    transition = jax.jacfwd(lambda h: cell.step(w, h, x_t))(h_tm1)
    h_t, u = cell.step(w, h_tm1, x_t), transition @ u
    v += jnp.einsum("sn,z->snz", jnp.linalg.inv(u) @ delta, z)
    slope = jax.grad(loss_fn, 1)(params, h_t, y_t)
    return (h_t, u, v), (jnp.tensordot(slope @ u, v, 1), jnp.linalg.cond(u))

  h_0 = nf.base.initial_state(cell, w)
  start = h_0, jnp.eye(h_0.size), jnp.zeros((h_0.size, *w.shape))
  return lax.scan(body, start, (xs, ys))[1]
