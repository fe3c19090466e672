"""What run, claims and figure call things, and read off."""

import numpy as np

from experiments import study

LAYERWISE = "influence in each layer"
SPATIAL = "errors within the step"
ESTIMATORS = (LAYERWISE, SPATIAL)


def by_depth(results: study.Results) -> np.ndarray:
  """Returns the cases that differ in depth alone, from one layer on [D]."""
  return np.flatnonzero(results.r_min == results.r_min[0])


def deepest(results: study.Results) -> np.ndarray:
  """Returns the cases of the largest depth, that of the first r_min first."""
  return np.flatnonzero(results.num_layers == results.num_layers.max())


def below(results: study.Results) -> np.ndarray:
  """Returns the mean cosine of all layers but the last [S, C, K]."""
  cosines = results.layer_cosine[:, :, :, 0, 1:]
  above = np.arange(1, cosines.shape[-1] + 1)
  is_there = above < results.num_layers[:, None]  # [C, L - 1]
  counts = np.maximum(is_there.sum(axis=1), 1)[:, None]
  return np.where(is_there[:, None], cosines, 0).sum(axis=-1) / counts
