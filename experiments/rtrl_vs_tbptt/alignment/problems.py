"""Networks and tasks, and the points along training that all share.

Every task predicts a distribution over two outcomes from four inputs, so that
one compiled program serves them all.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import jax
import numpy as np
import optax
from jax import lax
from jax import numpy as jnp

import nnfun as nf
from experiments.rtrl_vs_tbptt.alignment import readings

_NUM_INPUTS, _NUM_OUTPUTS = 4, 2
_NUM_COPIED = 5  # Bits of the copy task.
_DENSITY = 0.25  # Share of the weights that a sparse network keeps.


class Points(NamedTuple):
  """Where gradients are compared, for one network or for each member."""

  params: nf.base.Params  # Leaves [C, ...]
  episode: nf.Episode  # One, unseen in training, leaves [T, ...]


def _delayed_addition(num_steps):
  task = nf.tasks.delayed_addition(num_steps=num_steps, delays=readings.DELAYS)

  def sample(key):
    x, y = task.sample(key)
    return x, y, jnp.ones(num_steps)

  return sample


def _copy(num_steps):
  delay = num_steps - 2 * _NUM_COPIED
  task = nf.tasks.copy(num_symbols=2, max_length=_NUM_COPIED, delay=delay)

  def sample(key):
    x, (value, weight) = task.sample(key)
    return x, jax.nn.one_hot(value, 2), weight

  return sample


def _adding(num_steps):
  task = nf.tasks.adding(num_steps=num_steps)

  def sample(key):
    x, (value, weight) = task.sample(key)
    # A sum of two numbers up to 1, as a share.
    return x, jnp.stack([value / 2, 1 - value / 2], axis=1), weight

  return sample


def _counting(num_steps):
  task = nf.tasks.counting(num_steps=num_steps, max_count=num_steps // 4)

  def sample(key):
    x, y = task.sample(key)
    # Whether a b is next: of an a nothing has to be remembered.
    return x, jax.nn.one_hot((y == 1).astype(int), 2), jnp.ones(num_steps)

  return sample


TASKS = {
  readings.DELAYED: _delayed_addition,
  "copy": _copy,
  "adding": _adding,
  "a^n b^n": _counting,
}
QUICK = tuple(TASKS)[:3]


def sampler(names: Sequence[str], num_steps: int, index: jax.Array) -> nf.Task:
  """Returns the task with a number among those with these names."""

  def padded(sample):
    def draw(key):
      x, value, weight = sample(key)
      x = jnp.pad(x, [(0, 0), (0, _NUM_INPUTS - x.shape[1])])
      return nf.Episode(x, nf.Target(value, weight))

    return draw

  samples = [padded(TASKS[name](num_steps)) for name in names]
  return nf.Task(lambda key: lax.switch(index, samples, key))


def _sparse(num_inputs, num_units):
  cell = nf.cells.vanilla(num_inputs=num_inputs, num_units=num_units)
  shape = num_units, num_units + num_inputs + 1
  # The same for all seeds: which weights there are is known in advance.
  mask = np.random.default_rng(0).random(shape) < _DENSITY
  return nf.cells.sparse(cell, mask)


def _layers(num_inputs, num_units):
  below = nf.cells.indrnn(num_inputs=num_inputs, num_units=num_units)
  above = nf.cells.indrnn(num_inputs=num_units, num_units=num_units)
  return nf.cells.stack([below, above])


_CELLS = {
  readings.VANILLA: nf.cells.vanilla,
  readings.SPARSE: _sparse,
  readings.LSTM: nf.cells.lstm,
  readings.LAYERS: _layers,
}


def network(name: str, num_units: int) -> tuple[nf.Cell, nf.base.LossFn]:
  """Returns a cell with the loss of one step, nats above the target's own."""
  cell = _CELLS[name](num_inputs=_NUM_INPUTS, num_units=num_units)

  def loss_fn(params, s_t, y_t):
    readout = params["readout"]
    logits = readout["weights"] @ cell.output(s_t) + readout["bias"]
    log_p = jax.nn.log_softmax(logits)
    return y_t.weight * optax.losses.kl_divergence(log_p, y_t.value)

  return cell, loss_fn


def points(
  cell: nf.Cell,
  loss_fn: nf.base.LossFn,
  task: nf.Task,
  key: jax.Array,
  *,
  checkpoints: tuple[int, ...],
  batch_size: int,
  learning_rate: float,
) -> Points:
  """Trains a network with the exact gradient, and stops at checkpoints."""
  key_cell, key_readout, key_train, key_episode = jax.random.split(key, 4)
  width = jax.eval_shape(lambda: cell.output(cell.initial_state())).size
  weights = jax.random.normal(key_readout, (_NUM_OUTPUTS, width))
  weights /= math.sqrt(width)
  readout = {"weights": weights, "bias": jnp.zeros(_NUM_OUTPUTS)}
  params = {"cell": cell.init(key_cell), "readout": readout}
  episode = task.sample(key_episode)
  # In one segment nothing is truncated.
  exact = nf.estimators.truncated_bptt(cell, loss_fn)
  optimizer = optax.adam(learning_rate)
  stride = math.gcd(*checkpoints)

  def body(state, _):
    after, _ = nf.training.train_episodes(
      exact,
      optimizer,
      task,
      state,
      num_episodes=stride,
      segment=len(episode.x),
      batch_size=batch_size,
    )
    return after, after.params

  start = nf.training.episodes_init(optimizer, params, key_train)
  _, later = lax.scan(body, start, length=checkpoints[-1] // stride)
  chosen = np.array(checkpoints) // stride

  def along(first, rest):
    return jnp.concatenate([first[None], rest])[chosen]

  return Points(jax.tree.map(along, params, later), episode)
