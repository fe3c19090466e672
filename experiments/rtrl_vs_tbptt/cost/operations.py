"""Counts the floating-point operations which a program does while it runs.

XLA's own count (`compiled.cost_analysis()`) takes the body of a loop once,
however often it is run; here loops count as often as they turn, those whose
length is only known at run time as well.
"""

import math
from collections.abc import Callable
from typing import Any

import jax
from jax import lax
from jax import numpy as jnp
from jax.extend import core

# Parameters of primitives that hold what they call.
_CALLED = ("jaxpr", "call_jaxpr", "call")
# What moves numbers and makes none.
_MOVES = frozenset(
  "broadcast_in_dim concatenate convert_element_type copy copy_p "
  "dynamic_slice dynamic_update_slice gather iota "
  "optimization_barrier pad reshape rev slice split squeeze stack "
  "stop_gradient transpose".split()
)
# Adds numbers to some of an array; its jaxpr is the sum of two.
_SCATTER = "scatter-add"


def counted(function: Callable[..., Any]) -> Callable[..., Any]:
  """Returns a function that returns its result and the operations done []."""

  def run(*args):
    closed, shape = jax.make_jaxpr(function, return_shape=True)(*args)
    outputs, count = _evaluate(closed, *jax.tree.leaves(args))
    return jax.tree.structure(shape).unflatten(outputs), jnp.asarray(count)

  return run


def _evaluate(program, *args):
  """Returns the outputs, and the operations: a number, traced after a loop."""
  # What is computed anew on the way back is a jaxpr that has no constants.
  is_closed = isinstance(program, core.ClosedJaxpr)
  jaxpr = program.jaxpr if is_closed else program
  consts = program.consts if is_closed else ()
  known = dict(zip(jaxpr.constvars, consts, strict=True))
  known |= dict(zip(jaxpr.invars, args, strict=True))

  def read(atom):
    return atom.val if isinstance(atom, core.Literal) else known[atom]

  total = 0.0
  for eqn in jaxpr.eqns:
    outputs, count = _apply(eqn, list(map(read, eqn.invars)))
    known |= dict(zip(eqn.outvars, outputs, strict=True))
    total = total + count
  return list(map(read, jaxpr.outvars)), total


def _apply(eqn, values):
  name, params = eqn.primitive.name, eqn.params
  if name == "scan":
    return _scan(eqn, values)
  if name == "while":
    return _while(params, values)
  if name == "cond":
    return _cond(params, values)
  for key in _CALLED:
    if key in params:
      return _evaluate(params[key], *values)
  if list(core.jaxprs_in_params(params)) and name != _SCATTER:
    raise ValueError(f"expected no call of unknown kind, got {name}")
  outputs = eqn.primitive.bind(*values, **params)
  outputs = outputs if eqn.primitive.multiple_results else [outputs]
  return outputs, _operations(eqn)


def _scan(eqn, values):
  params, inner = eqn.params, eqn.params["jaxpr"].jaxpr
  # How many of each kind there are, versions of JAX write down differently;
  # what is scanned over has an axis more outside than inside.
  split = _num_alike(eqn.outvars, inner.outvars)
  cut = _num_alike(eqn.invars, inner.invars) - split
  consts, start, xs = values[:cut], values[cut:][:split], values[cut + split :]

  def body(carry, xs_t):
    outputs, count = _evaluate(params["jaxpr"], *consts, *carry[0], *xs_t)
    return (outputs[:split], carry[1] + count), outputs[split:]

  options = {name: params[name] for name in ("length", "reverse")}
  (state, total), ys = lax.scan(body, (start, jnp.zeros([])), xs, **options)
  return [*state, *ys], total


def _num_alike(outside, inside):
  pairs = zip(outside, inside, strict=True)
  return sum(out.aval.shape == within.aval.shape for out, within in pairs)


def _while(params, values):
  cut = params["cond_nconsts"]
  end = cut + params["body_nconsts"]
  of_cond, of_body, start = values[:cut], values[cut:end], values[end:]

  def goes_on(carry):
    return _evaluate(params["cond_jaxpr"], *of_cond, *carry[0])[0][0]

  def body(carry):
    outputs, count = _evaluate(params["body_jaxpr"], *of_body, *carry[0])
    return outputs, carry[1] + count

  return lax.while_loop(goes_on, body, (start, jnp.zeros([])))


def _cond(params, values):
  """Of the branch that is taken."""
  index, *operands = values

  def of(branch):
    def run(*operands):
      outputs, count = _evaluate(branch, *operands)
      return outputs, jnp.asarray(count)

    return run

  return lax.switch(index, list(map(of, params["branches"])), *operands)


def _operations(eqn):
  """Counts k products and k - 1 sums for a dot of k terms, else 1 a number."""
  out, name = eqn.outvars[0].aval, eqn.primitive.name
  if name in _MOVES or not jnp.issubdtype(out.dtype, jnp.inexact):
    return 0.0
  if name == "dot_general":
    (contracted, _), _ = eqn.params["dimension_numbers"]
    terms = math.prod(eqn.invars[0].aval.shape[axis] for axis in contracted)
    return (2.0 * terms - 1.0) * out.size
  if name == _SCATTER:
    return float(eqn.invars[-1].aval.size)
  is_sum = name.startswith("reduce")
  return float(eqn.invars[0].aval.size if is_sum else out.size)
