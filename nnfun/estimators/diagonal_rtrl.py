"""Real-time recurrent learning of diagonal recurrences."""

from nnfun import base
from nnfun.estimators import diagonal_influence, segment


def diagonal_rtrl(
  cell: base.DiagonalCell,
  loss_fn: base.LossFn,
  *,
  precision: str | None = "highest",
) -> base.GradientEstimator:
  """Carries one row of influence for each unit: exact, at O(P) a step.

    E_t[i] = (d u_t[i] / d u_tm1[i]) E_tm1[i] + d u_t[i] / d theta[i]

  with D numbers of state for each of N units: D times the memory of the
  parameters, and D^2 times as many products a step. Exact, because the other
  entries of J are zero.

  Args:
    cell: a `DiagonalCell` (lru, elstm, indrnn).
    loss_fn: the loss of one step.
    precision: of products, see `rtrl`.

  Returns:
    The estimator.

  Raises:
    ValueError: if the cell is of another kind.

  References:
    Mozer, A focused backpropagation algorithm for temporal pattern recognition,
    1989; Irie, Gopalakrishnan, Schmidhuber, Exploring the promise and limits of
    real-time recurrent learning, 2024, https://arxiv.org/abs/2305.19044
  """
  if not isinstance(cell, base.DiagonalCell):
    raise ValueError(
      "expected a DiagonalCell, whose units do not read each other's state "
      f"(lru, elstm, indrnn), got a {type(cell).__name__}; its recurrence is "
      "dense, or not known to be diagonal: use rtrl"
    )
  influence = diagonal_influence.influence(cell)
  return segment.from_influence(cell, loss_fn, influence, precision=precision)
