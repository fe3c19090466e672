"""A window: the influence of the last few steps only."""

from typing import NamedTuple

import jax
from jax import numpy as jnp

from nnfun import base
from nnfun.influence import tape as tape_lib
from nnfun.influence import tape_kinds, tape_memory


class WindowInfluence(NamedTuple):
  """The last steps, on a tape that is written round and round."""

  memory: tape_memory.Memory  # the tape, F = length + 1
  count: jax.Array  # steps seen so far, at most 2 window  []


def window(cell: base.Cell, *, length: int) -> base.Influence:
  """Carries the steps themselves and forgets what is older than `length`.

    J_t ~ sum_{u = t - length + 1}^{t} Phi_{t:u} I_u

  Args:
    cell: any cell.
    length: how many steps are remembered, 0 or more.

  Returns:
    The influence; segments must have one step each.

  References:
    Williams, Peng, An efficient gradient-based algorithm for on-line training
    of recurrent network trajectories, 1990,
    https://doi.org/10.1162/neco.1990.2.4.490 (BPTT(h))
  """
  num_entries = length + 1  # the step being written, and those being read

  def init(params, key):
    del key
    return WindowInfluence(
      tape_kinds.blank(cell, params, num_entries), jnp.zeros([], jnp.int32)
    )

  def advance(params, influence, state_0, xs):
    num_steps = jax.tree.leaves(xs)[0].shape[0]
    if num_steps != 1:
      raise ValueError(f"expected a segment of 1 step, got {num_steps} steps")
    tape = tape_kinds.for_cell(cell, params, state_0, xs, stored=True)
    memory, count = influence
    tape_memory.check_room(memory, num_entries, "window")
    new = tape.record(params, state_0, xs)
    before, memory = tape_memory.write(
      memory, tape.shared, new, count % num_entries
    )

    def pull(cotangent):
      _, grads = tape_lib.pull_through(
        tape,
        before,
        (count - 1) % num_entries,
        jnp.minimum(count, length),
        cotangent,
      )
      return jax.tree.structure(params).unflatten(grads)

    # Bounded, so that an endless stream does not overflow the counter.
    next_count = count + 1
    next_count = jnp.where(
      next_count >= 2 * num_entries, next_count - num_entries, next_count
    )
    return WindowInfluence(memory, next_count), pull

  return base.Influence(init, advance)
