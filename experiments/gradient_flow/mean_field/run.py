"""Measures what mean-field theory predicts, and trains."""

import dataclasses
import functools
from typing import NamedTuple

import jax
import numpy as np
from jax import numpy as jnp

import nnfun as nf
from experiments import progress, settings, sweeps
from experiments.gradient_flow.mean_field import networks, readings, training
from nnfun.theory import mean_field, phases

_Variances = settings.Ascending[settings.Positive]
_phi = nf.activations.tanh
_NUM_CURVE = 17  # Points of each theoretical curve.
_START_DISTANCE = 0.08  # Of the correlations from c* at the start.


@dataclasses.dataclass(frozen=True)
class Config(settings.Config):
  """Settings of the networks, at the start and in training."""

  width: settings.at_least(24) = 192  # N.
  num_layers: settings.at_least(30) = 40  # L.
  num_seeds: settings.Several = 48  # Networks.
  # Variances of the weights of the trained networks.
  train_variances: _Variances = (0.5, 0.9, 1.2, 1.76, 3.0, 7.5, 20.0)
  # Hidden layers.
  train_depths: settings.Ascending[settings.Count] = (5, 10, 20)
  train_width: settings.Count = 48  # Units of each layer.
  train_seeds: settings.Several = 4  # Networks of each depth and variance.
  train_examples: settings.Count = 800  # Digits.
  num_epochs: settings.Count = 4  # Passes through the digits, 32 at a time.
  learning_rate: settings.Positive = 4e-3  # Of SGD with momentum 0.9.
  seed: settings.Seed = 0  # Of all draws.


class Theory(NamedTuple):
  """Where signals settle and how fast, by setting; from the library."""

  sigma_w: np.ndarray  # [S]
  sigma_b: np.ndarray  # [S]
  q: np.ndarray  # q*  [S]
  c: np.ndarray  # c*  [S]
  chi_1: np.ndarray  # Growth of squared gradients per layer  [S]
  xi_c: np.ndarray  # Layers  [S]


class Results(NamedTuple):
  """Of the S settings in `readings`, and R networks."""

  width: np.ndarray  # N  []
  theory: Theory  # Of these settings.
  q: np.ndarray  # Mean square behind each layer  [R, S, L]
  growth: np.ndarray  # Of squared tangents in each layer  [R, S, L]
  # 1 - c of two groups, one nearer to c = 1, the start first  [R, S, L + 1, 2]
  distance: np.ndarray
  curve: Theory  # By sigma_w, at the biases in training.
  critical_variance: np.ndarray  # sigma_w^2 at these biases  []
  train_variances: np.ndarray  # [W]
  train_xi_c: np.ndarray  # [W]
  train_depths: np.ndarray  # [D]
  accuracy: np.ndarray  # On the digits, after training  [R', D, W]


def run(config: Config) -> Results:
  """Measures what the theory predicts, and trains."""
  variances = np.array(config.train_variances)
  key_networks, key_training = jax.random.split(jax.random.key(config.seed))
  keys = jax.random.split(key_training, config.train_seeds)
  train = functools.partial(training.accuracies, config)
  with progress.parts("mean field", 3) as done:
    with jax.enable_x64(True):
      theory, curve, critical = done(_theory(np.sqrt(variances)))
    return Results(
      np.array(config.width),
      theory,
      *done(_propagation(config, theory, key_networks)),
      curve,
      critical**2,
      variances,
      curve.xi_c[np.searchsorted(curve.sigma_w, np.sqrt(variances))],
      np.array(config.train_depths),
      done(sweeps.sweep(train, keys)),
    )


def _theory(trained):
  """Returns the theory of the settings, of a curve, and critical sigma_w."""
  ends = np.geomspace(trained[0], trained[-1], _NUM_CURVE)
  curve = [(w, readings.VARIANCE_B**0.5) for w in np.union1d(ends, trained)]
  settings = np.sqrt(readings.SETTINGS)

  def one(sigma_w, sigma_b):
    q = phases.fixed_variance(_phi, sigma_w, sigma_b)
    c = phases.fixed_correlation(_phi, q, sigma_w, sigma_b)
    chi_1 = mean_field.chi_1(_phi, q, sigma_w)
    xi_c = phases.depth_scale_c(_phi, c, q, sigma_w)
    return Theory(sigma_w, sigma_b, q, c, chi_1, xi_c)

  @sweeps.quick_jit
  def everything(pairs):
    critical = phases.critical_sigma_w(_phi, readings.VARIANCE_B**0.5)
    return jax.vmap(one)(*pairs.T), critical

  theory, critical = jax.tree.map(
    np.asarray, everything(np.concatenate([settings, curve]))
  )
  cut = len(settings)
  return (
    Theory(*(leaf[:cut] for leaf in theory)),
    Theory(*(leaf[cut:] for leaf in theory)),
    critical,
  )


def _propagation(config, theory, key):
  """Sends inputs through the networks; returns q, growth and distance.

  Two groups are to approach c*: in the chaotic phase from both sides, so that
  the curvature of the map cancels in their difference. In the ordered phase,
  c* = 1, one starts ten times nearer, where the map is straight.
  """
  near = theory.c + np.where(theory.c == 1, -0.1, 1) * _START_DISTANCE
  c = np.stack([near, theory.c - _START_DISTANCE], -1)
  starts = networks.Start(theory.sigma_w, theory.sigma_b, theory.q, c)
  starts = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float32), starts)

  def one(key):
    keys = jax.random.split(key, 1 + config.num_layers)
    propagate = functools.partial(networks.propagate, width=config.width)
    return jax.vmap(propagate, (None, 0))(keys, starts)

  keys = jax.random.split(key, config.num_seeds)
  q, growth, behind = sweeps.sweep(one, keys)
  first = np.broadcast_to(1 - c[:, None], (*behind.shape[:2], 1, 2))
  return q, growth, np.concatenate([first, behind], axis=2)
