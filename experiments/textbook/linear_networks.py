"""What do hidden layers without a nonlinearity add?

Nothing in what can be represented, except less: a stack of matrices is one
matrix, of a rank not above the smallest layer. Much in how it is learned. What
a student should take from it:

- Softmax regression and a network with 25 linear hidden units fit real digits
  to the same loss, to nine digits; 4 hidden units can only reach maps of rank 4
  and fit worse. Softmax ignores what is added to all outputs, so that for 10
  classes rank 9 is enough: 9, 10 and 25 hidden units end at the same loss. On
  new digits 4 units are worse too, but 6 or 8 are the best of all.
- Convexity is lost by the factors, not by the map: (W1, W2) and (-W1, -W2) are
  the same network, and half way between them is the zero map. L-BFGS still
  finds the minimum from every start where the hidden layer is wide enough; at
  rank 4 some starts end a little higher.
- Gradient descent learns the modes of the input-output correlation one after
  another, each along a sigmoid curve in a time of order 1 / s, with long
  plateaus between them: nonlinear learning in a linear network.

  python -m experiments.textbook.linear_networks

takes 10 seconds (--full, more starts, ranks and depths: a minute). Numbers to
expect: loss 0.6094 on 1,000 digits, 0.77 at rank 4; 7,850, 19,885 and 3,190
parameters; the first mode half learned after 233 epochs, the last after 1,026.

Departures: real digits of 64 pixels stand for the 784 pixels. Labels are
smoothed by 0.1, for the raw ones can be separated without error, and then no
loss is smallest. The hierarchy's features are drawn anew, so its singular
values differ a little from those in the paper's figure.
"""

import dataclasses

import jax
import numpy as np
from jax import numpy as jnp

from experiments import cli, study
from experiments.textbook import (
  linear_networks_claims,
  linear_networks_digits,
  linear_networks_figure,
  linear_networks_maps,
  linear_networks_modes,
)


@dataclasses.dataclass(frozen=True)
class Config:
  """Sizes of the three parts: modes, depth, digits."""

  num_levels: int = 5  # Of the binary tree; its 2^5 leaves are the patterns.
  num_features: int = 1000  # Outputs to be learned for each pattern.
  flip_probability: float = 0.1  # Of a feature along a branch.
  num_hidden: int = 32  # Units of each hidden layer.
  learning_rate: float = 0.5e-3  # 1 / tau, per epoch.
  u_0: float = 1e-6  # Strength of every mode at the start.
  num_epochs: int = 2000  # Of three-layer networks.
  num_starts: int = 10  # Random small weights.
  depths: tuple[int, ...] = (3, 4, 6)  # N_l, layers of units.
  depth_learning_rate: float = 1e-4  # Deeper networks need smaller steps.
  depth_u_0: float = 0.01  # The deeper, the longer small modes stay.
  depth_num_epochs: int = 4000  # Of each depth.
  num_train: int = 1000  # Digits to learn from; 1,797 are there.
  label_smoothing: float = 0.1  # Probability spread over all classes.
  # Hidden units of the trained networks; 4, 9 and 25 are among them.
  ranks: tuple[int, ...] = (1, 2, 4, 6, 8, 9, 10, 25)
  num_restarts: int = 2  # Starts of each of these networks.
  num_segments: int = 200  # Random segments to look for convexity on.
  seed: int = 0  # Of everything drawn.


def run(config: Config) -> dict[str, np.ndarray]:
  """Collapses, trains and compares linear networks.

  Args:
    config: the sizes.

  Returns:
    What `linear_networks_maps.collapse_errors` and `reach` and
    `linear_networks_modes.closed_form_errors` return;
    `parameter_counts` [3]; singular values `strengths` [P]; strengths of modes
    in training `decoupled` [E + 1, P] and `small` [3, E + 1, P], of the first
    random starts; epochs until they are half learned, `decoupled_times` [P],
    `small_times` [starts, P] and by depth `depth_times`, in continuous time
    `depth_flow`, and what finite steps add, `depth_delay` [depths, P]; what
    `linear_networks_digits.run` returns; what the claims need of the config.

  Raises:
    ValueError: if a setting is out of range.
  """
  _check(config)
  with jax.enable_x64(True):
    digits = linear_networks_digits.load(
      config.num_train, config.label_smoothing
    )
    results = {
      **{
        name: np.array(getattr(config, name))
        for name in (
          "learning_rate",
          "u_0",
          "depths",
          "depth_learning_rate",
          "ranks",
        )
      },
      "parameter_counts": linear_networks_maps.parameter_counts(),
      **linear_networks_maps.collapse_errors(config.seed),
      **linear_networks_maps.reach(config.seed),
      **_modes(config),
      **linear_networks_digits.run(
        digits,
        ranks=config.ranks,
        num_restarts=config.num_restarts,
        num_segments=config.num_segments,
        seed=config.seed,
      ),
    }
  return {name: np.asarray(value) for name, value in results.items()}


