"""Is an RNN with its gradient cut at n steps the same as an n-gram model?

    python -m experiments.rtrl_vs_tbptt.language_model
    python -m experiments.rtrl_vs_tbptt.language_model --config.num_units=48
    python -m experiments.rtrl_vs_tbptt.language_model --config.text_path=A.txt

Every model reads one stream of characters once, predicts each from those
before it and learns at once: a tanh layer over the last n characters (the
n-gram model), trained with plain SGD as the sheet says and with Adam; a tanh
RNN with its gradient cut at n steps, once with an update every n characters
(TBPTT(n)) and once with one every character (BPTT(1, n)); and the same RNN with
the exact online gradient (RTRL). The RNNs have Adam, so the n-gram model to
compare them with is the one that has it too. Two kinds of text:
English, and blocks such as (abcda) whose brackets match over a gap of L
characters, for which the least that any model of n < L characters needs is
known in closed form.

50 seconds; with --full 20 minutes. Expect, in bits per character, parameters
fixed after training:

                                   n = 1   n = 2   n = 6   RTRL   entropy
    brackets, L = 6   n-gram, SGD   2.24    2.18    1.58            1.57
                      n-gram, Adam  2.23    2.18    1.58
                      floor         2.23    2.18    1.57
                      TBPTT(n)      1.75    1.68    1.66   1.57
                      BPTT(1, n)    1.75    1.64    1.58
    brackets, L = 12  n-gram, Adam  2.22    2.21    2.16            1.77
                      TBPTT(n)      2.07    2.05    2.01   1.85
    English           n-gram, SGD   3.63    3.10    2.98
                      n-gram, Adam  3.63    3.09    2.98
                      floor         3.43
                      BPTT(1, n)    3.13    3.03    3.01   3.03

So truncation does not make an n-gram model, in theory or in practice: the state
still carries what lies beyond n, and even TBPTT(1), which never learns what to
keep, uses it. But that memory is one of chance. It fades with the distance,
and only the exact gradient learns to keep a bracket for 12 characters.
English of this length holds little that an RNN of 32 units finds beyond two
characters; there the n-gram model, with weights of its own for each place,
overtakes it as n grows.
"""

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
from experiments import cli, progress, study
from experiments.rtrl_vs_tbptt import language_model_claims as claims_lib
from experiments.rtrl_vs_tbptt import language_model_figure as figure_lib
from experiments.rtrl_vs_tbptt import language_model_networks as networks
from experiments.rtrl_vs_tbptt import language_model_streams as streams_lib
from experiments.rtrl_vs_tbptt import language_model_theory as theory_lib
from nnfun import base

_NUM_PIECES = 20  # A stream is cut in so many pieces, to report progress.


@dataclasses.dataclass(frozen=True)
class Config:
  """The settings of the study."""

  num_units: int = 32  # Hidden units of every model.
  num_symbols: int = 32  # Characters told apart; the rarer ones share one.
  windows: tuple[int, ...] = (1, 2, 6)  # n, in characters.
  gaps: tuple[int, ...] = (6, 12)  # From a bracket to its partner.
  num_kinds: int = 2  # Kinds of brackets.
  num_letters: int = 4  # Letters that occur between brackets.
  num_steps: int = 42000  # Characters learned from, each seen once.
  num_held_out: int = 8000  # Characters tested on, parameters fixed.
  num_seeds: int = 4  # Seeds: initial weights and stretch of text.
  # Of Adam at the first character, falling linearly to 0 at the last; times
  # sqrt(n) where the gradient is the mean over n characters. Tried on English
  # from 0.002 to 0.008: within 0.02 bits of the best for every method.
  learning_rate: float = 0.003
  # Of plain SGD, falling in the same way. Tried on English from 0.01 to 0.3:
  # 0.01 and 0.03 are within 0.02 bits of each other, 0.1 is too high for n = 6.
  sgd_learning_rate: float = 0.02
  # What stands in one-hot inputs for 1; the cells' initial weights are made for
  # inputs with a mean square of 1.
  input_scale: float = 4.0
  flush_every: int = 16  # Lazy RTRL: steps between two matrix products.
  text_path: str = ""  # File to read in place of Python's documentation.
  seed: int = 0  # Of everything random.


