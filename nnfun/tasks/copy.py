"""The copy task: repeat a string of symbols after a pause."""

import jax
from jax import numpy as jnp

from nnfun import base


def copy(
  *,
  num_symbols: int = 8,
  max_length: int = 10,
  length: base.Array | int | None = None,
  delay: int = 0,
  count_blanks: bool = False,
) -> base.Task:
  """Shows `length` symbols, waits, and asks for them back.

    input    s_1 ... s_L  blank x delay  go  blank x (L - 1)
    target   blank x (L + delay)             s_1 ... s_L

  Inputs are one-hot over the symbols, the blank and the go sign. Episodes have
  2 max_length + delay steps; those beyond 2 L + delay are blanks of weight 0,
  so that a curriculum can lengthen L without compiling again.

  Answering the blanks and guessing the symbols costs L ln(num_symbols) nats an
  episode: L ln(num_symbols) / (2 L + delay) per step if `count_blanks`.

  Args:
    num_symbols: size of the alphabet.
    max_length: the longest string.
    length: L, at most max_length, which is also the default; may be traced.
    delay: steps between the last symbol and the go sign.
    count_blanks: whether the blanks before the answer count in the loss.

  Returns:
    The task; x is [T, num_symbols + 2], y a `Target` of integer labels [T] in
    which num_symbols stands for the blank.

  Raises:
    ValueError: if a size is out of range.

  References:
    Hochreiter, Schmidhuber, Long short-term memory, 1997,
    https://doi.org/10.1162/neco.1997.9.8.1735; Arjovsky, Shah, Bengio, Unitary
    evolution recurrent neural networks, 2016, https://arxiv.org/abs/1511.06464
  """
  base.check_count("num_symbols", num_symbols)
  base.check_count("max_length", max_length)
  base.check_count("delay", delay, at_least=0)
  if length is None:
    length = max_length
  if not isinstance(length, jax.Array):
    base.check_count("length", length)
    if length > max_length:
      raise ValueError(
        f"expected length <= max_length = {max_length}, got {length}"
      )
  blank, go = num_symbols, num_symbols + 1

  def sample(key):
    symbols = jax.random.randint(key, (max_length,), 0, num_symbols)
    t = jnp.arange(2 * max_length + delay)
    answer = t - (length + delay)  # index of the symbol asked for
    recalling = (answer >= 0) & (answer < length)
    shown = symbols[jnp.clip(t, 0, max_length - 1)]
    seen = jnp.where(t < length, shown, jnp.where(answer == 0, go, blank))
    asked = symbols[jnp.clip(answer, 0, max_length - 1)]
    counts = (answer < length) if count_blanks else recalling
    return base.Episode(
      x=jax.nn.one_hot(seen, num_symbols + 2, dtype=jnp.float32),
      y=base.Target(
        value=jnp.where(recalling, asked, blank),
        weight=counts.astype(jnp.float32),
      ),
    )

  return base.Task(sample)
