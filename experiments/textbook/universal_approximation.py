"""How well can a network approximate a function, and what does it take?

Exercises on chapter 4 of Nielsen's book build networks by hand: a sigmoid
neuron steps at s = -b/w, two make a bump, bumps make a function, towers make
one of several variables. A problem sheet does it with ReLUs and asks what no
such network can do. Slides add that networks are universal approximators
(Cybenko, Hornik); Telgarsky and Yarotsky, that depth helps. Here every network
is built and measured. What a student should take from it:

- One hidden layer suffices, and existence is not a matter of belief: given f,
  its modulus of continuity and eps, `constructions.approximate` returns a
  network with a proof that it is within eps, for Weierstrass's function too.
- What it costs depends on f: N ReLUs leave max|f''| / 8 N^2 of a smooth
  function, N bumps max|f'| / 2N, and 256 ReLUs are needed for Weierstrass's
  sum within a tenth.
- Sums of towers are not uniformly close: where four cells meet the network is
  0, whatever f is. The proof by pictures passes over this.
- Depth: m layers of three ReLUs do for x^2 what 2^m ReLUs do in one layer.
- That a network exists does not say that it is found: trained networks come
  closer with more neurons, but with 50 ReLUs they are nine times as far from f
  as the designed network of the same size.
- One layer of N ReLUs is linear beyond its last kink and changes sign at most
  N + 1 times: it cannot detect the primes.

  python -m experiments.textbook.universal_approximation

takes 10 seconds (--full: five minutes). Numbers to expect: errors of 0.242 with
10 bumps and 0.0689 with 50; with 50 ReLUs 0.0077 by design and 0.07 trained.

Departures from the sources: neighbouring bumps share the step between them; the
outermost steps stand outside the interval, so that the network is not half as
high at its ends; Nielsen's target is taken on [0, 1], which the exercises leave
open. They print, for m variables, a bias that fails for every m (an erratum
below), and "between h and h" for between h and 2h.
"""

import dataclasses

import jax
import numpy as np

from experiments import cli, study
from experiments.textbook import (
  approximation_depth,
  approximation_figure,
  approximation_relu,
  approximation_relu_claims,
  approximation_sigmoid,
  approximation_sigmoid_claims,
  approximation_training,
)


@dataclasses.dataclass(frozen=True)
class Config:
  """Which networks are designed, which are trained, where they are asked."""

  weight: float = 1e4  # w of the steps, as in figure 4.3.
  gain: float = 1e4  # h of the bumps, as in figure 4.3.
  tower_gain: float = 20.0  # h of the towers: small, so that margins are seen.
  weights: tuple[float, ...] = (
    1.0,
    10.0,
    100.0,
    1e3,
    1e4,
  )  # w of single steps.
  # Bumps N on [0, 1], ascending; 10 and 50 are those of figure 4.5.
  num_bumps: tuple[int, ...] = (10, 50, 200)
  num_cells: tuple[int, ...] = (4, 16)  # Cells of a plane each way, ascending.
  eps: tuple[float, ...] = (0.3, 0.1, 0.03)  # Errors to stay below.
  num_pieces: tuple[int, ...] = (8, 64, 512)  # ReLUs of interpolation, rising.
  widths: tuple[int, ...] = (1, 2, 10, 100)  # Of random ReLU networks.
  num_networks: int = 50  # Random networks of each width.
  num_ramps: int = 100  # Random ramps.
  num_points: int = 2000  # Random points where networks are compared.
  folds: tuple[int, ...] = (1, 2, 4, 8)  # k and m of deep networks, ascending.
  trained_widths: tuple[int, ...] = (10, 50)  # Trained ReLUs, ascending.
  learning_rates: tuple[float, ...] = (3e-3, 1e-2)  # Of Adam; the best counts.
  num_examples: int = 128  # Equally spaced on [0, 1].
  batch_size: int = 32  # Examples of one update.
  num_epochs: int = 2000  # Passes through the examples.
  num_seeds: int = 8  # Trained networks of each width and learning rate.
  seed: int = 0  # Of everything random.


def run(config: Config) -> dict[str, np.ndarray]:
  """Builds, trains and measures the networks.

  Args:
    config: which networks.

  Returns:
    The arrays of `approximation_sigmoid.measure`, `approximation_relu.measure`,
    `approximation_depth.measure` and `approximation_training.measure`.

  Raises:
    ValueError: if a setting is out of range.
  """
  _check(config)
  with jax.enable_x64(True):
    results = {
      **approximation_sigmoid.measure(config),
      **approximation_relu.measure(config),
      **approximation_depth.measure(config),
    }
  return results | approximation_training.measure(config)


def _check(config):
  for name, least in (
    ("num_bumps", 2),
    ("num_cells", 2),
    ("num_pieces", 1),
    ("folds", 1),
    ("trained_widths", 1),
  ):
    values = getattr(config, name)
    rising = list(values) == sorted(set(values))
    if len(values) < 2 or min(values) < least or not rising:
      raise ValueError(
        f"expected two or more ascending {name} >= {least}, got {values}"
      )
  for name in ("weights", "eps", "widths", "learning_rates"):
    values = getattr(config, name)
    if not values or min(values) <= 0:
      raise ValueError(f"expected positive {name}, got {values}")
  for name in ("num_networks", "num_ramps", "num_epochs"):
    if getattr(config, name) < 1:
      raise ValueError(f"expected {name} >= 1, got {getattr(config, name)}")
  if config.num_seeds < 2 or config.num_points < 100:
    raise ValueError(
      "expected num_seeds >= 2 and num_points >= 100, got "
      f"{config.num_seeds} and {config.num_points}"
    )
  finest = 20 * max(*config.num_bumps, *config.num_cells)
  if min(config.tower_gain, config.gain) < 10 or config.weight < finest:
    raise ValueError(
      f"expected gains >= 10 and weight >= {finest}, 20 for each part of the "
      f"interval, got {config.gain}, {config.tower_gain} and {config.weight}"
    )


def claims(results: study.Results) -> list[study.Claim]:
  """Compares the networks with the exercises, the sheet and the papers.

  Args:
    results: what `run` returned.

  Returns:
    The claims.
  """
  return [
    *approximation_sigmoid_claims.claims(results),
    *approximation_relu_claims.claims(results),
    *approximation_depth.claims(results),
    *approximation_training.claims(results),
  ]


STUDY = study.Study(
  name="textbook/universal_approximation",
  question="How well can a network approximate a function, and at what cost?",
  Config=Config,
  run=run,
  claims=claims,
  plot=approximation_figure.draw,
  full=Config(
    num_bumps=(10, 20, 50, 100, 200, 500),
    num_cells=(4, 8, 16, 32),
    eps=(0.3, 0.1, 0.03, 0.02),
    num_pieces=(8, 16, 32, 64, 128, 256, 512, 1024),
    widths=(1, 2, 10, 100, 1000),
    num_networks=200,
    num_ramps=1000,
    folds=(1, 2, 3, 4, 5, 6, 7, 8, 9, 10),
    trained_widths=(10, 50, 250),
    learning_rates=(1e-3, 3e-3, 1e-2, 3e-2),
    num_epochs=20000,
    num_seeds=16,
  ),
)

if __name__ == "__main__":
  cli.main(STUDY)
