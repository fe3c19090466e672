"""Is backpropagation the gradient, and what does one do with a gradient?

The exercises derive the four equations of backpropagation, the steepest
direction, the gradients of softmax regression and the same derivatives in
forward order; lecture slides list losses and optimisers. Here each formula is
written by hand and compared in float64 with automatic differentiation, and the
algorithms are run on real digits. What a student should take from it:

- Four equations give every derivative of any network, one example at a time or
  a batch in one matrix product.
- Forward order gives the same numbers, at a cost which grows with the number of
  weights where backpropagation costs two plain passes and a bit. Its base case
  is printed with the activation in the place of its derivative. With one weight
  matrix for all layers it is real-time recurrent learning.
- Stochastic, mini-batch and batch gradient descent differ in the batch size
  alone. The noise of the gradient falls like 1 / sqrt(B); a learning rate that
  falls like 1 / t averages it away, a constant one does not.
- Overfitting shows in the held-out loss long before the accuracy suffers.
- Optimisers differ in the learning rates at which they work best, by a factor
  of thirty, much more than in the accuracy they reach there.

  python -m experiments.textbook.backpropagation

takes 13 seconds (--full: some minutes). Numbers to expect: errors near 1e-16,
accuracies of 0.95 to 0.97 for every optimiser.

Departures: mini-batches are cut from a shuffle, every example once an epoch,
where the slides draw each batch afresh. The slides name optimisers and print no
formula and no setting: see `backpropagation_optimizers`. The sources give no
sizes; --full is larger, not published.
"""

import dataclasses

import jax
import numpy as np

from experiments import cli, progress, study
from experiments.textbook import (
  backpropagation_claims,
  backpropagation_descent,
  backpropagation_exact,
  backpropagation_figure,
  backpropagation_grid,
  backpropagation_optimizers,
  backpropagation_regression,
  backpropagation_training,
)


@dataclasses.dataclass(frozen=True)
class Config:
  """How many networks, and what is trained."""

  num_networks: int = 4  # Random networks of each kind, for the identities.
  num_directions: int = 4096  # Random directions against the gradient.
  # Units of every layer where operations are counted, ascending.
  widths: tuple[int, ...] = (16, 32, 64, 128, 256)
  num_layers: int = 4  # Of the networks whose operations are counted.
  num_train: int = 1024  # Digits to train on; the others are held out.
  num_hidden: int = 16  # Units of the one hidden layer, tanh.
  num_seeds: int = 5  # Starts and shuffles for everything trained.
  batch_size: int = 32  # Digits, for optimisers and losses.
  num_epochs: int = 6  # Passes through the digits, for optimisers and losses.
  # Of every optimiser at the start, ascending; they fall to 0.
  learning_rates: tuple[float, ...] = (
    *(3.16e-3, 0.01, 0.0316, 0.1, 0.316, 1.0, 3.16),
  )
  loss_rate: float = 0.03  # Learning rate of Adam where losses are compared.
  num_few: int = 64  # Digits to compare batch sizes on, few enough to overfit.
  mini_batch: int = 8  # Digits, between 1 and num_few, which it divides.
  few_epochs: int = 150  # Passes through the few digits.
  few_rate: float = 0.1  # Learning rate for every batch size.
  noise_batches: int = 1000  # Mini-batches of each size, for the noise.
  num_orders: int = 128  # Shuffles of the numbers whose mean is learned.
  seed: int = 0  # Of everything.

  def __post_init__(self) -> None:
    """Refuses what cannot be run."""
    for name in ("num_networks", "num_hidden", "num_epochs", "mini_batch"):
      if getattr(self, name) < 1:
        raise ValueError(f"expected {name} >= 1, got {getattr(self, name)}")
    for name in ("num_seeds", "noise_batches", "num_orders", "few_epochs"):
      if getattr(self, name) < 2:
        raise ValueError(f"expected {name} >= 2, got {getattr(self, name)}")
    if self.num_directions < 16:
      raise ValueError(
        f"expected num_directions >= 16, got {self.num_directions}"
      )
    for name in ("widths", "learning_rates"):
      values = getattr(self, name)
      if len(values) < 2 or list(values) != sorted(
        {v for v in values if v > 0}
      ):
        raise ValueError(
          f"expected two or more {name}, positive and ascending, got {values}"
        )
    if self.num_few > self.num_train or self.num_few % self.mini_batch:
      raise ValueError(
        f"expected num_few up to {self.num_train} (num_train) and a multiple "
        f"of mini_batch, got {self.num_few} and {self.mini_batch}"
      )


