"""How elements of arguments reach elements of results, operation by operation.

`sparsity` is what one calls. Of an operation which is not known here every
result counts as depending on every operand.
"""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import numpy as np
from jax import numpy as jnp
from jax.extend import core
from scipy import sparse

from nnfun import base

# Results are elements of the operands, in other places.
_MOVES = frozenset(
  "broadcast_in_dim concatenate dynamic_slice expand_dims gather stack "
  "pad reshape rev slice split squeeze tile transpose unstack".split()
)
# Each element of the result is made of the elements at its place.
_ELEMENTWISE = frozenset(
  "abs acos acosh add add_any and asin asinh atan atan2 atanh cbrt ceil clamp "
  "complex conj convert_element_type copy cos cosh digamma div eq erf erf_inv "
  "erfc exp exp2 expm1 floor ge gt imag integer_pow is_finite le lgamma log "
  "log1p logistic lt max min mul ne neg not or pow real reduce_precision rem "
  "round rsqrt select_n sharding_constraint sign sin sinh sqrt square "
  "stop_gradient sub tan tanh xor".split()
)
# What changes nothing but the type, inside of `jax.shard_map` alone.
_CASTS = frozenset(("pcast", "pvary"))
_REDUCTIONS = frozenset("reduce_max reduce_min reduce_prod reduce_sum".split())
# What a call with a derivative of its own is named.
_CUSTOM = frozenset(
  "custom_jvp_call custom_vjp_call custom_vjp_call_jaxpr".split()
)
# What stands for a function of its operands.
_CALLS = {
  "jit": "jaxpr",
  "pjit": "jaxpr",
  "closed_call": "call_jaxpr",
  "core_call": "call_jaxpr",
  "custom_jvp_call": "call_jaxpr",
  "custom_vjp_call": "call_jaxpr",
  "custom_vjp_call_jaxpr": "fun_jaxpr",
  "remat2": "jaxpr",
  "checkpoint": "jaxpr",
}


class Value(NamedTuple):
  """What is known of an array before its values are."""

  reach: sparse.csr_array  # which inputs each element depends on  [size, M]
  live: np.ndarray  # which elements can differ from zero  [...]
  known: np.ndarray | None = None  # the elements, where they are constants

  @property
  def shape(self) -> tuple[int, ...]:
    """The shape of the array."""
    return self.live.shape


def of_input(shape: tuple[int, ...], first: int, num_inputs: int) -> Value:
  """Returns an input, each element of which reaches itself.

  Args:
    shape: of the array.
    first: the number of its first element among all inputs.
    num_inputs: M, of how many elements.

  Returns:
    What is known of it.
  """
  size = int(np.prod(shape))
  columns = first + np.arange(size)
  reach = sparse.csr_array(
    (np.ones(size, bool), (np.arange(size), columns)), (size, num_inputs)
  )
  return Value(reach, np.ones(shape, bool))


def of_constant(value: base.Array | np.ndarray, num_inputs: int) -> Value:
  """Returns a constant, which no input reaches.

  Args:
    value: the array; if it is traced, or no numbers, its elements may be
      anything.
    num_inputs: M.

  Returns:
    What is known of it.
  """
  reach = sparse.csr_array((int(np.prod(value.shape)), num_inputs), dtype=bool)
  is_key = jnp.issubdtype(value.dtype, jax.dtypes.prng_key)
  has_numbers = not is_key and value.dtype != jax.dtypes.float0
  if isinstance(value, jax.core.Tracer) or not has_numbers:
    return Value(reach, np.ones(value.shape, bool))
  value = np.asarray(value)
  return Value(reach, value != 0, value)


def stack(matrices: Sequence[sparse.csr_array]) -> sparse.csr_array:
  """Returns rows of matrices on top of one another.

  Args:
    matrices: booleans [N_k, M].

  Returns:
    [sum N_k, M].
  """
  return sparse.vstack(matrices, format="csr", dtype=bool)


def of_program(
  jaxpr: core.Jaxpr,
  consts: Sequence[Value],
  inputs: Sequence[Value],
  num_inputs: int,
) -> list[Value]:
  """Follows the inputs through a program.

  Args:
    jaxpr: the program.
    consts: its constants.
    inputs: its inputs.
    num_inputs: M.

  Returns:
    What is known of its results.
  """
  values = dict(zip(jaxpr.constvars, consts, strict=True))
  values |= dict(zip(jaxpr.invars, inputs, strict=True))

  def read(atom):
    if isinstance(atom, core.Literal):
      return of_constant(np.asarray(atom.val), num_inputs)
    return values[atom]

  for eqn in jaxpr.eqns:
    outputs = _apply(eqn, list(map(read, eqn.invars)), num_inputs)
    values |= dict(zip(eqn.outvars, outputs, strict=True))
  return list(map(read, jaxpr.outvars))


