"""Trains by every method and records how long the sequences have become."""

import dataclasses
import functools
import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import jax
import numpy as np
import optax
from jax import lax
from jax import numpy as jnp

import nnfun as nf
from experiments import progress, settings, sweeps
from experiments.rtrl_vs_tbptt.copy_curriculum import networks, readings


@dataclasses.dataclass(frozen=True)
class Config(settings.Config):
  """The network, its training, and the curriculum."""

  num_units: settings.Count = 16  # n.
  batch_size: settings.Count = 4  # Sequences that share an update.
  has_exact: bool = True  # Whether a network learns by exact RTRL as well.
  ranks: settings.Ascending[settings.Count] = (2,)  # r of OK.
  windows: settings.Ascending[settings.Count] = (2, 4)  # K of BPTT(K, K).
  num_steps: settings.Count = 2400  # Of training, of each sequence.
  learning_rate: settings.Positive = 0.01  # Of Adam.
  clip: settings.Positive = 1.0  # Largest norm of the cell's gradient.
  start: settings.Positive = 0.1  # Standard deviation of the first weights.
  memory: settings.Fraction = 0.98  # Of the running loss, a step.
  threshold: settings.Positive = 0.15  # Of it, bits: then sequences grow.
  max_length: settings.at_least(2) = 16  # Longest sequence.
  density: settings.Fraction = 1 / 8  # Of recurrent weights, sparse networks.
  # Of Adam, for sparse networks: each method is judged by its best one. Tried
  # from 0.02 to 0.3.
  sparse_rates: settings.Ascending[settings.Positive] = (0.03, 0.1)
  sparse_windows: settings.Ascending[settings.Count] = (4, 8)  # K, for them.
  sparse_steps: settings.Count = 1200  # Of their training: the first ones.
  num_seeds: settings.Several = 20  # Networks, with symbols of their own.
  seed: settings.Seed = 0  # Of weights, symbols and noise.

  def rules(self) -> Iterator[tuple[bool, str]]:
    """Refuses what cannot be cut into segments."""
    unit = math.lcm(*self.windows)
    fits = self.num_steps % unit == 0
    yield fits, f"num_steps to be a multiple of {unit}, as of all windows"
    unit = math.lcm(*self.sparse_windows)
    fits = self.sparse_steps % unit == 0
    yield fits, f"sparse_steps to be a multiple of {unit}: see sparse_windows"
    fits = self.sparse_steps <= self.num_steps
    yield fits, "sparse_steps <= num_steps"


class Results(NamedTuple):
  """Curricula, and the sizes by which a claim is the published one."""

  # By method: T after each of U updates, evenly through training  [S, U]; RTRL
  # if it was run
  lengths: dict[str, np.ndarray]
  ranks: np.ndarray  # r of OK  [R]
  windows: np.ndarray  # K of BPTT(K, K)  [W]
  num_steps: np.ndarray  # []
  sizes: np.ndarray  # Units, batch size, memory of the running loss  [3]
  # Of sparse networks, by method, the same for each of R rates  [S, R, U]
  sparse: dict[str, np.ndarray]
  sparse_rates: np.ndarray  # Of Adam, for them  [R]
  sparse_steps: np.ndarray  # []
  kept: np.ndarray  # Share of the influence in SnAp-1 and SnAp-2  [2]


