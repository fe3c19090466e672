"""Measures the designed layer and trains the three kinds of network."""

import dataclasses
from typing import NamedTuple

import jax
import numpy as np

import nnfun as nf
from experiments import images, settings
from experiments.textbook import constructions
from experiments.textbook.digit_codes import layer, training


@dataclasses.dataclass(frozen=True)
class Config(settings.Config):
  """The networks, how they are trained, and on which images."""

  # Hidden neurons, ascending.
  hidden_sizes: tuple[settings.Count, ...] = (4, 8, 32)
  # The best on the validation images is kept.
  learning_rates: tuple[settings.Positive, ...] = (1.0, 3.0)
  num_epochs: settings.Count = 50  # Passes through the training images.
  batch_size: settings.Count = 20  # Images of one update.
  # Networks of each code, size and learning rate.
  num_seeds: settings.Count = 20
  zero_last: bool = True  # The digit 0 is the last of the ten outputs.
  data_dir: str = ""  # Folder of MNIST; empty for scikit-learn's digits.
  seed: settings.Seed = 0  # Of the networks.

  def __post_init__(self) -> None:
    """Refuses sizes without an order, and a single seed."""
    super().__post_init__()
    sizes = self.hidden_sizes
    settings.require(
      len(sizes) >= 2 and list(sizes) == sorted(set(sizes)),
      "two or more ascending hidden_sizes",
      hidden_sizes=sizes,
    )
    settings.require(
      self.num_seeds >= 2, "num_seeds >= 2", num_seeds=self.num_seeds
    )


class Results(NamedTuple):
  """What is kept; S networks of each kind, size and learning rate."""

  layer: layer.Layer
  code_of_three: np.ndarray  # One-hot, the digit 0 last  [10]
  order_difference: np.ndarray  # Of gradients, digits in two orders  []
  num_parameters: np.ndarray  # Of 784-32-10 and 784-32-4  [2]
  ten: training.Ten
  four: dict[str, training.Four]  # "bits" directly, "deep": ten before four.
  hidden_sizes: np.ndarray  # [sizes]


def run(config: Config) -> Results:
  """Measures the designed layer and trains the three kinds of network."""
  split = images.load(config.data_dir)
  trained = training.train(config, split)
  with jax.enable_x64(True):
    return Results(
      layer.measure(),
      np.asarray(constructions.one_hot(np.array(3), constructions.ZERO_LAST)),
      layer.order_difference(config.seed, split.train),
      np.array([_num_parameters(num_outputs) for num_outputs in (10, 4)]),
      trained.pop("ten"),
      trained,
      np.array(config.hidden_sizes),
    )


def _num_parameters(num_outputs):
  """Counts the parameters of a network of problem sheet 4, question 2."""
  init = lambda key: nf.mlp.init(key, [784, 32, num_outputs])  # noqa: E731
  params = jax.eval_shape(init, jax.random.key(0))
  return sum(leaf.size for leaf in jax.tree.leaves(params))
