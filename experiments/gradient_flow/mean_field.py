"""How deep does a signal get in a random network, and who can be trained?

In a wide random network the variance q of the pre-activations and the
correlation c of those of two inputs follow two maps from layer to layer. From
them follow an ordered phase, where inputs become alike and gradients vanish, a
chaotic one, where they are torn apart and gradients explode, and between them a
critical line. Schoenholz et al. say that "random networks may be trained
precisely when information can travel through them". What a student should take
from it:

- Both maps, their fixed points q* and c*, and the growth chi_1 of squared
  gradients are one- and two-dimensional integrals, and networks of a few
  hundred units follow them.
- Inputs approach c* within a depth xi_c that diverges on the critical line. A
  network some six xi_c deep has forgotten its input, and is not trained.
- "Ordered: the signal dies out" is wrong: biases keep the signal alive. What
  dies is the difference of two signals.
- 1 - c is not to be computed as 1 - x^T y: in float32 it is noise after a
  hundred layers. |x - y|^2 / 2 keeps its digits.

  python -m experiments.gradient_flow.mean_field

takes 20 seconds (--full, with the published 1000 units: some 10 minutes).
Numbers to expect: all means within 4 standard errors; more than half of the
digits learned at depths up to 2 xi_c, fewer beyond 6 xi_c.

Departures: 256 units; trained are networks of 48 units on 8 x 8 digits, for
100 steps of SGD with momentum, where the authors take MNIST and more steps.
With 1,000 steps (--full) some networks of six and seven xi_c learn as well, and
that claim fails: how many xi_c are too many depends on how long one trains.
"""

import dataclasses
import functools

import jax
import numpy as np
from jax import numpy as jnp

from experiments import cli, study
from experiments.gradient_flow import (
  mean_field_claims,
  mean_field_figure,
  mean_field_networks,
  mean_field_theory,
  mean_field_training,
)


@dataclasses.dataclass(frozen=True)
class Config:
  """Settings of the networks, at the start and in training."""

  # Standard deviations of the weights, times the square root of the fan-in.
  sigma_w: tuple[float, ...] = (1.3, 2.5, 4.0)
  sigma_b: float = 0.3  # Of the biases that go with them.
  # Variances of the weights for the depth scales, ascending; the critical
  # variance lies between the first and the last.
  variances_w: tuple[float, ...] = (1.3, 1.5, 1.7, 2.0, 2.5, 4.0)
  variance_b: float = 0.05  # Of the biases that go with them, and in training.
  width: int = 256  # N.
  num_layers: int = 40  # L.
  num_inputs: int = 5  # In each group of inputs of equal correlation.
  num_seeds: int = 24  # Networks.
  start_distance: float = 0.2  # Of the correlations from c* at the start.
  num_points: int = 13  # Of each map.
  num_curve: int = 17  # Points of each theoretical curve of the figure.
  precision_depth: int = 200  # Layers of the comparison of number formats.
  # Variances of the weights and hidden layers of the trained networks.
  train_variances: tuple[float, ...] = (0.5, 0.9, 1.2, 1.76, 2.5, 4.5, 7.5)
  train_depths: tuple[int, ...] = (5, 10, 20, 40)
  train_width: int = 48  # Units of each layer.
  train_seeds: int = 2  # Networks of each depth and variance.
  train_examples: int = 800  # Digits.
  batch_size: int = 32  # Digits in a mini-batch.
  num_epochs: int = 4  # Passes through the digits.
  learning_rate: float = 4e-3  # Of SGD with momentum 0.9.
  seed: int = 0  # Of all draws.


