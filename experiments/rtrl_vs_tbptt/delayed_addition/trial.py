"""One network trained on delayed addition, by any estimator, for sweeps."""

import dataclasses
import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import jax
import optax
from jax import lax
from jax import numpy as jnp

import nnfun as nf
from experiments import settings
from experiments import trial as trial_lib
from experiments.rtrl_vs_tbptt.delayed_addition import run

_NUM_PIECES = 10
_POINTS = 5  # Of the curve, in a piece.

# name -> (cell, loss_fn, config) -> estimator.
ESTIMATORS: dict[str, Callable[..., nf.base.GradientEstimator]] = {
  "rtrl": lambda cell, loss_fn, _: nf.estimators.rtrl(cell, loss_fn),
  "truncated_bptt": lambda cell, loss_fn, _: nf.estimators.truncated_bptt(
    cell, loss_fn
  ),
  "rolling_bptt": lambda cell, loss_fn, config: nf.estimators.rolling_bptt(
    cell, loss_fn, window=config.window
  ),
  "snap": lambda cell, loss_fn, config: nf.estimators.snap(
    cell, loss_fn, order=config.order
  ),
  "uoro": lambda cell, loss_fn, config: nf.estimators.uoro(
    cell, loss_fn, rank=config.rank
  ),
  "kf_rtrl": lambda cell, loss_fn, _: nf.estimators.kf_rtrl(cell, loss_fn),
  "ok_rtrl": lambda cell, loss_fn, config: nf.estimators.ok_rtrl(
    cell, loss_fn, rank=config.rank
  ),
  "rflo": lambda cell, loss_fn, _: nf.estimators.rflo(cell, loss_fn),
  "eprop": lambda cell, loss_fn, _: nf.estimators.eprop(cell, loss_fn),
}


@dataclasses.dataclass(frozen=True)
class Config(settings.Config):
  """The network, how it is trained, and on what."""

  estimator: settings.one_of(ESTIMATORS) = "rtrl"  # Of the gradient.
  num_units: settings.Count = 32  # n.
  num_steps: settings.Count = 30_000  # Length of the training stream.
  segment: settings.Count = 1  # K, steps between two updates.
  window: settings.Count = 5  # k of rolling_bptt.
  order: settings.Count = 1  # Of snap.
  rank: settings.Count = 1  # r of uoro and ok_rtrl.
  learning_rate: settings.Positive = 0.03  # Of SGD, per step of the stream.
  gain: settings.Positive = 1.0  # By which the recurrent weights start larger.
  t1: settings.Count = 4  # The first delay, steps.
  t2: settings.Count = 6  # The second one.
  seed: settings.Seed = 0  # Of network, stream and estimator.

  def rules(self) -> Iterator[tuple[bool, str]]:
    """Refuses what is not there, or cannot be cut into points."""
    yield self.t1 < self.t2, "t1 < t2"
    unit = _NUM_PIECES * _POINTS * self.segment
    is_multiple = self.num_steps % unit == 0
    yield is_multiple, f"num_steps to be a multiple of {unit}"


class State(NamedTuple):
  """Where training stands."""

  key_stream: jax.Array  # []
  piece: jax.Array  # []
  stream: nf.training.StreamState


def start(config: Config, key: jax.Array) -> State:
  """Draws the network."""
  key_cell, key_readout, key_stream, key_estimator = jax.random.split(key, 4)
  _, estimator, optimizer = _parts(config)
  cell, n = _cell(config), config.num_units
  weights = cell.init(key_cell)
  weights = weights.at[:, :n].multiply(config.gain)
  readout = jax.random.normal(key_readout, (2, n)) / math.sqrt(n)
  readout = {"weights": readout, "bias": jnp.zeros(2)}
  params = {"cell": weights, "readout": readout}
  stream = nf.training.stream_init(estimator, optimizer, params, key_estimator)
  return State(key_stream, jnp.zeros([], jnp.int32), stream)


def work(config: Config, state: State) -> tuple[State, jax.Array]:
  """Trains on a tenth of the stream."""
  task, estimator, optimizer = _parts(config)
  length = config.num_steps // _NUM_PIECES
  xs, ys = jax.tree.map(
    lambda leaf: lax.dynamic_slice_in_dim(leaf, state.piece * length, length),
    task.sample(state.key_stream),
  )
  stream, losses = nf.training.train_stream(
    estimator, optimizer, state.stream, xs, ys, segment=config.segment
  )
  points = losses.reshape(_POINTS, -1).mean(axis=1)
  return State(state.key_stream, state.piece + 1, stream), points


def _cell(config):
  return nf.cells.vanilla(num_inputs=2, num_units=config.num_units)


def _parts(config):
  make = ESTIMATORS[config.estimator]
  task = nf.tasks.delayed_addition(
    num_steps=config.num_steps, delays=(config.t1, config.t2)
  )
  # Once a segment, by a mean over it: all move equally far per step.
  optimizer = optax.sgd(config.segment * config.learning_rate)
  return task, make(_cell(config), run.loss_fn, config), optimizer


TRIAL = trial_lib.Trial(
  Config,
  traced=("learning_rate", "gain"),
  quantity="loss above the entropy of the target, nats a step",
  num_pieces=lambda config: _NUM_PIECES,
  start=start,
  work=work,
)
