"""The streams of characters which the study of language models reads."""

import jax
import numpy as np

import nnfun as nf
from experiments import sweeps

NUM_KINDS, NUM_LETTERS = 2, 4  # Of brackets, and of letters between them.
# Characters of English kept together; longer passages follow in random order,
# or else the end of the stream would be on another subject than its beginning.
_PASSAGE = 500


def draw(
  path: str,
  num_symbols: int,
  gaps: tuple[int, ...],
  num_seeds: int,
  length: int,
  seed: int,
) -> np.ndarray:
  """Returns English, and brackets each gap apart, for each seed [S, K, T]."""
  try:
    text = nf.data.read_text(path) if path else nf.data.default_text()
  except FileNotFoundError as error:
    raise ValueError(f"text_path: {error}") from error
  simple = nf.data.simplify(text)
  codes = nf.data.encode(nf.data.vocabulary(simple, num_symbols), simple)
  passages = codes[: len(codes) // _PASSAGE * _PASSAGE].reshape(-1, _PASSAGE)
  rng = np.random.default_rng(seed)
  codes = rng.permutation(passages).ravel()
  if len(codes) < length:
    raise ValueError(
      "expected a text of num_steps + num_held_out + 1 = "
      f"{length} characters or more, got {len(codes)}"
    )
  starts = rng.integers(len(codes) - length + 1, size=num_seeds)
  english = np.stack([codes[start : start + length] for start in starts])
  kinds = {"num_kinds": NUM_KINDS, "num_letters": NUM_LETTERS}
  tasks = [nf.tasks.brackets(num_steps=length, gap=g, **kinds) for g in gaps]
  # The targets of a task are its text from the second character on.
  brackets = sweeps.sweep(
    lambda key: [task.sample(key).y for task in tasks],
    jax.random.split(jax.random.key(seed), num_seeds),
    quick=True,
  )
  return np.stack([english, *brackets], axis=1)


def window_entropy(codes: np.ndarray, window: int) -> float:
  """Returns the entropy of a character of a text [T] given the n before, bits.

  Both are counted in the text itself: a model of n characters whose parameters
  were fixed beforehand cannot need less, for this is what the best one chosen
  afterwards would need.
  """
  views = np.lib.stride_tricks.sliding_window_view(codes, window + 1)
  entropies = []
  for columns in (views, views[:, :window]):
    _, counts = np.unique(columns, axis=0, return_counts=True)
    chances = counts / len(views)
    entropies.append(-np.sum(chances * np.log2(chances)))
  return float(entropies[0] - entropies[1])
