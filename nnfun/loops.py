"""Loops whose carry keeps its type on every mesh, and what that takes.

Inside `jax.shard_map` an array has a type that says along which axes of the
mesh it varies, and the carry of a loop has to enter with the type with which it
leaves. On an explicit mesh a scalar in the carry may not become one number for
each example (jax 0.10 to 0.12), so scalars are carried as vectors of length 1.
"""

from collections.abc import Callable

import jax
from jax import lax
from jax import numpy as jnp
from jax.extend import core
from jax.interpreters import ad, batching, mlir

from nnfun import base


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
) -> tuple[base.PyTree, base.PyTree]:
  """Returns what `lax.scan` does.

  Args:
    body: (carry, x) -> (carry, output).
    carry: what the first call of the body gets.
    xs: what each call gets, leaves [N, ...].
    length: N, where there are no xs.

  Returns:
    The last carry, and the outputs, leaves [N, ...].
  """
  carry = jax.tree.map(jnp.asarray, carry)
  first = jax.tree.map(lambda x: x[0], xs)
  carry = _settle(lambda c: body(c, first)[0], carry)

  def step(lifted, x):
    inner, output = body(_lower(lifted, carry), x)
    return _lift(inner), output

  lifted, outputs = lax.scan(step, _lift(carry), xs, length=length)
  return _lower(lifted, carry), outputs


def fori(
  start: base.Array | int,
  stop: base.Array | int,
  body: Callable[[base.Array, base.PyTree], base.PyTree],
  carry: base.PyTree,
) -> base.PyTree:
  """Returns what `lax.fori_loop` does.

  Args:
    start: the first index.
    stop: one more than the last.
    body: (index, carry) -> carry.
    carry: what the first call of the body gets.

  Returns:
    The last carry.
  """
  if isinstance(start, int) and isinstance(stop, int):
    indices = jnp.arange(start, stop)
    return scan(lambda c, i: (body(i, c), None), carry, indices)[0]
  carry = jnp.asarray(start), jnp.asarray(stop), carry
  carry = _settle(lambda c: (c[0] + 1, c[1], body(c[0], c[2])), carry)

  def step(lifted):
    i, stop, inner = _lower(lifted, carry)
    return _lift((i + 1, stop, body(i, inner)))

  lifted = lax.while_loop(lambda c: c[0][0] < c[1][0], step, _lift(carry))
  return _lower(lifted, carry)[2]


def when(
  condition: base.Array,
  function: Callable[[base.PyTree], base.PyTree],
  carry: base.PyTree,
) -> base.PyTree:
  """Returns function(carry) if the condition holds, else the carry.

  A loop of one or no turns in place of a `lax.cond`: batched, a cond runs both
  branches at every step, a loop as long as any example needs it. The barrier
  keeps XLA from computing outside, at every step, what depends on the carry.

  Args:
    condition: [].
    function: carry -> carry.
    carry: any pytree.

  Returns:
    The carry.
  """

  def turn(_, carry):
    return function(lax.optimization_barrier(carry))

  # From a start that is computed: a constant one would have to be copied first.
  return fori(jnp.where(condition, 0, 1), 1, turn, carry)


def forward_only(tree: base.PyTree) -> base.PyTree:
  """Returns what comes out of loops of a length known only when they run.

  These have forward derivatives alone, and the error of JAX speaks of a loop
  which its reader has not written.

  Args:
    tree: any pytree of arrays.

  Returns:
    The tree.

  Raises:
    ValueError: if a reverse derivative of it is taken.
  """
  return jax.tree.map(_forward_only_p.bind, tree)


def _no_transpose(cotangent, x):
  raise ValueError(
    "expected a forward derivative (jax.jvp, jax.jacfwd) of gradients that go "
    "back through a tape of steps: lazy RTRL, rolling BPTT and any RTRL with "
    "resets have no reverse ones; rtrl(flush_every=1) without resets and "
    "truncated_bptt have both"
  )


_forward_only_p = core.Primitive("forward_only")
_forward_only_p.def_impl(lambda x: x)
_forward_only_p.def_abstract_eval(lambda x: x)
mlir.register_lowering(_forward_only_p, lambda context, x: [x])
ad.deflinear2(_forward_only_p, _no_transpose)
batching.defvectorized(_forward_only_p)


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
