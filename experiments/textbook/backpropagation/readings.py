"""What the claims and the figure both read off."""

import numpy as np

from experiments import study

# Of the grid's methods, those which are not an optimiser under cross-entropy.
OTHER_LOSSES = ("Adam, squared", "Adam, binary")


def by_name(errors: study.Results) -> dict[str, float]:
  """Errors by what they are errors of."""
  return dict(zip(errors.names.tolist(), errors.values.tolist(), strict=True))


def best_rates(grid: study.Results) -> np.ndarray:
  """Which learning rate each optimiser does best with, on validation [O]."""
  return grid.validation.mean(axis=2).argmax(axis=1)


def chosen(values: np.ndarray, best: np.ndarray) -> np.ndarray:
  """Values [O, R, S, ...] at those rates [O, S, ...]."""
  return values[np.arange(len(best)), best]
