"""The networks whose gradients are measured by lag, and their training.

Networks of one family differ in numbers alone and are trained in one program.
"""

import functools
from collections.abc import Mapping
from typing import NamedTuple

import jax
import numpy as np
import optax
from jax import lax
from jax import numpy as jnp

import nnfun as nf
from experiments import progress

# What runs once is compiled in the shortest time, what trains nearly so.
QUICK_COMPILER = {"xla_backend_optimization_level": 0}
TRAIN_COMPILER = {"xla_backend_optimization_level": 1}

ACTIVATIONS = {
  "tanh": nf.activations.tanh,
  "linear": nf.activations.identity,
  "sigmoid": nf.activations.sigmoid,
}


class Network(NamedTuple):
  """A member of a family: a number, and how it starts."""

  family: str  # key of `FAMILIES`
  number: int  # index of the activation, or the forget bias
  recurrent_init: jax.nn.initializers.Initializer | None = None


_GLOROT = jax.nn.initializers.glorot_uniform(in_axis=-1, out_axis=-2)
NETWORKS = {
  "tanh": Network("vanilla", 0, _GLOROT),
  "tanh, orthogonal": Network("vanilla", 0),
  "linear, orthogonal": Network("vanilla", 1),
  "GRU": Network("gru", 0),
  "LSTM, bias 0": Network("lstm", 0),
  "LSTM, bias 1": Network("lstm", 1),
  "LSTM, bias 3": Network("lstm", 3),
  "LRU": Network("lru", 0),
}
FAMILIES = ("vanilla", "gru", "lstm", "lru")


def members(family: str) -> list[str]:
  """Returns the names of a family's networks, in the order of `NETWORKS`."""
  return [name for name, n in NETWORKS.items() if n.family == family]


def make_cell(
  network: Network, *, num_inputs: int, num_units: int
) -> nf.Cell | nf.AffineCell | nf.DiagonalCell:
  """Returns the cell of a network, whose number may be traced.

  Args:
    network: which.
    num_inputs: I.
    num_units: real numbers of the output; an LRU has half as many units.
  """
  sizes = dict(num_inputs=num_inputs, num_units=num_units)
  if network.family == "gru":
    return nf.cells.gru(**sizes)
  if network.family == "lstm":
    return nf.cells.lstm(**sizes, forget_bias=network.number)
  if network.family == "lru":
    sizes["num_units"] = num_units // 2
    return nf.cells.lru(**sizes, min_radius=0.98)
  functions = [activation.fn for activation in ACTIVATIONS.values()]
  return nf.cells.vanilla(
    **sizes,
    activation=lambda a: lax.switch(network.number, functions, a),
    recurrent_init=network.recurrent_init,
  )


class Job(NamedTuple):
  """A task with its loss, and how long to train on it."""

  name: str
  task: nf.Task
  loss_fn: nf.base.LossFn
  num_steps: int  # T, of an episode
  num_inputs: int
  num_outputs: int
  num_updates: int


def read_out(params: nf.base.Params, state_t: nf.base.State) -> jax.Array:
  """Returns the outputs [O] of a network."""
  readout = params["readout"]
  return readout["weights"] @ nf.base.last_leaf(state_t) + readout["bias"]


def copy_job(*, length: int, delay: int, num_updates: int) -> Job:
  """Returns the copy task with the loss in nats per step, blanks included."""
  task = nf.tasks.copy(max_length=length, delay=delay, count_blanks=True)

  def loss_fn(params, state_t, y_t):
    loss = optax.losses.softmax_cross_entropy_with_integer_labels(
      read_out(params, state_t), y_t.value
    )
    return y_t.weight * loss

  return Job("copy", task, loss_fn, 2 * length + delay, 10, 9, num_updates)


def adding_job(*, num_steps: int, num_updates: int) -> Job:
  """Returns the adding problem with the squared error of the last step."""
  task = nf.tasks.adding(num_steps=num_steps)

  def loss_fn(params, state_t, y_t):
    # Training divides by T; this loss is that of one step.
    error = read_out(params, state_t)[0] - y_t.value
    return num_steps * y_t.weight * error**2

  return Job("adding", task, loss_fn, num_steps, 2, 1, num_updates)


def start(
  job: Job, names: list[str], key: jax.Array, *, num_units: int, num_seeds: int
) -> dict[str, nf.base.Params]:
  """Draws parameters: biases zero, a readout of variance 1 / N.

  Args:
    job: for the numbers of inputs and outputs.
    names: of networks.
    key: randomness.
    num_units: N.
    num_seeds: S.

  Returns:
    For each name the parameters, leaves [S, ...].
  """

  def draw(name, key):
    key_cell, key_readout = jax.random.split(key)
    cell = make_cell(
      NETWORKS[name], num_inputs=job.num_inputs, num_units=num_units
    )
    weights = jax.random.normal(key_readout, (job.num_outputs, num_units))
    readout = {
      "weights": weights / num_units**0.5,
      "bias": jnp.zeros(job.num_outputs),
    }
    return {"cell": cell.init(key_cell), "readout": readout}

  def draw_all(key):
    keys = jax.random.split(key, num_seeds)
    return {n: jax.vmap(functools.partial(draw, n))(keys) for n in names}

  return jax.jit(draw_all, compiler_options=QUICK_COMPILER)(key)


def train(
  job: Job,
  family: str,
  params: Mapping[str, nf.base.Params],
  key: jax.Array,
  *,
  learning_rate: float,
  batch_size: int,
) -> tuple[dict[str, nf.base.Params], np.ndarray]:
  """Trains the networks of a family with RMSProp and clipping.

  Args:
    job: the task.
    family: key of `FAMILIES`.
    params: by name, leaves [S, ...].
    key: randomness of the episodes, other ones for each seed.
    learning_rate: of RMSProp.
    batch_size: episodes of an update.

  Returns:
    The parameters by name, and the loss of each update [V, S, updates].
  """
  names = [name for name in members(family) if name in params]
  numbers = jnp.array([NETWORKS[name].number for name in names])
  num_units = params[names[0]]["readout"]["weights"].shape[-1]
  optimizer = optax.chain(
    optax.clip_by_global_norm(1.0), optax.rmsprop(learning_rate, decay=0.9)
  )

  def on_update(number, *_):
    description = f"{job.name}, {family}"
    progress.tick(number, job.num_updates, description)

  def fit(number, params, key):
    cell = make_cell(
      Network(family, number), num_inputs=job.num_inputs, num_units=num_units
    )
    state, losses = nf.training.train_episodes(
      nf.estimators.truncated_bptt(cell, job.loss_fn),
      optimizer,
      job.task,
      nf.training.episodes_init(optimizer, params, key),
      num_episodes=job.num_updates,
      segment=job.num_steps,
      batch_size=batch_size,
      on_update=on_update,
    )
    return state.params, losses

  stacked = jax.tree.map(
    lambda *leaves: jnp.stack(leaves), *(params[name] for name in names)
  )
  num_seeds = jax.tree.leaves(stacked)[0].shape[1]
  fit_all = jax.vmap(jax.vmap(fit, (None, 0, 0)), (0, 0, None))
  trained, losses = jax.jit(fit_all, compiler_options=TRAIN_COMPILER)(
    numbers, stacked, jax.random.split(key, num_seeds)
  )
  split = {
    name: jax.tree.map(lambda leaf, i=i: leaf[i], trained)
    for i, name in enumerate(names)
  }
  return split, np.asarray(losses)
