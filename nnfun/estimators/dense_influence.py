"""J = d s / d params as it is, an array [S, ...] for each leaf [...]."""

import math

import jax
from jax import numpy as jnp

from nnfun import base, loops

# Of as few terms, or of as small factors, a sum costs a CPU less than a look
# whether a product of them is finite.
_FEW, _SMALL = 4, 1024


def zero(params: base.Params, num_states: int) -> list[jax.Array]:
  """Returns d s / d params = 0.

  Args:
    params: the parameters of a cell.
    num_states: S.

  Returns:
    Zeros, an array [S, ...] for each leaf [...] of the params.
  """
  return [
    jnp.zeros((num_states, *leaf.shape), leaf.dtype)
    for leaf in jax.tree.leaves(params)
  ]


def multiply(
  cotangents: jax.Array, influence: list[jax.Array]
) -> list[jax.Array]:
  """Returns lambda^T J for one vector or several.

  What a zero multiplies is not read: it stays out where J has overflowed, as
  it would in back-propagation, which never forms J. Derivatives of the product
  do read it: they are NaN then.

  Args:
    cotangents: lambda [..., S].
    influence: J, arrays [S, ...].

  Returns:
    Arrays [..., ...]; not finite where an entry of J that is not is read.
  """

  def masked(cotangents):
    def product(j):
      c = cotangents.reshape(*cotangents.shape, *(1,) * (j.ndim - 1))
      j = j.reshape(*(1,) * (cotangents.ndim - 1), *j.shape)
      # Where J is finite the product has its derivative also at a zero.
      lost = (c == 0) & ~jnp.isfinite(j)
      return jnp.sum(jnp.where(lost, 0, c * j), cotangents.ndim - 1)

    return list(map(product, influence))

  num_terms, num_rows = cotangents.shape[-1], math.prod(cotangents.shape[:-1])
  is_small = num_rows == 1 and all(j.size <= _SMALL for j in influence)
  # One pass over J without a decision; on a CPU long sums are slow.
  is_alone = cotangents.ndim == 1 and loops.on_accelerator()
  if num_terms <= _FEW or is_small or is_alone:
    return masked(cotangents)

  def one_by_one(_):
    if cotangents.ndim == 1:
      return masked(cotangents)
    return loops.scan(lambda _, c: ((), masked(c)), (), cotangents)[1]

  products = [jnp.tensordot(cotangents, j, 1) for j in influence]
  # Each row of the product reads all of J: 0 times infinity is NaN.
  rows = [p if cotangents.ndim == 1 else p[0] for p in products]
  is_finite = jnp.stack([jnp.all(jnp.isfinite(_columns(row))) for row in rows])
  return loops.when(~jnp.all(is_finite), one_by_one, products)


def _columns(row):
  """Sums over all axes but the last, by a product: XLA's sums are slower."""
  matrix = row.reshape(-1, row.shape[-1] if row.ndim and row.size else 1)
  return jnp.ones(len(matrix), row.dtype) @ matrix
