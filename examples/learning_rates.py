"""A sweep over learning rates and seeds: one program, compiled once."""

import jax
import optax
from jax import numpy as jnp

import nnfun as nf

RATES = (1e-3, 1e-2, 1e-1)
NUM_SEEDS, NUM_STEPS = 4, 2000


def loss_fn(
  params: nf.base.Params, h_t: jax.Array, y_t: jax.Array
) -> jax.Array:
  """Cross-entropy of a linear readout, in nats."""
  return optax.softmax_cross_entropy(params["readout"] @ h_t, y_t)


def main() -> jax.Array:
  """Prints the last loss of each rate, and returns those of all [R, S]."""
  cell = nf.cells.vanilla(num_inputs=2, num_units=16)
  estimator = nf.estimators.rtrl(cell, loss_fn)
  task = nf.tasks.delayed_addition(num_steps=NUM_STEPS, delays=(1, 2))

  def train(rate, key):
    key_cell, key_estimator, key_data = jax.random.split(key, 3)
    optimizer = optax.sgd(rate)  # A traced number is as good as a plain one.
    params = {"cell": cell.init(key_cell), "readout": jnp.zeros((2, 16))}
    state = nf.training.stream_init(estimator, optimizer, params, key_estimator)
    xs, ys = task.sample(key_data)
    _, losses = nf.training.train_stream(
      estimator, optimizer, state, xs, ys, segment=1
    )
    return losses[-NUM_STEPS // 5 :].mean()

  over_seeds = jax.vmap(train, (None, 0))
  sweep = jax.jit(jax.vmap(over_seeds, (0, None)))
  keys = jax.random.split(jax.random.key(0), NUM_SEEDS)
  losses = sweep(jnp.array(RATES), keys)
  for rate, of_seeds in zip(RATES, losses, strict=True):
    error = of_seeds.std(ddof=1) / NUM_SEEDS**0.5
    print(f"rate {rate:g}: {of_seeds.mean():.3f} +- {error:.3f} nats a step")
  return losses


if __name__ == "__main__":
  main()