def run(config: Config) -> dict[str, np.ndarray]:
  """Measures the identities, and trains.

  Args:
    config: the setting.

  Returns:
    What `backpropagation_exact`, `backpropagation_descent` and
    `backpropagation_training` describe, and from `backpropagation_grid`
    `optimizer_losses` [O, S, R, E], `optimizer_accuracy` [O, S, R, E + 1],
    `loss_values` [3, 2, S] of blind and of seeing networks, `loss_accuracy`
    [3, 2, S], with their `optimizers` [O], `learning_rates` [R], and
    `class_frequencies` [10].

  Raises:
    ValueError: if there are not as many digits.
  """
  rng = np.random.default_rng(config.seed)
  digits = backpropagation_training.digits(config.num_train, rng)
  key_few, key_grid = jax.random.split(jax.random.key(config.seed))
  parts = {
    "identities": lambda: _identities(config, rng),
    "batch sizes": lambda: _batch_sizes(config, digits, rng, key_few),
    "optimisers and losses": lambda: _grid(config, digits, rng, key_grid),
  }
  results = {}
  for name in progress.track(parts, "backpropagation"):
    results |= parts[name]()
  return {name: np.asarray(value) for name, value in results.items()}


def _identities(config, rng):
  exact, descent = backpropagation_exact, backpropagation_descent
  with jax.enable_x64(True):
    return {
      **exact.identities(config.num_networks, rng),
      **exact.operations(config.widths, config.num_layers),
      **descent.steepest(config.num_directions, rng),
      **descent.algorithms(rng),
      **descent.formulas(rng),
      **descent.losses(rng),
      **descent.recurrent(rng),
    }


def _batch_sizes(config, digits, rng, key):
  training = backpropagation_training
  key_shuffles, key_orders, key_regression = jax.random.split(key, 3)
  few = digits.first(config.num_few)
  params = training.starts(config.num_hidden, config.num_seeds, rng)
  one = jax.tree.map(lambda leaf: leaf[0], params)
  powers = 2 ** np.arange(int(np.log2(config.num_few)))
  return {
    **training.noise(
      few, one, (*powers, config.num_few), config.noise_batches, rng
    ),
    **training.batch_sizes(
      few,
      params,
      jax.random.split(key_shuffles, config.num_seeds),
      (1, config.mini_batch, config.num_few),
      config.few_rate,
      config.few_epochs,
    ),
    **training.rate_sequences(
      np.asarray(digits.ys[:256]),
      (0.0, 0.1),
      jax.random.split(key_orders, config.num_orders),
    ),
    **backpropagation_regression.train(digits, 0.1, 1000, key_regression),
  }


def _grid(config, digits, rng, key):
  training, grid = backpropagation_training, backpropagation_grid
  lanes = grid.cross(config.learning_rates, config.loss_rate)
  losses, accuracy = grid.train(
    digits,
    training.starts(config.num_hidden, config.num_seeds, rng),
    jax.random.split(key, config.num_seeds),
    lanes,
    config.batch_size,
    config.num_epochs,
  )
  names = list(backpropagation_optimizers.OPTIMIZERS)
  num_crossed = len(names) * len(config.learning_rates)
  crossed = (len(names), len(config.learning_rates), config.num_seeds, -1)

  def by_optimizer(a):  # [S, L, ...] -> [O, S, R, ...]
    a = np.swapaxes(a, 0, 1)[:num_crossed]
    return np.swapaxes(a.reshape(crossed), 1, 2)

  def by_loss(a):  # [S, L, ...] -> [3, 2, S], at the end
    return a[:, num_crossed:, -1].T.reshape(3, 2, config.num_seeds)

  return {
    "optimizers": np.array(names),
    "learning_rates": np.array(config.learning_rates),
    "updates_per_epoch": np.array(config.num_train // config.batch_size),
    "optimizer_losses": by_optimizer(losses),
    "optimizer_accuracy": by_optimizer(accuracy),
    "loss_names": np.array(list(grid.OUTPUT_LOSSES)),
    "loss_values": by_loss(losses),
    "loss_accuracy": by_loss(accuracy),
    "class_frequencies": grid.class_frequencies(digits),
  }


STUDY = study.Study(
  name="textbook/backpropagation",
  question="Is backpropagation the gradient, and what is a gradient good for?",
  Config=Config,
  run=run,
  claims=backpropagation_claims.all_claims,
  plot=backpropagation_figure.draw,
  full=Config(
    num_networks=32,
    num_directions=100_000,
    num_hidden=32,
    num_seeds=20,
    num_epochs=30,
    few_epochs=200,
    noise_batches=20_000,
    num_orders=4096,
  ),
)

if __name__ == "__main__":
  cli.main(STUDY)
