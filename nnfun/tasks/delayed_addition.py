"""Delayed addition: the present target needs two inputs of the past."""

import jax
from jax import numpy as jnp

from nnfun import base


def delayed_addition(
  *, num_steps: int, delays: tuple[int, int] = (4, 6)
) -> base.Task:
  """Two delayed copies of a coin, added.

    y_t = 0.5 + 0.5 x_{t - t1} - 0.25 x_{t - t2},  x_t ~ Bernoulli(0.5),

  with x = 0 before the start, both shown as pairs (v, 1 - v). Predicting y as
  a distribution, the cross-entropy per step in nats is at best

    0.6616 (= H(E y)) knowing neither input, 0.5192 knowing x_{t - t1} only,
    0.6277 knowing x_{t - t2} only, 0.4545 knowing both:

  a window of k steps learns the dependency on a delay d only if d < k.

  Args:
    num_steps: T.
    delays: (t1, t2) in steps, non-negative.

  Returns:
    The task; x and y are [T, 2].

  Raises:
    ValueError: if a delay is no integer of at least 0, or T not a positive one.

  References:
    Marschall, Cho, Savin, A unified framework of online learning algorithms for
    training recurrent neural networks, 2020,
    https://jmlr.org/papers/v21/19-562.html (section 4.2)
  """
  base.check_count("num_steps", num_steps)
  if len(delays) != 2:
    raise ValueError(f"expected two delays, in steps, got {delays}")
  for delay in delays:
    base.check_count("a delay", delay, at_least=0)

  def sample(key):
    longest = max(delays)
    coins = jax.random.bernoulli(key, 0.5, (num_steps,)).astype(jnp.float32)
    padded = jnp.concatenate([jnp.zeros(longest, coins.dtype), coins])
    delayed = [
      jax.lax.dynamic_slice_in_dim(padded, longest - d, num_steps)
      for d in delays
    ]
    y = 0.5 + 0.5 * delayed[0] - 0.25 * delayed[1]
    return base.Episode(
      x=jnp.stack([coins, 1 - coins], axis=1), y=jnp.stack([y, 1 - y], axis=1)
    )

  return base.Task(sample)