def run(config: Config) -> dict[str, np.ndarray]:
  """Measures what the theory predicts, and trains.

  Args:
    config: the settings; S of them, those of `sigma_w` before `variances_w`.

  Returns:
    `sigma_w`, `sigma_b` and the theory's `q`, `c` (fixed points), `chi_1`,
    `xi_q`, `xi_c` [S]. By seed, layer and setting `measured_q`, `growth`
    [R, L, S]; with the start in front `distance` (1 - c of two groups) and
    `relaxing_q` (of two starts) [R, L + 1, S, 2], and `..._theory`
    [L + 1, S, 2]. Maps: `map_q`, `map_c` [P], `mapped_q`, `mapped_c` of the
    first `num_pairs` settings [R, S', P] and `..._theory` [S', P]. Curves:
    `curve_variance_w`, `curve_xi_q`, `curve_xi_c`; `curve_sigma_b`,
    `curve_critical`; `critical_variance` []. Number formats: `by_product`,
    `by_distance` [depth]. Training: `accuracy` [R', D, W], `train_variances`,
    `train_xi_c` [W], `train_depths` [D].

  Raises:
    ValueError: if a setting is out of range.
  """
  _check(config)
  with jax.enable_x64(True):
    results = _fixed(config)
    results |= _propagation(config, results)
    results |= _maps(config, results)
    results |= _critical(config)
    results |= _precision(config)
  results |= _training(config)
  return {name: np.asarray(value) for name, value in results.items()}


def _check(config):
  for name in ("sigma_w", "variances_w", "train_variances", "train_depths"):
    values = getattr(config, name)
    if not values or min(values) <= 0 or list(values) != sorted(set(values)):
      raise ValueError(f"expected positive {name}, ascending, got {values}")
  if config.sigma_b <= 0 or config.variance_b <= 0:
    raise ValueError(
      "expected sigma_b > 0 and variance_b > 0, without which signals may die "
      f"out, got {config.sigma_b} and {config.variance_b}"
    )
  for name, least in (
    ("width", 2 * config.num_inputs),
    ("num_layers", 30),
    ("num_inputs", 2),
    ("num_seeds", 3),
    ("num_points", 3),
    ("num_curve", 3),
    ("precision_depth", 10),
    ("train_width", 2),
    ("train_seeds", 2),
    ("num_epochs", 1),
  ):
    if getattr(config, name) < least:
      raise ValueError(
        f"expected {name} >= {least}, got {getattr(config, name)}"
      )
  if not 0 < config.start_distance <= 1 / config.num_inputs:
    raise ValueError(
      "expected start_distance from 0 to 1 / num_inputs, beyond which inputs "
      f"cannot be negatively correlated, got {config.start_distance}"
    )


def _keys(config, index, *shape):
  key = jax.random.fold_in(jax.random.key(config.seed), index)
  return jax.random.split(key, shape)


def _fixed(config):
  """Returns the settings, and where the theory says that signals settle."""
  trained = np.array(config.train_variances)
  curve = np.geomspace(trained[0], trained[-1], config.num_curve)
  num_settings = len(config.sigma_w) + len(config.variances_w)
  variances = np.square(config.sigma_w), config.variances_w, curve, trained
  sigma_w = np.sqrt(np.concatenate(variances))
  sigma_b = np.full(len(sigma_w), config.variance_b**0.5)
  sigma_b[: len(config.sigma_w)] = config.sigma_b
  everywhere = jax.jit(jax.vmap(mean_field_theory.fixed))(sigma_w, sigma_b)
  everywhere = {k: np.asarray(v) for k, v in everywhere._asdict().items()}
  results = {name: v[:num_settings] for name, v in everywhere.items()}
  on_curve = slice(num_settings, num_settings + config.num_curve)
  return results | {
    "num_pairs": len(config.sigma_w),
    "width": config.width,
    "sigma_w": sigma_w[:num_settings],
    "sigma_b": sigma_b[:num_settings],
    "curve_variance_w": curve,
    "curve_xi_q": everywhere["xi_q"][on_curve],
    "curve_xi_c": everywhere["xi_c"][on_curve],
    "train_variances": trained,
    "train_xi_c": everywhere["xi_c"][-len(trained) :],
  }


def _starts(config, results):
  starts = mean_field_networks.Starts(
    results["sigma_w"],
    results["sigma_b"],
    results["q"],
    mean_field_theory.starting_correlations(
      results["c"], config.start_distance
    ),
    results["q"][:, np.newaxis] * np.array([1.3, 0.7]),
  )
  return jax.tree.map(jnp.asarray, starts)


