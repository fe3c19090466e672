"""Cells of Flax: linen by an adapter, nnx by splitting it into its parts."""

import jax
import optax
from flax import linen, nnx
from jax import numpy as jnp

import nnfun as nf

NUM_INPUTS, NUM_UNITS = 2, 16


def from_nnx(module: nnx.Module, num_units: int) -> nf.Cell:
  """A cell of a module that takes (carry, x) to (carry, y), y = carry."""
  graph, start = nnx.split(module)

  def step(params, h_tm1, x_t):
    return nnx.merge(graph, params)(h_tm1, x_t)[0]

  # `key` would draw other parameters than the module has.
  return nf.Cell(lambda key: start, lambda: jnp.zeros(num_units), step)


def loss_fn(
  params: nf.base.Params, h_t: jax.Array, y_t: jax.Array
) -> jax.Array:
  """Cross-entropy of a linear readout, in nats."""
  return optax.softmax_cross_entropy(params["readout"] @ h_t, y_t)


def main() -> dict[str, float]:
  """Trains both online by exact RTRL, and prints their last losses."""
  cells = {
    "linen GRU": nf.cells.from_linen(
      linen.GRUCell(NUM_UNITS), num_inputs=NUM_INPUTS
    ),
    "nnx GRU": from_nnx(
      nnx.GRUCell(NUM_INPUTS, NUM_UNITS, rngs=nnx.Rngs(0)), NUM_UNITS
    ),
  }
  task = nf.tasks.delayed_addition(num_steps=3000, delays=(1, 2))
  xs, ys = task.sample(jax.random.key(1))
  optimizer, last = optax.adam(1e-2), {}
  for name, cell in cells.items():
    estimator = nf.estimators.rtrl(cell, loss_fn)
    params = {
      "cell": cell.init(jax.random.key(0)),
      "readout": jnp.zeros((2, NUM_UNITS)),
    }
    state = nf.training.stream_init(
      estimator, optimizer, params, jax.random.key(2)
    )

    @jax.jit
    def train(state, estimator=estimator):
      return nf.training.train_stream(
        estimator, optimizer, state, xs, ys, segment=1
      )

    _, losses = train(state)
    last[name] = float(losses[-300:].mean())
    print(f"{name}: {last[name]:.3f} nats a step (floor 0.4545)")
  return last


if __name__ == "__main__":
  main()
