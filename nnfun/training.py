"""The scans which join a task, an estimator and an optimiser.

Everything here is one sequence or one batch, pure, and not compiled: put
`jax.jit` around a whole run and `jax.vmap` around that for seeds and learning
rates (a plain number given to an optax optimiser may be traced).
"""

from collections.abc import Callable
from typing import NamedTuple, Protocol

import jax
import numpy as np
import optax
from jax import lax
from jax import numpy as jnp

from nnfun import base, estimators, loops, numerics, updates
from nnfun.estimators import checks
from nnfun.segments import cut as cut
from nnfun.segments import num_segments as num_segments
from nnfun.segments import pad as pad
from nnfun.segments import scan_segments as scan_segments


def episode_gradient(
  estimator: base.GradientEstimator,
  params: base.Params,
  key: base.Array,
  xs: base.PyTree,
  ys: base.PyTree,
  *,
  segment: int,
  resets: base.Array | None = None,
) -> base.Estimate:
  """Sums an estimator over one episode, from a fresh state.

  Args:
    estimator: any estimator.
    params: the parameters, fixed during the episode.
    key: randomness of the estimator.
    xs: inputs, leaves [T, ...].
    ys: what the loss needs, leaves [T, ...].
    segment: K, the steps between two updates of the estimator; divides T.
    resets: whether a new episode starts at a step [T]; None if none does.

  Returns:
    The summed loss and the summed gradient, added up in float32 or wider.

  Raises:
    ValueError: if K does not divide T or the episode is empty.
  """

  def body(carry, indexed):
    (state, total), (_, piece) = carry, indexed
    state, estimate = estimator.update(params, state, *piece)
    total = jax.tree.map(jnp.add, total, estimate.grads)
    return (state, total), estimate.loss

  params = jax.tree.map(jnp.asarray, params)
  zeros = jax.tree.map(lambda p: jnp.zeros_like(numerics.widen(p)), params)
  start = estimator.init(params, key), zeros
  (_, total), losses = scan_segments(
    body, start, _sequences(xs, ys, resets), segment=segment
  )
  grads = optax.tree.cast_like(total, params)
  return base.Estimate(jnp.sum(losses), grads)


def exact_gradient(
  cell: base.Cell,
  loss_fn: base.LossFn,
  params: base.Params,
  xs: base.PyTree,
  ys: base.PyTree,
  *,
  resets: base.Array | None = None,
) -> base.Estimate:
  """Returns the gradient of the summed loss through the whole sequence.

  It is the reference for all estimators: back-propagation from the last step to
  the first through `cell.step` alone, with memory for all steps.

  Args:
    cell: any cell.
    loss_fn: the loss of one step.
    params: the parameters, with the entries "cell" and "readout".
    xs: inputs, leaves [T, ...].
    ys: what the loss needs, leaves [T, ...].
    resets: whether a new episode starts at a step [T]; None if none does.

  Returns:
    The summed loss and its gradient.

  Raises:
    ValueError: if lengths differ, or parameters or the loss are unfit.
  """
  checks.check_is_cell(cell)
  bare = base.Cell(cell.init, cell.initial_state, cell.step)
  estimator = estimators.truncated_bptt(bare, loss_fn)
  state = estimator.init(params, jax.random.key(0))
  return estimator.update(params, state, xs, ys, resets)[1]


class OnUpdateFn(Protocol):
  """Looks at training from inside its compiled loop; see `every`."""

  def __call__(
    self, number: base.Array, params: base.Params, estimate: base.Estimate
  ) -> None:
    """Called while tracing, before each update of the parameters.

    Args:
      number: of the update.
      params: the parameters with which the estimate was made.
      estimate: of the mean loss of a step.
    """
    ...


def loss_and_norm(
  params: base.Params, estimate: base.Estimate
) -> dict[str, base.Array]:
  """Returns what `every` reports by default.

  Args:
    params: not used.
    estimate: of the mean loss of a step.

  Returns:
    The loss and the Euclidean norm of the gradient.
  """
  del params
  norm = numerics.global_norm(estimate.grads)
  return {"loss": estimate.loss, "gradient_norm": norm}


