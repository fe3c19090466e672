"""Long training that may be killed at any moment, and goes on bit for bit.

  python -m examples.checkpoint_and_resume runs/mine

Kill it, and call it again: it starts from the newest whole checkpoint.
"""

import sys

import jax
import optax
from jax import numpy as jnp

import nnfun as nf
from experiments import checkpoints

NUM_CHUNKS = 10  # One checkpoint after each.


def loss_fn(
  params: nf.base.Params, h_t: jax.Array, y_t: jax.Array
) -> jax.Array:
  """Cross-entropy of a linear readout, in nats."""
  return optax.softmax_cross_entropy(params["readout"] @ h_t, y_t)


def main(folder: str) -> jax.Array:
  """Trains, from wherever the folder is, and returns the last readout."""
  cell = nf.cells.vanilla(num_inputs=2, num_units=16)
  estimator = nf.estimators.rtrl(cell, loss_fn)
  optimizer = optax.adam(3e-3)
  task = nf.tasks.delayed_addition(num_steps=500, delays=(2, 4))
  key_cell, key_estimator, key_data = jax.random.split(jax.random.key(0), 3)
  params = {"cell": cell.init(key_cell), "readout": jnp.zeros((2, 16))}
  stream = nf.training.stream_init(estimator, optimizer, params, key_estimator)

  @jax.jit
  def train(state):
    # All that changes is in the state: the data's key as well.
    stream, key, _ = state
    key, key_now = jax.random.split(key)
    xs, ys = task.sample(key_now)
    stream, losses = nf.training.train_stream(
      estimator, optimizer, stream, xs, ys, segment=1
    )
    return stream, key, losses.mean()

  def work(state):
    state = train(state)
    print(f"{float(state[2]):.3f} nats a step")
    return state

  start = stream, key_data, jnp.zeros([])
  kept = checkpoints.Checkpoints(folder)
  print(f"from {kept.steps()[-1:] or 'the start'}")
  stream, _, _ = checkpoints.run(work, start, NUM_CHUNKS, kept)
  return stream.params["readout"]


if __name__ == "__main__":
  main(*sys.argv[1:2] or ["runs/checkpoint_and_resume"])