def _apply(eqn, operands, num_inputs):
  """The results of one operation."""
  name = eqn.primitive.name
  if name in _CALLS and _CALLS[name] in eqn.params:
    inner = eqn.params[_CALLS[name]]
    is_closed = hasattr(inner, "consts")
    consts = inner.consts if is_closed else []
    results = of_program(
      inner.jaxpr if is_closed else inner,
      [of_constant(c, num_inputs) for c in consts],
      operands,
      num_inputs,
    )
    if name in _CUSTOM and any(o.reach.nnz for o in operands):
      further = _through_rule(eqn, operands)
      results = list(map(_joined, results, further))
    return results
  if name in _CASTS:
    return operands
  if all(o.known is not None for o in operands):
    results = _evaluate(eqn, [o.known for o in operands], eqn.params)
    return [of_constant(r, num_inputs) for r in results]
  shapes = [v.aval.shape for v in eqn.outvars]
  if name in ("concatenate", "stack"):
    return _moved(eqn, operands, [])
  if name in _MOVES and all(o.known is not None for o in operands[1:]):
    return _moved(eqn, operands[:1], operands[1:])
  if name in _ELEMENTWISE:
    return [_elementwise(name, operands, shapes[0])]
  if name in _REDUCTIONS:
    return [_reduced(operands[0], eqn.params["axes"], shapes[0])]
  if name == "dot_general":
    return [_product(*operands, eqn.params["dimension_numbers"], shapes[0])]
  return [_everything(operands, shape) for shape in shapes]


def _evaluate(eqn, values, params):
  with jax.ensure_compile_time_eval():
    results = eqn.primitive.bind(*map(jnp.asarray, values), **params)
  return results if eqn.primitive.multiple_results else [results]


def _through_rule(eqn, operands):
  """What each result reaches by the derivative which a call brings with it.

  That need not be the program's: the surrogate of a step, an error that comes
  back through another matrix. Cotangents of the results are followed through
  the rule, as inputs.
  """
  avals, of_results = ([v.aval for v in vs] for vs in (eqn.invars, eqn.outvars))
  seen = [i for i, a in enumerate(avals) if _has_derivative(a)]
  sizes = [a.size if _has_derivative(a) else 0 for a in of_results]
  if not seen or not sum(sizes):
    return [None] * len(sizes)
  params = eqn.primitive.get_bind_params(eqn.params)

  def pull(args, cotangents):
    def call(*floating):
      full = list(args)
      for i, x in zip(seen, floating, strict=True):
        full[i] = x
      results = eqn.primitive.bind(*full, **params)
      return [r for r in results if _has_derivative(r)]

    return jax.vjp(call, *(args[i] for i in seen))[1](cotangents)

  floating = [a for a in of_results if _has_derivative(a)]
  try:
    closed = jax.make_jaxpr(pull)(avals, floating)
  except ValueError:  # As where a rule in a batch gives another shape.
    return [_everything(operands, a.shape).reach for a in of_results]
  nothing = sparse.csr_array((1, sum(sizes)), dtype=bool)
  inputs = [
    o._replace(reach=nothing[np.zeros(o.live.size, int)]) for o in operands
  ]
  firsts = np.cumsum([0, *(a.size for a in floating)])
  inputs += [
    of_input(a.shape, int(first), sum(sizes))
    for a, first in zip(floating, firsts, strict=False)
  ]
  consts = [of_constant(c, sum(sizes)) for c in closed.consts]
  of_args = of_program(closed.jaxpr, consts, inputs, sum(sizes))
  back = stack([o.reach for o in of_args]).T.astype(np.int32)
  whole = (back @ stack([operands[i].reach for i in seen])).astype(bool).tocsr()
  stops = np.cumsum([0, *sizes]).tolist()
  return [whole[i:j] for i, j in zip(stops, stops[1:], strict=False)]


def _has_derivative(array):
  return jnp.issubdtype(array.dtype, jnp.inexact)


def _joined(value, further):
  """A value that reaches more: its derivative differs from 0 where it is 0."""
  if further is None or not further.nnz:
    return value
  reach = (value.reach + further).astype(bool).tocsr()
  reached = np.diff(further.indptr).reshape(value.shape) > 0
  return Value(reach, value.live | reached)


def _moved(eqn, operands, known):
  """Follows the places of the elements; place 0 stands for a constant."""
  stops = np.cumsum([1, *(o.live.size for o in operands)])
  places = [
    np.arange(first, first + o.live.size, dtype=np.int32).reshape(o.shape)
    for first, o in zip(stops, operands, strict=False)
  ]
  params = dict(eqn.params)
  if "fill_value" in params:
    params["fill_value"] = 0
  rest = [o.known for o in known]
  if eqn.primitive.name == "pad":
    rest, padded = [np.int32(0)], known[0]
  results = _evaluate(eqn, places + rest, params)
  nothing = sparse.csr_array((1, operands[0].reach.shape[1]), dtype=bool)
  reach = stack([nothing, *(o.reach for o in operands)])
  is_gather = eqn.primitive.name == "gather"  # What is outside may be filled.
  is_padding = is_gather or (eqn.primitive.name == "pad" and padded.live.any())
  live = np.concatenate([[is_padding], *(o.live.ravel() for o in operands)])
  results = [np.asarray(r) for r in results]
  return [Value(reach[r.ravel()], live[r]) for r in results]


