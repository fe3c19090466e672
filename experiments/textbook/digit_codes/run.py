"""Measures the designed layer and trains the three kinds of network."""

import dataclasses
from typing import NamedTuple

import jax
import numpy as np

from experiments import images, settings
from experiments.textbook.digit_codes import layer, training


@dataclasses.dataclass(frozen=True)
class Config(settings.Config):
  """The networks, how they are trained, and on which images."""

  # Hidden neurons.
  hidden_sizes: settings.Ascending[settings.Count] = (8, 32)
  # The best on the validation images is kept.
  learning_rates: tuple[settings.Positive, ...] = (1.0, 3.0)
  num_epochs: settings.Count = 30  # Passes through the training images.
  batch_size: settings.Count = 20  # Images of one update.
  # Networks of each code, size and learning rate.
  num_seeds: settings.Several = 10
  data_dir: str = ""  # Folder of MNIST; empty for scikit-learn's digits.
  seed: settings.Seed = 0  # Of the networks.


class Results(NamedTuple):
  """What is kept; S networks of each kind, size and learning rate."""

  layer: layer.Layer
  order_difference: np.ndarray  # Of gradients, digits in two orders  []
  # Of test images: by "ten" outputs, the "designed" layer behind them, four
  # "bits" trained directly, and "deep", ten before four.
  accuracy: dict[str, np.ndarray]  # [S, sizes]
  hidden_sizes: np.ndarray  # [sizes]


def run(config: Config) -> Results:
  """Measures the designed layer and trains the three kinds of network."""
  split = images.load(config.data_dir)
  accuracy = training.train(config, split)
  with jax.enable_x64(True):
    return Results(
      layer.measure(),
      layer.order_difference(config.seed, split.train),
      accuracy,
      np.array(config.hidden_sizes),
    )
