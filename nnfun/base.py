"""Records shared by the whole package.

A record is a NamedTuple of pure functions made by a factory which takes the
static choices. Functions are written for one example or one sequence; batching
is `jax.vmap` outside, compilation is `jax.jit` outside. `_t` marks a time step,
`_tm1` the step before. "Leaves [T, ...]": a time axis first in every leaf.
"""

from typing import Any, NamedTuple, Protocol

import jax
import numpy as np
from jax import numpy as jnp

Array = jax.Array
PyTree = Any
Params = PyTree
State = PyTree


class InitFn(Protocol):
  """Draws the parameters of a cell."""

  def __call__(self, key: Array) -> Params:
    """Returns the parameters; states and influences take their dtype."""
    ...


class InitialStateFn(Protocol):
  """Gives the state before the first input."""

  def __call__(self) -> State:
    """Returns the state; estimators cast it to the dtype of the parameters."""
    ...


class StepFn(Protocol):
  """Advances a recurrent network by one time step."""

  def __call__(self, params: Params, state_tm1: State, x_t: PyTree) -> State:
    """Returns state_t, a pytree with the structure and shapes of state_tm1."""
    ...


class OutputFn(Protocol):
  """Reads from a state what the layer above sees."""

  def __call__(self, state_t: State) -> Array:
    """Returns the output of the cell at time t."""
    ...


class FeaturesFn(Protocol):
  """The part of an affine step before the parameters enter."""

  def __call__(self, state_tm1: State, x_t: PyTree) -> PyTree:
    """Returns z, one vector [Z_k] for each matrix [R_k, Z_k] of the params."""
    ...


class ActivateFn(Protocol):
  """The part of an affine step after the parameters have entered."""

  def __call__(self, a: PyTree, state_tm1: State) -> State:
    """Returns state_t from a = W z, one vector [R_k] for each matrix."""
    ...


class UnitStepFn(Protocol):
  """One step of one unit of a diagonal recurrence."""

  def __call__(self, params: Params, state_tm1: State, x_t: PyTree) -> State:
    """Returns the unit's next state from its own parameters and state alone."""
    ...


class SplitFn(Protocol):
  """Finds the units of a diagonal recurrence in a cell's pytrees."""

  def __call__(self, params: Params, state: State) -> tuple[Params, State]:
    """Returns what each unit owns: leaves [N, ...], one row for each unit."""
    ...


class LossFn(Protocol):
  """The loss of one time step."""

  def __call__(self, params: Params, state_t: State, y_t: PyTree) -> Array:
    """Returns a scalar; `params` holds the entries "cell" and "readout"."""
    ...


def last_leaf(state: State) -> Array:
  """Returns the last leaf of a state: h itself, or the h of a pair (c, h)."""
  return jax.tree.leaves(state)[-1]


class Cell(NamedTuple):
  """A recurrent network seen from outside: s_t = step(params, s_tm1, x_t).

  `output` is what a cell stacked on this one reads. `input_spec` is a pytree of
  `jax.ShapeDtypeStruct` like x_t; a method which has to remember inputs needs
  it to allocate room: without it rolling BPTT remembers Jacobians, and RTRL is
  the textbook's. Inputs keep their own dtype, one for a whole stream; a spec in
  which they would be rounded is refused.
  """

  init: InitFn
  initial_state: InitialStateFn
  step: StepFn
  output: OutputFn = last_leaf
  input_spec: PyTree = None


class AffineCell(NamedTuple):
  """A cell whose parameters enter as matrices times vectors they do not shape.

    z = features(s_tm1, x_t),  a_k = W_k z_k,  s_t = activate(a, s_tm1),

  where W_k [R_k, Z_k] are the leaves of the parameters, in the order of the
  leaves z_k [Z_k] of z, and a has the structure of z. `step` has to be that
  composition (`affine_step` makes it, `diagnostics.check_cell` tells). The
  immediate influence d s_t / d W_k is then an outer product with z_k, which
  makes lazy RTRL and the factored approximations cheap.
  """

  init: InitFn
  initial_state: InitialStateFn
  step: StepFn
  features: FeaturesFn
  activate: ActivateFn
  output: OutputFn = last_leaf
  input_spec: PyTree = None


class DiagonalCell(NamedTuple):
  """A cell whose units do not read each other's state.

  With (theta, u) = split(params, state), leaves [N, ...], the recurrence is

    u_t[i] = unit_step(theta[i], u_tm1[i], x_t),  i = 1..N,

  and whatever else the state holds is computed from u_t and is not read at the
  next step. `split` selects and reshapes; it is linear in both arguments.
  """

  init: InitFn
  initial_state: InitialStateFn
  step: StepFn
  unit_step: UnitStepFn
  split: SplitFn
  output: OutputFn = last_leaf
  input_spec: PyTree = None


