"""Temporal order: which of two kinds came first, and which second."""

import jax
from jax import numpy as jnp

from nnfun import base


def temporal_order(*, num_steps: int, second_tenth: int = 5) -> base.Task:
  """Hides two letters in noise and asks for both, in order, at the end.

  One letter of {A, B} stands at a random place of [T/10, 2 T/10), another of
  [m T/10, (m + 1) T/10), m = `second_tenth`; all other places hold letters of
  {c, d, e, f}. The four classes are

    y_T = v_1 + 2 v_2,  v_k = 0 for A and 1 for B at the k-th place.

  Guessing costs ln 4 nats and three errors in four; knowing one letter, ln 2
  and one error in two. The paper's text and its code place the second letter
  differently, at m = 4 and at m = 5.

  Args:
    num_steps: T, at least 10; bounds are rounded down to whole steps.
    second_tenth: m, from 2 to 9, the tenth of the sequence which holds the
      second letter.

  Returns:
    The task; x is [T, 6], one-hot over A, B, c, d, e, f; y a `Target` of
    integer classes [T], the class at every step, whose weight is 1 at the last
    step.

  Raises:
    ValueError: if an argument is out of range.

  References:
    Hochreiter, Schmidhuber, Long short-term memory, 1997,
    https://doi.org/10.1162/neco.1997.9.8.1735 (experiment 6a); in this form:
    Pascanu, Mikolov, Bengio, On the difficulty of training recurrent neural
    networks, 2013, https://arxiv.org/abs/1211.5063
  """
  base.check_count("num_steps", num_steps, at_least=10)
  base.check_count("second_tenth", second_tenth, at_least=2)
  if second_tenth > 9:
    raise ValueError(f"expected second_tenth from 2 to 9, got {second_tenth}")
  tenth = num_steps // 10

  def sample(key):
    key_noise, key_letters, key_places = jax.random.split(key, 3)
    noise = jax.random.randint(key_noise, (num_steps,), 2, 6)
    letters = jax.random.randint(key_letters, (2,), 0, 2)
    starts = jnp.array([tenth, second_tenth * num_steps // 10])
    places = starts + jax.random.randint(key_places, (2,), 0, tenth)
    last = (jnp.arange(num_steps) == num_steps - 1).astype(jnp.float32)
    return base.Episode(
      x=jax.nn.one_hot(noise.at[places].set(letters), 6, dtype=jnp.float32),
      y=base.Target(
        value=jnp.full(num_steps, letters[0] + 2 * letters[1]), weight=last
      ),
    )

  return base.Task(sample)
