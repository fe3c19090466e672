"""Influences of which a pattern of entries is kept, step by step.

    J_t = M * (Phi_t J_{t-1} + I_t)

with M a pattern of zeros and ones. Patterns are structural (`sparsity`), found
once for each program.
"""

from collections.abc import Callable, Sequence

import jax
import numpy as np
from jax import flatten_util
from jax import numpy as jnp
from scipy import sparse

from nnfun import base
from nnfun.estimators import blocks, step_derivatives, stepwise

DerivativesFn = Callable[
  [base.Params, base.State, base.PyTree], step_derivatives.Derivatives
]
ReachFn = Callable[[list[sparse.csr_array], sparse.csr_array], list]


def influence(
  cell: base.Cell, derivatives_fn: DerivativesFn, reach_fn: ReachFn
) -> stepwise.StepInfluence:
  """Returns the influence that keeps a pattern.

  Args:
    cell: any cell. Without an `input_spec` the pattern is not known before the
      first input: all of J is then stored, with zeros outside of the pattern.
    derivatives_fn: (params, state, x) to the derivatives of a step.
    reach_fn: (pattern of I, pattern of Phi) to what is kept, patterns
      [S, P_k] for each leaf.

  Returns:
    The influence.
  """

  def whole(params):
    state = flatten_util.ravel_pytree(base.initial_state(cell, params))[0]
    every = np.arange(state.size)[None]
    return [
      blocks.Blocks(k, every, np.arange(leaf.size)[None])
      for k, leaf in enumerate(jax.tree.leaves(params))
      if leaf.size
    ]

  def layout_of(params, derivatives):
    if cell.input_spec is None:
      return whole(params)
    return layout(params, derivatives, reach_fn)

  def init(params, key):
    del key
    dtype = base.params_dtype(params)
    where = whole(params)
    if cell.input_spec is not None:
      state = base.initial_state(cell, params)
      derivatives = derivatives_fn(params, state, cell.input_spec)
      where = layout(params, derivatives, reach_fn)
    return [
      jnp.zeros((*b.rows.shape, b.columns.shape[1]), dtype) for b in where
    ]

  def advance(params, values, state_tm1, x_t):
    derivatives = derivatives_fn(params, state_tm1, x_t)
    where = layout_of(params, derivatives)
    of_blocks = derivatives.values(params, state_tm1, x_t, where)
    after = [
      blocks.advance(j, *step).astype(j.dtype)
      for j, step in zip(values, of_blocks, strict=True)
    ]
    if cell.input_spec is None:
      kept = reach_fn(derivatives.immediate, derivatives.transition)
      masks = [kept[b.leaf].toarray()[None] for b in where]
      after = [jnp.where(m, j, 0) for j, m in zip(after, masks, strict=True)]

    def pull(cotangent):
      flat = flatten_util.ravel_pytree(cotangent)[0]
      leaves, structure = jax.tree.flatten(params)
      return structure.unflatten(blocks.pull(where, after, flat, leaves))

    return after, pull

  return stepwise.StepInfluence(init, advance)


def layout(
  params: base.Params,
  derivatives: step_derivatives.Derivatives,
  reach_fn: ReachFn,
) -> list[blocks.Blocks]:
  """Returns the blocks in which a pattern lies.

  Args:
    params: the parameters, for their shapes.
    derivatives: of a step.
    reach_fn: as of `influence`.

  Returns:
    The blocks.
  """
  shapes = [leaf.shape for leaf in jax.tree.leaves(params)]
  kept = reach_fn(derivatives.immediate, derivatives.transition)
  return blocks.layout(kept, shapes)


def closure(
  immediate: Sequence[sparse.csr_array],
  transition: sparse.csr_array,
  order: int | None = None,
) -> list[sparse.csr_array]:
  """Returns what is reached within a number of steps.

    M_1 = pattern of I,  M_n = pattern of (Phi M_{n-1} + I)

  Args:
    immediate: pattern of I, for each leaf.
    transition: pattern of Phi.
    order: n; None for as many as it takes.

  Returns:
    M_n for each leaf.
  """
  kept = list(immediate)
  for _ in range(transition.shape[0] if order is None else order - 1):
    further = [
      (transition @ m + i).astype(bool)
      for m, i in zip(kept, immediate, strict=True)
    ]
    if all(f.nnz == m.nnz for f, m in zip(further, kept, strict=True)):
      break
    kept = further
  return kept
