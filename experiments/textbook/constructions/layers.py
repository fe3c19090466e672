"""Layers for `mlp.apply`, from weights computed on the host."""

import jax
import numpy as np
from jax import numpy as jnp

from nnfun import base


def affine(w: jax.typing.ArrayLike, b: jax.typing.ArrayLike) -> base.Params:
  """Returns a layer in JAX's default floating dtype.

  Args:
    w: weights [O, I].
    b: biases [O].

  Returns:
    {"w": [O, I], "b": [O]}.
  """
  return {"w": jnp.asarray(w, float), "b": jnp.asarray(b, float)}


def steps(edges: np.ndarray, weight: float) -> base.Params:
  """Returns a layer of sigmoids which step up at given points of the axes.

    a_ij = sigma(w (x_i - s_ij)).

  Args:
    edges: s, E points on each of m axes [m, E].
    weight: w.

  Returns:
    One layer [m E, m], axis by axis.
  """
  rows = np.repeat(np.eye(len(edges)), edges.shape[1], axis=0)
  return affine(weight * rows, -weight * edges.ravel())
