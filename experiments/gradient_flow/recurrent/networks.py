"""The networks whose gradients are measured by lag, and their training.

Networks of one family differ in numbers alone and are trained in one program.
"""

from typing import Any, NamedTuple

import jax
import numpy as np
import optax
from jax import lax
from jax import numpy as jnp

import nnfun as nf
from experiments import sweeps

_NUM_INPUTS, NUM_OUTPUTS = 10, 9  # Of copying: 8 symbols, the blank, and go.


class Network(NamedTuple):
  """A member of a family: a number, and how it starts."""

  family: str
  recurrent_init: jax.nn.initializers.Initializer | None = None
  number: int = 0  # Whether it is linear, or the forget bias.
  trained: bool = False


_GLOROT = jax.nn.initializers.glorot_uniform(in_axis=-1, out_axis=-2)
NETWORKS = {
  "tanh": Network("vanilla", _GLOROT, trained=True),
  "tanh, orthogonal": Network("vanilla"),
  "linear, orthogonal": Network("vanilla", number=1, trained=True),
  "GRU": Network("gru"),
  "LSTM, bias 0": Network("lstm"),
  "LSTM, bias 1": Network("lstm", number=1),
  "LSTM, bias 3": Network("lstm", number=3, trained=True),
  "LRU": Network("lru"),
}
FAMILIES = {
  family: {name: net for name, net in NETWORKS.items() if net.family == family}
  for family in ("vanilla", "gru", "lstm", "lru")
}


def make_cell(net: Network, num_units: int) -> nf.AffineCell | nf.DiagonalCell:
  """Returns the cell of a network, whose number may be traced."""
  sizes = dict(num_inputs=_NUM_INPUTS, num_units=num_units)
  if net.family == "gru":
    return nf.cells.gru(**sizes)
  if net.family == "lstm":
    return nf.cells.lstm(**sizes, forget_bias=net.number)
  if net.family == "lru":  # An LRU's output has two numbers for each unit.
    sizes["num_units"] = num_units // 2
    return nf.cells.lru(**sizes, min_radius=0.98)
  return nf.cells.vanilla(
    **sizes,
    activation=lambda a: jnp.where(net.number, a, jnp.tanh(a)),
    recurrent_init=net.recurrent_init,
  )


def read_out(params: nf.base.Params, state_t: nf.base.State) -> jax.Array:
  """Returns the outputs [O] of a network."""
  readout = params["readout"]
  return readout["weights"] @ nf.base.last_leaf(state_t) + readout["bias"]


def loss_fn(
  params: nf.base.Params, state_t: nf.base.State, y_t: nf.Target
) -> jax.Array:
  """Returns the cross-entropy of a step in nats."""
  return y_t.weight * optax.losses.softmax_cross_entropy_with_integer_labels(
    read_out(params, state_t), y_t.value
  )


def start(
  key: jax.Array, num_units: int, num_draws: int
) -> dict[str, nf.base.Params]:
  """Draws networks for copying, leaves [R, ...]: a readout of variance 1/N.

  Networks of one family that start alike share all but the forget bias.
  """

  def draw(key):
    key_cell, key_readout = jax.random.split(key)
    weights = jax.random.normal(key_readout, (NUM_OUTPUTS, num_units))
    bias, drawn = jnp.zeros(NUM_OUTPUTS), {}
    readout = {"weights": weights / num_units**0.5, "bias": bias}
    for name, net in NETWORKS.items():
      theta = make_cell(net, num_units).init(key_cell)
      drawn[name] = {"cell": theta, "readout": readout}
    return drawn

  # One after the other: QR decompositions of many networks at a time wait for
  # each other's threads for ever where there are few.
  draws = jax.random.split(key, num_draws)
  draw_all = sweeps.quick_jit(lambda keys: lax.map(draw, keys))
  return jax.tree.map(np.asarray, draw_all(draws))


def copy_task(
  length: int, delay: int, has_pause: jax.Array | bool = True
) -> nf.Task:
  """Returns the copy task over a pause; or the pause comes last, not counted.

  Both take as many steps, so that one program trains on either, and cost as
  much to guess.
  """
  over_pause = nf.tasks.copy(max_length=length, delay=delay, count_blanks=True)
  t = np.arange(2 * length + delay)
  at_once = np.r_[t[:length], t[length + delay :], t[length : length + delay]]

  def sample(key):
    order = jnp.where(has_pause, t, at_once)
    x, y = jax.tree.map(lambda leaf: leaf[order], over_pause.sample(key))
    counts = has_pause | (t < 2 * length)
    return nf.Episode(x, y._replace(weight=y.weight * counts))

  return nf.Task(sample)


def train(
  config: Any, names: list[str], start: nf.base.Params, key: jax.Array
) -> dict[str, tuple[nf.base.Params, np.ndarray]]:
  """Trains networks of one family to copy, over a pause and at once.

  Returns by name what learned over the pause, leaves [S, ...], and the nats per
  step of both  [2, S, U].
  """
  rmsprop = optax.rmsprop(config.learning_rate, decay=0.9)
  optimizer = optax.chain(optax.clip_by_global_norm(1.0), rmsprop)

  def fit(number, has_pause, params, key):
    net = NETWORKS[names[0]]._replace(number=number)
    state, losses = nf.training.train_episodes(
      nf.estimators.truncated_bptt(make_cell(net, config.num_units), loss_fn),
      optimizer,
      copy_task(config.copy_length, config.copy_delay, has_pause),
      nf.training.episodes_init(optimizer, params, key),
      num_episodes=config.copy_updates,
      segment=2 * config.copy_length + config.copy_delay,
      batch_size=config.batch_size,
    )
    return state.params, losses

  def fit_all(number, params):
    keys = jax.random.split(key, config.num_seeds)
    seeds = jax.vmap(fit, (None, None, 0, 0))
    both = jax.vmap(seeds, (None, 0, None, None))
    return both(number, np.array([True, False]), params, keys)

  stacked = jax.tree.map(
    lambda *leaves: np.stack(leaves)[:, : config.num_seeds],
    *(start[name] for name in names),
  )
  numbers = np.array([NETWORKS[name].number for name in names])
  params, losses = sweeps.sweep(fit_all, numbers, stacked)
  return {
    name: (jax.tree.map(lambda leaf, i=i: leaf[i, 0], params), losses[i])
    for i, name in enumerate(names)
  }
