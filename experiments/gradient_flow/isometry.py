"""How evenly does a deep network stretch its inputs, and how much by luck?

The Jacobian J of outputs by inputs multiplies gradients on their way back. That
it keeps the length of an average gradient (the critical line) is not enough:
its singular values spread with the depth, and its norm varies from one draw of
the weights to the next. What a student should take from it:

- With Gaussian weights the squared singular values spread at least like the
  depth L, whatever the units. Orthogonal weights take 1 off per layer: nothing
  is left for linear units, little for saturating ones in their linear range.
- ReLU gains little from them: half of its slopes are 0 at any scale.
- The norm of J is nearly log-normal, with 5 sum(1 / width) as the variance of
  its logarithm: shape matters through this sum alone. Moments of the norm
  itself are those of a few rare networks. Take logarithms.
- An orthogonal matrix from a QR factorisation alone is not uniformly
  distributed: the signs of R's diagonal have to be put right.

  python -m experiments.gradient_flow.isometry

takes 15 seconds (--full, with the published 1000 units: some 10 minutes).
Numbers to expect: relative variances of 2 L, L, L and 0 for ReLU and linear
units; all means within 4 standard errors.

Departures: widths of 48 and 96, from which the limit of infinite width is
extrapolated; for linear units and ReLU they are compared with exact figures for
these widths, too.
"""

import dataclasses
import functools

import jax
import numpy as np
from jax import numpy as jnp

from experiments import cli, progress, study
from experiments.gradient_flow import (
  isometry_claims,
  isometry_figure,
  isometry_networks,
  isometry_theory,
)
from nnfun.theory import phases, spectra


@dataclasses.dataclass(frozen=True)
class Config:
  """Networks of equal layers, and shapes of ReLU networks."""

  width: int = 96  # N; half of it is run too.
  depth: int = 4  # L.
  num_seeds: int = 150  # Networks of width N, and four times as many of N / 2.
  num_spectra: int = 20  # Of these networks, those whose spectrum is kept.
  q: float = 0.5  # Variance of the pre-activations.
  num_points: int = 200  # Of each theoretical density.
  # Widths n_1 ... n_L of ReLU networks.
  shapes: tuple[tuple[int, ...], ...] = (
    (32,) * 8,
    (32,) * 16,
    (64,) * 32,
    (24, 48) * 8,
    (16, 48) * 8,
    (32,) * 32,
    (16,) * 24,
  )
  shape_seeds: int = 1500  # Networks of each shape.
  seed: int = 0  # Of all draws.


def run(config: Config) -> dict[str, np.ndarray]:
  """Draws Jacobians and norms.

  Args:
    config: the settings.

  Returns:
    For U units (`isometry_networks.UNITS`) and Gaussian, orthogonal weights:
    the critical `variance_w`, `variance_b` [U] and `q` []; for both `widths`,
    with suffix _0 (N / 2) and _1 (N), by seed, `mean` and `mean_square` of the
    squared singular values [R, L, U, 2] and `traces` of orthogonal matrices
    [R, L, 2]; `squares`, the values themselves for width N and some of the
    seeds [R'', U, 2, N]. The `density` of infinite width at `density_x` [P] by
    panel of the figure [panels, P]. For ReLU shapes, zero-padded `shapes`
    [S, L'] and `log_norms` of signal and tangent [R', 2, S].

  Raises:
    ValueError: if a setting is out of range.
  """
  _check(config)
  with jax.enable_x64(True):
    results = _critical(config)
    widths = config.width // 2, config.width
    for i, width in enumerate(progress.track(widths, "isometry: Jacobians")):
      num_seeds = config.num_seeds * (4 if i == 0 else 1)
      results |= _jacobians(config, results, i, width, num_seeds)
    results |= _densities(config, results)
  results["widths"] = np.array(widths)
  results |= _log_norms(config)
  return {name: np.asarray(value) for name, value in results.items()}


