"""Which entries of a Jacobian can differ from zero, read off the program.

Structural, not numerical: a saturated unit is in the pattern, and a weight that
a mask of constants takes out is not. A pattern may be too large, where `reach`
does not know what a program does, and is never too small.
"""

import functools
from collections.abc import Callable

import jax
import numpy as np
from jax import numpy as jnp
from scipy import sparse

from nnfun import base, reach


def jacobian_pattern(
  function: Callable[..., base.Array], *args: base.PyTree
) -> list[sparse.csr_array]:
  """Returns the entries of d function / d args that can differ from zero.

  Args:
    function: of pytrees, to a pytree.
    *args: pytrees of arrays, or of their shapes.

  Returns:
    For each argument a boolean matrix [N, M]: N elements of the results and M
    of the argument, each in the order of `jax.flatten_util.ravel_pytree`.
  """
  closed = jax.make_jaxpr(function)(*args)
  sizes = [
    sum(int(np.prod(jnp.shape(leaf))) for leaf in jax.tree.leaves(arg))
    for arg in args
  ]
  inputs, first = [], 0
  for leaf in jax.tree.leaves(args):
    inputs.append(reach.of_input(jnp.shape(leaf), first, sum(sizes)))
    first += int(np.prod(jnp.shape(leaf)))
  consts = [reach.of_constant(c, sum(sizes)) for c in closed.consts]
  outputs = reach.of_program(closed.jaxpr, consts, inputs, sum(sizes))
  stops = np.cumsum([0, *sizes])
  whole = reach.stack([o.reach for o in outputs])
  return [whole[:, i:j].tocsr() for i, j in zip(stops, stops[1:], strict=False)]


def colors(pattern: sparse.csr_array) -> np.ndarray:
  """Colours rows so that two of one colour have no column in common.

  The rows of one colour can be had by one vector-Jacobian product: each entry
  of their sum is that of one row (Curtis, Powell, Reid, On the estimation of
  sparse Jacobian matrices, 1974, https://doi.org/10.1093/imamat/13.1.117).

  Args:
    pattern: booleans [N, M].

  Returns:
    A colour 0, 1, ... for each row [N], by the greedy rule, longest rows first.
  """
  conflicts = (pattern.astype(np.int32) @ pattern.astype(np.int32).T).tocsr()
  order = np.argsort(-np.diff(pattern.indptr), kind="stable")
  result = np.full(pattern.shape[0], -1)
  for row in order:
    start, stop = conflicts.indptr[row : row + 2]
    taken = set(result[conflicts.indices[start:stop]].tolist())
    result[row] = next(c for c in range(len(order) + 1) if c not in taken)
  return result


@functools.lru_cache(maxsize=64)
def _cached(function, structure, shapes):
  leaves = [jax.ShapeDtypeStruct(*s) for s in shapes]
  return jacobian_pattern(function, *structure.unflatten(leaves))


def cached_pattern(
  function: Callable[..., base.Array], *args: base.PyTree
) -> list[sparse.csr_array]:
  """Returns `jacobian_pattern`, found once for each function and shapes.

  Args:
    function: the same object whenever it is the same function; what it closes
      over must not change. Of one that has no hash (a module with arrays in it)
      the pattern is found each time.
    *args: pytrees of arrays, or of their shapes.

  Returns:
    As `jacobian_pattern`.
  """
  try:
    hash(function)
  except TypeError:
    return jacobian_pattern(function, *args)
  leaves, structure = jax.tree.flatten(args)
  shapes = tuple((jnp.shape(x), jnp.result_type(x)) for x in leaves)
  return _cached(function, structure, shapes)
