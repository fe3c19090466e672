"""The network, its loss, and the task whose sequences get longer."""

from typing import NamedTuple

import jax
import numpy as np
import optax
from jax import numpy as jnp

import nnfun as nf

NUM_SYMBOLS = 4
NUM_INPUTS = NUM_SYMBOLS + 2  # Also: nothing, and "now say it again".
NUM_LENGTHS = 5  # Sequences have one of the curriculum's latest lengths.


def gated(num_units: int) -> nf.AffineCell:
  """h_t = f h_tm1 + (1 - f) c, f = sigmoid, c = 2 sigmoid - 1 of [h, x, 1]."""
  shape = 2 * num_units, num_units + NUM_INPUTS + 1

  def features(h_tm1, x_t):
    return jnp.concatenate([h_tm1, x_t, jnp.ones(1)])

  def activate(a, h_tm1):
    f, c = jnp.split(jax.nn.sigmoid(a), 2)
    return f * h_tm1 + (1 - f) * (2 * c - 1)

  return nf.AffineCell(
    lambda key: jax.random.normal(key, shape),
    lambda: jnp.zeros(num_units),
    nf.base.affine_step(features, activate),
    features,
    activate,
    input_spec=jax.ShapeDtypeStruct((NUM_INPUTS,), jnp.float32),
  )


def sparse(num_units: int, density: float, seed: int) -> nf.Cell:
  """Returns it with a share of its recurrent weights, the same in all draws."""
  return nf.cells.sparse(gated(num_units), mask(num_units, density, seed))


def mask(num_units: int, density: float, seed: int) -> np.ndarray:
  """Says which weights there are [2 n, n + 7]; inputs reach all units."""
  rng = np.random.default_rng((seed, 1))  # Others than the weights'.
  kept = rng.random((2 * num_units, num_units)) < density
  others = np.ones((2 * num_units, NUM_INPUTS + 1), bool)
  return np.concatenate([kept, others], axis=1)


def shares(num_units: int, kept: np.ndarray) -> np.ndarray:
  """Returns which shares of the influence SnAp-1 and SnAp-2 keep [2]."""
  by_gate = kept[:, :num_units].reshape(2, num_units, num_units)
  reads = by_gate.any(axis=0) | np.eye(num_units, dtype=bool)
  weights = kept.sum(axis=1).reshape(2, num_units).sum(axis=0)  # Of each unit.
  # Own ones, then those of units that are read as well.
  numbers = np.array([weights.sum(), (reads @ weights).sum()])
  return numbers / (num_units * weights.sum())


def draw(
  num_units: int, scale: float, rng: np.random.Generator, num_seeds: int
) -> nf.base.Params:
  """Draws the weights of some networks from N(0, scale^2), leaves [S, ...]."""

  def normal(*shape):
    return scale * rng.normal(size=(num_seeds, *shape)).astype(np.float32)

  matrix = normal(2 * num_units, num_units + NUM_INPUTS + 1)
  bias = np.zeros((num_seeds, NUM_SYMBOLS), np.float32)
  readout = {"weights": normal(NUM_SYMBOLS, num_units), "bias": bias}
  return {"cell": matrix, "readout": readout}


def loss_fn(
  params: nf.base.Params, h_t: jax.Array, y_t: tuple[jax.Array, jax.Array]
) -> jax.Array:
  """Returns the cross-entropy in nats, weighed: 0 while symbols are shown."""
  (symbol, weight), readout = y_t, params["readout"]
  logits = readout["weights"] @ h_t + readout["bias"]
  cross_entropy = optax.losses.softmax_cross_entropy_with_integer_labels
  return weight * cross_entropy(logits, symbol)


class Tape(NamedTuple):
  """Where a learner is in its sequence of 2 L steps."""

  symbols: jax.Array  # Those shown so far  [M]
  t: jax.Array  # The next step  []
  length: jax.Array  # L  []


def advance(
  tape: Tape, length: jax.Array, symbol: jax.Array, back: jax.Array
) -> tuple[Tape, tuple]:
  """Goes on by a step: shows `symbol`, or asks for one that was shown.

  A sequence that begins has max(1, length - back) symbols. The step is an
  input, what is to be said with a weight of 1 or 0, and if a sequence begins.
  """
  ends = tape.t >= 2 * tape.length
  t = jnp.where(ends, 0, tape.t)
  length = jnp.where(ends, jnp.maximum(1, length - back), tape.length)
  is_shown, places = t < length, jnp.arange(tape.symbols.size)
  symbols = jnp.where(is_shown & (places == t), symbol, tape.symbols)
  order = jnp.where(t == length, NUM_SYMBOLS + 1, NUM_SYMBOLS)
  x_t = jax.nn.one_hot(jnp.where(is_shown, symbol, order), NUM_INPUTS)
  said = symbols[jnp.maximum(t - length, 0)], (~is_shown).astype(jnp.float32)
  return Tape(symbols, t + 1, length), (x_t, said, t == 0)


class Curriculum(NamedTuple):
  """The length T, and the running loss by which it grows."""

  length: jax.Array  # []
  running: jax.Array  # Bits a symbol  []


# Of a guess. After growth again: what was small is that of shorter sequences.
BEGIN = Curriculum(1, np.log2(NUM_SYMBOLS))


def grow(
  old: Curriculum,
  loss: jax.Array,
  num_saying: jax.Array,
  memory: float,
  threshold: float,
  max_length: int,
) -> Curriculum:
  """Takes in a loss; T grows by one when they are small on average.

  Losses weigh by the steps at which anything was said. By updates, the average
  of those who make fewer would take more steps to follow what was learned.
  """
  memory = memory**num_saying
  running = memory * old.running + (1 - memory) * loss
  grows = (running < threshold) & (old.length < max_length)
  running = jnp.where(grows, BEGIN.running, running)
  return Curriculum(old.length + grows, running)
