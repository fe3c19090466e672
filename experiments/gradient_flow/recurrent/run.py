"""Measures gradients by lag, and trains."""

import dataclasses
from collections.abc import Iterator
from typing import NamedTuple

import jax
import numpy as np

from experiments import progress, settings, sweeps
from experiments.gradient_flow.recurrent import (
  lags,
  networks,
  order,
  theory,
)


@dataclasses.dataclass(frozen=True)
class Config(settings.Config):
  """The networks and tasks; temporal order has settings of its own."""

  num_units: settings.Count = 24  # N, numbers of a network's output; even.
  num_draws: settings.Count = 48  # Networks of each kind, at the start.
  num_seeds: settings.Several = 6  # How many of them are trained.
  learning_rate: settings.Positive = 0.005  # Of RMSProp, on copying.
  batch_size: settings.Count = 10  # Episodes of an update, copying.
  copy_length: settings.Count = 3  # L, symbols of 8 to be repeated.
  copy_delay: settings.at_least(3) = 20  # T, blanks between, steps.
  copy_updates: settings.Count = 300  # Of each network, copying.
  order_steps: settings.at_least(10) = 20  # Of a sequence of temporal order.
  order_units: settings.Count = 50  # N, temporal order.
  order_updates: settings.Count = 2000  # At most; from 21,000 on SGD too.
  check_every: settings.Count = 100  # Updates between two tests.
  num_tests: settings.Count = 500  # Sequences of a test.
  order_seeds: settings.Count = 12  # Networks trained with Omega.
  order_pairs: settings.Several = 8  # Of them trained without it too.
  order_learning_rate: settings.Positive = 0.01  # Of SGD.
  omega_weight: settings.NonNegative = 4.0  # alpha.
  seed: settings.Seed = 0  # Of everything that is drawn.

  def rules(self) -> Iterator[tuple[bool, str]]:
    """Yields which sizes fit each other."""
    yield self.num_units % 2 == 0, "num_units even"
    yield self.num_draws >= self.num_seeds, "num_draws >= num_seeds"
    yield self.order_pairs <= self.order_seeds, "order_pairs <= order_seeds"
    is_multiple = self.order_updates % self.check_every == 0
    yield is_multiple, "order_updates a multiple of check_every"


class Reach(NamedTuple):
  """g_k = norm(d output_T / d s_{T-k}) of R networks of one kind."""

  start: np.ndarray  # On the copy task  [R, T]
  rest: np.ndarray  # Without input  [R, T]
  in_theory: np.ndarray  # Without input, in closed form  [R, T]


class Trained(NamedTuple):
  """The first S of the networks after training to copy."""

  lags: np.ndarray  # g_k on the copy task  [S, T]
  losses: np.ndarray  # Nats per step, over the pause and at once  [2, S, U]


class Results(NamedTuple):
  """Gradients by lag, what bounds them, and what training makes of them."""

  copy_length: np.ndarray  # L  []
  copy_delay: np.ndarray  # T  []
  networks: dict[str, Reach]
  trained: dict[str, Trained]
  gains: dict[str, np.ndarray]  # lambda_1 gamma of simple networks  [R]
  memories: np.ndarray  # Share left where rem is 0, and 1  [2, steps, N]
  order: order.Order


def run(config: Config) -> Results:
  """Measures gradients by lag, and trains."""
  keys = jax.random.split(jax.random.key(config.seed), 3)
  return Results(
    copy_length=np.array(config.copy_length),
    copy_delay=np.array(config.copy_delay),
    **_measure(config, keys[0]),
    memories=lags.memories(keys[1], config.num_units),
    order=order.measure(config, keys[2]),
  )


def _measure(config, key):
  """Measures the networks at the start, and those trained to copy."""
  key_start, key_data, key_train = jax.random.split(key, 3)
  start = networks.start(key_start, config.num_units, config.num_draws)
  task = networks.copy_task(config.copy_length, config.copy_delay)
  keys_data = jax.random.split(key_data, config.num_draws)
  xs, ys = sweeps.sweep(task.sample, keys_data, quick=True)
  labels = ys.value[:, -1]
  reach, trained, gains = {}, {}, {}
  for family in progress.track(networks.FAMILIES, "copying"):
    nets = networks.FAMILIES[family]
    measure = lags.make_measure(family)
    for name, net in nets.items():
      params = start[name]
      v = params["readout"]["weights"][np.arange(len(labels)), labels]
      theta, v = jax.tree.map(np.float64, (params["cell"], v))
      reach[name] = Reach(
        measure(net.number, params, xs, labels),
        measure(net.number, params, 0 * xs, labels),
        theory.at_rest(family, theta, v, net.number, xs.shape[1]),
      )
      if family == "vanilla":  # gamma is 1.
        w = theta[:, :, : config.num_units]
        gains[name] = np.linalg.norm(w, 2, axis=(1, 2))
    names = [name for name, net in nets.items() if net.trained]
    fitted = networks.train(config, names, start, key_train) if names else {}
    few = slice(config.num_seeds)
    for name, (params, losses) in fitted.items():
      g = measure(nets[name].number, params, xs[few], labels[few])
      trained[name] = Trained(g, losses)
  return {"networks": reach, "trained": trained, "gains": gains}
