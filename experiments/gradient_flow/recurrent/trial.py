"""One network trained to copy over a pause, for sweeps."""

import dataclasses
import math
from collections.abc import Iterator

import jax
import optax
from jax import numpy as jnp

import nnfun as nf
from experiments import settings
from experiments import trial as trial_lib
from experiments.gradient_flow.recurrent import networks

_NUM_PIECES = 10
_POINTS = 5  # Of the curve, in a piece.


@dataclasses.dataclass(frozen=True)
class Config(settings.Config):
  """The network and its training."""

  network: settings.one_of(networks.NETWORKS) = "tanh"  # Cell and start.
  num_units: settings.Count = 24  # N, numbers of its output; even.
  copy_length: settings.Count = 3  # L, symbols of 8 to be repeated.
  copy_delay: settings.at_least(3) = 20  # T, blanks between, steps.
  batch_size: settings.Count = 10  # Episodes of an update.
  num_updates: settings.Count = 300  # In all.
  learning_rate: settings.Positive = 0.005  # Of RMSProp.
  clip: settings.Positive = 1.0  # Largest norm of the gradient.
  gain: settings.Positive = 1.0  # By which the cell's weights start larger.
  seed: settings.Seed = 0  # Of weights and episodes.

  def rules(self) -> Iterator[tuple[bool, str]]:
    """Refuses what cannot be cut into points."""
    yield self.num_units % 2 == 0, "num_units even"
    unit = _NUM_PIECES * _POINTS
    is_multiple = self.num_updates % unit == 0
    yield is_multiple, f"num_updates to be a multiple of {unit}"


def start(config: Config, key: jax.Array) -> nf.training.EpisodesState:
  """Draws the network."""
  key_cell, key_readout, key_train = jax.random.split(key, 3)
  theta = _cell(config).init(key_cell)
  theta = jax.tree.map(lambda p: config.gain * p, theta)
  shape = networks.NUM_OUTPUTS, config.num_units
  weights = jax.random.normal(key_readout, shape)
  readout = {
    "weights": weights / math.sqrt(config.num_units),
    "bias": jnp.zeros(networks.NUM_OUTPUTS),
  }
  params = {"cell": theta, "readout": readout}
  return nf.training.episodes_init(_optimizer(config), params, key_train)


def work(
  config: Config, state: nf.training.EpisodesState
) -> tuple[nf.training.EpisodesState, jax.Array]:
  """Trains by a tenth of the updates."""
  task = networks.copy_task(config.copy_length, config.copy_delay)
  state, losses = nf.training.train_episodes(
    nf.estimators.truncated_bptt(_cell(config), networks.loss_fn),
    _optimizer(config),
    task,
    state,
    num_episodes=config.num_updates // _NUM_PIECES,
    segment=2 * config.copy_length + config.copy_delay,
    batch_size=config.batch_size,
  )
  return state, losses.reshape(_POINTS, -1).mean(axis=1)


def _cell(config):
  net = networks.NETWORKS[config.network]
  return networks.make_cell(net, config.num_units)


def _optimizer(config):
  return optax.chain(
    optax.clip_by_global_norm(config.clip),
    optax.rmsprop(config.learning_rate, decay=0.9),
  )


TRIAL = trial_lib.Trial(
  Config,
  traced=("learning_rate", "clip", "gain"),
  quantity="loss, nats a step",
  num_pieces=lambda config: _NUM_PIECES,
  start=start,
  work=work,
)
