"""Counting: as many letters b as there were letters a."""

import jax
from jax import numpy as jnp

from nnfun import base


def counting(*, num_steps: int, max_count: int) -> base.Task:
  """An endless text of lines a^n b^n, such as ab|aaabbb|, to be predicted.

  Each line is n letters a, n letters b and a line break, n uniform in
  1 ... max_count. Symbols are 0 for a, 1 for b, 2 for the break.

    x_t = one-hot of character t,  y_t = character t + 1

  After the first b of a line all the rest of it follows from the number of its
  letters a. What cannot be known is n: after j of them the next is a b with
  probability 1 / (max_count - j + 1), ln(max_count) nats a line in all, which
  has max_count + 2 characters on average.

  Args:
    num_steps: T; the text starts with a line.
    max_count: the largest n.

  Returns:
    The task; x is [T, 3], y is [T] of integers.

  Raises:
    ValueError: if a size is not positive.

  References:
    Gers, Schmidhuber, LSTM recurrent networks learn simple context-free and
    context-sensitive languages, 2001, https://doi.org/10.1109/72.963769;
    Tallec, Ollivier, Unbiased online recurrent optimization, 2017,
    https://arxiv.org/abs/1702.05043
  """
  base.check_count("num_steps", num_steps)
  base.check_count("max_count", max_count)

  def sample(key):
    # The shortest line has three characters.
    num_lines = num_steps // 3 + 1
    counts = jax.random.randint(key, (num_lines,), 1, max_count + 1, jnp.int32)
    counts = jnp.minimum(counts, num_steps + 1)  # No longer than the text.
    # The sum may pass the largest int32, though not before the end of the text,
    # and must not come back.
    ends = jax.lax.cummax(jnp.cumsum(2 * counts + 1))
    t = jnp.arange(num_steps + 1, dtype=jnp.int32)
    line = jnp.searchsorted(ends, t, side="right")
    place = t - (ends - (2 * counts + 1))[line]
    text = jnp.int32(place >= counts[line]) + (place >= 2 * counts[line])
    return base.Episode(
      x=jax.nn.one_hot(text[:-1], 3, dtype=jnp.float32), y=text[1:]
    )

  return base.Task(sample)
