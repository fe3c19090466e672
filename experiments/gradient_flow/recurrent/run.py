"""Measures gradients by lag, and trains."""

import dataclasses
from typing import NamedTuple

import jax
import numpy as np

import nnfun as nf
from experiments import progress, settings, sweeps
from experiments.gradient_flow.recurrent import (
  bounds,
  lags,
  networks,
  order,
)

_NUM_SAMPLES = 50_000  # Of the adding problem, to see its floor.


@dataclasses.dataclass(frozen=True)
class Config(settings.Config):
  """The networks and tasks; temporal order has settings of its own."""

  num_units: settings.Count = 24  # N, numbers of a network's output; even.
  num_draws: settings.Count = 48  # Networks of each kind, at the start.
  num_seeds: settings.Count = 8  # How many of them are trained.
  learning_rate: settings.Positive = 0.005  # Of RMSProp, on copying.
  batch_size: settings.Count = 10  # Episodes of an update, copying.
  # L, symbols to be repeated, of an alphabet of 8.
  copy_length: settings.Count = 3
  copy_delay: settings.Count = 20  # T, blanks between, steps.
  copy_updates: settings.Count = 400  # Of each network, copying.
  # Length of a sequence of temporal order, at least 10.
  order_steps: settings.Count = 20
  # The tenth of the sequence with the second letter: 5 in the authors' code, 4
  # in their text.
  second_tenth: settings.Count = 5
  order_units: settings.Count = 50  # N, temporal order.
  order_updates: settings.Count = 2000  # By each method, temporal order.
  check_every: settings.Count = 100  # Updates between two tests.
  num_tests: settings.Count = 500  # Sequences of a test.
  order_seeds: settings.Count = 16  # Networks trained with Omega.
  order_few: settings.Count = 8  # How many of them are trained without.
  with_sgd: bool = False  # Whether these are trained without clipping, too.
  order_batch_size: settings.Count = 20  # Episodes of an update.
  order_learning_rate: settings.Positive = 0.01  # Of SGD.
  clip_norm: settings.Positive = 1.0  # Of the gradient, temporal order.
  omega_weight: settings.NonNegative = 4.0  # alpha.
  squared_norms: bool = True  # Omega of equation 10 and the code, not 9.
  seed: settings.Seed = 0  # Of everything that is drawn.

  def __post_init__(self) -> None:
    """Asks for pairs of seeds, a pause, and counts that fit each other."""
    super().__post_init__()
    sizes = dataclasses.asdict(self)
    for name, is_right, expected in (
      ("num_units", self.num_units % 2 == 0, "num_units even"),
      ("copy_delay", self.copy_delay >= 3, "copy_delay >= 3"),
      ("num_seeds", self.num_seeds >= 2, "num_seeds >= 2"),
      ("num_draws", self.num_draws >= self.num_seeds, "num_draws >= num_seeds"),
      (
        "order_few",
        2 <= self.order_few <= self.order_seeds,
        "2 <= order_few <= order_seeds",
      ),
      (
        "order_updates",
        self.order_updates % self.check_every == 0,
        f"order_updates to be a multiple of check_every = {self.check_every}",
      ),
    ):
      settings.require(is_right, expected, **{name: sizes[name]})
    order.make_task(self)  # It checks its own sizes.


class Trained(NamedTuple):
  """The first S of the networks after training to copy."""

  lags: np.ndarray  # g_k on the copy task  [S, T]
  losses: np.ndarray  # Nats per step, over the pause  [S, U]
  at_once: np.ndarray  # The same without a pause, as many steps  [S, U]


class Reach(NamedTuple):
  """g_k = norm(d output_T / d s_{T-k}) of R networks of one kind."""

  start: np.ndarray  # On the copy task  [R, T]
  rest: np.ndarray  # Without input  [R, T]
  in_theory: np.ndarray  # Without input, in closed form  [R, T]
  trained: Trained | None


class Results(NamedTuple):
  """Gradients by lag, what bounds them, and what training makes of them."""

  copy_length: np.ndarray  # L  []
  copy_delay: np.ndarray  # T  []
  networks: dict[str, Reach]
  # Share of a memory left where rem is 0 and where it is 1.
  memories: np.ndarray  # [2, T, N]
  bounds: bounds.Bounds
  order: order.Order
  copy_guess: np.ndarray  # What guessing costs, L = 10, T = 100, nats  []
  adding_guess: np.ndarray  # Squared errors of predicting the mean  [50000]


def run(config: Config) -> Results:
  """Measures gradients by lag, and trains."""
  keys = jax.random.split(jax.random.key(config.seed), 5)
  num_steps = 2 * config.copy_length + config.copy_delay
  return Results(
    copy_length=np.array(config.copy_length),
    copy_delay=np.array(config.copy_delay),
    networks=_networks(config, keys[0]),
    memories=lags.memories(keys[1], num_steps, config.num_units),
    bounds=bounds.measure(config.num_units, num_steps, config.seed),
    order=order.measure(config, keys[2]),
    copy_guess=_copy_guess(keys[3]),
    adding_guess=_adding_guess(keys[4]),
  )


def _networks(config, key):
  key_start, key_data, key_train = jax.random.split(key, 3)
  start = networks.start(key_start, config.num_units, config.num_draws)
  task = networks.copy_task(config.copy_length, config.copy_delay)
  episodes = _episodes(task, key_data, config.num_draws)
  xs, labels = episodes.x, episodes.y.value[:, -1]
  found = {}
  for family in progress.track(networks.FAMILIES, "copying"):
    names = networks.members(family)
    trained = networks.train(config, family, start, key_train)
    cases = [(name, start[name], x) for x in (xs, 0 * xs) for name in names]
    for name, after in trained.items():
      over_pause = jax.tree.map(lambda leaf: leaf[0], after.params)
      cases.append((name, over_pause, xs[: config.num_seeds]))
    numbered = [
      (networks.NETWORKS[name].number, *case) for name, *case in cases
    ]
    norms = lags.measure(family, numbered, labels)
    after = dict(zip(trained, norms[2 * len(names) :], strict=True))
    for i, name in enumerate(names):
      found[name] = Reach(
        norms[i],
        norms[len(names) + i],
        lags.at_rest(name, start[name], labels, xs.shape[1]),
        Trained(after[name], *trained[name].losses) if name in after else None,
      )
  return found


def _copy_guess(key):
  """The cost of answering blanks, and guessing among 8 what is asked."""
  task = networks.copy_task(10, 100)  # As published.
  ys = _episodes(task, key, 2).y
  costs = ys.weight * np.where(ys.value < 8, np.log(8), 0.0)
  return costs.mean()


def _adding_guess(key):
  task = nf.tasks.adding(num_steps=20)
  return (_episodes(task, key, _NUM_SAMPLES).y.value[:, -1] - 1.0) ** 2


def _episodes(task, key, num_episodes):
  keys = jax.random.split(key, num_episodes)
  return sweeps.sweep(task.sample, keys, quick=True)
