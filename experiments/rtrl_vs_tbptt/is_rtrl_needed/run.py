"""Lets networks adapt to a change, and takes their gradients apart."""

import dataclasses
import functools
import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import numpy as np
import optax
from jax import numpy as jnp

import nnfun as nf
from experiments import progress, settings, sweeps
from experiments.rtrl_vs_tbptt.is_rtrl_needed import methods, readings, tasks

_NUM_BLOCKS = 50  # Points of a learning curve.
_UNSEEN = 500  # Steps on which gradients are taken apart.
_OPTIMIZERS = {"Adam": optax.adam, "SGD": optax.sgd}


@dataclasses.dataclass(frozen=True)
class Config(settings.Config):
  """The network, the change, and how long there is to adapt."""

  num_units: settings.Count = 16  # n.
  # Recurrent weights ~ N(0, g^2 / n): g, the radius of their spectrum. This is
  # the variance of U(-1, 1) / sqrt(n).
  gain: settings.Positive = 0.577
  # k, how many random paths into each unit carry the influence.
  num_paths: settings.Ascending[settings.Count] = (1, 4)
  # Of the tasks that ask for an old input, steps; before the change it is 0.
  delays: settings.Ascending[settings.Count] = (2, 4)
  # Of the training before the change, and again of the adaptation after it.
  num_steps: settings.Count = 3000
  optimizer: str = "Adam"  # Or SGD, an update at every step.
  learning_rate: settings.Positive = 0.001  # Of all methods; SGD needs more.
  num_seeds: settings.Several = 10  # Networks, each with streams of its own.
  seed: settings.Seed = 0  # Of networks, streams and paths.

  def rules(self) -> Iterator[tuple[bool, str]]:
    """Refuses what is not there, and lengths that do not fit."""
    known = self.optimizer in _OPTIMIZERS
    yield known, f"optimizer to be one of {sorted(_OPTIMIZERS)}"
    yield self.num_paths[-1] <= self.num_units, "num_paths <= num_units"
    is_cut = self.num_steps % _NUM_BLOCKS == 0
    yield is_cut, f"num_steps to be a multiple of {_NUM_BLOCKS}"


class Results(NamedTuple):
  """How S networks adapt on D tasks, in B blocks of their streams."""

  tasks: np.ndarray  # [D]
  num_steps: np.ndarray  # []
  num_paths: np.ndarray  # k  [K]
  num_units: np.ndarray  # []
  curves: dict[str, np.ndarray]  # By method, squared error a step  [S, D, B]
  # Of the exact gradient of the recurrent layer, g = immediate + past: the norm
  # of the past by that of g, when the task changes, and where the immediate
  # gradient has come to rest.
  share: np.ndarray  # [S, 2, D]


def run(config: Config) -> Results:
  """Lets networks adapt to a change, and takes their gradients apart."""
  cell = make_cell(config)
  keys = jax.random.split(jax.random.key(config.seed), config.num_seeds)
  params, streams, unseen = sweeps.sweep(
    lambda key: draw(config, cell, key), keys, quick=True
  )
  curves, start, rest = {}, params, None
  groups = methods.groups(cell, loss_fn, config.num_units, config.num_paths)
  for group in progress.track(groups, "methods"):
    is_first = start is params  # RTRL learns what comes before the change too.
    used = streams if is_first else jax.tree.map(lambda s: s[:, :, 1:], streams)
    ends, losses = adapt(config, group, start, used, keys)
    if is_first:
      start = jax.tree.map(lambda p: p[:, 0, :, 0], ends)
    for v, name in enumerate(group.names):
      curves[name] = losses[:, v, :, -1].astype(float)
      if name == readings.IMMEDIATE:
        rest = jax.tree.map(lambda p, v=v: p[:, v, :, -1], ends)
  return Results(
    np.array(
      [readings.SINE, readings.LORENZ, *map(readings.delay, config.delays)]
    ),
    np.array(config.num_steps),
    np.array(config.num_paths),
    np.array(config.num_units),
    curves,
    take_apart(cell, (start, rest), unseen),
  )