def _elementwise(name, operands, shape):
  """One element of each operand; axes of length 1 go with all."""
  lives = [np.broadcast_to(o.live, shape) for o in operands]
  counts = [np.ones(shape, bool) for _ in operands]
  live = np.ones(shape, bool)
  if name == "mul":  # A factor that is zero lets nothing of the other through.
    counts, live = lives[::-1], lives[0] & lives[1]
  elif name == "div":
    counts, live = [counts[0], lives[0]], lives[0]
  elif name == "select_n" and operands[0].known is not None:
    which = np.broadcast_to(operands[0].known, shape).astype(int)
    counts = [which == case for case in range(-1, len(operands) - 1)]
    live = np.choose(which, lives[1:])
  elif name in ("add", "sub", "add_any", "neg"):
    live = np.logical_or.reduce(lives)
  size = int(np.prod(shape))
  total = sparse.csr_array((size, operands[0].reach.shape[1]), dtype=bool)
  for operand, count in zip(operands, counts, strict=True):
    if operand.reach.nnz:
      places = np.arange(operand.live.size).reshape(operand.shape)
      reach = operand.reach
      if operand.shape != shape:
        reach = reach[np.broadcast_to(places, shape).ravel()]
      total = total + _diagonal(count) @ reach
  return Value(total.astype(bool).tocsr(), live)


def _diagonal(count):
  return sparse.dia_array(
    (count.ravel()[None].astype(bool), [0]), shape=(count.size, count.size)
  ).tocsr()


def _reduced(operand, axes, shape):
  size = int(np.prod(shape))
  results = np.arange(size).reshape(shape)
  results = np.broadcast_to(np.expand_dims(results, axes), operand.shape)
  gathers = _incidence(results.ravel(), np.arange(operand.live.size), size)
  live = np.zeros(size, bool)
  np.logical_or.at(live, results.ravel(), operand.live.ravel())
  return Value((gathers @ operand.reach).astype(bool), live.reshape(shape))


def _incidence(rows, columns, num_rows, num_columns=None):
  num_columns = len(columns) if num_columns is None else num_columns
  ones = np.ones(len(rows), bool)
  return sparse.csr_array((ones, (rows, columns)), (num_rows, num_columns))


def _product(left, right, dimensions, shape):
  """sum_c left[b, m, c] right[b, n, c], each term where neither factor is 0."""
  (contract_l, contract_r), (batch_l, batch_r) = dimensions

  def places(operand, batch, contract):
    index = np.arange(operand.live.size).reshape(operand.shape)
    free = [
      a for a in range(index.ndim) if a not in batch and a not in contract
    ]
    sizes = [
      int(np.prod([operand.shape[a] for a in axes]))
      for axes in (batch, free, contract)
    ]
    return index.transpose(*batch, *free, *contract).reshape(sizes)

  of_left = places(left, batch_l, contract_l)[:, :, None, :]
  of_right = places(right, batch_r, contract_r)[:, None, :, :]
  of_left, of_right = np.broadcast_arrays(of_left, of_right)
  size = int(np.prod(shape))
  results = np.arange(size).reshape(of_left.shape[:-1])[..., None]
  results = np.broadcast_to(results, of_left.shape).ravel()
  of_left, of_right = of_left.ravel(), of_right.ravel()
  counts = left.live.ravel()[of_left] & right.live.ravel()[of_right]
  results, of_left, of_right = (x[counts] for x in (results, of_left, of_right))
  live = np.zeros(size, bool)
  live[results] = True
  total = sparse.csr_array((size, left.reach.shape[1]), dtype=bool)
  for operand, index in ((left, of_left), (right, of_right)):
    if operand.reach.nnz:
      pairs = _incidence(results, index, size, operand.live.size)
      total = total + pairs @ operand.reach
  return Value(total.astype(bool).tocsr(), live.reshape(shape))


def _everything(operands, shape):
  """Every result depends on every operand."""
  size = int(np.prod(shape))
  reached = np.unique(
    np.concatenate([o.reach.indices for o in operands] + [np.zeros(0, int)])
  )
  rows = np.repeat(np.arange(size), len(reached))
  columns = np.tile(reached, size)
  num_inputs = operands[0].reach.shape[1]
  reach = _incidence(rows, columns, size, num_inputs)
  return Value(reach, np.ones(shape, bool))
