"""Influence balancing: a parameter whose near and far effects disagree."""

import jax
from jax import numpy as jnp

from nnfun import base


def influence_balancing(*, num_steps: int) -> base.Task:
  """No input; the first unit should be 1 at every step.

  Args:
    num_steps: T.

  Returns:
    The task; x is [T, 0], y is [T] of ones.

  Raises:
    ValueError: if T is not positive.

  References:
    Tallec, Ollivier, Unbiased online recurrent optimization, 2017,
    https://arxiv.org/abs/1702.05043 (section 4.1)
  """
  base.check_count("num_steps", num_steps)

  def sample(key):
    del key
    return base.Episode(
      x=jnp.zeros((num_steps, 0), jnp.float32),
      y=jnp.ones(num_steps, jnp.float32),
    )

  return base.Task(sample)


def influence_balancing_matrices(
  *, num_units: int = 23, num_positive: int = 10
) -> tuple[base.Array, base.Array]:
  """Returns A and v of s_t = A s_tm1 + theta v.

    A = 0.5 I + 0.5 (superdiagonal),  v = (+1 x num_positive, -1 x the rest)

  What theta adds to unit i reaches unit 1 after i - 1 steps or more, so that
  the first unit sees the positive entries first; in the long run
  d s_1 / d theta = 2 sum(v), negative if the negative entries are more.

  Args:
    num_units: N.
    num_positive: how many of the entries of v are positive.

  Returns:
    A [N, N] and v [N].

  Raises:
    ValueError: if not 0 <= num_positive <= num_units.
  """
  base.check_count("num_units", num_units)
  base.check_count("num_positive", num_positive, at_least=0)
  if num_positive > num_units:
    raise ValueError(
      f"expected num_positive <= num_units, got {num_positive} and {num_units}"
    )
  a = 0.5 * (jnp.eye(num_units) + jnp.eye(num_units, k=1))
  v = jnp.where(jnp.arange(num_units) < num_positive, 1.0, -1.0)
  return a, v


def influence_balancing_cell(
  *, num_units: int = 23, num_positive: int = 10, start: float = 0.5
) -> base.Cell:
  """The network of the task, with a single parameter theta.

  Args:
    num_units: N.
    num_positive: how many entries of v are positive.
    start: theta at the start.

  Returns:
    The cell; parameters theta [], state s [N], which starts at ones; its loss
    is 0.5 (s[0] - 1)^2.

  Raises:
    ValueError: if not 0 <= num_positive <= num_units.
  """
  a, v = influence_balancing_matrices(
    num_units=num_units, num_positive=num_positive
  )

  def init(key):
    del key
    return jnp.full((), start, jnp.result_type(float))

  def initial_state():
    return jnp.ones(num_units, jnp.float32)

  def step(theta, s_tm1, x_t):
    del x_t
    return a.astype(s_tm1.dtype) @ s_tm1 + theta * v.astype(s_tm1.dtype)

  return base.Cell(
    init=init,
    initial_state=initial_state,
    step=step,
    input_spec=jax.ShapeDtypeStruct((0,), jnp.float32),
  )
