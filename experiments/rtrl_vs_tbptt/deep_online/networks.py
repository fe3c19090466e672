"""A stack of linear recurrent units which is read at any of its layers."""

from typing import NamedTuple

import jax
import optax
from jax import numpy as jnp

import nnfun as nf

_NUM_SYMBOLS = 4


class Case(NamedTuple):
  """One network: how many layers it has, and their least radius."""

  num_layers: jax.Array  # A number, which may be traced.
  r_min: jax.Array  # Eigenvalues start between this and 1.


def task(length: int) -> nf.Task:
  """Returns the copy task, as in the paper without a pause."""
  return nf.tasks.copy(num_symbols=_NUM_SYMBOLS, max_length=length)


def _nonlinear(state):
  """What the next layer, or the readout, reads of the 2 N numbers."""
  return jnp.tanh(state)


def stack(num_layers: int, num_units: int) -> nf.StackedCell:
  """Returns the layers; each puts out the tanh of its state."""
  inputs = [_NUM_SYMBOLS + 2] + [2 * num_units] * (num_layers - 1)
  return nf.cells.stack(
    [
      nf.cells.lru(num_inputs=n, num_units=num_units)._replace(
        output=_nonlinear
      )
      for n in inputs
    ]
  )


def loss_fn(
  params: nf.base.Params, state: nf.base.State, y_t: tuple
) -> jax.Array:
  """Returns the cross-entropy of the symbols, read at the case's last layer.

  Layers above are not reached by the loss: the network ends where it is read,
  and one program serves all depths.
  """
  target, num_layers = y_t
  layers = jnp.stack([_nonlinear(layer) for layer in state])
  h = jnp.take(layers, num_layers - 1, axis=0)
  readout = params["readout"]
  logits = readout["weights"] @ h + readout["bias"]
  label = jnp.minimum(target.value, _NUM_SYMBOLS - 1)  # A blank has weight 0.
  return target.weight * optax.losses.softmax_cross_entropy_with_integer_labels(
    logits, label
  )


def draw(cell: nf.StackedCell, key: jax.Array, case: Case) -> nf.base.Params:
  """Draws a network; layers have the same weights whatever is above them."""
  key_cell, key_radius, key_readout = jax.random.split(key, 3)
  thetas, keys = cell.init(key_cell), jax.random.split(key_radius, 99)

  def ring(theta, key):
    u = jax.random.uniform(key, theta["nu"].shape)
    squared = u * (1 - case.r_min**2) + case.r_min**2
    squared = jnp.clip(squared, 1e-6, 1 - 1e-6)
    return theta | {
      "nu": jnp.log(-0.5 * jnp.log(squared)),
      "log_gamma": 0.5 * jnp.log1p(-squared),
    }

  theta = tuple(ring(t, k) for t, k in zip(thetas, keys, strict=False))
  width = 2 * theta[0]["nu"].size
  weights = jax.random.normal(key_readout, (_NUM_SYMBOLS, width)) / width**0.5
  readout = {"weights": weights, "bias": jnp.zeros(_NUM_SYMBOLS)}
  return {"cell": theta, "readout": readout}