def _check(config):
  patterns = 2**config.num_levels
  if config.num_levels < 1 or config.num_features < patterns:
    raise ValueError(
      "expected num_levels >= 1 and a feature for each of the 2^num_levels "
      f"patterns, got {config.num_levels} and {config.num_features}"
    )
  if config.num_hidden < patterns:
    raise ValueError(
      f"expected num_hidden >= {patterns}, the number of modes, got "
      f"{config.num_hidden}"
    )
  for name in ("flip_probability", "label_smoothing"):
    if not 0 < getattr(config, name) < 1:
      raise ValueError(f"expected 0 < {name} < 1, got {getattr(config, name)}")
  if not {4, 9, 25} <= set(config.ranks) <= set(range(1, 26)):
    raise ValueError(
      f"expected ranks from 1 to 25, 4, 9 and 25 among them, got {config.ranks}"
    )
  for name in ("num_starts", "num_restarts", "num_segments"):
    if getattr(config, name) < 2:
      raise ValueError(f"expected {name} >= 2, got {getattr(config, name)}")
  if not config.depths or min(config.depths) < 3:
    raise ValueError(f"expected depths of 3 or more, got {config.depths}")
  if not 100 <= config.num_train <= 1700:
    raise ValueError(
      f"expected num_train from 100 to 1700, got {config.num_train}"
    )


def _modes(config):
  """Trains from decoupled and from small random weights, and by depth."""
  features = linear_networks_modes.hierarchy(
    config.seed,
    num_levels=config.num_levels,
    num_features=config.num_features,
    flip_probability=config.flip_probability,
  )
  data = linear_networks_modes.modes(features)
  sizes = {"u_0": config.u_0, "num_hidden": config.num_hidden}
  keys = jax.random.split(jax.random.key(config.seed), config.num_starts)

  def train(start):
    return linear_networks_modes.train(
      data,
      start,
      learning_rate=config.learning_rate,
      num_epochs=config.num_epochs,
    )

  @jax.jit
  def train_all(keys):
    small = jax.vmap(
      lambda key: linear_networks_modes.random_start(key, data, **sizes)
    )(keys)
    starts = jax.tree.map(
      lambda one, many: jnp.concatenate([one[None], many]),
      linear_networks_modes.decoupled_start(data, **sizes),
      small,
    )
    return jax.vmap(train)(starts)

  curves = np.asarray(train_all(keys))
  times = linear_networks_modes.half_times(curves, data.strengths)
  by_depth = [_depth(config, data, n) for n in config.depths]
  return {
    **linear_networks_modes.closed_form_errors(
      data.strengths, u_0=config.u_0, tau=1 / config.learning_rate
    ),
    "strengths": data.strengths,
    "decoupled": curves[0],
    "decoupled_times": times[0],
    "small": curves[1:4],
    "small_times": times[1:],
    **{name: np.stack([d[name] for d in by_depth]) for name in by_depth[0]},
  }


def _depth(config, data, num_layers):
  """Trains one depth from decoupled weights."""
  layers = {"u_0": config.depth_u_0, "num_layers": num_layers}
  start = linear_networks_modes.decoupled_start(
    data, num_hidden=config.num_hidden, **layers
  )

  def train(start):
    return linear_networks_modes.train(
      data,
      start,
      learning_rate=config.depth_learning_rate,
      num_epochs=config.depth_num_epochs,
    )

  curves = np.asarray(jax.jit(train)(start))
  return {
    "depth_times": linear_networks_modes.half_times(curves, data.strengths),
    "depth_flow": linear_networks_modes.flow_half_times(
      data.strengths, tau=1 / config.depth_learning_rate, **layers
    ),
    "depth_delay": linear_networks_modes.step_delay(data.strengths, **layers),
  }


STUDY = study.Study(
  name="textbook/linear_networks",
  question="What do hidden layers without a nonlinearity add?",
  Config=Config,
  run=run,
  claims=linear_networks_claims.all_claims,
  plot=linear_networks_figure.draw,
  full=Config(
    num_starts=100,
    num_epochs=4000,
    depths=(3, 4, 5, 6),
    ranks=(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 25),
    num_restarts=8,
    num_segments=2000,
  ),
)

if __name__ == "__main__":
  cli.main(STUDY)
