"""Looks for minima, integrates, differentiates and trains, in float64."""

import dataclasses
import functools
from collections.abc import Iterator
from typing import NamedTuple

import jax
import numpy as np
import optax
from jax import numpy as jnp

import nnfun as nf
from experiments import progress, settings, sweeps
from experiments.textbook.learning_slowdown import calculus


@dataclasses.dataclass(frozen=True)
class Config(settings.Config):
  """Nielsen's neuron, and how finely the rest is looked at."""

  weights: tuple[settings.Finite, ...] = (0.6, 2.0)  # w of each start.
  biases: tuple[settings.Finite, ...] = (0.9, 2.0)  # b of each start.
  learning_rate: settings.Positive = 0.15  # eta.
  num_epochs: settings.Count = 300  # One example, so one update each.
  num_targets: settings.Count = 9  # Targets y, spread evenly inside (0, 1).
  num_paths: settings.Count = 5  # Random paths of (w, b) to integrate along.
  seed: settings.Seed = 0  # Of paths and output layer.

  def rules(self) -> Iterator[tuple[bool, str]]:
    """Yields that starts are pairs."""
    yield len(self.weights) == len(self.biases), "as many weights as biases"


class Results(NamedTuple):
  """What is kept."""

  minima: calculus.Minima
  # Integrals of what the gradient shall be, less the rise of the cost  [P]
  integrals: dict[str, np.ndarray]
  gradients: dict[str, np.ndarray]  # Errors by formula  []
  curves: dict[str, np.ndarray]  # Outputs at the start and later  [S, E + 1]
  starts: np.ndarray  # w and b  [S, 2]
  learning_rate: np.ndarray  # []


def run(config: Config) -> Results:
  """Does all of it."""
  rng = np.random.default_rng(config.seed)
  starts = np.stack([config.weights, config.biases], axis=1)
  with jax.enable_x64(True), progress.parts("learning slowdown", 4) as done:
    return Results(
      minima=done(calculus.minima(config.num_targets)),
      integrals=done(calculus.integrals(config.num_paths, rng)),
      gradients=done(calculus.gradients(rng)),
      curves=done(curves(starts, config.learning_rate, config.num_epochs)),
      starts=starts,
      learning_rate=np.array(config.learning_rate),
    )


def curves(
  starts: np.ndarray, learning_rate: float, num_epochs: int
) -> dict[str, np.ndarray]:
  """Trains one neuron, x = 1 and y = 0, from each start [S, 2] by each cost."""
  output = functools.partial(nf.mlp.apply, activations=[nf.activations.sigmoid])

  def fit(start):
    return {
      name: nf.minibatch.fit(
        lambda params, x, y, cost=cost: cost(output(params, x), y),
        optax.sgd(learning_rate),
        ({"w": start[:1, jnp.newaxis], "b": start[1:]},),
        jax.random.key(0),  # One example has one order.
        jnp.ones((1, 1)),
        jnp.zeros((1, 1)),
        batch_size=1,
        num_epochs=num_epochs,
        evaluate_fn=lambda params: output(params, jnp.ones(1))[0],
      ).evaluations
      for name, cost in calculus.COSTS.items()
    }

  return sweeps.sweep(fit, starts, quick=True)
