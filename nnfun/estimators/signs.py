"""Random signs, drawn for 31 steps at once.

A draw at every step would cost a CPU more than what is done with it: XLA gives
its parts to a pool of threads, and waits for them.
"""

import jax
from jax import numpy as jnp

from nnfun import base, loops

_LAST = 1 << 31  # Above the 31 bits of a word.


def zeros(shape: tuple[int, ...]) -> base.Array:
  """Returns words of which no bit is left.

  Args:
    shape: of the signs of a step.
  """
  return jnp.zeros(shape, jnp.uint32)


def draw(
  key: base.Array, bits: base.Array
) -> tuple[base.Array, base.Array, base.Array]:
  """Takes a bit of each word for a sign; draws again after the last ones.

  Args:
    key: randomness to come.
    bits: what `zeros` or the last call returned.

  Returns:
    The key and the bits for the next call, and the signs of this one, integers
    in the shape of the bits.
  """

  def renew(used):
    key, key_bits = jax.random.split(used[0])
    drawn = jax.random.bits(key_bits, bits.shape, jnp.uint32)
    return key, drawn | jnp.uint32(_LAST)

  # Of all words as many bits are left; there may be none.
  is_used = jnp.all(bits.ravel()[:1] <= 1)
  key, bits = loops.when(is_used, renew, (key, bits))
  return key, bits >> 1, jnp.where(bits & 1, 1, -1)
