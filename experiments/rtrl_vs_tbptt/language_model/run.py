"""Trains every model on every text, each character seen once."""

import dataclasses
import functools
import math
from collections.abc import Iterator
from typing import NamedTuple

import jax
import numpy as np
import optax
from jax import lax
from jax import numpy as jnp

import nnfun as nf
from experiments import progress, settings, sweeps
from experiments.rtrl_vs_tbptt.language_model import networks, streams
from nnfun import base

# What stands in one-hot inputs for 1; the cells' initial weights are made for
# inputs with a mean square of 1.
_INPUT_SCALE = 4.0
# Of plain SGD, for the n-gram models, falling as that of Adam. Tried from 0.01
# to 0.3: 0.01 and 0.03 are within 0.02 bits of each other, 0.1 is too high for
# n = 6.
_SGD_LEARNING_RATE = 0.02
_EVERYWHERE = "ngram", "segments", "rolling", "rtrl"  # Who reads all texts.


@dataclasses.dataclass(frozen=True)
class Config(settings.Config):
  """The texts, the models, and how they learn."""

  num_units: settings.Several = 24  # Hidden units of every model.
  # Characters told apart, 8 of them in brackets; the rarer ones share one.
  num_symbols: settings.at_least(8) = 32
  windows: settings.Ascending[settings.Count] = (1, 4)  # n, in characters.
  # From a bracket to its partner, characters.
  gaps: settings.Ascending[settings.Several] = (4, 8)
  num_steps: settings.Count = 16_000  # Characters learned from.
  # Characters tested on, parameters fixed.
  num_held_out: settings.Count = 4000
  num_seeds: settings.Several = 5  # Initial weights and stretch of text.
  # Of Adam, for the RNNs, at the first character, falling linearly to 0 at the
  # last; times sqrt(n) where the gradient is the mean over n characters. Tried
  # on English from 0.002 to 0.008, with 42,000 characters: within 0.02 bits of
  # the best for every method.
  learning_rate: settings.Positive = 0.003
  text_path: str = ""  # File to read in place of Python's documentation.
  seed: settings.Seed = 0  # Of everything random.

  def rules(self) -> Iterator[tuple[bool, str]]:
    """Refuses what cannot be cut into segments."""
    multiple = math.lcm(*self.windows)
    yield (
      self.num_steps % multiple == 0 and self.num_held_out % multiple == 0,
      f"num_steps and num_held_out to be multiples of {multiple}",
    )


class Results(NamedTuple):
  """Held-out bits per character of S seeds, W windows and K = 1 + G texts.

  Text 0 is English, the others are the brackets of the G gaps.
  """

  ngram: np.ndarray  # n-gram model, plain SGD  [S, K, W]
  segments: np.ndarray  # RNN, TBPTT(n), an update every n  [S, K, W]
  rolling: np.ndarray  # RNN, BPTT(1, n), an update every 1  [S, K, W]
  rtrl: np.ndarray  # RNN, the exact gradient  [S, K]
  # Of other online methods by name, first and last text  [S, 2]
  online: dict[str, np.ndarray]
  # The least of any function of n characters on the held-out English  [S, W]
  text_floors: np.ndarray
  floors: np.ndarray  # The least of any model of n characters  [G, W]
  short_floors: np.ndarray  # The least of one that misses the partner  [G]
  entropies: np.ndarray  # The least of any model  [G]
  windows: np.ndarray  # n  [W]
  gaps: np.ndarray  # L  [G]


class Model(NamedTuple):
  """A network, how its gradient is found, and how often."""

  params: base.Params  # To start from, leaves [S, ...]
  estimator: base.GradientEstimator
  optimizer: optax.GradientTransformation
  segment: int = 1  # Characters between two updates.