def adapt(
  config: Config,
  group: methods.Group,
  params: nf.base.Params,
  streams: nf.Episode,
  keys: jax.Array,
) -> tuple[nf.base.Params, np.ndarray]:
  """Returns the parameters after L streams in turn, and losses [S, V, D, L, B].

  Parameters have leaves [S, D, ...], streams [S, D, L, T, 3]; what is returned
  of the parameters [S, V, D, L, ...].
  """
  learn = jax.vmap(learner(config, group), (None, 0, 0, None))
  learn = functools.partial(
    jax.vmap(learn, (0, None, None, None)), group.variants
  )
  return sweeps.sweep(learn, params, streams, keys)


def make_cell(config: Config) -> nf.base.AffineCell:
  """Returns the recurrent layer."""
  recurrent_init = jax.nn.initializers.variance_scaling(
    config.gain**2, "fan_in", "normal"
  )
  return nf.cells.vanilla(
    num_inputs=3, num_units=config.num_units, recurrent_init=recurrent_init
  )


def draw(
  config: Config, cell: nf.Cell, key: jax.Array
) -> tuple[nf.base.Params, nf.Episode, nf.Episode]:
  """Draws a network for every task, and the streams.

  Returns parameters, leaves [D, ...]; streams before and after the change,
  leaves [D, 2, T, 3]; and how the latter go on, leaves [D, T, 3].
  """
  key_cell, key_readout, key_before, key_after = jax.random.split(key, 4)
  weights = jax.random.normal(key_readout, (3, config.num_units))
  weights /= math.sqrt(config.num_units)
  readout = {"weights": weights, "bias": jnp.zeros(3)}
  params = {"cell": cell.init(key_cell), "readout": readout}
  length = config.num_steps + _UNSEEN
  before = tasks.before(key_before, length, len(config.delays))
  after = tasks.after(key_after, length, config.delays)
  both = jax.tree.map(lambda *leaves: jnp.stack(leaves, 1), before, after)
  return (
    jax.tree.map(lambda p: jnp.stack([p] * len(after.x)), params),
    jax.tree.map(lambda leaf: leaf[:, :, :-_UNSEEN], both),
    jax.tree.map(lambda leaf: leaf[:, -_UNSEEN:], after),
  )


def loss_fn(
  params: nf.base.Params, state_t: jax.Array, y_t: jax.Array
) -> jax.Array:
  """Returns the squared error."""
  readout = params["readout"]
  return jnp.sum((readout["weights"] @ state_t + readout["bias"] - y_t) ** 2)


def learner(config: Config, group: methods.Group) -> Callable[..., Any]:
  """Returns what adapts one network to one task by one variant."""

  def learn(variant, params, streams, key):
    estimator, (of_cell, of_readout) = group.make(variant)

    def use(updates, params):
      del params
      readout = optax.tree.scale(of_readout, updates["readout"])
      return {"cell": of_cell * updates["cell"], "readout": readout}

    optimizer = optax.chain(
      _OPTIMIZERS[config.optimizer](config.learning_rate), optax.stateless(use)
    )

    def body(params, stream):
      # Another than those which `draw` has made of it.
      own = jax.random.fold_in(key, 1)
      state = nf.training.stream_init(estimator, optimizer, params, own)
      state, losses = nf.training.train_stream(
        estimator, optimizer, state, *stream, segment=1
      )
      blocks = losses.reshape(_NUM_BLOCKS, -1).mean(axis=1)
      return state.params, (state.params, blocks)

    return jax.lax.scan(body, params, streams)[1]

  return learn


def take_apart(
  cell: nf.Cell, places: tuple[nf.base.Params, ...], streams: nf.Episode
) -> np.ndarray:
  """Returns how much of the gradient is past, at P parameters [S, P, D]."""
  truncated = nf.estimators.truncated_bptt(cell, loss_fn)

  def one(params, stream):
    exact = nf.training.exact_gradient(cell, loss_fn, params, *stream)
    immediate = nf.training.episode_gradient(
      truncated, params, jax.random.key(0), *stream, segment=1
    )
    past = exact.grads["cell"] - immediate.grads["cell"]
    return jnp.linalg.norm(past) / jnp.linalg.norm(exact.grads["cell"])

  both = jax.tree.map(lambda *p: np.stack(p, axis=1), *places)
  over_places = jax.vmap(jax.vmap(one), (0, None))
  return sweeps.sweep(over_places, both, streams, quick=True)
