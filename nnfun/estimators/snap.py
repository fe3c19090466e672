"""Sparse n-step approximation of real-time recurrent learning."""

from nnfun import base
from nnfun.estimators import sparse_influence, step_derivatives, stepwise


def snap(
  cell: base.Cell,
  loss_fn: base.LossFn,
  *,
  order: int,
  precision: str | None = "highest",
) -> base.GradientEstimator:
  """Keeps those entries of J which a parameter reaches within `order` steps.

    J_t = M_n * (Phi_t J_{t-1} + I_t),  g_t = lambda_t^T J_t + direct part,
    M_1 = pattern of I,  M_n = pattern of (Phi M_{n-1} + I)

  SnAp-1 keeps what a parameter does to its own unit, all numbers of the unit if
  the cell is a `DiagonalCell`, for which it is exact; SnAp-n at full reach is
  RTRL. The pattern is structural: what a mask of constants takes out
  (`cells.sparse`) never enters, a saturated unit stays. Only kept entries are
  stored and multiplied, so cost and memory follow their number: Q m products a
  step for Q of them in columns of m, and for Phi and I one product of the step
  for each colour of its rows (one or two for a dense affine cell at order 1,
  where the rest comes from the weights).

  An element looked up by a traced index counts as depending on the whole table:
  write an embedding as one_hot(x) @ E.

  Args:
    cell: any cell. With an `input_spec`; without one the pattern is not known
      in advance, and all of J is stored.
    loss_fn: the loss of one step.
    order: n, how many steps an influence may take to get to a unit.
    precision: of products, see `rtrl`.

  Returns:
    The estimator. A segment is its steps, with a gradient for each.

  Raises:
    ValueError: if `order` is not a positive integer.

  References:
    Menick, Elsen, Evci, Osindero, Simonyan, Graves, Practical real time
    recurrent learning with a sparse approximation, 2021,
    https://arxiv.org/abs/2006.07232
  """
  base.check_count("order", order)

  def reach(immediate, transition):
    # The numbers of a unit of a diagonal recurrence count as one.
    is_diagonal = isinstance(cell, base.DiagonalCell)
    return sparse_influence.closure(
      immediate, transition, None if is_diagonal else order
    )

  influence = sparse_influence.influence(
    cell, step_derivatives.of_step(cell), reach
  )
  return stepwise.from_step_influence(
    cell, loss_fn, influence, precision=precision
  )
