"""Trains every model on every text, each character seen once."""

import dataclasses
import functools
import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np
import optax
from jax import lax
from jax import numpy as jnp

import nnfun as nf
from experiments import progress, settings
from experiments.rtrl_vs_tbptt.language_model import networks, streams, theory
from nnfun import base

_NUM_PIECES = 20  # A stream is cut in so many pieces, to report progress.
# Compiles in two thirds of the time, and runs as fast.
_QUICKLY = {"xla_backend_optimization_level": 1}


@dataclasses.dataclass(frozen=True)
class Config(settings.Config):
  """The texts, the models, and how they learn."""

  num_units: settings.Count = 24  # Hidden units of every model.
  # Characters told apart; the rarer ones share one.
  num_symbols: settings.Count = 32
  windows: tuple[settings.Count, ...] = (1, 4)  # n, in characters.
  gaps: tuple[settings.Count, ...] = (4, 8)  # From a bracket to its partner.
  num_kinds: settings.Count = 2  # Kinds of brackets.
  num_letters: settings.Count = 4  # Letters that occur between brackets.
  num_steps: settings.Count = 16_000  # Characters learned from.
  # Characters tested on, parameters fixed.
  num_held_out: settings.Count = 6000
  num_seeds: settings.Count = 5  # Seeds: initial weights and stretch of text.
  # Of Adam, for the RNNs, at the first character, falling linearly to 0 at the
  # last; times sqrt(n) where the gradient is the mean over n characters. Tried
  # on English from 0.002 to 0.008, with 42,000 characters: within 0.02 bits of
  # the best for every method.
  learning_rate: settings.Positive = 0.003
  # Of plain SGD, for the n-gram models, falling in the same way. Tried in the
  # same way from 0.01 to 0.3: 0.01 and 0.03 are within 0.02 bits of each other,
  # 0.1 is too high for n = 6.
  sgd_learning_rate: settings.Positive = 0.02
  # What stands in one-hot inputs for 1; the cells' initial weights are made for
  # inputs with a mean square of 1.
  input_scale: settings.Positive = 4.0
  # Lazy RTRL: steps between two matrix products.
  flush_every: settings.Count = 16
  text_path: str = ""  # File to read in place of Python's documentation.
  seed: settings.Seed = 0  # Of everything random.

  def __post_init__(self) -> None:
    """Refuses what cannot be cut, ordered or written down."""
    super().__post_init__()
    for name in ("windows", "gaps"):
      values = getattr(self, name)
      settings.require(
        list(values) == sorted(set(values)),
        f"{name} to be ascending",
        **{name: values},
      )
    settings.require(
      self.num_seeds >= 2, "num_seeds >= 2", num_seeds=self.num_seeds
    )
    least = 2 * self.num_kinds + self.num_letters
    settings.require(
      self.num_symbols >= least,
      f"num_symbols >= {least}, those of the brackets",
      num_symbols=self.num_symbols,
    )
    multiple = _NUM_PIECES * math.lcm(*self.windows)
    settings.require(
      self.num_steps % multiple == 0,
      f"num_steps to be a multiple of {multiple}, {_NUM_PIECES} pieces of "
      "whole segments",
      num_steps=self.num_steps,
    )


class Results(NamedTuple):
  """Held-out bits per character of S seeds, W windows and K = 1 + G texts.

  Text 0 is English, the others are the brackets of the G gaps.
  """

  ngram: np.ndarray  # n-gram model, plain SGD  [S, K, W]
  segments: np.ndarray  # RNN, TBPTT(n), an update every n  [S, K, W]
  rolling: np.ndarray  # RNN, BPTT(1, n), an update every 1  [S, K, W]
  rtrl: np.ndarray  # RNN, the exact gradient  [S, K]
  # The least of any function of n characters on the held-out English  [S, W]
  text_floors: np.ndarray
  text_counts: np.ndarray  # Counting characters, and pairs, on English  [S, 2]
  floors: np.ndarray  # The least of any model of n characters  [G, W]
  short_floors: np.ndarray  # The least of one that misses the partner  [G]
  entropies: np.ndarray  # The least of any model  [G]
  windows: np.ndarray  # n  [W]
  gaps: np.ndarray  # L  [G]


class Model(NamedTuple):
  """A network, how its gradient is found, and how often."""

  cell: base.Cell
  estimator: base.GradientEstimator
  segment: int  # Characters between two updates.
  optimizer: Callable[..., optax.GradientTransformation]  # Of the rate.
  learning_rate: float  # At the first character.


def models(config: Config) -> dict[tuple[str, int], Model]:
  """Returns every model by method and n; RTRL, which has none, with n = 0."""
  sizes = {"num_inputs": config.num_symbols, "num_units": config.num_units}
  loss_fn, estimators = networks.bits, nf.estimators
  rnn = nf.cells.vanilla(**sizes)

  def adam(cell, estimator, segment=1):
    rate = config.learning_rate * math.sqrt(segment)
    return Model(cell, estimator, segment, optax.adam, rate)

  found = {}
  for n in config.windows:
    layer = networks.ngram_cell(**sizes, window=n)
    cut = estimators.truncated_bptt(layer, loss_fn)
    found["ngram", n] = Model(
      layer, cut, 1, optax.sgd, config.sgd_learning_rate
    )
    cut = estimators.truncated_bptt(rnn, loss_fn)
    found["segments", n] = adam(rnn, cut, n)
    if n > 1:  # With n = 1 it is the same as the one above.
      cut = estimators.rolling_bptt(rnn, loss_fn, window=n)
      found["rolling", n] = adam(rnn, cut)
  exact = estimators.rtrl(rnn, loss_fn, flush_every=config.flush_every)
  return found | {("rtrl", 0): adam(rnn, exact)}


