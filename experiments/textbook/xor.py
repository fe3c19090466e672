"""What does a network of five neurons need in order to learn XOR?

The lecture notes propose two inputs, two hidden units and one output "with
ReLU", tabulate what the untrained network computes, derive the update of each
of the nine weights and print weights that batch gradient descent finds in "tens
of thousands of epochs". What a student should take from it:

- The notes contain two networks. The table belongs to a sigmoid network with
  the signs W = [[3, 4, -2], [2, 3, -4]], U = [5, -5, -2], the only one among
  the 512 choices of signs. What was trained is the printed, all-positive
  network with ReLUs: at learning rate 0.01, which the notes do not mention, it
  reaches the printed trained weights to their last digit. With the update
  formulas as printed, at learning rate 1, it dies in the first steps.
- The formulas are right, biases included; one line on the way has x_i for x_j.
- Finding such weights is luck: of 1,000 random starts a sixth ends there. A
  ReLU that is 0 on all four patterns gets no gradient and stays so for ever;
  every second network has one in the end, and a network with one dead hidden
  unit of two cannot do XOR. A linear output helps, leaky ReLUs help more.

  python -m experiments.textbook.xor

takes 10 seconds (--full, more starts and epochs: some 5 minutes). Numbers to
expect: distance 5e-9 from the printed trained weights; solved 0.16 (ReLU), 0.26
(ReLU, linear output), 0.6 (leaky ReLU), all with standard error 0.015.

Departures: the notes do not say how random starts are drawn; here weights are
N(0, 1 / fan-in) and biases 0.
"""

import dataclasses

import jax
import numpy as np
from jax import numpy as jnp
from scipy import special

import nnfun as nf
from experiments import cli, progress, study
from experiments.textbook import xor_claims, xor_figure, xor_source
from experiments.textbook import xor_training as training

_act = nf.activations


@dataclasses.dataclass(frozen=True)
class Config:
  """How many networks are trained, and how long."""

  num_seeds: int = 1000  # Random starts of each kind of network.
  num_epochs: int = 6_000  # Of random starts; an epoch is one step.
  # Of random starts; claims look at the first. Ten times smaller ones need ten
  # times the epochs and end in the same places.
  learning_rates: tuple[float, ...] = (0.1, 1.0)
  num_epochs_printed: int = 30_000  # From the printed start.
  # From the printed start: 0.01 gives the printed trained weights.
  learning_rate_printed: float = 0.01
  num_records: int = 20  # How often the random starts are judged.
  num_update_checks: int = 50  # Random networks for the update formulas.
  seed: int = 0  # Of all random weights.


def run(config: Config) -> dict[str, np.ndarray]:
  """Recomputes the table and the updates, and trains.

  Args:
    config: the setting.

  Returns:
    The table of the signed sigmoid network `table_signed` [4, 3], of the
    printed matrices with both activations `table_printed` [2, 4, 3], of all
    choices of signs `table_signs` [2, 512, 4, 3] (ReLU, sigmoid) and of the
    trained weights `table_trained` [4, 3]; the largest deviations of the update
    formulas from autodiff, `update_error` and `misprint_error`; from the
    printed start, by learning rate (of the config, 1), `reached` [2, 9] and
    `reached_y` [2, 4]; of the random starts, by variant [V] first, what
    `xor_training.train_starts` returns.

  Raises:
    ValueError: if a setting is out of range.
  """
  _check(config)
  signed, printed = xor_source.SIGNED, xor_source.PRINTED
  pair, signs = (_relu, special.expit), xor_source.sign_choices()
  starts = training.draw(config.seed, config.num_seeds)
  trained = [
    training.train_starts(
      variant,
      config.learning_rates,
      starts,
      num_epochs=config.num_epochs,
      num_records=config.num_records,
    )
    for variant in progress.track(training.VARIANTS, "xor")
  ]
  with jax.enable_x64(True):
    updates = _check_updates(config)
    reached = training.train_printed(
      (config.learning_rate_printed, 1.0), config.num_epochs_printed
    )
  return {
    "learning_rates": np.array(config.learning_rates),
    "learning_rate_printed": np.array(config.learning_rate_printed),
    "epochs": np.linspace(0, config.num_epochs, config.num_records + 1),
    "labels": np.array([v.label for v in training.VARIANTS]),
    "table_signed": xor_source.table(signed, special.expit),
    "table_printed": np.stack([xor_source.table(printed, f) for f in pair]),
    "table_signs": np.stack([xor_source.table(signs, f) for f in pair]),
    "table_trained": xor_source.table(xor_source.TRAINED, _relu),
    **updates,
    "reached": np.concatenate(
      [reached.hidden.reshape(2, 6), reached.output], axis=1
    ),
    "reached_y": xor_source.table(reached, _relu)[..., 2],
    **{name: np.stack([t[name] for t in trained]) for name in trained[0]},
  }


