"""A value function learned online: TD(0) with the exact recurrent gradient.

A cue is followed, `DELAY` steps later, by a reward. The value of the steps
between can only be told by a state that remembers the cue. The error

  delta_t = r_t + gamma v_t - v_tm1

is known a step after v_tm1, whose gradient is kept till then: with the value as
`loss_fn`, that is what an estimator's `grads` are.
"""

import jax
import optax
from jax import lax
from jax import numpy as jnp

import nnfun as nf

DELAY, GAMMA, NUM_STEPS = 5, 0.9, 6000


def value(params: nf.base.Params, h_t: jax.Array, _: jax.Array) -> jax.Array:
  """v_t, in the place of a loss."""
  return params["readout"] @ h_t


def main() -> float:
  """Prints by how much the value is off, as a share of its variance."""
  cell = nf.cells.gru(num_inputs=2, num_units=16)
  estimator = nf.estimators.rtrl(cell, value)
  optimizer = optax.adam(3e-3)
  keys = jax.random.split(jax.random.key(0), 3)
  cue = jax.random.bernoulli(keys[0], 0.1, (NUM_STEPS,)).astype(jnp.float32)
  reward = jnp.roll(cue, DELAY).at[:DELAY].set(0)
  params = {"cell": cell.init(keys[1]), "readout": jnp.zeros(16)}

  def step(carry, now):
    params, state, slow, v_tm1, grads_tm1 = carry
    cue_t, reward_t = now
    x_t = jnp.stack([cue_t, jnp.ones([])])
    state, estimate = estimator.update(params, state, x_t[None], jnp.zeros(1))
    delta = reward_t + GAMMA * estimate.loss - v_tm1
    ascent = jax.tree.map(lambda g: -delta * g, grads_tm1)
    updates, slow = optimizer.update(ascent, slow, params)
    params = optax.apply_updates(params, updates)
    return (params, state, slow, estimate.loss, estimate.grads), estimate.loss

  start = (
    params,
    estimator.init(params, keys[2]),
    optimizer.init(params),
    jnp.zeros([]),
    jax.tree.map(jnp.zeros_like, params),
  )
  values = jax.jit(lambda: lax.scan(step, start, (cue, reward))[1])()
  # What is known at t of the reward to come: the cues of the last steps, and
  # the mean of all that have not been seen.
  seen = sum(GAMMA ** (DELAY - 1 - k) * jnp.roll(cue, k) for k in range(DELAY))
  expected = seen + 0.1 * GAMMA**DELAY / (1 - GAMMA)
  late = slice(-NUM_STEPS // 4, -DELAY)
  gap = jnp.mean((values[late] - expected[late]) ** 2)
  share = float(gap / jnp.var(expected[late]))
  print(f"{share:.2f} of the variance of the value is not explained")
  return share


if __name__ == "__main__":
  main()