def every(
  stride: int,
  report: Callable[[int, base.PyTree], None],
  measure: Callable[[base.Params, base.Estimate], base.PyTree] = loss_and_norm,
) -> OnUpdateFn:
  """Reports measurements from a compiled loop, now and then.

  Args:
    stride: how many updates from one report to the next.
    report: called on the host with the number of the update, a multiple of the
      stride, and what was measured, as NumPy arrays. Under `jax.vmap` it is
      called for each member.
    measure: (params, estimate) -> any pytree of arrays; compiled.

  Returns:
    What `train_stream` and `train_episodes` take as `on_update`.

  Raises:
    ValueError: if the stride is not a positive integer.
  """
  base.check_count("stride", stride)

  def on_host(number, measured):
    if number % stride == 0:  # Batched, a cond takes both branches.
      report(int(number), jax.tree.map(np.asarray, measured))

  def on_update(number, params, estimate):
    def call():
      jax.debug.callback(on_host, number, measure(params, estimate))

    lax.cond(number % stride == 0, call, lambda: None)

  return on_update


class StreamState(NamedTuple):
  """Where online training along one stream stands; enough to resume it."""

  params: base.Params
  optimizer: optax.OptState
  estimator: base.PyTree


def stream_init(
  estimator: base.GradientEstimator,
  optimizer: optax.GradientTransformation,
  params: base.Params,
  key: base.Array,
) -> StreamState:
  """Starts online training.

  Args:
    estimator: any estimator.
    optimizer: any optax optimiser of the parameters themselves (`lookahead`
      wants pairs of them).
    params: the parameters to start from.
    key: randomness of the estimator.

  Returns:
    The state before the first step.
  """
  own = jax.tree.map(jnp.array, params)  # A state may be donated.
  return StreamState(own, optimizer.init(own), estimator.init(own, key))


def train_stream(
  estimator: base.GradientEstimator,
  optimizer: optax.GradientTransformation,
  state: StreamState,
  xs: base.PyTree,
  ys: base.PyTree,
  *,
  segment: int,
  resets: base.Array | None = None,
  on_update: OnUpdateFn | None = None,
  first_update: base.Array | int = 0,
) -> tuple[StreamState, base.Array]:
  """Trains online along a stream: the parameters change after each segment.

  Calling it again with the next piece of the stream gives bit for bit what one
  call with both would have given.

  Args:
    estimator: any estimator.
    optimizer: any optax optimiser; it sees the gradient of the mean loss. One
      that takes them gets the loss as `value` and the gradient as `grad`.
    state: what `stream_init` or an earlier call returned.
    xs: inputs, leaves [T, ...].
    ys: what the loss needs, leaves [T, ...].
    segment: K, the steps between two updates; divides T.
    resets: whether a new episode starts at a step [T]; None if none does.
    on_update: called while tracing, see `every`.
    first_update: its number for the first update of this piece; may be traced.

  Returns:
    The state after the stream, and the mean loss of each segment [T / K], at
    the parameters before its update.

  Raises:
    ValueError: if K does not divide T, the stream is empty, the state is
      another, or the optimiser needs a line search.
  """
  _check_made_by("stream_init", StreamState, state)

  def body(state, indexed):
    i, piece = indexed
    estimator_state, estimate = estimator.update(
      state.params, state.estimator, *piece
    )
    estimate = optax.tree.scale(1 / int(segment), estimate)
    i += first_update
    params, optimizer_state = _apply(
      optimizer, i, state.params, state.optimizer, estimate, on_update
    )
    return StreamState(params, optimizer_state, estimator_state), estimate.loss

  return scan_segments(body, state, _sequences(xs, ys, resets), segment=segment)


class EpisodesState(NamedTuple):
  """Where training on episodes stands; enough to resume it."""

  params: base.Params
  optimizer: optax.OptState
  key: base.Array
  num_episodes: base.Array  # batches of episodes seen so far  []


def episodes_init(
  optimizer: optax.GradientTransformation,
  params: base.Params,
  key: base.Array,
) -> EpisodesState:
  """Starts training on episodes.

  Args:
    optimizer: any optax optimiser of the parameters themselves (`lookahead`
      wants pairs of them).
    params: the parameters to start from.
    key: randomness of the episodes and of the estimator.

  Returns:
    The state before the first episode.
  """
  own, key = jax.tree.map(jnp.copy, (params, key))  # A state may be donated.
  return EpisodesState(own, optimizer.init(own), key, jnp.zeros([], jnp.int32))


