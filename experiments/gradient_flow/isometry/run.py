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

_NUM_SPECTRA = 30  # Networks whose spectrum is kept.


@dataclasses.dataclass(frozen=True)
class Config(settings.Config):
  """Networks of equal layers, and how many of each shape."""

  width: settings.Several = 120  # N.
  depth: settings.Several = 4  # L.
  num_seeds: settings.Several = 80  # Networks of this width.
  num_matrices: settings.Several = 1000  # Orthogonal ones of 20 rows.
  shape_seeds: settings.Several = 4000  # ReLU networks of each shape.
  narrow_seeds: settings.Several = 20_000  # The same of each narrow shape.
  seed: settings.Seed = 0  # Of all draws.


class Results(NamedTuple):
  """Of R networks, L layers, U units, and both weights; see `theory`."""

  spread: np.ndarray  # Of squared singular values, relative  [R, L, U, 2]
  traces: np.ndarray  # Of orthogonal matrices, and as by LAPACK  [R, 2]
  squares: np.ndarray  # Squared singular values, by panel  [R, panels, N]
  density: np.ndarray  # Of these, at infinite width, by panel  [panels, P]
  log_norms: np.ndarray  # Of gradients, -inf if dead  [R, S]
  log_variance: np.ndarray  # Exact variance of these  [S]
  narrow: np.ndarray  # The same in narrow networks  [R, S]
  second_moment: np.ndarray  # Exact E[|J v|^4] / E[|J v|^2]^2 of these  [S]


def run(config: Config) -> Results:
  """Draws Jacobians of all units and norms of all shapes."""
  with progress.parts("isometry", 5) as done:
    with jax.enable_x64(True):
      variances, density = done(_theory(config.depth))
    keys = jax.random.split(jax.random.key(config.seed), 4)
    spread, jacobians = done(_jacobians(config, keys[0], variances))
    return Results(
      spread,
      done(_traces(jax.random.split(keys[1], config.num_matrices))),
      np.linalg.svd(jacobians[:_NUM_SPECTRA], compute_uv=False) ** 2,
      density,
      done(_norms(keys[2], theory.SHAPES, config.shape_seeds)),
      np.array([finite_width.relu_log_norm(s)[1] for s in theory.SHAPES]),
      done(_norms(keys[3], theory.NARROW_SHAPES, config.narrow_seeds)),
      np.array([*map(finite_width.relu_fourth_moment, theory.NARROW_SHAPES)]),
    )


def _theory(depth):
  """Returns critical sigma_w^2 and sigma_b^2 [2, U], and the densities."""

  def everything():
    points = {
      name: phases.critical_point(unit, theory.Q, kinks=kinks)
      for name, (unit, kinks) in networks.UNITS.items()
    }

    def density(name, weights):
      unit, kinks = networks.UNITS[name]
      layers = {"depth": depth, "orthogonal": weights == 1, "kinks": kinks}
      sigma_w = jnp.sqrt(points[name][0])
      return spectra.density(theory.X, unit, theory.Q, sigma_w, **layers)

    densities = [density(*panel) for panel in theory.PANELS]
    return jnp.array(list(points.values())).T, jnp.stack(densities)

  variances, density = map(np.asarray, jax.jit(everything)())
  # Linear units and ReLU are critical without biases, up to rounding.
  return np.where(variances < 1e-12, 0, variances).astype(np.float32), density


def _jacobians(config, key, variances):
  def one(key):
    keys = jax.random.split(key, config.depth)
    return networks.jacobians(keys, *variances, width=config.width)

  return sweeps.sweep(one, jax.random.split(key, config.num_seeds), quick=True)


def _traces(keys):
  def one(key):
    return jax.tree.map(
      jnp.trace, networks.haar(jax.random.normal(key, (20, 20)))
    )

  return np.stack(sweeps.sweep(one, keys, quick=True), axis=-1)


def _norms(key, shapes, num_seeds):
  """Sends signals and tangents through ReLU networks of these shapes."""
  depth = max(map(len, shapes))
  widths = np.array([shape + (0,) * (depth - len(shape)) for shape in shapes])

  def one(key):
    norms = functools.partial(networks.log_norm, max_width=int(widths.max()))
    return jax.vmap(norms, (None, 0))(jax.random.split(key, depth), widths)

  return sweeps.sweep(one, jax.random.split(key, num_seeds))
