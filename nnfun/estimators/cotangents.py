"""Cotangents of the state that are not those of a loss through the readout.

Estimators take d loss / d s_t from `loss_fn` by automatic differentiation, so
what is to be credited is said there, once, for all of them.
"""

import jax
from jax import lax
from jax import numpy as jnp

from nnfun import base


def cotangent_loss(
  params: base.Params, state_t: base.State, y_t: base.State
) -> base.Array:
  """Returns a loss whose derivative with respect to the state is given.

    loss = <y_t, s_t>,  d loss / d s_t = y_t

  An estimator with this as its `loss_fn` is the transposed influence, for a
  learner that brings its own errors: `ys` are the cotangents. One whose errors
  come a step late (temporal differences) needs less: with the value of a state
  as the loss, `grads` is the value's gradient, to be multiplied by the error
  when it is known.

  Args:
    params: not read.
    state_t: the state.
    y_t: d loss / d s_t, in the structure of the state.

  Returns:
    A scalar, of no meaning of its own.

  Raises:
    ValueError: if structures or shapes differ.
  """
  del params
  trees = y_t, state_t
  structures = [jax.tree.structure(tree) for tree in trees]
  shapes = [list(map(jnp.shape, jax.tree.leaves(tree))) for tree in trees]
  if structures[0] != structures[1] or shapes[0] != shapes[1]:
    raise ValueError(
      "expected a cotangent in the structure and shapes of the state, "
      f"{structures[1]} {shapes[1]}, got {structures[0]} {shapes[0]}"
    )
  terms = jax.tree.map(lambda c, s: jnp.sum(c * s), y_t, state_t)
  return sum(jax.tree.leaves(terms))


def feedback_readout(
  weights: base.Array, feedback: base.Array, h_t: base.Array
) -> base.Array:
  """Returns a linear readout whose errors go back through another matrix.

    y = W h,  d loss / d W = e h^T,  d loss / d h replaced by B^T e,

  with e = d loss / d y: used in `loss_fn`, what multiplies the influence is the
  fed back error. With B = W it is the true gradient.

  Args:
    weights: W [O, N].
    feedback: B [O, N], fixed; no gradient reaches it.
    h_t: h [N].

  Returns:
    y [O].

  References:
    Lillicrap, Cownden, Tweed, Akerman, Random synaptic feedback weights support
    error backpropagation for deep learning, 2016,
    https://doi.org/10.1038/ncomms13276
  """
  fed_back = lax.stop_gradient(feedback) @ h_t
  nothing = fed_back - lax.stop_gradient(fed_back)
  return weights @ lax.stop_gradient(h_t) + nothing
