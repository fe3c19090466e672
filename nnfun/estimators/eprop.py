"""Eligibility propagation."""

from nnfun import base
from nnfun.estimators import (
  checks,
  sparse_influence,
  step_derivatives,
  stepwise,
)


def eprop(
  cell: base.AffineCell,
  loss_fn: base.LossFn,
  *,
  feedback: str = "symmetric",
  precision: str | None = "highest",
) -> base.GradientEstimator:
  """Keeps of the recurrence what happens inside of a unit.

    J_t = D_t J_{t-1} + I_t,  D_t = d activate(a_t, s_tm1) / d s_tm1,
    g_t = L_t^T J_t + direct part

  D holds the pre-activations fixed: what a unit passes on to itself past the
  weights, through its leak, its gates and between the numbers of its own state
  (from the c of an LSTM to its h). What it tells the others, and itself through
  a weight, is left out. L_t, the learning signal, is d loss_t / d s_t or what a
  fixed random matrix makes of the errors.

  Q m products a step for Q kept entries in columns of m numbers: as many as
  parameters for a vanilla cell or a GRU, in as much memory, and for an LSTM
  13/4 times as many products in 7/4 times the memory.

  Args:
    cell: an `AffineCell`.
    loss_fn: the loss of one step.
    feedback: "symmetric" for L_t = d loss_t / d s_t, or "random": the error of
      every product with a matrix of params["readout"] comes back through one
      that is drawn by `init` and kept in the state.
    precision: of products, see `rtrl`.

  Returns:
    The estimator. A segment is its steps, with a gradient for each.

  Raises:
    ValueError: if the cell is of another kind, or the feedback.

  References:
    Bellec, Scherr, Subramoney, Hajek, Salaj, Legenstein, Maass, A solution to
    the learning dilemma for recurrent networks of spiking neurons, 2020,
    https://doi.org/10.1038/s41467-020-17236-y (equations 13 and 14; the
    readout has no leak of its own here)
  """
  checks.check_affine(cell, "eprop")
  influence = sparse_influence.influence(
    cell, step_derivatives.of_activation(cell), sparse_influence.closure
  )
  return stepwise.from_step_influence(
    cell, loss_fn, influence, feedback=feedback, precision=precision
  )
