"""Measures the variance of random estimators, and the bound of the sketch."""

import dataclasses
import functools
from collections.abc import Callable, Iterator
from typing import NamedTuple

import jax
import numpy as np
from jax import lax
from jax import numpy as jnp

import nnfun as nf
from experiments import progress, settings, sweeps
from experiments.rtrl_vs_tbptt.variance import problems, readings
from nnfun import base

_RING = 2  # Units of the ring for ARTBP, PES and NRES: it may be short.
_OK_SHARE = 8  # OK has hardly any noise besides its variance, and is dear.


@dataclasses.dataclass(frozen=True)
class Config(settings.Config):
  """Sizes of the ring and of networks, and how often estimates are drawn."""

  num_units: settings.Count = 8  # n of the ring, and twice that for UORO.
  num_steps: settings.Count = 8  # T on the ring.
  decays: tuple[settings.Positive, ...] = (0.7, 1.0)  # a of the ring.
  rank: settings.Several = 4  # r of UORO and OK, beside 1.
  # a of the ring for ARTBP, c = 0.1: the middle one is the root of 1 - c.
  artbp_decays: tuple[settings.Positive, ...] = (0.8, 0.9**0.5, 1.0)
  artbp_steps: settings.Several = 24  # T of that ring.
  # n of tanh networks.
  network_units: settings.Ascending[settings.Count] = (4, 16)
  network_steps: settings.at_least(4) = 24  # T of tanh networks.
  sketch_units: settings.Count = 12  # n of the network that is sketched.
  sketch_steps: settings.at_least(8) = 32  # T of that network.
  sketch_ranks: tuple[settings.Count, ...] = (1, 4)  # r of the sketch.
  num_keys: settings.at_least(32) = 64  # Estimates of carried influences.
  # Estimates by PES and NRES; ARTBP is cheap, and has four times as many.
  num_draws: settings.Several = 800
  num_seeds: settings.Several = 16  # Each with all of these, and a network.
  seed: settings.Seed = 0  # Of everything random.

  def rules(self) -> Iterator[tuple[bool, str]]:
    """Refuses a ring that an input passes twice."""
    yield self.num_steps <= self.num_units, "num_steps <= num_units"
    yield self.num_steps % 4 == 0, "num_steps to be a multiple of 4"
    yield len(self.network_units) > 1, "two or more of network_units"


class Results(NamedTuple):
  """Variances, by the squared norm of the mean; seeds S are axis 0."""

  methods: np.ndarray  # Names of those that carry an influence  [M]
  units: np.ndarray  # n of their ring  [M]
  ranks: np.ndarray  # r  [M]
  decays: np.ndarray  # a  [D]
  carried: np.ndarray  # Of the influence, by step  [S, M, D, T]
  artbp_decays: np.ndarray  # a  [A]
  artbp: np.ndarray  # Second moment of ARTBP by lag, over n  [S, A, K]
  evolution_methods: np.ndarray  # Names  [E]
  draws: np.ndarray  # How often noise is drawn in an episode  [E]
  pairs: np.ndarray  # N  [E]
  sigmas: np.ndarray  # Standard deviation of the noise  [E]
  evolution: np.ndarray  # Of the gradient  [S, E]
  num_parameters: np.ndarray  # P of their ring  []
  network_units: np.ndarray  # n of tanh networks  [N]
  networks: np.ndarray  # Of UORO's and KF's influence, by step  [S, N, 2, T]
  sketch_ranks: np.ndarray  # r  [R]
  sketch_errors: np.ndarray  # |J_t - its estimate| by |J_t|  [S, R, T]
  sketch_bounds: np.ndarray  # What the sketch says of them  [S, R, T]


class Carrier(NamedTuple):
  """An estimator on the ring."""

  name: str
  make: Callable[..., base.GradientEstimator]
  num_units: int
  rank: int
  num_keys: int


class Strategy(NamedTuple):
  """Evolution strategies on the ring."""

  name: str
  num_draws: int  # Of noise in an episode.
  num_pairs: int
  sigma: float


def carriers(config: Config) -> list[Carrier]:
  """Returns who carries an influence along the ring."""
  n, rank, keys = config.num_units, config.rank, config.num_keys
  uoro, ok = nf.estimators.uoro, nf.estimators.ok_rtrl
  few = keys // _OK_SHARE
  return [
    Carrier(readings.UORO, uoro, n, 1, keys),
    Carrier(
      readings.UORO, functools.partial(uoro, rank=rank), 2 * n, rank, keys // 2
    ),
    Carrier(readings.KF, nf.estimators.kf_rtrl, n, 1, keys),
    Carrier(readings.OK, functools.partial(ok, rank=rank), n, rank, few),
  ]


def strategies(config: Config) -> list[Strategy]:
  """Returns which noise is drawn how often."""
  num_steps = config.num_steps
  return [
    Strategy(readings.PES, num_steps, 1, 0.01),
    Strategy(readings.PES, 4, 2, 1.0),
    Strategy(readings.NRES, 1, 1, 0.01),
  ]


