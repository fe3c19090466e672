"""The networks and streams on which everything is timed.

16 inputs, 8 outputs, a linear readout, half the squared error, float32. A batch
of one is a stream on its own, without a batch axis, as a user would write it.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np
from jax import numpy as jnp

import nnfun as nf

NUM_INPUTS, NUM_OUTPUTS = 16, 8
DENSITY = 0.01  # Of the weights of the sparse cell.


def _sparse(*, num_inputs, num_units):
  """A vanilla cell of which 99 % of the weights are taken out, no bias."""
  shape = num_units, num_units + num_inputs + 1
  mask = np.random.default_rng(0).random(shape) < DENSITY
  mask[:, -1] = True
  cell = nf.cells.vanilla(num_inputs=num_inputs, num_units=num_units)
  return nf.cells.sparse(cell, mask)


CELLS = {
  "vanilla": nf.cells.vanilla,
  "gru": nf.cells.gru,
  "lstm": nf.cells.lstm,
  "lru": nf.cells.lru,
  "sparse": _sparse,
}


class Problem(NamedTuple):
  """A network and the stream on which it learns."""

  cell_name: str  # a key of CELLS
  num_units: int  # n
  batch_size: int  # B
  cell: nf.base.Cell
  params: nf.base.Params  # "cell" and "readout" [O, N]
  xs: nf.base.Array  # [T, I], or [T, B, I] if B > 1
  ys: nf.base.Array  # [T, O], or [T, B, O]

  @property
  def num_states(self) -> int:
    """S, the numbers in the state of one stream."""
    state = jax.tree.leaves(self.cell.initial_state())
    return sum(leaf.size for leaf in state)

  @property
  def num_params(self) -> int:
    """P, the parameters of the cell."""
    return sum(leaf.size for leaf in jax.tree.leaves(self.params["cell"]))

  @property
  def sizes(self) -> nf.theory.costs.Sizes:
    """What the model of costs wants to know."""
    is_affine = isinstance(self.cell, nf.AffineCell)
    return nf.theory.costs.Sizes(self.num_states, self.num_params, is_affine, 4)


def loss_fn(
  params: nf.base.Params, state_t: nf.base.State, y_t: nf.base.Array
) -> nf.base.Array:
  """Returns half the squared error of a linear readout.

  Args:
    params: the parameters, with "readout" a matrix [O, N].
    state_t: the state, its last leaf [N].
    y_t: the target [O].

  Returns:
    The loss, a scalar.
  """
  h_t = nf.base.last_leaf(state_t)
  return 0.5 * jnp.sum((params["readout"] @ h_t - y_t) ** 2)


def problem(
  cell_name: str, num_units: int, batch_size: int, num_steps: int
) -> Problem:
  """Draws a network and a stream of noise.

  Args:
    cell_name: a key of `CELLS`.
    num_units: n.
    batch_size: B.
    num_steps: T.

  Returns:
    The problem, always the same for the same sizes.
  """
  cell = CELLS[cell_name](num_inputs=NUM_INPUTS, num_units=num_units)
  key_cell, key_readout, key_x, key_y = jax.random.split(jax.random.key(0), 4)
  num_read = jax.tree.leaves(cell.initial_state())[-1].size
  readout = jax.random.normal(key_readout, (NUM_OUTPUTS, num_read))
  params = {"cell": cell.init(key_cell), "readout": readout / num_read**0.5}
  shape = (num_steps,) if batch_size == 1 else (num_steps, batch_size)
  xs = jax.random.normal(key_x, (*shape, NUM_INPUTS))
  ys = jax.random.normal(key_y, (*shape, NUM_OUTPUTS))
  return Problem(cell_name, num_units, batch_size, cell, params, xs, ys)


def over_batch(
  function: Callable[..., nf.base.PyTree], batch_size: int
) -> Callable[..., nf.base.PyTree]:
  """Returns params, xs, ys -> the mean of a function over the batch.

  Args:
    function: (params, xs [T, I], ys [T, O]) -> any pytree of numbers.
    batch_size: B.

  Returns:
    The function itself if B = 1.
  """
  if batch_size == 1:
    return function
  many = jax.vmap(function, (None, 1, 1))
  return lambda params, xs, ys: jax.tree.map(
    lambda leaf: jnp.mean(leaf, 0), many(params, xs, ys)
  )


def exact_gradient(problem: Problem, num_steps: int) -> nf.base.Params:
  """Returns the reference for all: back-propagation through all steps.

  Args:
    problem: the problem.
    num_steps: T, how many steps of its stream count.

  Returns:
    The gradient of the loss summed over steps, its mean over the batch.
  """

  def one(params, xs, ys):
    return nf.training.exact_gradient(
      problem.cell, loss_fn, params, xs, ys
    ).grads

  gradient = jax.jit(over_batch(one, problem.batch_size))
  return gradient(
    problem.params, problem.xs[:num_steps], problem.ys[:num_steps]
  )
