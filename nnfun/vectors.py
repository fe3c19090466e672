"""States as vectors."""

from collections.abc import Callable

from jax import flatten_util

from nnfun import base


def flat_step(
  cell: base.Cell, state: base.State
) -> tuple[Callable[..., base.Array], Callable[[base.Array], base.State]]:
  """Returns the step on flat states, with the map from flat to structured.

  Args:
    cell: any cell.
    state: a state, for its structure.

  Returns:
    step_fn(params, s_tm1 [S], x_t) -> s_t [S], and unravel(s [S]) -> state.
  """
  _, unravel = flatten_util.ravel_pytree(state)

  def step_fn(params, flat_tm1, x_t):
    state_t = base.step(cell, params, unravel(flat_tm1), x_t)
    return flatten_util.ravel_pytree(state_t)[0]

  return step_fn, unravel
