"""Brackets: a text in which every bracket is closed a fixed distance on."""

import math

import jax
from jax import numpy as jnp

from nnfun import base


def brackets(
  *, num_steps: int, gap: int, num_kinds: int = 2, num_letters: int = 4
) -> base.Task:
  """An endless text such as (abca)[dbab](ccda), to be predicted.

  Each block is an opening bracket of a random kind, gap - 1 random letters and
  the closing bracket of the same kind, `gap` characters after the opening one.
  Symbols are 0 ... num_kinds - 1 the opening brackets, the next num_kinds the
  closing ones, then the letters.

    x_t = one-hot of character t,  y_t = character t + 1

  What the best predictor needs in bits per character is given by
  `brackets_entropy`.

  Args:
    num_steps: T; the text starts at a random place of a block.
    gap: L >= 1, from a bracket to its partner.
    num_kinds: kinds of brackets.
    num_letters: letters of the alphabet between them.

  Returns:
    The task; x is [T, 2 num_kinds + num_letters], y is [T] of integers.

  Raises:
    ValueError: if a size is not positive.
  """
  _check(gap, num_kinds, num_letters)
  base.check_count("num_steps", num_steps)
  num_symbols = 2 * num_kinds + num_letters

  def sample(key):
    key_start, key_kinds, key_letters = jax.random.split(key, 3)
    start = jax.random.randint(key_start, (), 0, gap + 1)
    block, place = jnp.divmod(start + jnp.arange(num_steps + 1), gap + 1)
    kinds = jax.random.randint(key_kinds, (num_steps + 2,), 0, num_kinds)
    letters = jax.random.randint(key_letters, place.shape, 0, num_letters)
    text = jnp.select(
      [place == 0, place == gap],
      [kinds[block], num_kinds + kinds[block]],
      2 * num_kinds + letters,
    )
    return base.Episode(
      x=jax.nn.one_hot(text[:-1], num_symbols, dtype=jnp.float32), y=text[1:]
    )

  return base.Task(sample)


def brackets_entropy(
  window: int | None, *, gap: int, num_kinds: int = 2, num_letters: int = 4
) -> float:
  """The least bits per character of a predictor that sees n characters.

  With k kinds, d letters, a gap of L and h(p) = -p log p - (1 - p) log(1 - p),
  a block of L + 1 characters costs

    log k                  its opening bracket, never predictable,
    (L - 1) log d          its letters,

  and if n < L also

    log k                  its closing bracket, whose partner is out of sight,
    (L - n) h(1 / (L - n)) to know when it is due: L - n times the window holds
                           letters only, and one time of these a bracket is
                           next.

  Args:
    window: n >= 1, the last characters seen; None for all of them.
    gap: L.
    num_kinds: k.
    num_letters: d.

  Returns:
    The conditional entropy of a character given the n before it, in bits.

  Raises:
    ValueError: if a size is not positive.
  """
  _check(gap, num_kinds, num_letters)
  if window is not None:
    base.check_count("window", window)
  bits = math.log2(num_kinds) + (gap - 1) * math.log2(num_letters)
  if window is not None and window < gap:
    bits += math.log2(num_kinds)
    blind = gap - window
    if blind > 1:
      bits += math.log2(blind) - (blind - 1) * math.log2(1 - 1 / blind)
  return bits / (gap + 1)


def _check(gap, num_kinds, num_letters):
  sizes = dict(gap=gap, num_kinds=num_kinds, num_letters=num_letters)
  for name, size in sizes.items():
    base.check_count(name, size)