def methods(config: Config) -> dict[str, tuple[nf.base.GradientEstimator, int]]:
  """Returns estimators and their steps between two updates, by name."""
  cell, loss_fn = networks.gated(config.num_units), networks.loss_fn
  found = {}
  if config.has_exact:
    flush_every = max(1, config.num_units // 2)
    exact = nf.estimators.rtrl(cell, loss_fn, flush_every=flush_every)
    found[readings.RTRL] = exact, 1
  for rank in config.ranks:
    estimator = nf.estimators.ok_rtrl(cell, loss_fn, rank=rank)
    found[readings.ok(rank)] = estimator, 1
  truncated = nf.estimators.truncated_bptt(cell, loss_fn)
  for window in config.windows:
    found[readings.bptt(window)] = truncated, window
  return found | {readings.UORO: (nf.estimators.uoro(cell, loss_fn), 1)}


def sparse_methods(
  config: Config,
) -> dict[str, tuple[nf.base.GradientEstimator, int]]:
  """Returns the same for a sparse network."""
  cell = networks.sparse(config.num_units, config.density, config.seed)
  truncated = nf.estimators.truncated_bptt(cell, networks.loss_fn)
  found = {}
  for order in (1, 2):
    estimator = nf.estimators.snap(cell, networks.loss_fn, order=order)
    found[readings.snap(order)] = estimator, 1
  windows = config.sparse_windows
  return found | {readings.bptt(k): (truncated, k) for k in windows}


def run(config: Config) -> Results:
  """Trains by every method."""
  params, *drawn = draw(config)
  keys = jax.random.split(jax.random.key(config.seed), config.num_seeds)
  lengths = {}
  for name, method in progress.track(methods(config).items(), "methods"):
    found = sweeps.sweep(learner(config, *method), params, keys, *drawn)
    lengths[name] = found.length
  drawn = [leaf[:, : config.sparse_steps] for leaf in drawn]
  rates = np.tile(np.float32(config.sparse_rates), (config.num_seeds, 1))
  sparse = {}
  tracked = progress.track(sparse_methods(config).items(), "sparse networks")
  for name, method in tracked:
    at_rates = jax.vmap(learner(config, *method), (None,) * 4 + (0,))
    found = sweeps.sweep(at_rates, params, keys, *drawn, rates)
    sparse[name] = found.length
  mask = networks.mask(config.num_units, config.density, config.seed)
  return Results(
    lengths,
    np.array(config.ranks),
    np.array(config.windows),
    np.array(config.num_steps),
    np.array([config.num_units, config.batch_size, config.memory]),
    sparse,
    rates[0],
    np.array(config.sparse_steps),
    networks.shares(config.num_units, mask),
  )


def draw(config: Config) -> tuple[nf.base.Params, np.ndarray, np.ndarray]:
  """Returns weights [S, ...], symbols and how far back [S, N, B], for all."""
  rng = np.random.default_rng(config.seed)
  params = networks.draw(config.num_units, config.start, rng, config.num_seeds)
  shape = config.num_seeds, config.num_steps, config.batch_size
  symbols = rng.integers(networks.NUM_SYMBOLS, size=shape)
  return params, symbols, rng.integers(networks.NUM_LENGTHS, size=shape)


def learner(
  config: Config, estimator: nf.base.GradientEstimator, segment: int
) -> Callable[..., networks.Curriculum]:
  """Returns learn(params, key, symbols, backs[, rate]) -> the course of T."""
  clipped = optax.masked(
    optax.clip_by_global_norm(config.clip), {"cell": True, "readout": False}
  )
  rule = config.memory, config.threshold, config.max_length
  batch_size = config.batch_size

  def update(optimizer, carry, drawn):
    params, opt_state, states, tapes, curriculum = carry
    over_batch = jax.vmap(networks.advance, (0, None, 0, 0))
    tapes, steps = lax.scan(
      lambda tapes, d: over_batch(tapes, curriculum.length, *d), tapes, drawn
    )
    xs, ys, resets = jax.tree.map(lambda a: a.swapaxes(0, 1), steps)
    go_on = jax.vmap(estimator.update, (None, 0, 0, 0, 0))
    states, found = go_on(params, states, xs, ys, resets)
    # The mean over the batch and the segment's steps.
    grads = nf.numerics.batch_mean(found.grads, 1 / segment)
    updates, opt_state = optimizer.update(grads, opt_state, params)
    params = optax.apply_updates(params, updates)
    num_said = ys[1].sum()
    bits = found.loss.sum() / jnp.maximum(1, num_said) / math.log(2)
    num_saying = ys[1].any(axis=0).sum()  # Steps.
    curriculum = networks.grow(curriculum, bits, num_saying, *rule)
    return (params, opt_state, states, tapes, curriculum), curriculum

  def learn(params, key, symbols, backs, rate=config.learning_rate):
    optimizer = optax.chain(clipped, optax.adam(rate))
    keys = jax.random.split(key, batch_size)
    states = jax.vmap(lambda key: estimator.init(params, key))(keys)
    places = jnp.zeros((batch_size, config.max_length), int)
    # At an end: the next step begins a sequence.
    tapes = networks.Tape(places, places[:, 0], places[:, 0])
    begin = jax.tree.map(jnp.asarray, networks.BEGIN)
    carry = params, optimizer.init(params), states, tapes, begin
    shape = -1, segment, batch_size
    drawn = symbols.reshape(shape), backs.reshape(shape)
    return lax.scan(functools.partial(update, optimizer), carry, drawn)[1]

  return learn
