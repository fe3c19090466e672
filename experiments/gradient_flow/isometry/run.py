"""Draws Jacobians and norms of random networks."""

import dataclasses
import functools
from typing import NamedTuple

import jax
import numpy as np
from jax import numpy as jnp

from experiments import progress, settings, sweeps
from experiments.gradient_flow.isometry import networks, theory
from nnfun.theory import finite_width, phases, spectra


@dataclasses.dataclass(frozen=True)
class Config(settings.Config):
  """Networks of equal layers, and shapes of ReLU networks."""

  width: settings.Count = 80  # N; half of it is run too.
  depth: settings.Count = 4  # L.
  num_seeds: settings.Count = 400  # Networks of width N; 4 times that of N / 2.
  num_spectra: settings.Count = 30  # Of these, those whose spectrum is kept.
  q: settings.Positive = 0.5  # Variance of the pre-activations.
  num_points: settings.Count = 100  # Of each theoretical density.
  # Widths n_1 ... n_L of ReLU networks.
  shapes: tuple[tuple[settings.Count, ...], ...] = (
    (32,) * 4,
    (32,) * 8,
    (24, 32) * 5,
    (16,) * 8,
    (32,) * 16,
    (24,) * 16,
    (16, 32) * 8,
    (16,) * 16,
  )
  shape_seeds: settings.Count = 4000  # Networks of each shape.
  # Small sums of 1 / width, where moments can be measured by many networks.
  narrow_shapes: tuple[tuple[settings.Count, ...], ...] = (
    (16,),
    (8,),
    (16, 16),
  )
  narrow_seeds: settings.Count = 20_000  # Networks of each narrow shape.
  seed: settings.Seed = 0  # Of all draws.

  def __post_init__(self) -> None:
    """Refuses what cannot be halved, or has no error."""
    super().__post_init__()
    settings.require(
      self.width % 2 == 0 and self.width >= 4,
      "an even width >= 4",
      width=self.width,
    )
    for name in ("depth", "num_seeds", "shape_seeds", "narrow_seeds"):
      value = getattr(self, name)
      settings.require(value >= 2, f"{name} >= 2", **{name: value})


class Spectra(NamedTuple):
  """Of R networks of one width, L layers, U units, and both weights."""

  width: np.ndarray  # N  []
  mean: np.ndarray  # Of the squared singular values  [R, L, U, 2]
  mean_square: np.ndarray  # Of their squares  [R, L, U, 2]
  traces: np.ndarray  # Of orthogonal matrices, and as by LAPACK  [R, L, 2]


class Norms(NamedTuple):
  """Of R networks of each of S shapes."""

  shapes: np.ndarray  # Widths, padded with zeros  [S, L]
  log_norms: np.ndarray  # Of signal and tangent; -inf if dead  [R, 2, S]
  log_variance: np.ndarray  # Exact variance of these  [S]
  second_moment: np.ndarray  # Exact E[|J v|^4] / E[|J v|^2]^2  [S]


class Results(NamedTuple):
  """What is kept; units and weights in the order of `theory`."""

  q: np.ndarray  # []
  variance_w: np.ndarray  # Critical sigma_w^2  [U]
  half: Spectra  # Of width N / 2.
  whole: Spectra  # Of width N.
  squares: np.ndarray  # Squared singular values of some networks  [R, U, 2, N]
  density_x: np.ndarray  # Squared singular values  [P]
  density: np.ndarray  # At infinite width, by `theory.PANELS`  [panels, P]
  norms: Norms  # Of ReLU networks.
  narrow: Norms  # Of many small ones.


def run(config: Config) -> Results:
  """Draws Jacobians of all units and norms of all shapes."""
  with jax.enable_x64(True):
    variances = _critical(config)
    x, density = _densities(config, variances[0])
  (half, _), (whole, grams) = (
    _jacobians(config, index, variances)
    for index in progress.track((0, 1), "isometry: Jacobians")
  )
  return Results(
    q=np.array(config.q),
    variance_w=variances[0],
    half=half,
    whole=whole,
    squares=np.maximum(np.linalg.eigvalsh(grams), 0),
    density_x=x,
    density=density,
    norms=_norms(config, 2, config.shapes, config.shape_seeds),
    narrow=_norms(config, 3, config.narrow_shapes, config.narrow_seeds),
  )


def _keys(config, index, *shape):
  key = jax.random.fold_in(jax.random.key(config.seed), index)
  return jax.random.split(key, shape)


def _critical(config):
  """Returns sigma_w^2 and sigma_b^2 of all units on the critical line."""

  def points(q):
    return [
      phases.critical_point(unit, q, kinks=kinks)
      for unit, kinks in networks.UNITS.values()
    ]

  variance_w, variance_b = np.asarray(sweeps.quick_jit(points)(config.q)).T
  # Linear units and ReLU are critical without biases, up to rounding.
  return variance_w, np.where(np.abs(variance_b) < 1e-12, 0, variance_b)


def _jacobians(config, index, variances):
  """Returns moments for N / 2 or N, and some J^T J after the last layer."""
  width = config.width // (2 if index == 0 else 1)
  num_seeds = config.num_seeds * (4 if index == 0 else 1)
  as_floats = [jnp.asarray(v, jnp.float32) for v in variances]

  def one(keys):
    return networks.jacobians(keys, *as_floats, config.q, width=width)

  keys = _keys(config, index, num_seeds, config.depth)
  measured, grams = sweeps.sweep(one, keys)
  return Spectra(np.array(width), *measured), grams[: config.num_spectra]


def _densities(config, variance_w):
  """Evaluates the densities of the figure's panels at common points."""
  x = np.geomspace(1e-4, 60, config.num_points)
  densities = []
  for unit, weights in theory.PANELS:
    activation, kinks = networks.UNITS[unit]
    density = functools.partial(
      spectra.density,
      activation=activation,
      q=config.q,
      sigma_w=np.sqrt(variance_w[theory.UNITS.index(unit)]),
      depth=config.depth,
      orthogonal=weights == 1,
      kinks=kinks,
    )
    densities.append(np.asarray(jax.jit(density)(x)))
  return x, np.stack(densities)


def _norms(config, index, shapes, num_seeds):
  """Sends signals and tangents through ReLU networks of these shapes."""
  num_layers = np.array([len(shape) for shape in shapes])
  max_width = max(map(max, shapes))
  widths = np.ones((len(shapes), 1 + max(num_layers)), np.int32)
  for row, shape in zip(widths, shapes, strict=True):
    row[: 1 + len(shape)] = shape[0], *shape  # The input is as the first layer.

  def one(keys):
    return networks.log_norms(
      keys, jnp.asarray(widths), jnp.asarray(num_layers), max_width=max_width
    )

  is_layer = np.arange(max(num_layers)) < num_layers[:, np.newaxis]
  return Norms(
    shapes=np.where(is_layer, widths[:, 1:], 0),
    log_norms=sweeps.sweep(
      one, _keys(config, index, num_seeds, max(num_layers))
    ),
    log_variance=np.array([finite_width.relu_log_norm(s)[1] for s in shapes]),
    second_moment=np.array(
      [finite_width.relu_fourth_moment(s) for s in shapes]
    ),
  )
