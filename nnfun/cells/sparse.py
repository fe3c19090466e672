"""Cells with sparse weights."""

import jax
import numpy as np
from jax import numpy as jnp

from nnfun import base


def sparse(cell: base.Cell, mask: base.PyTree) -> base.Cell:
  """Takes weights out of a cell: step(mask * params, s_tm1, x_t).

  What is taken out is zero, stays zero, and is not in the pattern of any
  Jacobian, which makes `estimators.snap` cheap at high orders.

  Args:
    cell: any cell.
    mask: booleans in the structure and shapes of its parameters, known before
      anything runs; false where a weight is taken out.

  Returns:
    The cell. It is a plain `Cell`: where the parameters enter, they enter
    masked.

  Raises:
    ValueError: if the mask does not fit the parameters.

  References:
    Menick et al., Practical real time recurrent learning with a sparse
    approximation, 2021, https://arxiv.org/abs/2006.07232 (section 3.2)
  """
  mask = jax.tree.map(np.array, mask)  # Not to change with the caller's.
  expected = jax.eval_shape(cell.init, jax.random.key(0))
  shapes = [jax.tree.map(np.shape, tree) for tree in (expected, mask)]
  is_boolean = all(m.dtype == bool for m in jax.tree.leaves(mask))
  if shapes[0] != shapes[1] or not is_boolean:
    raise ValueError(
      f"expected a mask of booleans with the shapes of the parameters, "
      f"{shapes[0]}, got {jax.tree.map(lambda m: (m.dtype, m.shape), mask)}"
    )

  def masked(params):
    return jax.tree.map(lambda p, m: jnp.where(m, p, 0), params, mask)

  return base.Cell(
    init=lambda key: masked(cell.init(key)),
    initial_state=cell.initial_state,
    step=lambda params, state_tm1, x_t: cell.step(
      masked(params), state_tm1, x_t
    ),
    output=cell.output,
    input_spec=cell.input_spec,
  )
