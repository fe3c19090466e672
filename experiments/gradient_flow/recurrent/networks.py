"""The networks whose gradients are measured by lag, and their training.

Networks of one family differ in numbers alone and are trained in one program.
"""

import functools
from typing import Any, NamedTuple

import jax
import numpy as np
import optax
from jax import lax
from jax import numpy as jnp

import nnfun as nf
from experiments import progress, sweeps

ACTIVATIONS = {
  "tanh": nf.activations.tanh,
  "linear": nf.activations.identity,
  "sigmoid": nf.activations.sigmoid,
}
_NUM_SYMBOLS = 8  # To be copied; the blank comes next.
NUM_INPUTS, NUM_OUTPUTS = _NUM_SYMBOLS + 2, _NUM_SYMBOLS + 1


class Network(NamedTuple):
  """A member of a family: a number, and how it starts."""

  family: str
  recurrent_init: jax.nn.initializers.Initializer | None = None
  number: int = 0  # Index of the activation, or the forget bias.
  trained: bool = False


_GLOROT = jax.nn.initializers.glorot_uniform(in_axis=-1, out_axis=-2)
NETWORKS = {
  "tanh": Network("vanilla", _GLOROT, trained=True),
  "tanh, orthogonal": Network("vanilla"),
  "linear, orthogonal": Network("vanilla", number=1, trained=True),
  "GRU": Network("gru"),
  "LSTM, bias 0": Network("lstm", trained=True),
  "LSTM, bias 1": Network("lstm", number=1),
  "LSTM, bias 3": Network("lstm", number=3, trained=True),
  "LRU": Network("lru"),
}
FAMILIES = tuple(dict.fromkeys(net.family for net in NETWORKS.values()))


def members(family: str, *, trained: bool = False) -> list[str]:
  """Returns the names of a family's networks; or of those that are trained."""
  return [
    name
    for name, net in NETWORKS.items()
    if net.family == family and (net.trained or not trained)
  ]


def make_cell(
  family: str,
  number: jax.Array | int,
  num_inputs: int,
  num_units: int,
  recurrent_init: jax.nn.initializers.Initializer | None = None,
) -> nf.Cell | nf.AffineCell | nf.DiagonalCell:
  """Returns the cell of a network, whose number may be traced."""
  sizes = dict(num_inputs=num_inputs, num_units=num_units)
  if family == "gru":
    return nf.cells.gru(**sizes)
  if family == "lstm":
    return nf.cells.lstm(**sizes, forget_bias=number)
  if family == "lru":  # An LRU's output has two numbers for each unit.
    sizes["num_units"] = num_units // 2
    return nf.cells.lru(**sizes, min_radius=0.98)
  functions = [activation.fn for activation in ACTIVATIONS.values()]
  return nf.cells.vanilla(
    **sizes,
    activation=lambda a: lax.switch(number, functions, a),
    recurrent_init=recurrent_init,
  )


def read_out(params: nf.base.Params, state_t: nf.base.State) -> jax.Array:
  """Returns the outputs [O] of a network."""
  readout = params["readout"]
  return readout["weights"] @ nf.base.last_leaf(state_t) + readout["bias"]


def start(
  key: jax.Array, num_units: int, num_draws: int
) -> dict[str, nf.base.Params]:
  """Draws networks for copying, leaves [R, ...]: a readout of variance 1/N.

  Networks that differ in their number alone share all but what it decides.
  """

  def draw(key, family, recurrent_init, number):
    key_cell, key_readout = jax.random.split(key)
    cell = make_cell(family, number, NUM_INPUTS, num_units, recurrent_init)
    weights = jax.random.normal(key_readout, (NUM_OUTPUTS, num_units))
    readout = {
      "weights": weights / num_units**0.5,
      "bias": jnp.zeros(NUM_OUTPUTS),
    }
    return {"cell": cell.init(key_cell), "readout": readout}

  def draw_all(key):
    drawn = {}
    for kind in dict.fromkeys(net[:2] for net in NETWORKS.values()):
      own = {n: net.number for n, net in NETWORKS.items() if net[:2] == kind}
      numbers = jnp.array(list(own.values()))
      each = jax.vmap(functools.partial(draw, key, *kind))(numbers)
      drawn |= {
        n: jax.tree.map(lambda a, i=i: a[i], each) for i, n in enumerate(own)
      }
    return drawn

  # One after the other: QR decompositions of many networks at a time wait for
  # each other's threads for ever where there are few.
  draws = jax.random.split(key, num_draws)
  return jax.tree.map(
    np.asarray, sweeps.quick_jit(lambda keys: lax.map(draw_all, keys))(draws)
  )