class StackedCell(NamedTuple):
  """Cells on top of one another, as one cell which still knows its layers.

  Parameters and state are tuples with an entry for each layer. Layer l reads
  what `layers[l - 1].output` gives of the state which that layer has reached at
  the same step.
  """

  init: InitFn
  initial_state: InitialStateFn
  step: StepFn
  layers: tuple[Any, ...]  # cells of any kind, from the input upwards
  output: OutputFn = last_leaf
  input_spec: PyTree = None


class Episode(NamedTuple):
  """A sequence of inputs with what its loss needs, leaves [T, ...]."""

  x: PyTree
  y: PyTree


class Target(NamedTuple):
  """A target with the weight of its step in the loss, leaves [T, ...]."""

  value: Array
  weight: Array  # 0 where the step does not count


class SampleFn(Protocol):
  """Draws one episode of a task."""

  def __call__(self, key: Array) -> Episode:
    """Returns inputs and targets, leaves [T, ...], T fixed by the task."""
    ...


class Task(NamedTuple):
  """A source of episodes."""

  sample: SampleFn


class Estimate(NamedTuple):
  """A loss and an estimate of its gradient, in the structure of the params."""

  loss: Array
  grads: Params


class EstimatorInitFn(Protocol):
  """Makes the state of an estimator at the start of a sequence."""

  def __call__(self, params: Params, key: Array) -> PyTree:
    """Returns the state, which holds the cell's state among other things.

    Args:
      params: the parameters, with the entries "cell" and "readout".
      key: randomness of the estimator; a deterministic one ignores it.
    """
    ...


class EstimatorUpdateFn(Protocol):
  """Runs the network through one segment and estimates the gradient."""

  def __call__(
    self,
    params: Params,
    state: PyTree,
    xs: PyTree,
    ys: PyTree,
    resets: Array | None = None,
  ) -> tuple[PyTree, Estimate]:
    """Returns the state after the segment and the segment's estimate.

    The loss is summed over the segment, in float32 or wider. Gradients differ
    in what they know of the time before a step. In `jax.shard_map` they are
    those of the device's own data.

    Args:
      params: the parameters during this segment.
      state: what `init` or the `update` before returned.
      xs: inputs of the segment, leaves [K, ...]; K >= 1 is read off them.
      ys: what the loss needs of each step, leaves [K, ...].
      resets: whether a new episode starts at a step, booleans [K]: from the
        initial state, and no later loss is credited to anything before. None
        if there are none, which costs nothing.
    """
    ...


class GradientEstimator(NamedTuple):
  """A way of estimating d loss / d params along a sequence cut in segments."""

  init: EstimatorInitFn
  update: EstimatorUpdateFn


class InfluenceInitFn(Protocol):
  """Makes the influence at the start of a sequence, where it is zero."""

  def __call__(self, params: Params, key: Array) -> PyTree:
    """Returns the carried representation of d s_0 / d params = 0."""
    ...


class PullFn(Protocol):
  """Applies the transposed influence, as a VJP function does."""

  def __call__(self, cotangent: State) -> Params:
    """Returns sum_s cotangent[s] d s_0 / d params, like the params."""
    ...


class InfluenceAdvanceFn(Protocol):
  """Carries the influence over one segment, in the manner of `jax.vjp`."""

  def __call__(
    self,
    params: Params,
    influence: PyTree,
    states: State,
    xs: PyTree,
    resets: Array | None,
  ) -> tuple[PyTree, PullFn]:
    """Returns the influence at the segment's end and the pull at its start.

    Args:
      params: the parameters of the cell during the segment.
      influence: J_0, carrying d s_0 / d params.
      states: those from which the steps start, s_0 ... s_{K-1} or the initial
        state where one resets, leaves [K, ...].
      xs: the inputs of the segment, leaves [K, ...].
      resets: whether a step starts from the initial state [K], or None.

    Returns:
      J_K = (d s_K / d s_0) J_0 + d s_K / d params, as the influence has it, and
      lambda -> lambda^T J_0, in which what a zero multiplies is not read; both
      at once, so that a buffer can be written in place before it is read.
    """
    ...


class Influence(NamedTuple):
  """How d state / d params crosses a segment boundary."""

  init: InfluenceInitFn
  advance: InfluenceAdvanceFn


