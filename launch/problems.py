"""What `launch.distributed` trains: by name, by configuration, as a program."""

import dataclasses
import functools
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import jax
import optax
from jax import numpy as jnp
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

import nnfun as nf
from experiments import settings


class Problem(NamedTuple):
  """A task, and how predictions are judged."""

  task: nf.Task
  num_inputs: int
  num_outputs: int
  judge: Callable[[jax.Array, nf.base.PyTree], jax.Array]  # Loss of a step.


def adding(num_steps: int) -> Problem:
  """The squared error of the sum, at the last step."""

  def judge(prediction, y_t):
    return y_t.weight * (prediction[0] - y_t.value) ** 2

  return Problem(nf.tasks.adding(num_steps=num_steps), 2, 1, judge)


def copy(num_steps: int) -> Problem:
  """The cross-entropy of each symbol of a string of half the steps, in nats."""
  num_symbols = 8
  task = nf.tasks.copy(num_symbols=num_symbols, max_length=num_steps // 2)

  def judge(logits, y_t):
    # Blanks, one symbol more, have no weight.
    loss = optax.softmax_cross_entropy_with_integer_labels(logits, y_t.value)
    return y_t.weight * loss

  return Problem(task, num_symbols + 2, num_symbols + 1, judge)


def delayed_addition(num_steps: int) -> Problem:
  """The cross-entropy of a distribution, in nats."""
  task = nf.tasks.delayed_addition(num_steps=num_steps)
  return Problem(task, 2, 2, optax.softmax_cross_entropy)


PROBLEMS = {
  "adding": adding,
  "copy": copy,
  "delayed_addition": delayed_addition,
}
CELLS = {
  "gru": nf.cells.gru,
  "lstm": nf.cells.lstm,
  "mgu": nf.cells.mgu,
  "vanilla": nf.cells.vanilla,
}
ESTIMATORS = {
  "kf_rtrl": nf.estimators.kf_rtrl,
  "rtrl": nf.estimators.rtrl,
  "snap_1": functools.partial(nf.estimators.snap, order=1),
  "truncated_bptt": nf.estimators.truncated_bptt,
  "uoro": nf.estimators.uoro,
}


class Model(NamedTuple):
  """What is trained, and by which estimator."""

  task: nf.Task
  estimator: nf.base.GradientEstimator
  init: nf.base.InitFn  # Of all parameters.


def make(
  problem: str, num_steps: int, cell: str, num_units: int, estimator: str
) -> Model:
  """Returns a network with a linear readout and its estimator.

  Args:
    problem: a name of PROBLEMS.
    num_steps: the steps of an episode.
    cell: a name of CELLS.
    num_units: of the cell.
    estimator: a name of ESTIMATORS.

  Returns:
    The model.
  """
  task, num_inputs, num_outputs, judge = PROBLEMS[problem](num_steps)
  net = CELLS[cell](num_inputs=num_inputs, num_units=num_units)

  def loss_fn(params, state_t, y_t):
    readout = params["readout"]
    prediction = readout["w"] @ net.output(state_t) + readout["b"]
    return judge(prediction, y_t)

  def init(key):
    theta = net.init(key)
    dtype = jax.tree.leaves(theta)[0].dtype
    w = jnp.zeros((num_outputs, num_units), dtype)
    readout = {"w": w, "b": jnp.zeros(num_outputs, dtype)}
    return {"cell": theta, "readout": readout}

  return Model(task, ESTIMATORS[estimator](net, loss_fn), init)


@dataclasses.dataclass(frozen=True)
class Config(settings.Config):
  """What is trained, and how long."""

  task: settings.one_of(PROBLEMS) = "delayed_addition"  # What is learned.
  num_steps: settings.at_least(2) = 32  # Of an episode.
  cell: settings.one_of(CELLS) = "gru"  # The network.
  num_units: settings.Count = 32  # Of the cell.
  estimator: settings.one_of(ESTIMATORS) = "rtrl"  # Of the gradient.
  segment: settings.Count = 1  # Steps between two updates of the estimator.
  online: bool = True  # Whether parameters change after each segment.
  batch_size: settings.Count = 64  # Episodes at a time, on all devices.
  learning_rate: settings.Positive = 1e-3  # Of Adam.
  num_batches: settings.Count = 1000  # To train on, in all.
  batches_per_checkpoint: settings.Count = 100  # Divides num_batches.
  updates_per_report: settings.Count = 100  # Of the loss, to metrics.jsonl.
  tensorboard: bool = False  # Whether to write its event files as well.
  seed: settings.Seed = 0  # Of weights, episodes and the estimator.
  folder: str = "runs/distributed"  # Of this run alone.

  def rules(self) -> Iterable[tuple[bool, str]]:
    """Yields what fields have to be to each other."""
    is_whole = self.num_batches % self.batches_per_checkpoint == 0
    yield is_whole, "num_batches to be a multiple of batches_per_checkpoint"
    is_even = self.task != "copy" or self.num_steps % 2 == 0
    yield is_even, "num_steps to be even in this task"


class Training(NamedTuple):
  """A run as JAX sees it."""

  start: nf.training.EpisodesState  # Whole on every device.
  piece: Callable[..., tuple]  # As `guard.guard` takes it.
  updates_per_batch: int


def prepare(
  config: Config, devices: Sequence[jax.Device] | None = None
) -> Training:
  """Makes a run, without running it.

  Args:
    config: what is trained.
    devices: the devices of all processes; all there are by default.

  Returns:
    The state from which training starts, and the training up to a checkpoint.

  Raises:
    ValueError: if the batch cannot be shared evenly.
  """
  devices = jax.devices() if devices is None else devices
  if config.batch_size % len(devices):
    raise ValueError(
      f"expected batch_size to be a multiple of the {len(devices)} devices, "
      f"got {config.batch_size}"
    )
  mesh = jax.make_mesh(
    (len(devices),), ("data",), axis_types=(AxisType.Auto,), devices=devices
  )
  everywhere = NamedSharding(mesh, P())
  task, estimator, init = make(
    config.task,
    config.num_steps,
    config.cell,
    config.num_units,
    config.estimator,
  )
  optimizer = optax.adam(config.learning_rate)

  def start():
    key_init, key_train = jax.random.split(jax.random.key(config.seed))
    return nf.training.episodes_init(optimizer, init(key_init), key_train)

  def piece(state, on_update=None):
    after = nf.training.train_episodes(
      estimator,
      optimizer,
      task,
      state,
      num_episodes=config.batches_per_checkpoint,
      segment=config.segment,
      batch_size=config.batch_size,
      online=config.online,
      on_update=on_update,
      sharding=NamedSharding(mesh, P("data")),
    )
    return jax.lax.with_sharding_constraint(after, everywhere)

  episode = jax.eval_shape(task.sample, jax.random.key(0))
  num_segments = nf.training.num_segments(episode, config.segment)
  return Training(
    jax.jit(start, out_shardings=everywhere)(),
    piece,
    num_segments if config.online else 1,
  )
