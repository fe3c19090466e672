"""A network of one ReLU layer on the line, as its linear pieces."""

from typing import NamedTuple

import numpy as np

from nnfun import base


class Pieces(NamedTuple):
  """A piecewise linear function of one variable, float64.

  Piece j, from kink j - 1 to kink j, is slopes[j] x + intercepts[j]; the first
  and the last go on to infinity.
  """

  kinks: np.ndarray  # [N] ascending; equal ones have a piece of no length
  slopes: np.ndarray  # [N + 1]
  intercepts: np.ndarray  # [N + 1]

  def __call__(self, xs: np.ndarray) -> np.ndarray:
    """Returns the function at points of any shape."""
    index = np.searchsorted(self.kinks, xs)
    return self.slopes[index] * xs + self.intercepts[index]


def pieces(params: base.Params) -> Pieces:
  """Returns the linear pieces of a network from R to R.

    h(x) = c + sum_i v_i relu(w_i x + b_i)

  bends at -b_i / w_i alone, by v_i |w_i|. So a finite number N of units makes
  at most N + 1 pieces, and beyond the last kink h is linear.

  Args:
    params: two layers [N, 1] and [1, N]; activations (relu, identity).

  Returns:
    The pieces. Units with w_i = 0 have no kink.

  Raises:
    ValueError: if the network has other layers.
  """
  shapes = [np.shape(layer["w"]) for layer in params]
  num_units = shapes[0][0]
  if shapes != [(num_units, 1), (1, num_units)]:
    raise ValueError(f"expected weights [N, 1] and [1, N], got {shapes}")
  first, second = params
  w, b, v = first["w"][:, 0], first["b"], second["w"][0]
  falls, flat = w < 0, w == 0
  constant = second["b"][0] + np.sum((v * np.maximum(b, 0))[flat])
  start = np.sum((v * w)[falls]), np.sum((v * b)[falls]) + constant
  v, w, b = v[~flat], w[~flat], b[~flat]
  order = np.argsort(-b / w)
  # A unit with w > 0 goes on at its kink, one with w < 0 off.
  bends = np.sign(w) * v * np.stack([w, b])
  lines = np.cumsum(np.column_stack([start, bends[:, order]]), axis=1)
  return Pieces((-b / w)[order], *lines)


def num_sign_changes(function: Pieces) -> int:
  """Counts where the function changes between h > 0 and h <= 0 on the line.

  A linear piece changes at most once, so N kinks allow N + 1 changes.
  """
  ends = [
    slope * side or intercept
    for slope, intercept, side in zip(
      function.slopes[[0, -1]],
      function.intercepts[[0, -1]],
      (-1, 1),
      strict=True,
    )
  ]
  values = np.concatenate([ends[:1], function(function.kinks), ends[1:]])
  return int(np.sum(np.diff(values > 0)))
