"""What counting in a text says about models that see its last n characters."""

import numpy as np

_views = np.lib.stride_tricks.sliding_window_view


def window_entropy(codes: np.ndarray, window: int) -> float:
  """Returns the entropy of a character of a text [T] given the n before, bits.

  Both are counted in the text itself: a model of n characters whose parameters
  were fixed beforehand cannot need less, for this is what the best one chosen
  afterwards would need.
  """
  views = _views(codes, window + 1)
  entropies = []
  for columns in (views, views[:, :window]):
    _, counts = np.unique(columns, axis=0, return_counts=True)
    chances = counts / len(views)
    entropies.append(-np.sum(chances * np.log2(chances)))
  return float(entropies[0] - entropies[1])


def count_bits(
  train: np.ndarray, held_out: np.ndarray, window: int, num_symbols: int
) -> float:
  """Returns bits per held-out character of counting n + 1 characters.

  With 1/2 added to each count: Krichevsky, Trofimov, The performance of
  universal encoding, 1981, https://doi.org/10.1109/TIT.1981.1056331
  """
  counts = np.full((num_symbols,) * (window + 1), 0.5)
  np.add.at(counts, tuple(_views(train, window + 1).T), 1.0)
  chances = counts / counts.sum(axis=-1, keepdims=True)
  return float(
    -np.mean(np.log2(chances[tuple(_views(held_out, window + 1).T)]))
  )