def _check(config):
  if config.width < 4 or config.width % 2:
    raise ValueError(f"expected an even width >= 4, got {config.width}")
  for name in ("depth", "num_seeds", "num_points", "shape_seeds"):
    if getattr(config, name) < 2:
      raise ValueError(f"expected {name} >= 2, got {getattr(config, name)}")
  if config.q <= 0:
    raise ValueError(f"expected q > 0, got {config.q}")
  if len(config.shapes) < 2 or any(
    min(s, default=0) < 1 for s in config.shapes
  ):
    raise ValueError(
      "expected two or more shapes, each of layers with one or more units, got "
      f"{config.shapes}"
    )


def _keys(config, index, *shape):
  key = jax.random.fold_in(jax.random.key(config.seed), index)
  return jax.random.split(key, shape)


def _critical(config):
  def points(q):
    units = isometry_networks.UNITS.values()
    return [
      phases.critical_point(unit, q, kinks=kinks) for unit, kinks in units
    ]

  variance_w, variance_b = np.asarray(jax.jit(points)(config.q)).T
  # Linear units and ReLU are critical without biases, up to rounding.
  variance_b = np.where(np.abs(variance_b) < 1e-12, 0, variance_b)
  return {"q": config.q, "variance_w": variance_w, "variance_b": variance_b}


def _jacobians(config, results, index, width, num_seeds):
  variances = [jnp.asarray(results[f"variance_{which}"]) for which in "wb"]

  def one(keys):
    return isometry_networks.jacobians(keys, *variances, config.q, width=width)

  keys = _keys(config, index, num_seeds, config.depth)
  measured, grams = jax.jit(jax.vmap(one))(keys)
  results = {f"{name}_{index}": v for name, v in measured._asdict().items()}
  if index == 1:
    some = np.asarray(grams[: config.num_spectra])
    results["squares"] = np.maximum(np.linalg.eigvalsh(some), 0)
  return results


def _densities(config, results):
  """Evaluates the densities of the figure's panels at common points."""
  x = np.geomspace(1e-4, 60, config.num_points)
  names = list(isometry_networks.UNITS)
  densities = []
  for unit, weights in isometry_theory.PANELS:
    i = names.index(unit)
    activation, kinks = isometry_networks.UNITS[unit]
    density = functools.partial(
      spectra.density,
      activation=activation,
      q=config.q,
      sigma_w=np.sqrt(results["variance_w"][i]),
      depth=config.depth,
      orthogonal=weights == 1,
      kinks=kinks,
    )
    densities.append(jax.jit(density)(x))
  return {"density_x": x, "density": np.stack(densities)}


def _log_norms(config):
  num_layers = np.array([len(shape) for shape in config.shapes])
  max_layers, max_width = int(max(num_layers)), max(map(max, config.shapes))
  widths = np.ones((len(num_layers), 1 + max_layers), np.int32)
  for row, shape in zip(widths, config.shapes, strict=True):
    row[: 1 + len(shape)] = shape[0], *shape  # The input is as the first layer.

  def one(keys):
    return isometry_networks.log_norms(
      keys, jnp.asarray(widths), jnp.asarray(num_layers), max_width=max_width
    )

  keys = _keys(config, 2, config.shape_seeds, max_layers)
  log_norms = jax.jit(jax.vmap(one))(keys)
  is_layer = np.arange(max_layers)[np.newaxis] < num_layers[:, np.newaxis]
  shapes = np.where(is_layer, widths[:, 1:], 0)
  return {"shapes": shapes, "log_norms": log_norms}


STUDY = study.Study(
  name="gradient_flow/isometry",
  question="How evenly does a deep network stretch its inputs, and how much by"
  " luck?",
  Config=Config,
  run=run,
  claims=isometry_claims.all_claims,
  plot=isometry_figure.draw,
  full=Config(
    width=1000,
    depth=16,
    num_seeds=8,
    num_points=1000,
    shape_seeds=20_000,
  ),
)

if __name__ == "__main__":
  cli.main(STUDY)
