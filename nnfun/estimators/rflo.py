"""Random feedback local online learning."""

import numpy as np
from jax import numpy as jnp
from scipy import sparse

from nnfun import base
from nnfun.estimators import (
  checks,
  sparse_influence,
  step_derivatives,
  stepwise,
)


def rflo(
  cell: base.AffineCell,
  loss_fn: base.LossFn,
  *,
  decay: float | None = None,
  feedback: str = "random",
  precision: str | None = "highest",
) -> base.GradientEstimator:
  """Keeps of the recurrence a leak of each number of the state into itself.

    P_t = d P_{t-1} + I_t,  g_t = (B e_t)^T P_t + direct part

  For a leaky unit h_t = (1 - 1 / tau) h_tm1 + phi(a_t) / tau the leak d is
  1 - 1 / tau; in general it is d_i = d activate(a, s)_i / d s_i with a held
  fixed: the forget gate of an LSTM's c, nothing for its h, which is computed
  anew (give `decay`, or take `eprop`, which follows a unit's numbers into each
  other), 1 - z for a GRU, nothing for a vanilla cell. Without a leak it is the
  immediate gradient.

  As many products as parameters a step, and as much memory (twice for an LSTM).

  Args:
    cell: an `AffineCell`.
    loss_fn: the loss of one step.
    decay: d, one number for all, in place of the cell's own leak.
    feedback: "random" for errors that come back through a fixed matrix, drawn
      by `init`, in place of every matrix of params["readout"]; "symmetric" for
      the true ones.
    precision: of products, see `rtrl`.

  Returns:
    The estimator. A segment is its steps, with a gradient for each.

  Raises:
    ValueError: if the cell is of another kind, the feedback is, or the decay is
      not in [0, 1].

  References:
    Murray, Local online learning in recurrent networks with random feedback,
    2019, https://doi.org/10.7554/eLife.43299 (equation 5)
  """
  checks.check_affine(cell, "rflo")
  if decay is not None and not 0 <= decay <= 1:
    raise ValueError(f"expected a decay in [0, 1], got {decay!r}")
  of_activation = step_derivatives.of_activation(cell)

  def derivatives_fn(params, state, x):
    derivatives = of_activation(params, state, x)

    def values(params, state_tm1, x_t, layout):
      result = []
      steps = derivatives.values(params, state_tm1, x_t, layout)
      for blocks, (leak, immediate) in zip(layout, steps, strict=True):
        is_own = np.equal(*step_derivatives.pairs(blocks.rows))
        leak = leak if decay is None else jnp.full_like(leak, decay)
        result.append((jnp.where(is_own, leak, 0), immediate))
      return result

    own = sparse.eye_array(derivatives.transition.shape[0], dtype=bool)
    return derivatives._replace(transition=own.tocsr(), values=values)

  influence = sparse_influence.influence(
    cell, derivatives_fn, lambda immediate, _: immediate
  )
  return stepwise.from_step_influence(
    cell, loss_fn, influence, feedback=feedback, precision=precision
  )
