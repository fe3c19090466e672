"""What can neurons with a threshold do, and what do smooth ones change?

Scaling all weights of a perceptron network leaves it as it is; scaling those of
a sigmoid network turns it into the perceptron network. What a student should
take from it:

- The first statement is exact, for networks, at any c > 0, ties included. One
  source proves it with c >= 0, and c = 0 switches every neuron off.
- The second has a rate: at c = t / min abs(z) no neuron errs by more than about
  exp(-t), the neuron nearest to its threshold by just that. On the threshold
  itself, w.x + b = 0, a sigmoid neuron stays at 1/2 for every c, and a network
  built there tends to another function.
- One perceptron is linear or logistic regression. It separates 14 of the 16
  functions of two bits, 104 of 256 of three; the two it cannot are XOR and its
  negation. A network of three neurons can.
- A hidden neuron's level curves are straight lines across its weights, whatever
  the activation. What it does along the way decides the boundary: polygons of
  ReLUs, curves of sigmoids.
- "Not differentiable" is not what stops gradient descent on the error rate,
  ReLU networks have kinks too; it is a gradient of 0 wherever there is one.

  python -m experiments.textbook.perceptrons

takes 10 seconds (--full, more and larger networks: a minute). Numbers to
expect: no output changed; 14 and 104; accuracy 0.70 of the best line and above
0.95 of four hidden neurons, with each activation.
"""

import dataclasses

import jax
import numpy as np

from experiments import cli, study
from experiments.textbook import perceptrons_boundaries as boundaries
from experiments.textbook import (
  perceptrons_claims,
  perceptrons_figure,
  perceptrons_fits,
)
from experiments.textbook import perceptrons_thresholds as thresholds


@dataclasses.dataclass(frozen=True)
class Config:
  """Sizes of the random and of the trained networks."""

  # Inputs and units of each layer of the random networks; all 2^inputs binary
  # inputs are tried.
  sizes: tuple[int, ...] = (8, 6, 5, 3)
  num_networks: int = 50  # Random networks.
  num_sets: int = 8  # Data sets of each kind for the regressions.
  num_points: int = 200  # Points of the disc and the ring.
  num_hidden: int = 4  # Hidden neurons that tell them apart.
  num_starts: int = 10  # Of each trained network.
  num_epochs: int = 400  # Of the networks on disc and ring.
  num_cost_points: int = 10_000  # Networks at which the error rate is probed.
  seed: int = 0  # Of everything drawn.


def run(config: Config) -> dict[str, np.ndarray]:
  """Scales, fits, separates and trains.

  Args:
    config: the sizes.

  Returns:
    What `scaling`, `limit`, `at_zero` and `threshold_cost` of
    `perceptrons_thresholds`, `regressions` and `separability` of
    `perceptrons_fits`, and `boundaries` and `xor_network` of
    `perceptrons_boundaries` return.

  Raises:
    ValueError: if a setting is out of range.
  """
  _check(config)
  networks = (config.seed, config.sizes, config.num_networks)
  with jax.enable_x64(True):
    trained = boundaries.boundaries(
      config.seed,
      num_points=config.num_points,
      num_hidden=config.num_hidden,
      num_starts=config.num_starts,
      num_epochs=config.num_epochs,
    )
    results = {
      **thresholds.scaling(*networks),
      **thresholds.limit(*networks),
      **thresholds.at_zero(),
      **thresholds.threshold_cost(
        config.seed,
        *boundaries.rings(config.seed, 50),
        num_points=config.num_cost_points,
      ),
      **perceptrons_fits.regressions(config.seed, config.num_sets),
      **perceptrons_fits.separability(),
      **boundaries.xor_network(config.seed, config.num_starts),
      **trained,
    }
    return {name: np.asarray(value) for name, value in results.items()}


def _check(config):
  if len(config.sizes) < 3 or not 2 <= config.sizes[0] <= 12:
    raise ValueError(
      "expected sizes of two or more layers on 2 to 12 inputs, got "
      f"{config.sizes}"
    )
  for name, least in (
    ("num_networks", 1),
    ("num_sets", 1),
    ("num_points", 20),
    ("num_hidden", 3),
    ("num_starts", 2),
    ("num_epochs", 1),
    ("num_cost_points", 1000),
  ):
    if getattr(config, name) < least:
      raise ValueError(
        f"expected {name} >= {least}, got {getattr(config, name)}"
      )


STUDY = study.Study(
  name="textbook/perceptrons",
  question="What can neurons with a threshold do, and what do smooth ones"
  " change?",
  Config=Config,
  run=run,
  claims=perceptrons_claims.all_claims,
  plot=perceptrons_figure.draw,
  full=Config(
    sizes=(10, 12, 8, 6, 3),
    num_networks=500,
    num_sets=100,
    num_starts=100,
    num_epochs=1000,
    num_cost_points=100_000,
  ),
)

if __name__ == "__main__":
  cli.main(STUDY)
