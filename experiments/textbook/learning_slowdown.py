"""Why does a neuron that is badly wrong learn slowly, and when does it not?

Under the quadratic cost the gradient of an output neuron carries the factor
sigma'(z), which is next to nothing where the neuron is saturated: the more
wrong it is, the slower it learns. The cross-entropy is the cost without that
factor, and the only one. What a student should take from this:

- The cross-entropy is least where a = y, with the binary entropy of y left
  over. That it can be positive at its minimum is no defect.
- Asking for dC / db = a - y leaves no choice: integrate it and the
  cross-entropy is what comes out, along whichever path of weights.
- One neuron, x = 1, y = 0: from (w, b) = (2, 2) the quadratic cost spends 150
  epochs on a plateau, and the cross-entropy none. The time is known in closed
  form for small steps.

  python -m experiments.textbook.learning_slowdown

takes 3 seconds (--full: some seconds more). Numbers to expect: outputs of
0.0940 and 0.2028 after 300 epochs, 0.9334 half-way from the second start.

Errata of the problem set: its (20) and (22) have 1 - a for 1 - y, and such a
cost is least at a = 1 whatever y is; its (24) has the wrong sign; its formula
between (26) and (25) has a factor a_k too many for dC / dz. Its (34) is right.
The exercises' section 3.2 writes a = sigma(z) = sum w a + b, where the sum is
z.
"""

import dataclasses
import functools

import jax
import numpy as np
import optax
from jax import numpy as jnp

import nnfun as nf
from experiments import cli, study
from experiments.textbook import (
  learning_slowdown_calculus,
  learning_slowdown_claims,
  learning_slowdown_figure,
)

_sigmoid = nf.activations.sigmoid


@dataclasses.dataclass(frozen=True)
class Config:
  """The published neuron, and how finely the rest is looked at."""

  weights: tuple[float, ...] = (
    0.6,
    2.0,
  )  # w of each start; the published ones.
  biases: tuple[float, ...] = (0.9, 2.0)  # b of each start; the published ones.
  learning_rate: float = 0.15  # The published one.
  num_epochs: int = 300  # The published number; one example, one update each.
  num_targets: int = 49  # Targets y, spread evenly inside (0, 1).
  num_outputs: int = 1000  # Outputs a on a grid in (0, 1], for each target.
  descent_steps: int = 2000  # Of gradient descent from z = 0 to each minimum.
  num_paths: int = 5  # Random paths of (w, b) to integrate along.
  sizes: tuple[int, ...] = (4, 6, 5, 3)  # Units of a network of sigmoids.
  num_examples: int = 8  # n, of the batch that network sees.
  seed: int = 0  # Of paths, network and batch.

  def __post_init__(self) -> None:
    """Refuses what cannot be run."""
    if self.num_outputs % (self.num_targets + 1):
      raise ValueError(
        "expected num_outputs a multiple of num_targets + 1, so that every "
        f"target is on the grid, got {self.num_outputs} and {self.num_targets}"
      )
    if self.num_epochs < 2 or self.num_epochs % 2:
      raise ValueError(f"expected an even num_epochs, got {self.num_epochs}")
    if not self.learning_rate > 0:
      raise ValueError(
        f"expected a positive learning_rate, got {self.learning_rate}"
      )
    if not 2 <= len(self.weights) == len(self.biases):
      raise ValueError(
        "expected two or more weights and as many biases, got "
        f"{self.weights} and {self.biases}"
      )
    if len(self.sizes) < 2 or min(self.sizes) < 1 or self.num_examples < 2:
      raise ValueError(
        "expected two or more positive sizes and two or more examples, got "
        f"{self.sizes} and {self.num_examples}"
      )


def run(config: Config) -> dict[str, np.ndarray]:
  """Looks for minima, integrates, differentiates and trains, in float64.

  Args:
    config: the setting.

  Returns:
    What `learning_slowdown_calculus` describes; `curves` [2, starts,
    epochs + 1], the neuron's outputs under the quadratic cost and the
    cross-entropy; `first_steps` [2, starts], how far b went first; and of the
    config `learning_rate`, `starts` and `num_examples`.
  """
  rng = np.random.default_rng(config.seed)
  calculus = learning_slowdown_calculus
  with jax.enable_x64(True):
    return {
      "learning_rate": np.array(config.learning_rate),
      "starts": _starts(config),
      "num_examples": np.array(config.num_examples),
      **calculus.minima(
        config.num_targets, config.num_outputs, config.descent_steps
      ),
      **calculus.integrals(config.num_paths, rng),
      **calculus.gradients(config.sizes, config.num_examples, rng),
      **_curves(config),
    }


def _starts(config):
  return np.stack([config.weights, config.biases], axis=1)


def _curves(config):
  """Trains one neuron, x = 1 and y = 0, under both costs."""
  x, y = jnp.ones((1, 1)), jnp.zeros((1, 1))

  def fit(cost, start):
    fitted = nf.minibatch.fit(
      lambda params, x, y: cost(nf.mlp.apply(params, x, (_sigmoid,)), y),
      optax.sgd(config.learning_rate),
      ({"w": start[:1, jnp.newaxis], "b": start[1:]},),
      jax.random.key(config.seed),
      x,
      y,
      batch_size=1,
      num_epochs=config.num_epochs,
      evaluate_fn=lambda params: (
        nf.mlp.apply(params, x[0], (_sigmoid,))[0],
        params[0]["b"][0],
      ),
    )
    return fitted.evaluations

  @learning_slowdown_calculus.jit
  def train(starts):
    by_cost = [
      jax.vmap(functools.partial(fit, cost))(starts)
      for cost in learning_slowdown_calculus.COSTS.values()
    ]
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *by_cost)

  outputs, biases = map(np.asarray, train(_starts(config)))
  return {
    "curves": outputs,
    "first_steps": biases[..., 1] - biases[..., 0],
  }


STUDY = study.Study(
  name="textbook/learning_slowdown",
  question="Why does a badly wrong neuron learn slowly, and when does it not?",
  Config=Config,
  run=run,
  claims=learning_slowdown_claims.all_claims,
  plot=learning_slowdown_figure.draw,
  full=Config(num_targets=99, num_outputs=10_000, num_paths=50),
)

if __name__ == "__main__":
  cli.main(STUDY)