class Model(NamedTuple):
  """A recurrent network, how its gradient is found, and how often."""

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

  def adam(cell, estimator, segment):
    rate = config.learning_rate * math.sqrt(segment)
    return Model(cell, estimator, segment, optax.adam, rate)

  found = {}
  for n in config.windows:
    layer = networks.ngram_cell(**sizes, window=n)
    cut = estimators.truncated_bptt(layer, loss_fn)
    found["ngram_sgd", n] = Model(
      layer, cut, 1, optax.sgd, config.sgd_learning_rate
    )
    found["ngram", n] = adam(layer, cut, 1)
    cut = estimators.truncated_bptt(rnn, loss_fn)
    found["segments", n] = adam(rnn, cut, n)
    if n > 1:  # With n = 1 it is the same as the one above.
      cut = estimators.rolling_bptt(rnn, loss_fn, window=n)
      found["rolling", n] = adam(rnn, cut, 1)
  exact = estimators.rtrl(rnn, loss_fn, flush_every=config.flush_every)
  return found | {("rtrl", 0): adam(rnn, exact, 1)}


def learn(
  model: Model, params: base.Params, stream: streams_lib.Stream, config: Config
) -> base.Array:
  """Learns from one stream and tests on what was held out.

  Args:
    model: the model.
    params: its parameters at the start.
    stream: one row of a `Stream`.
    config: sizes.

  Returns:
    Bits per character on the held-out text [], the parameters fixed, the state
    carried on from where the stream ended.
  """

  def one_hot(codes):
    scale = config.input_scale
    return scale * jax.nn.one_hot(codes, config.num_symbols, dtype=jnp.float32)

  def learn_piece(state, piece):
    index, inputs, targets = piece
    progress.tick(index, _NUM_PIECES, "stream")
    state, _ = nf.training.train_stream(
      model.estimator, optimizer, state, one_hot(inputs), targets,
      segment=model.segment,
    )  # fmt: skip
    return state, None

  def test(state_tm1, pair):
    x_t, y_t = one_hot(pair[0]), pair[1]
    state_t = base.step(model.cell, learned["cell"], state_tm1, x_t)
    return state_t, networks.bits(learned, state_t, y_t)

  optimizer = model.optimizer(
    optax.schedules.linear_schedule(
      model.learning_rate, 0.0, config.num_steps // model.segment
    )
  )
  key = jax.random.key(0)  # None of the estimators is random.
  state = nf.training.stream_init(model.estimator, optimizer, params, key)
  pieces = stream.train[:-1], stream.train[1:]
  pieces = nf.training.cut(pieces, config.num_steps // _NUM_PIECES)
  state, _ = lax.scan(learn_piece, state, (jnp.arange(_NUM_PIECES), *pieces))
  learned = state.params
  pairs = stream.held_out[:-1], stream.held_out[1:]
  _, losses = lax.scan(test, state.estimator.cell, pairs)
  return jnp.mean(losses)


def initial_params(
  cell: base.Cell, keys: base.Array, config: Config
) -> base.Params:
  """Returns parameters to start from, leaves [S, ...]; the readout is 0."""
  rows = (config.num_seeds, config.num_symbols)
  return {
    "cell": jax.jit(jax.vmap(cell.init))(keys),
    "readout": {
      "w": jnp.zeros((*rows, config.num_units)),
      "b": jnp.zeros(rows),
    },
  }


def run(config: Config) -> dict[str, np.ndarray]:
  """Trains every model on every text.

  Args:
    config: the settings.

  Returns:
    windows: n [W].
    gaps, num_kinds, num_letters, num_steps: as configured.
    ngram_sgd, ngram, segments, rolling: held-out bits per character [1 + G, W,
      S], of the text and of the brackets by gap; ngram_sgd is trained with
      plain SGD, all others with Adam; segments is BPTT(n, n), an update every n
      characters, rolling BPTT(1, n), an update every character.
    rtrl: the same [1 + G, S].
    text_floors: the least bits per character of any function of the last n
      characters on the held-out English [W, S].
    text_counts: held-out bits per character of counting single characters and
      pairs [2, S].

  Raises:
    ValueError: if a setting is out of range or the text too short.
  """
  _check(config)
  key_models, key_text, key_brackets = jax.random.split(
    jax.random.key(config.seed), 3
  )
  seeds = functools.partial(jax.random.split, num=config.num_seeds)
  lengths = {"num_train": config.num_steps, "num_test": config.num_held_out}
  text = streams_lib.text(
    seeds(key_text),
    path=config.text_path,
    num_symbols=config.num_symbols,
    order=config.seed,
    **lengths,
  )
  brackets = [
    streams_lib.brackets(
      seeds(jax.random.fold_in(key_brackets, gap)),
      gap=gap,
      num_kinds=config.num_kinds,
      num_letters=config.num_letters,
      **lengths,
    )
    for gap in config.gaps
  ]
  losses = held_out_bits(config, [text, *brackets], seeds(key_models))
  return losses | {
    "windows": np.asarray(config.windows),
    "gaps": np.asarray(config.gaps),
    "num_kinds": np.asarray(config.num_kinds),
    "num_letters": np.asarray(config.num_letters),
    "num_steps": np.asarray(config.num_steps),
    **_text_statistics(config, text),
  }


def _text_statistics(config, text):
  train, held_out = np.asarray(text.train), np.asarray(text.held_out)
  floors = [
    [theory_lib.window_entropy(row, n) for row in held_out]
    for n in config.windows
  ]
  counts = [
    [
      theory_lib.count_bits(*rows, n, config.num_symbols)
      for rows in zip(train, held_out, strict=True)
    ]
    for n in (0, 1)
  ]
  return {"text_floors": np.asarray(floors), "text_counts": np.asarray(counts)}


def held_out_bits(
  config: Config, streams: list[streams_lib.Stream], keys: base.Array
) -> dict[str, np.ndarray]:
  """Trains every model on every stream.

  Args:
    config: the settings.
    streams: the texts.
    keys: randomness of the initial parameters [S].

  Returns:
    By method what `run` returns under its name.
  """
  start, found = {}, {}
  for name, model in progress.track(models(config).items(), "models"):
    cell = model.cell
    if cell not in start:  # All but the n-gram models start from the same RNNs.
      start[cell] = initial_params(cell, keys, config)
    fit = jax.jit(jax.vmap(functools.partial(learn, model, config=config)))
    found[name] = np.stack(
      [
        fit(start[cell], stream)
        for stream in progress.track(streams, f"{name[0]} {name[1] or ''}")
      ]
    )
  if ("segments", 1) in found:
    found["rolling", 1] = found["segments", 1]
  by_window = {
    method: np.stack([found[method, n] for n in config.windows], axis=1)
    for method in ("ngram_sgd", "ngram", "segments", "rolling")
  }
  return by_window | {"rtrl": found["rtrl", 0]}


def _check(config):
  at_least = {
    "num_units": 1,
    "num_symbols": 2 * config.num_kinds + config.num_letters,
    "num_kinds": 1,
    "num_letters": 1,
    "num_held_out": 1,
    "num_seeds": 2,  # For a standard error.
    "flush_every": 1,
  }
  for name, least in at_least.items():
    if getattr(config, name) < least:
      raise ValueError(
        f"expected {name} >= {least}, got {getattr(config, name)}"
      )
  for name in ("windows", "gaps"):
    values = getattr(config, name)
    if not values or min(values) < 1 or list(values) != sorted(set(values)):
      raise ValueError(
        f"expected {name} to be ascending positive integers, got {values}"
      )
  multiple = _NUM_PIECES * math.lcm(*config.windows)
  if config.num_steps < 1 or config.num_steps % multiple:
    raise ValueError(
      f"expected num_steps to be a positive multiple of {multiple}, for "
      f"{_NUM_PIECES} pieces of whole segments, got {config.num_steps}"
    )
  positive = ("learning_rate", "sgd_learning_rate", "input_scale")
  for name in positive:
    if not getattr(config, name) > 0:
      raise ValueError(f"expected {name} > 0, got {getattr(config, name)}")


STUDY = study.Study(
  name="rtrl_vs_tbptt/language_model",
  question=(
    "Does truncating the gradient to n steps turn a recurrent network into an "
    "n-gram model?"
  ),
  Config=Config,
  run=run,
  claims=claims_lib.all_claims,
  plot=figure_lib.plot,
  full=Config(
    num_units=64,
    num_symbols=48,
    windows=(1, 2, 4, 8, 16),
    num_steps=128_000,
    num_held_out=20_000,
    num_seeds=6,
    learning_rate=0.002,
    flush_every=32,
  ),
)

if __name__ == "__main__":
  cli.main(STUDY)
