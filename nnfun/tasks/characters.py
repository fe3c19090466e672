"""Characters: predict each character of a text from those before it."""

import jax
import numpy as np
from jax import numpy as jnp

from nnfun import base


def characters(
  codes: base.Array | np.ndarray,
  *,
  num_steps: int,
  num_symbols: int | None = None,
) -> base.Task:
  """Opens a text at a random place and reads on from there.

    x_t = one-hot of character t,  y_t = character t + 1

  `nnfun.data` makes codes from a text. With the cross-entropy in bits the mean
  loss is in bits per character.

  Args:
    codes: the text as integers [L], L > num_steps.
    num_steps: T.
    num_symbols: V, how many different codes there may be; by default one more
      than the largest in the text.

  Returns:
    The task; x is [T, V], y is [T] of integers.

  Raises:
    ValueError: if the text is not longer than T, or a code is out of range.
  """
  codes = np.asarray(codes)
  if codes.ndim != 1 or not np.issubdtype(codes.dtype, np.integer):
    raise ValueError(
      "expected codes to be integers of shape [L], got shape "
      f"{list(codes.shape)} and dtype {codes.dtype}"
    )
  base.check_count("num_steps", num_steps)
  if num_steps >= len(codes):
    raise ValueError(
      f"expected num_steps < {len(codes)}, the length of the text, got "
      f"{num_steps}"
    )
  num_symbols = int(codes.max()) + 1 if num_symbols is None else num_symbols
  if codes.min() < 0 or codes.max() >= num_symbols:
    raise ValueError(
      f"expected codes in 0 ... {num_symbols - 1}, got codes in "
      f"{codes.min()} ... {codes.max()}"
    )
  text = jnp.asarray(codes, jnp.int32)

  def sample(key):
    start = jax.random.randint(key, (), 0, len(codes) - num_steps)
    window = jax.lax.dynamic_slice_in_dim(text, start, num_steps + 1)
    return base.Episode(
      x=jax.nn.one_hot(window[:-1], num_symbols, dtype=jnp.float32),
      y=window[1:],
    )

  return base.Task(sample)
