"""Draws networks and measures their gradients; trains some."""

import dataclasses
from typing import NamedTuple

import numpy as np
from jax import numpy as jnp

import nnfun as nf
from experiments import images, progress, settings
from experiments.gradient_flow.activations import (
  narrow,
  networks,
  starts,
  training,
)


@dataclasses.dataclass(frozen=True)
class Config(settings.Config):
  """Sizes of the networks, and how many are drawn."""

  num_layers: settings.Count = 50  # L of the random networks.
  width: settings.Count = 100  # N, units of each of their layers.
  num_seeds: settings.Count = 16  # Draws of them.
  jacobian_width: settings.Count = 100  # Units of 8 other tanh networks.
  vgg_divisor: settings.Count = 8  # VGG-B has this many times as many filters.
  num_vgg_nets: settings.Count = 64  # Draws of it.
  widths: tuple[settings.Count, ...] = (2, 3, 5, 10)  # That may be born dead.
  num_narrow_nets: settings.Count = 20_000  # Draws for each width.
  # LeakyReLU's slopes for negative inputs; 0 is ReLU.
  alphas: tuple[settings.Fraction, ...] = (0, 0.001, 0.01, 0.1, 0.4, 1)
  num_leaky_nets: settings.Count = 150  # Networks that learn |x|, for each.
  num_leaky_steps: settings.Count = 300  # Of Adam.
  deep_width: settings.Count = 64  # Units of 30 layers that stall, or not.
  num_deep_seeds: settings.Count = 3  # Networks for each start.
  num_deep_epochs: settings.Count = 32  # Passes through the digits.
  deep_rate: settings.Positive = 0.002  # Of SGD with momentum 0.9.
  # Of SGD, for networks of four layers with three activations.
  rates: tuple[settings.Positive, ...] = (0.03, 0.1, 0.3, 1.0, 3.0)
  num_shallow_seeds: settings.Count = 6  # Networks for each rate.
  num_shallow_epochs: settings.Count = 10  # Passes through the digits.
  seed: settings.Seed = 0  # Of everything.

  def __post_init__(self) -> None:
    """Refuses what could not be compared."""
    super().__post_init__()
    least = {"num_layers": 20} | dict.fromkeys(
      ("num_seeds", "num_deep_seeds", "num_shallow_seeds"), 2
    )
    for name, low in least.items():
      value = getattr(self, name)
      settings.require(value >= low, f"{name} >= {low}", **{name: value})
    settings.require(
      min(starts.VGG_FILTERS) % self.vgg_divisor == 0,
      "vgg_divisor to divide 64",
      vgg_divisor=self.vgg_divisor,
    )


class Results(NamedTuple):
  """What is kept, by activation, start or width."""

  width: np.ndarray  # N  []
  gradients: dict[str, networks.Gradients]
  chain_errors: np.ndarray  # Of dC / d b_1 and dC / d b_3  [C, K, 2]
  # Mean of layer Jacobians', by start and by size of the input  [nets, 2, 2].
  singular_values: np.ndarray
  vgg: np.ndarray  # Ratio of mean squared gradients, conv2 to conv10  [nets]
  widths: np.ndarray  # Of narrow networks  [W]
  alive: np.ndarray  # Their two rays behind each layer  [nets, W, 9, 2]
  alphas: np.ndarray  # LeakyReLU's  [A]
  leaky: narrow.Learned
  deep: dict[str, training.Curves]
  rates: np.ndarray  # [R]
  shallow: dict[str, training.Curves]
  costs: training.Costs
  looped: training.Looped


def run(config: Config) -> Results:
  """Draws networks and measures their gradients; trains some."""
  rng = np.random.default_rng(config.seed)
  found = {}
  for part in progress.track((_draw, _train), "activations"):
    found |= part(config, rng)
  return Results(
    width=np.array(config.width),
    widths=np.array(config.widths),
    alphas=np.array(config.alphas, float),
    rates=np.array(config.rates),
    **found,
  )


def _draw(config, rng):
  weights = networks.draw(
    rng,
    num_seeds=config.num_seeds,
    num_layers=config.num_layers,
    width=config.width,
  )
  alive = [
    narrow.alive(rng, num_nets=config.num_narrow_nets, width=width)
    for width in config.widths
  ]
  return {
    "gradients": networks.gradients(weights),
    "chain_errors": networks.chain_errors(rng, 1000),
    "singular_values": starts.singular_values(
      rng, num_nets=8, width=config.jacobian_width
    ),
    "vgg": starts.vgg_gradient(
      rng, divisor=config.vgg_divisor, size=6, num_nets=config.num_vgg_nets
    ),
    "alive": np.stack(alive, axis=1),
  }


def _train(config, rng):
  data = images.load()
  mean, deviation = data.train.pixels.mean(), data.train.pixels.std()
  data = images.Split(
    *(
      nf.data.Images(jnp.asarray((pixels - mean) / deviation), labels)
      for pixels, labels in data
    )
  )
  return {
    "leaky": narrow.learn(
      rng,
      config.alphas,
      num_nets=config.num_leaky_nets,
      num_steps=config.num_leaky_steps,
    ),
    "deep": training.by_start(
      rng,
      data,
      config.deep_rate,
      num_seeds=config.num_deep_seeds,
      width=config.deep_width,
      num_epochs=config.num_deep_epochs,
    ),
    "shallow": training.by_activation(
      rng,
      data,
      config.rates,
      num_seeds=config.num_shallow_seeds,
      num_epochs=config.num_shallow_epochs,
    ),
    "costs": training.costs(),
    "looped": training.looped(rng),
  }
