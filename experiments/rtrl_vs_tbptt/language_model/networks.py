"""The n-gram model as a cell, and the loss of both networks."""

import math

import jax
import optax
from jax import numpy as jnp

from nnfun import base


def ngram_cell(*, num_inputs: int, num_units: int, window: int) -> base.Cell:
  """A tanh layer over the last n inputs: h_t = tanh(W [x_{t-n+1} ... x_t, 1]).

  Its state remembers inputs alone, so that the gradient through one step is
  the whole gradient. What statistics calls an n-gram model sees n - 1
  characters; here n counts the characters seen, to compare with n steps.
  """
  weights_init = jax.nn.initializers.lecun_normal(in_axis=-1, out_axis=-2)

  def init(key):
    w = weights_init(key, (num_units, window * num_inputs), jnp.float32)
    return jnp.concatenate([w, jnp.zeros((num_units, 1))], axis=1)

  def initial_state():
    return jnp.zeros((window, num_inputs)), jnp.zeros(num_units)

  def step(w, state_tm1, x_t):
    seen = jnp.concatenate([state_tm1[0][1:], x_t[None]])
    return seen, jnp.tanh(w @ jnp.append(seen.ravel(), 1.0))

  return base.Cell(init=init, initial_state=initial_state, step=step)


def bits(
  params: base.Params, state_t: base.State, y_t: base.Array
) -> base.Array:
  """Returns the cross-entropy of the next character, bits."""
  h_t = base.last_leaf(state_t)
  logits = params["readout"]["w"] @ h_t + params["readout"]["b"]
  loss = optax.losses.softmax_cross_entropy_with_integer_labels(logits, y_t)
  return loss / math.log(2)
