"""The streams of characters which the study of language models reads."""

from typing import NamedTuple

import jax
import numpy as np

import nnfun as nf
from nnfun import base

# Characters of English kept together; longer passages follow in random order,
# or else the end of the stream would be on another subject than its beginning.
_PASSAGE = 500


class Stream(NamedTuple):
  """Characters to learn from and those that follow."""

  train: jax.Array  # [S, T + 1]
  held_out: jax.Array  # [S, H + 1]; the first is the last of `train`


def text(
  keys: base.Array,
  *,
  path: str,
  num_symbols: int,
  num_train: int,
  num_test: int,
  order: int,
) -> Stream:
  """Returns a stretch of English for each key; passages in a common order."""
  simple = nf.data.simplify(_read(path))
  vocabulary = nf.data.vocabulary(simple, num_symbols)
  codes = nf.data.encode(vocabulary, simple)
  whole = codes[: len(codes) // _PASSAGE * _PASSAGE].reshape(-1, _PASSAGE)
  codes = np.random.default_rng(order).permutation(whole).ravel()
  num_characters = num_train + num_test + 1
  if len(codes) <= num_characters:
    raise ValueError(
      "expected a text of more than num_steps + num_held_out + 1 = "
      f"{num_characters} characters, got {len(codes)}"
    )
  task = nf.tasks.characters(codes, num_steps=num_characters)
  return _draw(task, keys, num_train)


def brackets(
  keys: base.Array,
  *,
  gap: int,
  num_kinds: int,
  num_letters: int,
  num_train: int,
  num_test: int,
) -> Stream:
  """Returns a text of brackets for each key, partners L = gap apart."""
  task = nf.tasks.brackets(
    num_steps=num_train + num_test + 1,
    gap=gap,
    num_kinds=num_kinds,
    num_letters=num_letters,
  )
  return _draw(task, keys, num_train)


def _read(path):
  if not path:
    return nf.data.default_text()
  try:
    return nf.data.read_text(path)
  except FileNotFoundError as error:
    raise ValueError(f"text_path: {error}") from error


def _draw(task, keys, num_train):
  # The targets of a task are its text from the second character on.
  codes = jax.jit(jax.vmap(lambda key: task.sample(key).y))(keys)
  return Stream(codes[:, : num_train + 1], codes[:, num_train:])
