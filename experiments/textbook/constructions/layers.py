"""Layers for `nnfun.mlp`, in NumPy's float64."""

import numpy as np
from numpy.typing import ArrayLike

from nnfun import base


def affine(w: ArrayLike, b: ArrayLike) -> base.Params:
  """Returns a layer of weights [O, I] and biases [O]."""
  return {"w": np.asarray(w, float), "b": np.asarray(b, float)}


def steps(edges: np.ndarray, weight: float) -> base.Params:
  """Returns sigmoids sigma(w (x_i - s_ij)) that step up along each axis.

  Args:
    edges: s, E points on each of m axes [m, E].
    weight: w.

  Returns:
    One layer [m E, m], axis by axis.
  """
  rows = np.repeat(np.eye(len(edges)), edges.shape[1], axis=0)
  return affine(weight * rows, -weight * edges.ravel())