def learn(
  model: Model, config: Config, params: base.Params, stream: streams.Stream
) -> base.Array:
  """Learns from one stream; returns bits per held-out character []."""

  def one_hot(codes):
    scale = config.input_scale
    return scale * jax.nn.one_hot(codes, config.num_symbols, dtype=jnp.float32)

  def learn_piece(state, piece):
    index, inputs, targets = piece
    progress.tick(index, _NUM_PIECES, "stream")
    inputs = one_hot(inputs)
    state, _ = nf.training.train_stream(
      model.estimator, optimizer, state, inputs, targets, segment=model.segment
    )
    return state, None

  def test(state_tm1, pair):
    x_t, y_t = one_hot(pair[0]), pair[1]
    state_t = base.step(model.cell, learned["cell"], state_tm1, x_t)
    return state_t, networks.bits(learned, state_t, y_t)

  schedule = optax.schedules.linear_schedule(
    model.learning_rate, 0.0, config.num_steps // model.segment
  )
  optimizer = model.optimizer(schedule)
  key = jax.random.key(0)  # None of the estimators is random.
  state = nf.training.stream_init(model.estimator, optimizer, params, key)
  pieces = stream.train[:-1], stream.train[1:]
  pieces = nf.training.cut(pieces, config.num_steps // _NUM_PIECES)
  state, _ = lax.scan(learn_piece, state, (jnp.arange(_NUM_PIECES), *pieces))
  learned = state.params
  # The state is carried on from where the stream ended.
  pairs = stream.held_out[:-1], stream.held_out[1:]
  _, losses = lax.scan(test, state.estimator.cell, pairs)
  return jnp.mean(losses)


def run(config: Config) -> Results:
  """Trains every model on every text."""
  key_models, key_text, key_brackets = jax.random.split(
    jax.random.key(config.seed), 3
  )
  texts = _texts(config, key_text, key_brackets)
  english = jax.tree.map(lambda leaf: np.asarray(leaf[:, 0]), texts)
  keys = jax.random.split(key_models, config.num_seeds)
  entropy = functools.partial(
    nf.tasks.brackets_entropy,
    num_kinds=config.num_kinds,
    num_letters=config.num_letters,
  )
  gaps = config.gaps
  return Results(
    **_held_out_bits(config, texts, keys),
    text_floors=np.array(
      [
        [theory.window_entropy(row, n) for n in config.windows]
        for row in english.held_out
      ]
    ),
    text_counts=np.array(
      [
        [theory.count_bits(*rows, n, config.num_symbols) for n in (0, 1)]
        for rows in zip(*english, strict=True)
      ]
    ),
    floors=np.array(
      [[entropy(n, gap=g) for n in config.windows] for g in gaps]
    ),
    short_floors=np.array([entropy(max(g - 1, 1), gap=g) for g in gaps]),
    entropies=np.array([entropy(None, gap=g) for g in gaps]),
    windows=np.array(config.windows),
    gaps=np.array(gaps),
  )


def _texts(config, key_text, key_brackets):
  """Returns a `Stream` with leaves [S, K, ...]: English, then brackets."""
  seeds = functools.partial(jax.random.split, num=config.num_seeds)
  lengths = {"num_train": config.num_steps, "num_test": config.num_held_out}
  english = streams.text(
    seeds(key_text),
    path=config.text_path,
    num_symbols=config.num_symbols,
    order=config.seed,
    **lengths,
  )
  brackets = [
    streams.brackets(
      seeds(jax.random.fold_in(key_brackets, gap)),
      gap=gap,
      num_kinds=config.num_kinds,
      num_letters=config.num_letters,
      **lengths,
    )
    for gap in config.gaps
  ]
  return jax.tree.map(lambda *rows: jnp.stack(rows, 1), english, *brackets)


def _held_out_bits(config, texts, keys):
  """Returns the bits of every method, by its name in `Results`."""
  found = {}
  jobs = models(config).items()
  for (method, n), model in progress.track(jobs, "language models"):
    params = _initial_params(model.cell, keys, config)
    over_texts = jax.vmap(functools.partial(learn, model, config), (None, 0))
    bits = jax.jit(jax.vmap(over_texts), compiler_options=_QUICKLY)(
      params, texts
    )
    found[method, n] = np.asarray(bits, np.float64)
  if ("segments", 1) in found:
    found["rolling", 1] = found["segments", 1]
  by_window = {
    method: np.stack([found[method, n] for n in config.windows], axis=-1)
    for method in ("ngram", "segments", "rolling")
  }
  return by_window | {"rtrl": found["rtrl", 0]}


def _initial_params(cell, keys, config):
  """Parameters to start from, leaves [S, ...]; the readout is 0."""
  rows = (config.num_seeds, config.num_symbols)
  readout = {"w": jnp.zeros((*rows, config.num_units)), "b": jnp.zeros(rows)}
  return {"cell": jax.jit(jax.vmap(cell.init))(keys), "readout": readout}
