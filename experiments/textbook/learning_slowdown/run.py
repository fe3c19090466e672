"""Looks for minima, integrates, differentiates and trains, in float64."""

import dataclasses
import functools
from typing import NamedTuple

import jax
import numpy as np
import optax
from jax import numpy as jnp

import nnfun as nf
from experiments import settings, sweeps
from experiments.textbook.learning_slowdown import calculus

_sigmoid = nf.activations.sigmoid


@dataclasses.dataclass(frozen=True)
class Config(settings.Config):
  """Nielsen's neuron, and how finely the rest is looked at."""

  weights: tuple[settings.Finite, ...] = (0.6, 2.0)  # w of each start.
  biases: tuple[settings.Finite, ...] = (0.9, 2.0)  # b of each start.
  learning_rate: settings.Positive = 0.15  # eta.
  num_epochs: settings.Count = 300  # One example, so one update each.
  num_targets: settings.Count = 49  # Targets y, spread evenly inside (0, 1).
  num_outputs: settings.Count = 1000  # Outputs a on a grid in (0, 1].
  # Steps of gradient descent from z = 0 to the minimum of each target.
  descent_steps: settings.Count = 2000
  num_paths: settings.Count = 5  # Random paths of (w, b) to integrate along.
  # Units of a network of sigmoids, input first.
  sizes: tuple[settings.Count, ...] = (4, 6, 5, 3)
  num_examples: settings.Count = 8  # n, of the batch that network sees.
  seed: settings.Seed = 0  # Of paths, network and batch.

  def __post_init__(self) -> None:
    """Refuses grids without the targets, and starts that are no pairs."""
    super().__post_init__()
    settings.require(
      self.num_outputs % (self.num_targets + 1) == 0,
      "num_outputs a multiple of num_targets + 1, so that every target is on "
      "the grid",
      num_outputs=self.num_outputs,
      num_targets=self.num_targets,
    )
    settings.require(
      2 <= len(self.weights) == len(self.biases),
      "two or more weights and as many biases",
      weights=self.weights,
      biases=self.biases,
    )
    settings.require(
      len(self.sizes) >= 3, "an input and two or more layers", sizes=self.sizes
    )


class Curves(NamedTuple):
  """One neuron trained from S starts under one cost."""

  outputs: np.ndarray  # At the start and after each epoch  [S, E + 1]
  biases: np.ndarray  # [S, E + 1]


class Results(NamedTuple):
  """What is kept."""

  minima: calculus.Minima
  integrals: calculus.Integrals
  gradients: calculus.Gradients
  curves: dict[str, Curves]  # By cost: "quadratic", "cross-entropy".
  starts: np.ndarray  # w and b  [S, 2]
  learning_rate: np.ndarray  # []


def run(config: Config) -> Results:
  """Does all of it."""
  rng = np.random.default_rng(config.seed)
  starts = np.stack([config.weights, config.biases], axis=1)
  with jax.enable_x64(True):
    return Results(
      minima=calculus.minima(
        config.num_targets, config.num_outputs, config.descent_steps
      ),
      integrals=calculus.integrals(config.num_paths, rng),
      gradients=calculus.gradients(config.sizes, config.num_examples, rng),
      curves={
        name: curves(config, cost, starts)
        for name, cost in calculus.COSTS.items()
      },
      starts=starts,
      learning_rate=np.array(config.learning_rate),
    )


def curves(config: Config, cost: nf.mlp.Cost, starts: np.ndarray) -> Curves:
  """Trains one neuron, x = 1 and y = 0, from each start [S, 2]."""
  x, y = jnp.ones((1, 1)), jnp.zeros((1, 1))
  output = functools.partial(nf.mlp.apply, activations=(_sigmoid,))

  def fit(start):
    fitted = nf.minibatch.fit(
      lambda params, x, y: cost(output(params, x), y),
      optax.sgd(config.learning_rate),
      ({"w": start[:1, jnp.newaxis], "b": start[1:]},),
      jax.random.key(config.seed),
      x,
      y,
      batch_size=1,
      num_epochs=config.num_epochs,
      evaluate_fn=lambda params: Curves(
        output(params, x[0])[0], params[0]["b"][0]
      ),
    )
    return fitted.evaluations

  return sweeps.sweep(fit, starts, quick=True)
