"""Cells of Equinox: the arrays of a module are the parameters, the rest stays.

`eqx.partition` takes a module apart, `eqx.combine` puts it together again. A
module of your own needs no more than a `__call__` of input and state.
"""

import functools
from collections.abc import Callable

import equinox as eqx
import jax
import optax
from jax import numpy as jnp

import nnfun as nf

NUM_INPUTS, NUM_UNITS = 2, 16


class Leaky(eqx.Module):
  """Units that forget at a rate of their own, which is learned too."""

  linear: eqx.nn.Linear
  keep: jax.Array  # [N]

  def __init__(self, key: jax.Array) -> None:
    """Draws the weights."""
    self.linear = eqx.nn.Linear(NUM_INPUTS + NUM_UNITS, NUM_UNITS, key=key)
    self.keep = jnp.zeros(NUM_UNITS)

  def __call__(self, x_t: jax.Array, h_tm1: jax.Array) -> jax.Array:
    """Returns the next state."""
    keep = jax.nn.sigmoid(self.keep)
    drive = jnp.tanh(self.linear(jnp.concatenate([x_t, h_tm1])))
    return keep * h_tm1 + (1 - keep) * drive


def from_equinox(make: Callable[[jax.Array], eqx.Module]) -> nf.Cell:
  """A cell of modules that `make` draws, each taking (x, h) to the next h."""
  _, static = eqx.partition(make(jax.random.key(0)), eqx.is_inexact_array)
  return nf.Cell(
    init=lambda key: eqx.filter(make(key), eqx.is_inexact_array),
    initial_state=lambda: jnp.zeros(NUM_UNITS),
    step=lambda params, h, x: eqx.combine(params, static)(x, h),
    input_spec=jax.ShapeDtypeStruct((NUM_INPUTS,), jnp.float32),
  )


def main() -> dict[str, float]:
  """Trains two online by exact RTRL, and prints their last losses."""
  gru = lambda key: eqx.nn.GRUCell(NUM_INPUTS, NUM_UNITS, key=key)
  loss_fn = lambda params, h_t, y_t: optax.softmax_cross_entropy(
    params["readout"] @ h_t, y_t
  )
  task = nf.tasks.delayed_addition(num_steps=3000, delays=(1, 2))
  xs, ys = task.sample(jax.random.key(1))
  optimizer, last = optax.adam(1e-2), {}
  for name, make in (("GRU", gru), ("leaky", Leaky)):
    cell = from_equinox(make)
    estimator = nf.estimators.rtrl(cell, loss_fn)
    params = {
      "cell": cell.init(jax.random.key(0)),
      "readout": jnp.zeros((2, NUM_UNITS)),
    }
    state = nf.training.stream_init(
      estimator, optimizer, params, jax.random.key(2)
    )
    train = functools.partial(nf.training.train_stream, estimator, optimizer)
    _, losses = jax.jit(functools.partial(train, segment=1))(state, xs, ys)
    last[name] = float(losses[-300:].mean())
    print(f"{name}: {last[name]:.3f} nats a step (floor 0.4545)")
  return last


if __name__ == "__main__":
  main()