def models(config: Config) -> dict[tuple[str, int], Model]:
  """Returns every model by method and n; with n = 0 those that have none."""
  sizes = {"num_inputs": config.num_symbols, "num_units": config.num_units}
  rnn, estimators = nf.cells.vanilla(**sizes), nf.estimators
  start = _start(rnn, config)

  def falling(rate, segment=1):
    steps = config.num_steps // segment
    return optax.schedules.linear_schedule(rate, 0.0, steps)

  def adam(estimator, segment=1):
    rate = config.learning_rate * math.sqrt(segment)
    optimizer = optax.adam(falling(rate, segment))
    return Model(start, estimator, optimizer, segment)

  found = {}
  for n in config.windows:
    layer = networks.ngram_cell(**sizes, window=n)
    found["ngram", n] = Model(
      _start(layer, config),
      estimators.truncated_bptt(layer, networks.bits),
      optax.sgd(falling(_SGD_LEARNING_RATE)),
    )
    cut = estimators.truncated_bptt(rnn, networks.bits)
    found["segments", n] = adam(cut, n)
    if n > 1:  # With n = 1 it is the same as the one above.
      rolling = estimators.rolling_bptt(rnn, networks.bits, window=n)
      found["rolling", n] = adam(rolling)
  exact = estimators.rtrl(rnn, networks.bits, flush_every=config.num_units // 2)
  found["rtrl", 0] = adam(exact)
  for method, cell, estimator in _online(rnn, sizes):
    params = start if cell is rnn else _start(cell, config)
    found[method, 0] = adam(estimator)._replace(params=params)
  return found


def _online(rnn, sizes):
  """Yields approximations of RTRL, and cells for which it is cheap."""
  estimators, bits = nf.estimators, networks.bits
  yield "SnAp-1", rnn, estimators.snap(rnn, bits, order=1)
  yield "UORO", rnn, estimators.uoro(rnn, bits)
  yield "e-prop", rnn, estimators.eprop(rnn, bits, feedback="symmetric")
  elstm = nf.cells.elstm(**sizes)
  yield "eLSTM", elstm, estimators.diagonal_rtrl(elstm, bits)
  # Complex units: as many numbers of state as the others have.
  lru = nf.cells.lru(**sizes | {"num_units": sizes["num_units"] // 2})
  yield "LRU", lru, estimators.diagonal_rtrl(lru, bits)


def _start(cell, config):
  """Returns parameters of all seeds; the readout is 0."""
  rows = (config.num_seeds, config.num_symbols)
  width = jax.eval_shape(lambda: base.last_leaf(cell.initial_state())).size
  readout = {
    "w": np.zeros((*rows, width), np.float32),
    "b": np.zeros(rows, np.float32),
  }
  keys = jax.random.split(jax.random.key(config.seed), config.num_seeds)
  return {"cell": sweeps.sweep(cell.init, keys, quick=True), "readout": readout}


def learn(
  model: Model,
  config: Config,
  key: base.Array,
  params: base.Params,
  codes: base.Array,
) -> base.Array:
  """Learns from a text [T + H + 1]; returns bits per held-out character []."""

  def body(state, pair):
    inputs = _INPUT_SCALE * jax.nn.one_hot(
      pair[0], config.num_symbols, dtype=jnp.float32
    )
    return nf.training.train_stream(
      *methods, state, inputs, pair[1], segment=model.segment
    )

  methods = model.estimator, model.optimizer
  state = nf.training.stream_init(*methods, params, key)
  pairs = nf.training.cut((codes[:-1], codes[1:]), model.segment)
  # The learning rate is 0 from character T on.
  _, losses = lax.scan(body, state, pairs)
  return jnp.mean(losses[config.num_steps // model.segment :])


def run(config: Config) -> Results:
  """Trains every model on every text."""
  texts = streams.draw(
    config.text_path,
    config.num_symbols,
    config.gaps,
    config.num_seeds,
    config.num_steps + config.num_held_out + 1,
    config.seed,
  )
  # Others than those from which `_start` draws the weights.
  key = jax.random.fold_in(jax.random.key(config.seed), 1)
  keys = jax.random.split(key, config.num_seeds)
  found = {}
  for name, model in progress.track(models(config).items(), "models"):
    read = texts if name[0] in _EVERYWHERE else texts[:, [0, -1]]
    # One axis of members: each further vmap takes its time to trace.
    seed = np.repeat(np.arange(config.num_seeds), read.shape[1])
    params = jax.tree.map(lambda leaf, seed=seed: leaf[seed], model.params)
    one = functools.partial(learn, model, config)
    losses = sweeps.sweep(
      one, keys[seed], params, read.reshape(-1, read.shape[2])
    )
    found[name] = losses.reshape(read.shape[:2]).astype(float)
  if ("segments", 1) in found:
    found["rolling", 1] = found["segments", 1]
  windows, gaps = config.windows, config.gaps
  by_window = {
    method: np.stack([found[method, n] for n in windows], axis=-1)
    for method in ("ngram", "segments", "rolling")
  }
  held_out = texts[:, 0, config.num_steps :]
  entropy = functools.partial(
    nf.tasks.brackets_entropy,
    num_kinds=streams.NUM_KINDS,
    num_letters=streams.NUM_LETTERS,
  )
  return Results(
    **by_window,
    rtrl=found["rtrl", 0],
    online={k: v for (k, _), v in found.items() if k not in _EVERYWHERE},
    text_floors=np.array(
      [[streams.window_entropy(row, n) for n in windows] for row in held_out]
    ),
    floors=np.array([[entropy(n, gap=g) for n in windows] for g in gaps]),
    short_floors=np.array([entropy(g - 1, gap=g) for g in gaps]),
    entropies=np.array([entropy(None, gap=g) for g in gaps]),
    windows=np.array(windows),
    gaps=np.array(gaps),
  )
