"""Trains with every method and measures what was learned."""

import dataclasses
import math
from collections.abc import Iterator
from typing import NamedTuple

import jax
import numpy as np
import optax
from jax import numpy as jnp

import nnfun as nf
from experiments import progress, settings, sweeps
from experiments.rtrl_vs_tbptt.delayed_addition import readings

_NUM_BLOCKS = 50  # Points of a learning curve.


@dataclasses.dataclass(frozen=True)
class Config(settings.Config):
  """The network, its training, and the truncations."""

  num_units: settings.Count = 32  # n.
  num_steps: settings.Count = 30_000  # Length of the training stream.
  learning_rate: settings.Positive = 0.03  # Of SGD, per step of the stream.
  # t1, t2 of each task in turn, steps.
  delays: tuple[settings.Count, ...] = (4, 6)
  windows: settings.Ascending[settings.Count] = (3, 5)  # k of BPTT(1, k).
  segments: settings.Ascending[settings.Count] = (1, 5)  # K of BPTT(K, K).
  num_seeds: settings.Several = 6  # Networks, each with a stream of its own.
  seed: settings.Seed = 0  # Of networks and streams.

  def rules(self) -> Iterator[tuple[bool, str]]:
    """Refuses what cannot be cut into tasks, blocks and segments."""
    ascending = all(t1 < t2 for t1, t2 in self.pairs)
    yield len(self.delays) % 2 == 0 and ascending, "delays in pairs t1 < t2"
    unit = _NUM_BLOCKS * math.lcm(*self.segments)
    yield (
      self.num_steps % unit == 0,
      f"num_steps to be a multiple of {unit}, blocks of whole segments",
    )

  @property
  def pairs(self) -> list[tuple[int, int]]:
    """The delays (t1, t2) of each task."""
    return list(zip(self.delays[::2], self.delays[1::2], strict=False))


class Results(NamedTuple):
  """Training losses of S networks on D tasks in B blocks of their stream.

  Every step of a stream is new, so they are losses on unseen data. They are
  measured above the entropy of the target, to which the floor of who knows both
  is added: the same expectation as that of the cross-entropy with less noise.
  """

  curves: dict[str, np.ndarray]  # By method, nats  [S, D, B]
  windows: np.ndarray  # k of BPTT(1, k)  [W]
  segments: np.ndarray  # K of BPTT(K, K)  [K]
  delays: np.ndarray  # [D, 2]
  num_steps: np.ndarray  # []


class Method(NamedTuple):
  """How the gradient is found."""

  estimator: nf.base.GradientEstimator
  segment: int = 1  # Steps between two updates.
  learns: bool = True  # Whether the recurrence is trained.


def methods(config: Config, cell: nf.Cell) -> dict[str, Method]:
  """Returns all that are compared, by name."""
  truncated = nf.estimators.truncated_bptt(cell, loss_fn)
  flush_every = max(1, config.num_units // 2)
  exact = nf.estimators.rtrl(cell, loss_fn, flush_every=flush_every)
  found = {readings.FROZEN: Method(truncated, learns=False)}
  for k in config.windows:
    rolling = nf.estimators.rolling_bptt(cell, loss_fn, window=k)
    found[readings.bptt(1, k)] = Method(rolling)
  for k in config.segments:
    found[readings.bptt(k, k)] = Method(truncated, k)
  return found | {readings.RTRL: Method(exact)}


def run(config: Config) -> Results:
  """Trains with every method and measures what was learned."""
  cell = nf.cells.vanilla(num_inputs=2, num_units=config.num_units)
  params, streams = draw(config, cell)
  curves = {}
  for name, method in progress.track(methods(config, cell).items(), "methods"):
    over_tasks = jax.vmap(_learner(method, config.learning_rate), (None, 0))
    excess = sweeps.sweep(over_tasks, params, streams)
    curves[name] = readings.FLOORS["knows both"] + excess.astype(float)
  return Results(
    curves,
    np.array(config.windows),
    np.array(config.segments),
    np.array(config.pairs),
    np.array(config.num_steps),
  )


def draw(config: Config, cell: nf.Cell) -> tuple[nf.base.Params, nf.Episode]:
  """Returns parameters [S, ...] and streams [S, D, T, 2]."""

  def one(key):
    key_cell, key_readout, key_stream = jax.random.split(key, 3)
    weights = jax.random.normal(key_readout, (2, config.num_units))
    weights /= math.sqrt(config.num_units)
    readout = {"weights": weights, "bias": jnp.zeros(2)}
    tasks = [
      nf.tasks.delayed_addition(num_steps=config.num_steps, delays=pair)
      for pair in config.pairs
    ]
    streams = [task.sample(key_stream) for task in tasks]
    return (
      {"cell": cell.init(key_cell), "readout": readout},
      jax.tree.map(lambda *leaves: jnp.stack(leaves), *streams),
    )

  keys = jax.random.split(jax.random.key(config.seed), config.num_seeds)
  return sweeps.sweep(one, keys, quick=True)


def loss_fn(
  params: nf.base.Params, state_t: jax.Array, y_t: jax.Array
) -> jax.Array:
  """Returns the cross-entropy less the entropy of the target, nats."""
  logits = params["readout"]["weights"] @ state_t + params["readout"]["bias"]
  return optax.losses.kl_divergence(jax.nn.log_softmax(logits), y_t)


def _learner(method, learning_rate):
  # The gradient is a mean over the segment and comes once a segment: times K,
  # all methods move equally far per step of the stream.
  optimizer = optax.chain(
    optax.sgd(method.segment * learning_rate),
    optax.masked(
      optax.set_to_zero(), {"cell": not method.learns, "readout": False}
    ),
  )

  def learn(params, stream):
    key = jax.random.key(0)  # The estimators here draw nothing.
    state = nf.training.stream_init(method.estimator, optimizer, params, key)
    _, losses = nf.training.train_stream(
      method.estimator, optimizer, state, *stream, segment=method.segment
    )
    return losses.reshape(_NUM_BLOCKS, -1).mean(axis=1)

  return learn