def _check(config):
  for name, least in (
    ("num_seeds", 2),
    ("num_records", 1),
    ("num_epochs_printed", 1),
    ("num_update_checks", 1),
  ):
    if getattr(config, name) < least:
      raise ValueError(
        f"expected {name} >= {least}, got {getattr(config, name)}"
      )
  epochs, records = config.num_epochs, config.num_records
  if epochs < records or epochs % records:
    raise ValueError(
      f"expected num_epochs, a multiple of num_records, got {epochs} and "
      f"{records}"
    )
  rates = (config.learning_rate_printed, *config.learning_rates)
  if len(rates) < 2 or min(rates) <= 0:
    raise ValueError(
      "expected a positive learning_rate_printed and one or more positive "
      f"learning_rates, got {rates[0]} and {rates[1:]}"
    )


def _relu(z):
  return np.maximum(z, 0)


def _check_updates(config):
  """Compares equations 1.15 to 1.24 with autodiff, every weight."""
  rng = np.random.default_rng(config.seed)
  networks = [
    xor_source.Weights(rng.normal(size=(2, 3)), rng.normal(size=3))
    for _ in range(config.num_update_checks)
  ]
  batch = xor_source.Weights(*map(np.stack, zip(*networks, strict=True)))
  errors = {"update_error": [], "misprint_error": []}
  for layer, activation, slope in (
    (_act.relu, _relu, lambda z: np.where(z > 0, 1.0, 0.0)),
    (_act.sigmoid, special.expit, lambda z: special.expit(z) ** 2 * np.exp(-z)),
  ):
    exact = _gradients(layer, batch)
    for name, found in errors.items():
      steps = [
        xor_source.updated(
          w, x, t, activation, slope, misprint=name == "misprint_error"
        )
        for w in networks
        for x, t in zip(xor_source.PATTERNS, xor_source.TARGETS, strict=True)
      ]
      shape = (len(networks), len(xor_source.TARGETS))
      for i, before in enumerate(batch):
        after = np.stack([step[i] for step in steps])
        after = after.reshape(*shape, *before.shape[1:])
        found.append(np.max(np.abs(before[:, None] - after - exact[i])))
  return {name: np.array(np.max(found)) for name, found in errors.items()}


def _gradients(layer, batch):
  """Returns the gradient of each network for each pattern, [N, 4, ...]."""

  def cost(params, x, t):
    return nf.losses.quadratic(nf.mlp.apply(params, x, (layer, layer)), t)

  one = jax.vmap(jax.grad(cost), (None, 0, 0))
  params = jax.vmap(lambda *w: xor_source.as_params(xor_source.Weights(*w)))(
    *map(jnp.asarray, batch)
  )
  grads = training.jit(jax.vmap(one, (0, None, None)))(
    params, xor_source.PATTERNS, xor_source.TARGETS[:, None]
  )
  return xor_source.as_weights(grads)


STUDY = study.Study(
  name="textbook/xor",
  question="What does a network of five neurons need in order to learn XOR?",
  Config=Config,
  run=run,
  claims=xor_claims.all_claims,
  plot=xor_figure.draw,
  full=Config(
    num_seeds=10_000,
    num_epochs=50_000,
    num_epochs_printed=50_000,
    learning_rates=(0.01, 0.1, 1.0),
  ),
)

if __name__ == "__main__":
  cli.main(STUDY)
