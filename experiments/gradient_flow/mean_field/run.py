"""Measures what mean-field theory predicts, and trains."""

import dataclasses
import functools
from typing import NamedTuple

import jax
import numpy as np
from jax import numpy as jnp

import nnfun as nf
from experiments import settings, sweeps
from experiments.gradient_flow.mean_field import networks, training
from nnfun.theory import mean_field, phases

_phi = nf.activations.tanh


@dataclasses.dataclass(frozen=True)
class Config(settings.Config):
  """Settings of the networks, at the start and in training."""

  # Standard deviations of the weights, times the square root of the fan-in.
  sigma_w: tuple[settings.Positive, ...] = (1.3, 2.5, 4.0)
  sigma_b: settings.Positive = 0.3  # Of the biases that go with them.
  # Variances of the weights for the depth scales, ascending; the critical
  # variance lies between the first and the last.
  variances_w: tuple[settings.Positive, ...] = (1.3, 1.5, 1.7, 2.0, 2.5, 4.0)
  # Of the biases that go with them, and in training.
  variance_b: settings.Positive = 0.05
  width: settings.Count = 192  # N.
  num_layers: settings.Count = 40  # L.
  num_inputs: settings.Count = 12  # In each group of equal correlation.
  num_seeds: settings.Count = 48  # Networks.
  # Of the correlations from c* at the start.
  start_distance: settings.Positive = 0.08
  num_points: settings.Count = 13  # Of each map.
  num_curve: settings.Count = 17  # Points of each theoretical curve.
  # Variances of the weights of the trained networks.
  train_variances: tuple[settings.Positive, ...] = (
    0.5,
    0.9,
    1.2,
    1.76,
    3.0,
    7.5,
    20.0,
  )
  train_depths: tuple[settings.Count, ...] = (5, 10, 20)  # Hidden layers.
  train_width: settings.Count = 48  # Units of each layer.
  train_seeds: settings.Count = 4  # Networks of each depth and variance.
  train_examples: settings.Count = 800  # Digits.
  batch_size: settings.Count = 32  # Digits in a mini-batch.
  num_epochs: settings.Count = 4  # Passes through the digits.
  learning_rate: settings.Positive = 4e-3  # Of SGD with momentum 0.9.
  seed: settings.Seed = 0  # Of all draws.

  def __post_init__(self) -> None:
    """Refuses what has no order, no error, or cannot be correlated so."""
    super().__post_init__()
    for name in ("sigma_w", "variances_w", "train_variances", "train_depths"):
      values = getattr(self, name)
      ascending = list(values) == sorted(set(values))
      settings.require(ascending, f"ascending {name}", **{name: values})
    for name, least in (
      ("width", 2 * self.num_inputs),
      ("num_layers", 30),
      ("num_inputs", 2),
      ("num_seeds", 3),
      ("train_seeds", 2),
    ):
      value = getattr(self, name)
      settings.require(value >= least, f"{name} >= {least}", **{name: value})
    settings.require(
      self.start_distance <= 1 / self.num_inputs,
      "start_distance <= 1 / num_inputs, as inputs cannot all be negatively "
      "correlated",
      start_distance=self.start_distance,
      num_inputs=self.num_inputs,
    )


class Theory(NamedTuple):
  """Where signals settle and how fast, by setting; from the library."""

  q: np.ndarray  # q*  [S]
  c: np.ndarray  # c*  [S]
  chi_1: np.ndarray  # Growth of squared gradients per layer  [S]
  xi_c: np.ndarray  # Layers  [S]


class Map(NamedTuple):
  """What one layer makes of a number, for S' of the settings."""

  x: np.ndarray  # What goes in  [P]
  measured: np.ndarray  # What comes out of R networks  [R, S', P]
  theory: np.ndarray  # By the library's integral  [S', P]


class Results(NamedTuple):
  """S settings, those of `sigma_w` before `variances_w`; R networks."""

  width: np.ndarray  # N  []
  sigma_w: np.ndarray  # [S]
  sigma_b: np.ndarray  # [S]
  theory: Theory  # Of these settings.
  q: np.ndarray  # Mean square behind each layer  [R, L, S]
  growth: np.ndarray  # Of squared tangents in each layer  [R, L, S]
  # 1 - c of two groups, one nearer to c = 1, the start first  [R, L + 1, S, 2]
  distance: np.ndarray
  map_q: Map  # Of the variance.
  map_c: Map  # Of the correlation.
  critical_variance: np.ndarray  # sigma_w^2 at variance_b  []
  curve_variance_w: np.ndarray  # sigma_w^2  [C]
  curve_xi_c: np.ndarray  # At variance_b  [C]
  curve_sigma_b: np.ndarray  # [C]
  curve_critical: np.ndarray  # Critical sigma_w^2  [C]
  train_variances: np.ndarray  # sigma_w^2  [W]
  train_xi_c: np.ndarray  # [W]
  train_depths: np.ndarray  # [D]
  accuracy: np.ndarray  # On the digits, after training  [R', D, W]