def run(config: Config) -> Results:
  """Measures all variances, and follows the sketch."""
  on_ring, at_random = carriers(config), strategies(config)
  names, _, units, ranks, _ = zip(*on_ring, strict=True)
  es_names, draws, pairs, sigmas = zip(*at_random, strict=True)
  with progress.parts("variances", 5) as done:
    return Results(
      *map(np.array, (names, units, ranks, config.decays)),
      done(np.stack([_on_ring(config, c) for c in on_ring], axis=1)),
      np.array(config.artbp_decays),
      done(_artbp(config)),
      *map(np.array, (es_names, draws, pairs, sigmas)),
      done(np.stack([_evolution(config, s) for s in at_random], axis=1)),
      np.array(_RING * config.num_steps),
      np.array(config.network_units),
      done(
        np.stack([_networks(config, n) for n in config.network_units], axis=1)
      ),
      np.array(config.sketch_ranks),
      *done(_sketches(config)),
    )


def _over_seeds(config, one, part):
  """Maps over seeds one after another: what is drawn fits the cache."""
  keys = jax.random.fold_in(jax.random.key(config.seed), part)
  keys = jax.random.split(keys, config.num_seeds)
  found = sweeps.quick_jit(lambda keys: lax.map(one, keys))(keys)
  return jax.tree.map(np.asarray, found)


def _variance(make, problem, exact, key, num_keys):
  """Returns E |J_t - exact|^2 / |exact|^2  [T]."""

  def one(key):
    return problems.follow(make, problem, exact, key)[0]

  squares = jax.vmap(one)(jax.random.split(key, num_keys))
  return jnp.mean(squares, axis=0) / jnp.sum(exact**2, axis=(1, 2))


def _on_ring(config, carrier):
  """Returns variances [S, D, T]."""
  sizes = carrier.num_units, config.num_steps
  exact = [problems.ring_influences(*sizes, a) for a in config.decays]

  def seed(key):
    def of(decay, exact):
      ring = problems.ring(*sizes, decay)
      return _variance(carrier.make, ring, exact, key, carrier.num_keys)

    return jax.vmap(of)(jnp.array(config.decays), jnp.stack(exact))

  return _over_seeds(config, seed, 0)


def _artbp(config):
  """Returns second moments by lag  [S, A, T]."""
  make = functools.partial(nf.estimators.artbp, stop_probability=readings.STOP)
  num_steps = config.artbp_steps

  def seed(key):
    def of(decay):
      ring = problems.ring(_RING, num_steps, decay)

      def one(key):
        grads, _ = problems.last_gradient(make, ring, key, segment=num_steps)
        return jnp.sum(grads**2, axis=0)[::-1] / _RING

      keys = jax.random.split(key, 4 * config.num_draws)
      return jnp.mean(jax.vmap(one)(keys), axis=0)

    return jax.vmap(of)(jnp.array(config.artbp_decays))

  return _over_seeds(config, seed, 1)


def _evolution(config, strategy):
  """Returns the variance [S] of evolution strategies, a = 1."""
  make = getattr(nf.estimators, strategy.name.lower())
  make = functools.partial(
    make, num_pairs=strategy.num_pairs, sigma=strategy.sigma
  )
  num_steps = config.num_steps
  # NRES keeps its noise, so its segments may be short.
  is_reused = strategy.name == readings.NRES
  segment = 1 if is_reused else num_steps // strategy.num_draws
  ring = problems.ring(_RING, num_steps, 1.0)
  last = problems.ring_influences(_RING, num_steps, 1.0)[-1]

  def one(key):
    grads, signs = problems.last_gradient(make, ring, key, segment=segment)
    exact = (signs @ last).reshape(grads.shape)
    return jnp.sum((grads - exact) ** 2) / jnp.sum(exact**2)

  def seed(key):
    keys = jax.random.split(key, config.num_draws)
    return jnp.mean(jax.vmap(one)(keys))

  return _over_seeds(config, seed, 2)


def _networks(config, num_units):
  """Returns variances of UORO and KF-RTRL on tanh networks  [S, 2, T]."""

  def seed(key):
    key, key_network = jax.random.split(key)
    network = problems.network(num_units, config.network_steps, key_network)
    exact = problems.exact_influences(network)
    return jnp.stack(
      [
        _variance(make, network, exact, key, config.num_keys // 4)
        for make in (nf.estimators.uoro, nf.estimators.kf_rtrl)
      ]
    )

  return _over_seeds(config, seed, 3)


def _sketches(config):
  """Returns errors and bounds by the norm of the influence  2 [S, R, T]."""

  def seed(key):
    network = problems.network(config.sketch_units, config.sketch_steps, key)
    network = network._replace(
      theta=network.theta.astype(float), xs=network.xs.astype(float)
    )
    exact = problems.exact_influences(network)
    norms = jnp.sqrt(jnp.sum(exact**2, axis=(1, 2)))
    errors, bounds = [], []
    for rank in config.sketch_ranks:
      make = functools.partial(nf.estimators.sketched_rtrl, rank=rank)
      squares, states = problems.follow(make, network, exact, key)
      errors.append(jnp.sqrt(squares) / norms)
      bounds.append(states.influence.bound / norms)
    return jnp.stack(errors), jnp.stack(bounds)

  with jax.enable_x64(True):
    return _over_seeds(config, seed, 4)
