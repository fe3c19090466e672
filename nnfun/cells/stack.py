"""Cells on top of one another, as one cell."""

from collections.abc import Sequence

import jax

from nnfun import base


def stack(cells: Sequence[base.Cell]) -> base.StackedCell:
  """Makes one cell of several: layer i reads what layer i - 1 puts out at t.

  Args:
    cells: from the input upwards; any kinds.

  Returns:
    The cell, with its layers; parameters and state are tuples, one entry a
    layer, and its output is that of the last.

  Raises:
    ValueError: if there are no cells.
  """
  kinds = base.Cell | base.AffineCell | base.DiagonalCell | base.StackedCell
  if isinstance(cells, kinds) or not all(isinstance(c, kinds) for c in cells):
    raise ValueError(f"expected a list of cells to stack, got {cells!r}")
  cells = tuple(cells)
  if not cells:
    raise ValueError("expected at least one cell to stack, got none")

  def init(key):
    keys = jax.random.split(key, len(cells))
    return tuple(c.init(k) for c, k in zip(cells, keys, strict=True))

  def initial_state():
    return tuple(c.initial_state() for c in cells)

  def step(params, state_tm1, x_t):
    state_t = []
    for cell, theta, s_tm1 in zip(cells, params, state_tm1, strict=True):
      state_t.append(cell.step(theta, s_tm1, x_t))
      x_t = cell.output(state_t[-1])
    return tuple(state_t)

  def output(state_t):
    return cells[-1].output(state_t[-1])

  return base.StackedCell(
    init=init,
    initial_state=initial_state,
    step=step,
    layers=cells,
    output=output,
    input_spec=cells[0].input_spec,
  )