def run(config: Config) -> Results:
  """Measures what the theory predicts, and trains."""
  num_pairs = len(config.sigma_w)
  sigma_w = np.append(config.sigma_w, np.sqrt(config.variances_w))
  sigma_b = np.full(len(sigma_w), config.variance_b**0.5)
  sigma_b[:num_pairs] = config.sigma_b
  trained = np.array(config.train_variances)
  curve = np.geomspace(trained[0], trained[-1], config.num_curve)
  with jax.enable_x64(True):
    theory, xi_c = _theory(config, sigma_w, sigma_b, np.append(curve, trained))
    curve_sigma_b, critical, critical_variance = _critical(config)
  starts = _starts(config, sigma_w, sigma_b, theory)
  map_q, map_c = _maps(config, jax.tree.map(lambda x: x[:num_pairs], starts))
  measured = _propagation(config, starts)
  return Results(
    width=np.array(config.width),
    sigma_w=sigma_w,
    sigma_b=sigma_b,
    theory=theory,
    **measured,
    map_q=map_q,
    map_c=map_c,
    critical_variance=critical_variance,
    curve_variance_w=curve,
    curve_xi_c=xi_c[: len(curve)],
    curve_sigma_b=curve_sigma_b,
    curve_critical=critical,
    train_variances=trained,
    train_xi_c=xi_c[len(curve) :],
    train_depths=np.array(config.train_depths),
    accuracy=_training(config),
  )


def _keys(config, index, *shape):
  key = jax.random.fold_in(jax.random.key(config.seed), index)
  return jax.random.split(key, shape)


def _theory(config, sigma_w, sigma_b, variances):
  """Returns the theory of the settings, and xi_c at further variances_w."""

  def one(sigma_w, sigma_b):
    q = phases.fixed_variance(_phi, sigma_w, sigma_b)
    c = phases.fixed_correlation(_phi, q, sigma_w, sigma_b)
    chi_1 = mean_field.chi_1(_phi, q, sigma_w)
    return Theory(q, c, chi_1, phases.depth_scale_c(_phi, c, q, sigma_w))

  all_w = np.append(sigma_w, np.sqrt(variances))
  all_b = np.append(sigma_b, np.full(len(variances), config.variance_b**0.5))
  everywhere = sweeps.sweep(one, all_w, all_b, quick=True)
  theory = jax.tree.map(lambda x: x[: len(sigma_w)], everywhere)
  return theory, everywhere.xi_c[len(sigma_w) :]


def _critical(config):
  """Returns the critical line, and where it is at variance_b."""
  sigma_b = np.linspace(0.02, 1, config.num_curve)
  line = sweeps.sweep(
    functools.partial(phases.critical_sigma_w, _phi),
    np.append(sigma_b, config.variance_b**0.5),
  )
  return sigma_b, line[:-1] ** 2, line[-1] ** 2


def _starts(config, sigma_w, sigma_b, theory):
  """Returns the settings, and from where two groups are to approach c*.

  In the chaotic phase from both sides, so that the curvature of the map cancels
  in their difference. In the ordered phase, c* = 1, one starts ten times
  nearer, where the map is straight.
  """
  distance = config.start_distance
  is_ordered = theory.c == 1
  near = np.where(is_ordered, 1 - distance / 10, theory.c + distance)
  c = np.stack([near, theory.c - distance], -1)
  starts = networks.Starts(sigma_w, sigma_b, theory.q, c)
  return jax.tree.map(lambda x: jnp.asarray(x, jnp.float32), starts)


def _propagation(config, starts):
  propagate = functools.partial(
    networks.propagate,
    starts=starts,
    width=config.width,
    num_inputs=config.num_inputs,
  )
  keys = _keys(config, 0, config.num_seeds, 1 + config.num_layers)
  measured = sweeps.sweep(propagate, keys)._asdict()
  first = np.broadcast_to(1 - starts.c, (config.num_seeds, 1, *starts.c.shape))
  behind = measured["distance"]
  return measured | {"distance": np.concatenate([first, behind], axis=1)}


def _maps(config, starts):
  """Compares one random layer with the integrals."""
  steps = np.arange(config.num_points) / config.num_points
  q = 1.3 * np.max(starts.q) * (steps + 1 / config.num_points) ** 2
  one = functools.partial(
    networks.maps,
    starts=starts,
    q=jnp.asarray(q, jnp.float32),
    c=jnp.asarray(steps, jnp.float32),
    width=config.width,
  )
  measured = sweeps.sweep(one, _keys(config, 1, config.num_seeds))

  def predict(start):
    sigmas = start.sigma_w, start.sigma_b

    def map_q(q):
      return mean_field.variance_map(_phi, q, *sigmas)

    def map_c(c):
      return mean_field.correlation_map(_phi, c, start.q, *sigmas)

    return jax.vmap(map_q)(jnp.asarray(q)), jax.vmap(map_c)(jnp.asarray(steps))

  with jax.enable_x64(True):
    exact = jax.tree.map(np.float64, starts)
    theory = sweeps.sweep(predict, exact, quick=True)
  return (
    Map(*columns)
    for columns in zip((np.asarray(q), steps), measured, theory, strict=True)
  )


def _training(config):
  xs, ys = training.standardized_digits(config.train_examples)
  train = functools.partial(
    training.accuracies,
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
  return sweeps.sweep(train, _keys(config, 3, config.train_seeds))
