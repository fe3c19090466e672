"""Flax cells as cells."""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import optax
from flax import errors, linen
from jax import numpy as jnp

from nnfun import base
from nnfun.cells import parts


class LinenState(NamedTuple):
  """A carry with what has to stand beside it; None where that is not needed."""

  started: base.Array | None  # 0 before the first step, if h_0 is learned  []
  carry: base.PyTree
  y: base.PyTree  # what the module put out, if the carry does not end in it


def from_linen(
  module: linen.RNNCellBase,
  *,
  num_inputs: int | None = None,
  input_spec: base.PyTree = None,
  rngs: Sequence[str] = (),
  output: base.OutputFn = base.last_leaf,
) -> base.Cell:
  """Adapts a Flax recurrent cell.

    carry_t, y_t = module(carry_tm1, x_t)

  The state is the carry if the carry ends in y, as in every cell of Flax. A
  module that makes y of the carry, by a head of its own, has a `LinenState`: a
  loss reads states, so y has to be in one for the head to get its gradient. So
  has a module whose `initialize_carry` reads what its `setup` makes, such as a
  learned h_0: the first step starts from what the parameters give, and they get
  their gradient. In every case y is the last leaf of the state. A carry that is
  drawn is drawn with one fixed key.

  Args:
    module: a cell that takes (carry, x) to (carry, y), such as
      `linen.GRUCell(32)`; it may keep its carry in several parts.
    num_inputs: I, if x_t is a floating vector [I].
    input_spec: in place of `num_inputs` an array like x_t, or its
      `jax.ShapeDtypeStruct`, or a pytree of them: [H, W, C] for an image,
      an integer [] for a token. `initialize_carry` gets its shape.
    rngs: the random streams that the module draws from, as ("dropout",). The
      input of the cell is then (x_t, raw key of step t), for estimators run a
      step again from its input: `jax.random.key_data(jax.random.split(key, T))`
      are the keys of T steps. Each is split among the streams, in their order.
      In a stack only the lowest cell can have one.
    output: what a cell stacked on this one reads from the state; y by default.

  Returns:
    The cell; parameters as Flax names them.

  Raises:
    ValueError: if the module is not a recurrent cell, keeps variables other
      than parameters, draws from a stream that `rngs` does not name or fails
      on a vector [I], or if not one of `num_inputs` and `input_spec` is given.
  """
  if not isinstance(module, linen.RNNCellBase):
    raise ValueError(
      "expected a flax.linen recurrent cell (a linen.RNNCellBase), got "
      f"{type(module).__name__}"
    )
  x_spec = _input_spec(num_inputs, input_spec)
  raw_key = jax.eval_shape(lambda: jax.random.key_data(jax.random.key(0)))
  spec = (x_spec, raw_key) if rngs else x_spec

  def first_carry(module):
    shapes = jax.tree.map(lambda s: s.shape, x_spec)
    return module.initialize_carry(jax.random.key(0), shapes)

  carry_fn = linen.apply(first_carry, module)
  init_fn = linen.init(lambda m: m(first_carry(m), _zeros(x_spec)), module)
  try:
    jax.eval_shape(lambda: first_carry(module))
    learned = False
  except Exception:  # It asks for what only a module with parameters has.
    learned = True
  try:
    variables = jax.eval_shape(init_fn, jax.random.key(0))
  except Exception as error:
    if num_inputs is None:
      raise
    raise ValueError(
      f"{type(module).__name__} fails on a floating vector [{num_inputs}]; for "
      "another kind of input pass input_spec in place of num_inputs "
      f"({type(error).__name__}: {error})"
    ) from error
  if set(variables) != {"params"}:
    raise ValueError(
      f"expected a module with parameters only, got {sorted(variables)}"
    )

  def apply(params, started, carry, x_t):
    variables, streams = {"params": params}, {}
    if rngs:
      x_t, raw_key = x_t
      keys = jax.random.split(jax.random.wrap_key_data(raw_key), len(rngs))
      streams = dict(zip(rngs, keys, strict=True))
    if learned:
      carry = optax.tree.where(started == 0, carry_fn(variables), carry)
    return module.apply(variables, carry, x_t, rngs=streams)

  carry_spec = jax.eval_shape(carry_fn, variables)
  started_spec = jax.ShapeDtypeStruct((), jnp.float32) if learned else None
  try:
    program, (carry_t, y_spec) = jax.make_jaxpr(apply, return_shape=True)(
      variables["params"], started_spec, carry_spec, spec
    )
  except errors.InvalidRngError as error:
    raise ValueError(
      f"{str(error).partition(' (')[0]}: name all such streams in rngs, as in "
      'rngs=("dropout",), and give x_t as (x_t, raw key of step t)'
    ) from error
  # Where the carry ends in y, both are the same variables of the program.
  results, num_carry = program.jaxpr.outvars, len(jax.tree.leaves(carry_t))
  num_y = len(results) - num_carry
  beside = results[num_carry - num_y : num_carry] != results[num_carry:]
  wrapped = learned or beside

  def make_state(started, carry, y):
    state = LinenState(started, carry, y if beside else None)
    return state if wrapped else carry

  def initial_state():
    carry = _zeros(carry_spec) if learned else first_carry(module)
    return make_state(_zeros(started_spec), carry, _zeros(y_spec))

  def step(params, state_tm1, x_t):
    _check_input(x_t, spec)
    started, carry, _ = state_tm1 if wrapped else (None, state_tm1, None)
    carry, y = apply(params, started, carry, x_t)
    return make_state(jax.tree.map(jnp.ones_like, started), carry, y)

  return base.Cell(
    init=lambda key: init_fn(key)["params"],
    initial_state=initial_state,
    step=step,
    output=output,
    input_spec=spec,
  )


def _zeros(spec):
  return jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), spec)


def _input_spec(num_inputs, input_spec):
  """The shape and dtype of x_t, from whichever of the two was given."""
  if (num_inputs is None) == (input_spec is None):
    raise ValueError(
      "expected either num_inputs or input_spec, got "
      f"num_inputs={num_inputs!r} and input_spec={input_spec!r}"
    )
  if input_spec is None:
    parts.check_sizes(num_inputs=num_inputs)
    return parts.input_spec(num_inputs)
  leaves = jax.tree.leaves(input_spec)
  if not leaves or not all(hasattr(leaf, "dtype") for leaf in leaves):
    raise ValueError(
      "expected input_spec to be an array or a jax.ShapeDtypeStruct, or a "
      f"pytree of them, got {input_spec!r}"
    )
  return jax.eval_shape(lambda x: x, input_spec)


def _check_input(x_t, spec):
  """Checks shapes, and that keys are raw: a tape cannot hold typed ones."""

  def describe(leaf):
    is_key = jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
    return f"{leaf.dtype if is_key else ''}{list(leaf.shape)}"

  got = jax.tree.map(describe, jax.eval_shape(lambda x: x, x_t))
  expected = jax.tree.map(describe, spec)
  if got != expected:
    raise ValueError(
      f"expected x_t of shape {expected} (one example, one time step, raw "
      f"keys), got shape {got}"
    )
