"""Draws networks and measures their gradients; trains some."""

import dataclasses
from typing import Annotated, NamedTuple

import numpy as np

import nnfun as nf
from experiments import progress, settings
from experiments.gradient_flow.activations import (
  gradients,
  networks,
  readings,
  training,
)


@dataclasses.dataclass(frozen=True)
class Config(settings.Config):
  """Sizes of the networks, and how many are drawn."""

  # L of the random networks; beyond 140 ReLUs overflow at the highest gain.
  num_layers: Annotated[int, settings.Range(low=20, high=140)] = 50
  width: settings.Count = 100  # N, units of each of their layers.
  num_seeds: settings.Several = 24  # Draws of them.
  num_leaky_nets: settings.Several = 100  # That learn |x|, for each alpha.
  num_leaky_steps: settings.Count = 300  # Of Adam.
  deep_width: settings.Count = 64  # Units of 30 layers that stall, or not.
  num_deep_seeds: settings.Several = 3  # Networks for each start.
  num_deep_epochs: settings.Count = 40  # Passes through the digits.
  # Of SGD with momentum 0.9, for networks of four layers.
  rates: tuple[settings.Positive, ...] = (0.003, 0.01, 0.03, 0.1, 0.3)
  num_shallow_seeds: settings.Several = 6  # Networks for each rate.
  num_shallow_epochs: settings.Count = 10  # Passes through the digits.
  seed: settings.Seed = 0  # Of everything.


class Results(NamedTuple):
  """What is kept, by activation, start or width."""

  gradients: gradients.Gradients
  chain_errors: np.ndarray  # Of dC / d b_1 and dC / d b_3  [C, 2]
  # Mean of layer Jacobians', standard and Glorot's start  [nets, 2].
  singular_values: np.ndarray
  vgg: np.ndarray  # Ratio of mean squared gradients, conv2 to conv10  [nets]
  dead: np.ndarray  # Whether narrow networks are, behind layers  [W, nets, 9]
  leaky: np.ndarray  # Loss after learning |x|, over its variance  [nets, A]
  deep: training.Learned  # ReLU with Glorot's and with He's start.
  rates: np.ndarray  # [R]
  shallow: training.Learned  # Sigmoid, tanh and ReLU.
  costs: np.ndarray  # Transcendental operations of the same three  [3]
  looped: np.ndarray  # Difference; seconds by loops and in vectors  [3]


def run(config: Config) -> Results:
  """Draws networks and measures their gradients; trains some."""
  rng = np.random.default_rng(config.seed)
  with progress.parts("activations", 5) as done:
    return Results(
      gradients=done(
        gradients.gradients(
          rng,
          num_seeds=config.num_seeds,
          num_layers=config.num_layers,
          width=config.width,
        )
      ),
      chain_errors=gradients.chain_errors(rng),
      singular_values=gradients.singular_values(rng, config.width),
      vgg=done(gradients.vgg_gradient(rng, 48)),
      dead=np.stack([gradients.dead(rng, 20_000, n) for n in readings.WIDTHS]),
      leaky=done(
        training.learn_absolute(
          rng, num_nets=config.num_leaky_nets, num_steps=config.num_leaky_steps
        )
      ),
      deep=done(
        training.learn_digits(
          rng,
          ("Glorot", "He"),
          lambda kind: nf.activations.relu,
          (0.002,),
          [config.deep_width] * 29,
          num_seeds=config.num_deep_seeds,
          num_epochs=config.num_deep_epochs,
        )
      ),
      rates=np.array(config.rates),
      shallow=done(
        training.learn_digits(
          rng,
          ("Glorot", "Glorot", "He"),  # Each activation's own.
          networks.chosen,
          config.rates,
          [32] * 3,
          num_seeds=config.num_shallow_seeds,
          num_epochs=config.num_shallow_epochs,
        )
      ),
      costs=training.costs(),
      looped=training.looped(rng),
    )