def copy_task(
  length: int, delay: int, has_pause: jax.Array | bool = True
) -> nf.Task:
  """Returns the copy task over a pause; or at once, blanks that do not count.

  Both take as many steps, so that one program trains on either, and cost as
  much to guess.
  """
  sizes = dict(max_length=length, count_blanks=True)
  over_pause = nf.tasks.copy(**sizes, delay=delay)
  at_once = nf.tasks.copy(**sizes)

  def sample(key):
    blanks = jnp.full(delay, _NUM_SYMBOLS, jnp.int32)
    behind = nf.Episode(
      jax.nn.one_hot(blanks, NUM_INPUTS, dtype=jnp.float32),
      nf.Target(blanks, jnp.zeros(delay, jnp.float32)),
    )
    padded = jax.tree.map(
      lambda *parts: jnp.concatenate(parts), at_once.sample(key), behind
    )
    return jax.tree.map(
      lambda a, b: jnp.where(has_pause, a, b), over_pause.sample(key), padded
    )

  return nf.Task(sample)


class Trained(NamedTuple):
  """Networks after training to copy over a pause, and at once."""

  params: nf.base.Params  # Leaves [2, S, ...]
  losses: np.ndarray  # Nats per step, of each update  [2, S, U]


def train(
  config: Any, family: str, start: nf.base.Params, key: jax.Array
) -> dict[str, Trained]:
  """Trains those networks of a family that are trained."""
  names, total = members(family, trained=True), config.copy_updates
  if not names:
    return {}
  optimizer = optax.chain(
    optax.clip_by_global_norm(1.0),
    optax.rmsprop(config.learning_rate, decay=0.9),
  )

  def loss_fn(params, state_t, y_t):
    loss = optax.losses.softmax_cross_entropy_with_integer_labels(
      read_out(params, state_t), y_t.value
    )
    return y_t.weight * loss

  def fit(number, has_pause, params, key):
    cell = make_cell(family, number, NUM_INPUTS, config.num_units)
    state, losses = nf.training.train_episodes(
      nf.estimators.truncated_bptt(cell, loss_fn),
      optimizer,
      copy_task(config.copy_length, config.copy_delay, has_pause),
      nf.training.episodes_init(optimizer, params, key),
      num_episodes=total,
      segment=2 * config.copy_length + config.copy_delay,
      batch_size=config.batch_size,
      on_update=lambda i, *_: progress.tick(i, total, f"copying, {family}"),
    )
    return Trained(state.params, losses)

  keys = jax.random.split(key, config.num_seeds)
  seeds = jax.vmap(fit, (None, None, 0, 0))
  both = jax.vmap(seeds, (None, 0, None, None))
  stacked = jax.tree.map(lambda *a: jnp.stack(a), *(start[n] for n in names))
  found = sweeps.sweep(
    lambda number, params: both(number, jnp.arange(2) == 0, params, keys),
    jnp.array([NETWORKS[name].number for name in names]),
    jax.tree.map(lambda leaf: leaf[:, : config.num_seeds], stacked),
  )
  return {
    name: jax.tree.map(lambda leaf, i=i: leaf[i], found)
    for i, name in enumerate(names)
  }