def _propagation(config, results):
  starts = _starts(config, results)
  propagate = functools.partial(
    mean_field_networks.propagate,
    starts=starts,
    width=config.width,
    num_inputs=config.num_inputs,
  )
  keys = _keys(config, 0, config.num_seeds, 1 + config.num_layers)
  measured = jax.jit(jax.vmap(propagate))(keys)
  iterate = functools.partial(
    mean_field_theory.trajectory, num_layers=config.num_layers
  )
  c, q = jax.jit(jax.vmap(iterate, out_axes=1))(*starts)

  def from_start(start, behind):
    start = np.broadcast_to(start, (config.num_seeds, 1, *start.shape))
    return np.concatenate([start, behind], 1)

  return {
    "measured_q": measured.q,
    "growth": measured.growth,
    "distance": from_start(1 - starts.c, measured.distance),
    "distance_theory": 1 - c,
    "relaxing_q": from_start(starts.relaxing_q, measured.relaxing_q),
    "relaxing_q_theory": q,
  }


def _maps(config, results):
  num_pairs = len(config.sigma_w)
  starts = jax.tree.map(lambda x: x[:num_pairs], _starts(config, results))
  steps = jnp.arange(config.num_points)
  q = 1.3 * jnp.max(starts.q) * ((1 + steps) / config.num_points) ** 2
  c = steps / config.num_points
  one = functools.partial(
    mean_field_networks.maps, starts=starts, q=q, c=c, width=config.width
  )
  keys = _keys(config, 1, config.num_seeds)
  mapped_q, mapped_c = jax.jit(jax.vmap(one))(keys)
  predict = jax.vmap(mean_field_theory.maps, (0, 0, 0, None, None))
  q_theory, c_theory = jax.jit(predict)(*starts[:3], q, c)
  return {
    "map_q": q,
    "map_c": c,
    "mapped_q": mapped_q,
    "mapped_c": mapped_c,
    "mapped_q_theory": q_theory,
    "mapped_c_theory": c_theory,
  }


def _critical(config):
  sigma_b = np.linspace(0.02, 1, config.num_curve)
  line = jax.jit(mean_field_theory.critical_variance_w)(
    np.append(sigma_b, config.variance_b**0.5)
  )
  return {
    "curve_sigma_b": sigma_b,
    "curve_critical": line[:-1],
    "critical_variance": line[-1],
  }


def _precision(config):
  """Compares number formats at the first variance, in the ordered phase."""
  measure = functools.partial(
    mean_field_networks.lost_digits,
    sigma_w=config.variances_w[0] ** 0.5,
    sigma_b=config.variance_b**0.5,
    c=0.5,
    width=config.width,
  )
  keys = _keys(config, 2, 1 + config.precision_depth)
  by_product, by_distance = jax.jit(measure)(keys)
  return {"by_product": by_product, "by_distance": by_distance}


def _training(config):
  xs, ys = mean_field_training.standardized_digits(config.train_examples)
  train = functools.partial(
    mean_field_training.accuracies,
    xs=xs,
    ys=ys,
    sigma_w=jnp.sqrt(jnp.array(config.train_variances)),
    sigma_b=config.variance_b**0.5,
    depths=jnp.array(config.train_depths),
    width=config.train_width,
    max_depth=config.train_depths[-1],
    learning_rate=config.learning_rate,
    batch_size=config.batch_size,
    num_epochs=config.num_epochs,
  )
  keys = _keys(config, 3, config.train_seeds)
  return {
    "train_depths": np.array(config.train_depths),
    "accuracy": jax.jit(jax.vmap(train))(keys),
  }


STUDY = study.Study(
  name="gradient_flow/mean_field",
  question="How deep does a signal get in a random network, and who can be"
  " trained?",
  Config=Config,
  run=run,
  claims=mean_field_claims.all_claims,
  plot=mean_field_figure.draw,
  full=Config(
    width=1000,
    num_layers=60,
    num_seeds=50,
    num_curve=61,
    train_variances=(0.5, 0.7, 0.9, 1.2, 1.5, 1.76, 2.1, 2.5, 3.3, 4.5, 7.5),
    train_depths=(5, 10, 20, 40, 80),
    train_width=100,
    train_examples=1797,
    num_epochs=18,
    learning_rate=5e-4,  # 80 layers do not bear more.
  ),
)

if __name__ == "__main__":
  cli.main(STUDY)
