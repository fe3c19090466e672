"""Trains eLSTMs online, and tests them on all sequences that there are."""

import dataclasses
import itertools
from collections.abc import Callable, Iterator
from typing import NamedTuple

import jax
import numpy as np
import optax
from jax import lax
from jax import numpy as jnp

import nnfun as nf
from experiments import progress, settings, sweeps
from experiments.rtrl_vs_tbptt.elstm_copy import readings

_NUM_SYMBOLS, _BLANK, _GO = 2, 2, 3  # Inputs: 0, 1, nothing, "say it again".
_NUM_TESTS = 20


@dataclasses.dataclass(frozen=True)
class Config(settings.Config):
  """The patterns, the network and how it learns."""

  max_length: settings.Count = 4  # T, bits of the longest pattern.
  num_units: settings.Count = 20  # n.
  windows: settings.Ascending[settings.Count] = (1, 4)  # K of BPTT(K, K).
  num_between: settings.Count = 300  # Sequences from a test to the next of 20.
  # Of Adam at the first update, falling linearly to a tenth at the last. Tried
  # from 0.005 to 0.02.
  learning_rate: settings.Positive = 0.015
  clip: settings.Positive = 1.0  # Largest norm of a gradient.
  num_seeds: settings.Several = 17  # Networks, with sequences of their own.
  seed: settings.Seed = 0  # Of weights and sequences.

  def rules(self) -> Iterator[tuple[bool, str]]:
    """Refuses segments that hold a bit of the longest pattern and its copy."""
    fits = all(
      window <= self.max_length and 2 * self.max_length % window == 0
      for window in self.windows
    )
    yield fits, "windows to be at most max_length and to divide 2 max_length"


class Results(NamedTuple):
  """What is said without error at N tests, evenly through training."""

  # By method: the share of all patterns of 1 to T bits, by length  [S, N, T]
  shares: dict[str, np.ndarray]
  num_units: np.ndarray  # n  []
  num_sequences: np.ndarray  # In training  []


class Sequences(NamedTuple):
  """All patterns of up to T bits, each with 2 T steps."""

  x: np.ndarray  # Inputs, one-hot  [P, 2 T, 4]
  y: nf.Target  # Bits that are to be said, and where  [P, 2 T]
  length: np.ndarray  # Bits shown  [P]


def sequences(max_length: int) -> Sequences:
  """Returns them by length: bits are shown, then as many are to be said."""
  xs, values, lengths = [], [], []
  for length in range(1, max_length + 1):
    for bits in itertools.product(range(_NUM_SYMBOLS), repeat=length):
      rest = [_BLANK] * (2 * max_length - length - 1)
      xs.append([*bits, _GO, *rest])
      unasked = [-1] * (2 * (max_length - length))
      values.append([-1] * length + [*bits] + unasked)
      lengths.append(length)
  values = np.array(values)
  weights = (values >= 0).astype(np.float32)
  y = nf.Target(np.maximum(values, 0), weights)
  x = np.eye(_GO + 1, dtype=np.float32)[np.array(xs)]
  return Sequences(x, y, np.array(lengths))


def draw(config: Config) -> np.ndarray:
  """Draws a length evenly, then a pattern, as indices [S, N, M]."""
  rng = np.random.default_rng(config.seed)
  shape = config.num_seeds, _NUM_TESTS, config.num_between
  length = rng.integers(1, config.max_length + 1, size=shape)
  return 2**length - 2 + rng.integers(2**length)


def loss_fn(
  params: nf.base.Params, state_t: nf.base.State, y_t: nf.Target
) -> jax.Array:
  """Returns the cross-entropy in nats, 0 where nothing is to be said."""
  cross_entropy = optax.losses.softmax_cross_entropy_with_integer_labels
  return y_t.weight * cross_entropy(logits(params, state_t), y_t.value)


def logits(params: nf.base.Params, state_t: nf.base.State) -> jax.Array:
  """Reads the two symbols' logits off the hidden state."""
  readout = params["readout"]
  return readout["weights"] @ state_t.h + readout["bias"]


def methods(config: Config) -> dict[str, tuple[nf.base.GradientEstimator, int]]:
  """Returns estimators and their steps between two updates, by name."""
  cell = network(config)
  exact = nf.estimators.diagonal_rtrl(cell, loss_fn)
  truncated = nf.estimators.truncated_bptt(cell, loss_fn)
  found = {readings.RTRL: (exact, 1)}
  return found | {readings.bptt(k): (truncated, k) for k in config.windows}


def network(config: Config) -> nf.DiagonalCell:
  """Returns the cell."""
  return nf.cells.elstm(num_inputs=_GO + 1, num_units=config.num_units)


def start(config: Config) -> nf.base.Params:
  """Returns the first parameters of all networks; the readout is 0."""
  keys = jax.random.split(jax.random.key(config.seed), config.num_seeds)
  shape = config.num_seeds, _NUM_SYMBOLS
  readout = {
    "weights": np.zeros((*shape, config.num_units), np.float32),
    "bias": np.zeros(shape, np.float32),
  }
  params = sweeps.sweep(network(config).init, keys, quick=True)
  return {"cell": params, "readout": readout}


def learner(
  config: Config, estimator: nf.base.GradientEstimator, segment: int
) -> Callable[..., jax.Array]:
  """Returns learn(params, shown [N, M]) -> shares [N, T] of a network."""
  every = sequences(config.max_length)
  data = jax.tree.map(jnp.asarray, (every.x, every.y))
  num_steps = 2 * config.max_length
  num_updates = _NUM_TESTS * config.num_between * num_steps // segment
  rate = config.learning_rate
  rates = optax.schedules.linear_schedule(rate, rate / 10, num_updates)
  optimizer = optax.chain(
    optax.clip_by_global_norm(config.clip), optax.adam(rates)
  )
  resets = jnp.tile(jnp.arange(num_steps) == 0, config.num_between)
  by_length = np.arange(1, config.max_length + 1)[:, None]
  of_length = (every.length == by_length) / 2.0**by_length
  cell = network(config)

  def is_right(params, x, y):
    def body(state, x_t):
      state = cell.step(params["cell"], state, x_t)
      return state, logits(params, state).argmax()

    _, said = lax.scan(body, cell.initial_state(), x)
    return jnp.all((said == y.value) | (y.weight == 0))

  def piece(state, shown):
    # One after the other, as a stream.
    xs, ys = jax.tree.map(
      lambda leaf: leaf[shown].reshape(-1, *leaf.shape[2:]), data
    )
    state, _ = nf.training.train_stream(
      estimator, optimizer, state, xs, ys, segment=segment, resets=resets
    )
    right = jax.vmap(is_right, (None, 0, 0))(state.params, *data)
    return state, of_length.astype(np.float32) @ right.astype(jnp.float32)

  def learn(params, shown):
    key = jax.random.key(0)  # The estimators here draw nothing.
    state = nf.training.stream_init(estimator, optimizer, params, key)
    return lax.scan(piece, state, shown)[1]

  return learn


def run(config: Config) -> Results:
  """Trains by every method, with the same weights and sequences."""
  params, shown = start(config), draw(config)
  shares = {}
  for name, method in progress.track(methods(config).items(), "methods"):
    shares[name] = sweeps.sweep(learner(config, *method), params, shown)
  return Results(
    shares,
    np.array(config.num_units),
    np.array(_NUM_TESTS * config.num_between),
  )