def check_count(name: str, value: int, *, at_least: int = 1) -> None:
  """Checks that a count or a length is an integer and not too small.

  Args:
    name: what to call it.
    value: the count.
    at_least: the smallest that will do.

  Raises:
    ValueError: otherwise.
  """
  is_integer = isinstance(value, int | np.integer)
  if not is_integer or isinstance(value, bool) or value < at_least:
    expected = f"an integer of at least {at_least}"
    if at_least == 1:
      expected = "a positive integer"
    raise ValueError(f"expected {name} to be {expected}, got {value!r}")


def params_dtype(params: Params) -> jnp.dtype:
  """Returns the dtype in which a network with these parameters computes.

  Args:
    params: the parameters of a cell.

  Returns:
    The dtype of the leaves.

  Raises:
    ValueError: if they are not one or more floating arrays of one dtype.
  """
  leaves = jax.tree.leaves(params)
  dtypes = {getattr(leaf, "dtype", type(leaf)) for leaf in leaves}
  is_array = all(isinstance(leaf, jax.Array | np.ndarray) for leaf in leaves)
  is_one = is_array and len(dtypes) == 1
  if not (is_one and jnp.issubdtype(leaves[0].dtype, jnp.floating)):
    raise ValueError(
      "expected cell parameters that are arrays of one floating dtype, got "
      f"{sorted(map(str, dtypes))}"
    )
  return leaves[0].dtype


def initial_state(cell: Cell, params: Params) -> State:
  """Returns the cell's initial state in the dtype of its parameters.

  Args:
    cell: any cell.
    params: its parameters.

  Returns:
    `cell.initial_state()`, cast, each leaf in a buffer of its own (donation).

  Raises:
    ValueError: if a leaf is not real floating: it has no real derivative.
  """
  dtype = params_dtype(params)
  state = cell.initial_state()
  for leaf in jax.tree.leaves(state):
    if not jnp.issubdtype(jnp.asarray(leaf).dtype, jnp.floating):
      raise ValueError(
        "expected a state of real floating leaves (keep a complex number as "
        f"its two parts), got dtype {jnp.asarray(leaf).dtype}"
      )
  return jax.tree.map(lambda leaf: jnp.array(leaf, dtype, copy=True), state)


def step(cell: Cell, params: Params, state_tm1: State, x_t: PyTree) -> State:
  """Runs `cell.step` and keeps shapes and dtypes of the state as they are.

  Args:
    cell: any cell.
    params: its parameters.
    state_tm1: the state before the step.
    x_t: the input of the step.

  Returns:
    state_t in the dtypes of state_tm1, whatever the input's.

  Raises:
    ValueError: if structure or shapes of the state change.
  """
  state_t = cell.step(params, state_tm1, x_t)
  before, after = jax.tree.structure(state_tm1), jax.tree.structure(state_t)
  shapes = [
    list(map(jnp.shape, jax.tree.leaves(s))) for s in (state_tm1, state_t)
  ]
  if before != after or shapes[0] != shapes[1]:
    raise ValueError(
      f"expected the step to keep the state {before} with shapes {shapes[0]}, "
      f"got {after} with shapes {shapes[1]}"
    )
  return jax.tree.map(lambda s, r: jnp.asarray(s, r.dtype), state_t, state_tm1)


def affine_step(features: FeaturesFn, activate: ActivateFn) -> StepFn:
  """Returns the step activate(W features(s_tm1, x_t), s_tm1).

  Args:
    features: what the parameters multiply.
    activate: what is done with the products.

  Returns:
    The step.
  """

  def step_fn(params: Params, state_tm1: State, x_t: PyTree) -> State:
    z = features(state_tm1, x_t)
    return activate(preactivation(params, z), state_tm1)

  return step_fn


def preactivation(params: Params, z: PyTree) -> PyTree:
  """Returns a_k = W_k z_k in the structure of z.

  Args:
    params: matrices W_k [R_k, Z_k].
    z: vectors z_k [Z_k], in the order of the matrices.

  Returns:
    Vectors a_k [R_k].

  Raises:
    ValueError: if matrices and vectors do not fit one another.
  """
  matrices, (vectors, structure) = jax.tree.leaves(params), jax.tree.flatten(z)
  shapes = [w.shape for w in matrices], [v.shape for v in vectors]
  fits = len(matrices) == len(vectors) and all(
    len(w) == 2 and v == w[1:] for w, v in zip(*shapes, strict=True)
  )
  if not fits:
    raise ValueError(
      "expected one matrix [R, Z] of parameters for each vector [Z] of "
      f"features, got parameters {shapes[0]} and features {shapes[1]}"
    )
  return structure.unflatten(
    [w @ v for w, v in zip(matrices, vectors, strict=True)]
  )
