"""The adding problem: the sum of two marked numbers, asked for at the end."""

import jax
from jax import numpy as jnp

from nnfun import base


def adding(*, num_steps: int) -> base.Task:
  """Marks one number in each half of a sequence of uniform numbers.

    x_t = (u_t, m_t), u_t ~ U(0, 1),  y_T = sum_t m_t u_t

  Predicting the mean 1 costs a squared error of 1/6 = 0.167.

  Args:
    num_steps: T, at least 2.

  Returns:
    The task; x is [T, 2], y a `Target` whose weight is 1 at the last step.

  Raises:
    ValueError: if T is not an integer of at least 2.

  References:
    Hochreiter, Schmidhuber, Long short-term memory, 1997,
    https://doi.org/10.1162/neco.1997.9.8.1735 (experiment 4); in this form:
    Arjovsky, Shah, Bengio, Unitary evolution recurrent neural networks, 2016,
    https://arxiv.org/abs/1511.06464
  """
  base.check_count("num_steps", num_steps, at_least=2)

  def sample(key):
    key_numbers, key_first, key_second = jax.random.split(key, 3)
    half = num_steps // 2
    numbers = jax.random.uniform(key_numbers, (num_steps,), jnp.float32)
    first = jax.random.randint(key_first, (), 0, half)
    second = jax.random.randint(key_second, (), half, num_steps)
    t = jnp.arange(num_steps)
    marks = ((t == first) | (t == second)).astype(jnp.float32)
    last = (t == num_steps - 1).astype(jnp.float32)
    return base.Episode(
      x=jnp.stack([numbers, marks], axis=1),
      y=base.Target(value=last * jnp.sum(numbers * marks), weight=last),
    )

  return base.Task(sample)
