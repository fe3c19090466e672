"""Loops whose carry keeps its type on every mesh, and what that takes.

Inside `jax.shard_map` an array has a type that says along which axes of the
mesh it varies, and the carry of a loop has to enter with the type with which it
leaves. On an explicit mesh a scalar in the carry may not become one number for
each example (jax 0.10 to 0.12), so scalars are carried as vectors of length 1.
"""

from collections.abc import Callable
from typing import Any

import jax
from jax import lax
from jax import numpy as jnp

from nnfun import base

# Of more turns in one the program would grow, and the time to compile it.
_UNROLLED = 64


def vary(tree: base.PyTree, *like: base.PyTree) -> base.PyTree:
  """Returns arrays that vary along the mesh axes along which others do.

  Outside of `jax.shard_map` it changes nothing.

  Args:
    tree: any pytree of arrays.
    *like: pytrees of arrays, or of their shapes.

  Returns:
    The tree, each leaf also varying along the axes of every leaf of `like`.
  """
  axes = frozenset().union(*map(_axes, jax.tree.leaves(like)))

  def cast(leaf):
    missing = tuple(sorted(axes - _axes(leaf)))
    return lax.pcast(leaf, missing, to="varying") if missing else leaf

  return jax.tree.map(cast, tree)


def scan(
  body: Callable[[base.PyTree, base.PyTree], tuple[base.PyTree, base.PyTree]],
  carry: base.PyTree,
  xs: base.PyTree = None,
  *,
  length: int | None = None,
  reverse: bool = False,
  is_cheap: bool = False,
) -> tuple[base.PyTree, base.PyTree]:
  """Returns what `lax.scan` does.

  Args:
    body: (carry, x) -> (carry, output).
    carry: what the first call of the body gets.
    xs: what each call gets, leaves [N, ...].
    length: N, where there are no xs.
    reverse: whether to start at the last x.
    is_cheap: whether an accelerator does better to unroll the loop, whose turns
      otherwise take it 12 us each.

  Returns:
    The last carry, and the outputs, leaves [N, ...].
  """
  carry = jax.tree.map(jnp.asarray, carry)
  first = jax.tree.map(lambda x: x[0], xs)
  carry = _settle(lambda c: body(c, first)[0], carry)

  def step(lifted, x):
    inner, output = body(_lower(lifted, carry), x)
    return _lift(inner), output

  unroll = 1
  if is_cheap and on_accelerator():
    num_turns = jax.tree.leaves(xs)[0].shape[0] if length is None else length
    unroll = max(1, min(_UNROLLED, num_turns))
  lifted, outputs = lax.scan(
    step, _lift(carry), xs, length=length, reverse=reverse, unroll=unroll
  )
  return _lower(lifted, carry), outputs


def when(
  condition: base.Array,
  function: Callable[[base.PyTree], base.PyTree],
  carry: base.PyTree,
  otherwise: Callable[[base.PyTree], base.PyTree] = lambda carry: carry,
  *,
  is_cheap: bool = False,
) -> base.PyTree:
  """Returns function(carry) if the condition holds, else otherwise(carry).

  It is a `lax.cond` that stays one in a batch: the function is left out unless
  an example needs it, where batched conds run both branches at every step.

  Args:
    condition: [].
    function: carry -> a result.
    carry: any pytree.
    otherwise: carry -> a result of the same shapes; the carry by default.
    is_cheap: whether an accelerator does better to do both than to have the
      host decide at every step, which takes it 10 us.

  Returns:
    The result.
  """

  def choose(carry):
    return jax.tree.map(
      lambda yes, no: jnp.where(condition, yes, no),
      function(carry),
      otherwise(carry),
    )

  if is_cheap and on_accelerator():
    return choose(carry)
  some = _any_in_batch(condition)
  return lax.cond(some, choose, otherwise, carry)


@jax.custom_batching.custom_vmap
def _any_in_batch(condition):
  return condition


@_any_in_batch.def_vmap
def _any_of_examples(axis_size, in_batched, condition):
  del axis_size, in_batched
  return _any_in_batch(jnp.any(condition, axis=0)), False


def one_by_one(function: Callable[..., base.PyTree]) -> Callable[..., Any]:
  """Returns a function of which a batch is done one example after another.

  For decompositions: LAPACK, as jaxlib (0.10) calls it for a batch on a CPU,
  waits in XLA's pool of threads for that same pool, and may do so for ever.

  Args:
    function: of arrays, to a pytree of arrays. It has no reverse derivative.

  Returns:
    The function.
  """
  alone = jax.custom_batching.custom_vmap(function)

  @alone.def_vmap
  def of_batch(axis_size, in_batched, *args):
    args = [
      arg if batched else jnp.broadcast_to(arg, (axis_size, *arg.shape))
      for arg, batched in zip(args, in_batched, strict=True)
    ]
    if _is_explicit():  # A sharded axis has no single examples.
      results = jax.vmap(function)(*args)
      return results, jax.tree.map(lambda _: True, results)
    results = scan(lambda _, each: ((), alone(*each)), (), args)[1]
    return results, jax.tree.map(lambda _: True, results)

  return alone


def on_accelerator() -> bool:
  """Returns whether JAX runs on something else than a CPU.

  There a small kernel costs less than a decision of the host: loops of small
  steps are unrolled, and what need not be done is done and thrown away.
  """
  return jax.default_backend() != "cpu"


def _is_explicit():
  axis_types = jax.sharding.get_abstract_mesh().axis_types
  return jax.sharding.AxisType.Explicit in axis_types


def _axes(leaf):
  """The axes of the mesh along which an array, or its shape, varies."""
  is_shape = isinstance(leaf, jax.ShapeDtypeStruct)
  kind = (leaf if is_shape else jax.typeof(leaf)).manual_axis_type
  return frozenset() if kind is None else kind.varying


def _settle(step, carry):
  """Casts a carry to the type which it has after any number of steps."""
  if not jax.sharding.get_abstract_mesh().manual_axes:
    return carry
  after = jax.eval_shape(step, carry)
  settled = jax.tree.map(vary, carry, after)
  before, now = (list(map(_axes, jax.tree.leaves(t))) for t in (carry, settled))
  return carry if before == now else _settle(step, settled)


def _lift(tree):
  return jax.tree.map(lambda leaf: leaf[None] if not leaf.ndim else leaf, tree)


def _lower(tree, like):
  return jax.tree.map(lambda t, leaf: t.reshape(leaf.shape), tree, like)
