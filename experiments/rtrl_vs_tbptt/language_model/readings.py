"""What the claims and the figure both read off."""

import numpy as np

from experiments import study

ENGLISH = 0  # Place of the English text; the i-th brackets are at 1 + i.


def share(results: study.Results, index: int) -> np.ndarray:
  """Returns how much TBPTT(n) finds of what n characters cannot tell [S, W].

    (floor of n - bits) / (floor of n - entropy of the text)

  On the brackets of one gap: an n-gram model has 0 at best, the best model 1;
  NaN where n reaches over the gap.
  """
  floors, entropy = results.floors[index], results.entropies[index]
  unknown = np.where(floors > entropy, floors - entropy, np.nan)
  return (floors - results.segments[:, 1 + index]) / unknown