def train_episodes(
  estimator: base.GradientEstimator,
  optimizer: optax.GradientTransformation,
  task: base.Task,
  state: EpisodesState,
  *,
  num_episodes: int,
  segment: int,
  batch_size: int = 1,
  online: bool = False,
  on_update: OnUpdateFn | None = None,
  sharding: jax.sharding.Sharding | None = None,
) -> tuple[EpisodesState, base.Array]:
  """Trains on episodes drawn from a task, the state reset before each.

  Offline, the parameters change once an episode, by the gradient of the loss
  summed over the episode and divided by T; online, after each segment, by that
  of the segment divided by K. Weights of a `Target` are the loss's own affair:
  nothing is divided by them. Gradients are averaged over the batch.

  Args:
    estimator: any estimator.
    optimizer: any optax optimiser.
    task: the source of episodes.
    state: what `episodes_init` or an earlier call returned.
    num_episodes: how many batches of episodes to train on.
    segment: K, the steps between two updates of the estimator; divides T.
    batch_size: episodes at a time.
    online: whether the parameters change after each segment.
    on_update: called while tracing, see `every`; updates are numbered through
      all calls, T / K for each batch of episodes if online, else one.
    sharding: how a batch is spread over the devices of a mesh with automatic
      axes; by default by whatever surrounds it. Episodes and estimates are the
      same on any number of devices, sums over the batch to their rounding.

  Returns:
    The state after training, and the mean loss per step of each batch of
    episodes [num_episodes].

  Raises:
    ValueError: if K does not divide T, a count is not positive, or the state
      is another.
  """
  _check_made_by("episodes_init", EpisodesState, state)
  base.check_count("num_episodes", num_episodes)
  base.check_count("batch_size", batch_size)

  def estimate_episode(number, params, optimizer_state, keys, episodes):
    def one(key, episode):
      return episode_gradient(estimator, params, key, *episode, segment=segment)

    estimates = jax.vmap(one)(keys, episodes)
    num_steps = jax.tree.leaves(episodes)[0].shape[1]
    estimate = numerics.batch_mean(estimates, 1 / num_steps)
    params, optimizer_state = _apply(
      optimizer, number, params, optimizer_state, estimate, on_update
    )
    return params, optimizer_state, estimate.loss

  def follow_episode(number, params, optimizer_state, keys, episodes):
    def body(carry, indexed):
      params, optimizer_state, estimator_states = carry
      i, segments = indexed
      estimator_states, estimates = jax.vmap(estimator.update, (None, 0, 1, 1))(
        params, estimator_states, *segments
      )
      estimate = numerics.batch_mean(estimates, 1 / int(segment))
      i += number * num_segments(sequences, segment)
      params, optimizer_state = _apply(
        optimizer, i, params, optimizer_state, estimate, on_update
      )
      return (params, optimizer_state, estimator_states), estimate.loss

    # Time first, then the batch.
    sequences = jax.tree.map(lambda leaf: jnp.swapaxes(leaf, 0, 1), episodes)
    states = jax.vmap(estimator.init, (None, 0))(params, keys)
    (params, optimizer_state, _), losses = scan_segments(
      body,
      (params, optimizer_state, states),
      tuple(sequences),
      segment=segment,
    )
    return params, optimizer_state, jnp.mean(losses)

  train_one = follow_episode if online else estimate_episode

  def body(state, _):
    key = jax.random.fold_in(state.key, state.num_episodes)
    key_task, key_estimator = jax.random.split(key)
    keys_task, keys = (
      _spread(jax.random.split(key, batch_size), sharding)
      for key in (key_task, key_estimator)
    )
    episodes = _spread(jax.vmap(task.sample)(keys_task), sharding)
    params, optimizer_state, loss = train_one(
      state.num_episodes, state.params, state.optimizer, keys, episodes
    )
    state = EpisodesState(
      params, optimizer_state, state.key, state.num_episodes + 1
    )
    return state, loss

  return loops.scan(body, state, length=num_episodes)


def _spread(tree, sharding):
  if sharding is None:
    return tree
  return lax.with_sharding_constraint(tree, sharding)


def _check_made_by(init, expected, state):
  if not all(hasattr(state, name) for name in expected._fields):
    raise ValueError(
      f"expected the state that {init} or an earlier call returned, a "
      f"{expected.__name__}, got a {type(state).__name__}"
    )


def _sequences(xs, ys, resets):
  """Without resets an estimator is called as one that knows of none."""
  checks.check_segment(xs, ys, resets)
  return (xs, ys) if resets is None else (xs, ys, resets)


def _apply(optimizer, number, params, optimizer_state, estimate, on_update):
  if on_update is not None:
    on_update(number, params, estimate)
  return updates.apply(optimizer, params, optimizer_state, estimate)
