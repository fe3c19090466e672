"""Steps, bumps and towers of sigmoids, measured."""

from typing import NamedTuple

import jax
import numpy as np
from jax import numpy as jnp

from experiments import progress
from experiments.textbook import constructions
from experiments.textbook.universal_approximation import config as config_lib
from experiments.textbook.universal_approximation import (
  networks,
  readings,
  theory,
)

_BUMP_LAYERS = (networks.SIGMOID, networks.SIGMOID)
_SUM_LAYERS = (*_BUMP_LAYERS, networks.IDENTITY)
_STEP_SUM_LAYERS = (networks.SIGMOID, networks.IDENTITY)
_NUM_POINTS = 2000  # Random, where towers are compared.
_STEP_WIDTH = 20 / readings.WEIGHT  # Where a step is over.


class Steps(NamedTuple):
  """Steps and bumps; W of `readings.WEIGHTS`, Q points of `readings.LINE`."""

  levels: np.ndarray  # Where each step reaches `readings.LEVELS`  [W, 3]
  drawn: np.ndarray  # Outputs of the steps  [W, Q]
  bump: np.ndarray  # Output at `readings.BUMP_PLACES`  [5]
  drawn_bumps: np.ndarray  # Outputs of bumps of these w and h = 20  [W, Q]


class Curve(NamedTuple):
  """A network along [0, 1]."""

  xs: np.ndarray  # [P]
  ys: np.ndarray  # [P]


class Sums(NamedTuple):
  """Functions of one variable; N numbers of bumps."""

  counts: np.ndarray  # [N]
  errors: np.ndarray  # The largest of the sum of bumps  [N]
  mean_errors: np.ndarray  # The same of the true means of f  [N]
  one_layer_errors: np.ndarray  # And of as many steps less one  [N]
  curves: dict[str, Curve]  # The networks by the number of bumps


class Towers(NamedTuple):
  """Functions of m = 1 ... 4 variables; C numbers of cells."""

  errors: np.ndarray  # The worst, with the bias of the constructor  [4]
  printed_errors: np.ndarray  # With the bias -(2h - 1)/2  [4]
  place_errors: np.ndarray  # With biases at `readings.BIAS_PLACES`  [4, 7]
  surface: np.ndarray  # A tower over `readings.SURFACE`  [61, 61]
  cells: np.ndarray  # Cells of a plane each way  [C]
  plane_errors: np.ndarray  # The largest, off the edges of the cells  [C]
  plane_corners: np.ndarray  # The largest output where cells meet  [C]


def measure_steps() -> Steps:
  """Evaluates steps and bumps; to be called with 64-bit numbers."""
  units = np.linspace(-4, 4, 4001)  # Of 1 / w.
  levels, drawn = [], []
  for weight in readings.WEIGHTS:
    xs = readings.STEP + units / weight
    step = constructions.step(readings.STEP, weight=weight)
    ys = networks.evaluate(step, xs, (networks.SIGMOID,))
    levels.append(np.interp(readings.LEVELS, ys, xs))
    drawn.append(networks.evaluate(step, readings.LINE, (networks.SIGMOID,)))
  return Steps(
    np.array(levels),
    np.array(drawn),
    _bump(readings.WEIGHT, readings.GAIN, np.array(readings.BUMP_PLACES)),
    np.array(
      [
        _bump(weight, readings.TOWER_GAIN, readings.LINE)
        for weight in readings.WEIGHTS
      ]
    ),
  )


def _bump(weight, gain, xs):
  params = constructions.bump(*readings.BUMP, weight=weight, gain=gain)
  return networks.evaluate(params, xs, _BUMP_LAYERS)


def measure_sums(config: config_lib.Config) -> Sums:
  """Evaluates sums of bumps; to be called with 64-bit numbers."""
  counts = progress.track(config.num_bumps, "sums of bumps")
  rows = [_sum(count) for count in counts]
  *errors, curves = zip(*rows, strict=True)
  names = map(str, config.num_bumps)
  return Sums(
    np.array(config.num_bumps),
    *map(np.array, errors),
    dict(zip(names, curves, strict=True)),
  )


def _sum(num_bumps):
  # Close to the edges of the parts, where the error is largest, but outside
  # the steps, which are many times steeper.
  inside = np.linspace(1e-3, 1 - 1e-3, 17)
  parts = (np.arange(num_bumps)[:, None] + inside) / num_bumps
  xs, edges = parts.ravel(), np.arange(num_bumps + 1) / num_bumps
  means = theory.target_mean(edges[:-1], edges[1:])[:, None] + 0 * parts
  bumps = constructions.bump_sum(
    networks.target,
    num_bumps=num_bumps,
    weight=readings.WEIGHT,
    gain=readings.GAIN,
  )
  steps = constructions.step_sum(
    networks.target, num_parts=num_bumps, weight=readings.WEIGHT
  )
  ys = networks.evaluate(bumps, xs, _SUM_LAYERS)
  one_layer = networks.evaluate(steps, xs, _STEP_SUM_LAYERS)
  errors = [
    np.max(np.abs(values - theory.target(xs)))
    for values in (ys, means.ravel(), one_layer)
  ]
  return *errors, Curve(xs, ys)


def measure_towers(config: config_lib.Config) -> Towers:
  """Evaluates towers; to be called with 64-bit numbers."""
  errors = np.stack([_tower_errors(config, m) for m in range(1, 5)])
  planes = [_plane_errors(count) for count in config.num_cells]
  return Towers(
    errors[:, 0],
    errors[:, 1],
    errors[:, 2:],
    _surface(),
    np.array(config.num_cells),
    *np.array(planes).T,
  )


def _tower_errors(config, num_axes):
  """Returns the worst error for each bias [2 + 7]."""
  lows, highs = readings.TOWER[:num_axes].T
  rng = np.random.default_rng([config.seed, num_axes])
  # Inside or outside of each interval, a tenth of its length from the ends.
  place = rng.uniform(0.1, 0.9, (_NUM_POINTS, num_axes))
  place += rng.integers(-1, 2, place.shape)
  place[:16] = rng.uniform(0.1, 0.9, (16, num_axes))  # All coordinates inside.
  place[16:32] = place[:16]
  place[16:32, 0] += 1  # One outside.
  gain = readings.TOWER_GAIN
  biases = [None, -(2 * gain - 1) / 2]
  biases += list(-(num_axes - 1 + readings.BIAS_PLACES) * gain)
  towers = [
    constructions.tower(
      lows, highs, weight=readings.WEIGHT, gain=gain, bias=bias
    )
    for bias in biases
  ]
  # All biases at once: as many outputs of one network.
  firsts, seconds = zip(*towers, strict=True)
  second = jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *seconds)
  ys = networks.evaluate(
    (firsts[0], second), lows + place * (highs - lows), _BUMP_LAYERS
  )
  inside = np.all((place > 0) & (place < 1), axis=1)
  return np.max(np.abs(ys - inside[:, None]), axis=0)


def _surface():
  """Returns the tower of figure 4.7 on a grid around it [Y, X]."""
  lows, highs = readings.TOWER[:2].T
  gain = readings.TOWER_GAIN  # As a weight it lets the edges be seen.
  tower = constructions.tower(lows, highs, weight=gain, gain=gain)
  grid = np.stack(np.meshgrid(*readings.SURFACE), axis=-1)
  ys = networks.evaluate(tower, grid.reshape(-1, 2), _BUMP_LAYERS)
  return ys.reshape(grid.shape[:2])


@jax.jit
def _plane(x):
  """A map of the unit square to the plane."""
  return jnp.stack([jnp.sin(2 * x[0]) * jnp.cos(3 * x[1]), x[0] * x[1]])


def _plane_errors(num_cells):
  """Returns the largest error in cells, and the output at their corners."""
  params = constructions.tower_sum(
    _plane,
    np.zeros(2),
    np.ones(2),
    num_cells=num_cells,
    weight=readings.WEIGHT,
    gain=readings.GAIN,
  )
  margin = _STEP_WIDTH * num_cells  # In cells.
  cells = np.indices((num_cells, num_cells)).reshape(2, -1).T
  inside = [[margin, 0.5, 1 - margin]] * 2
  offsets = np.stack(np.meshgrid(*inside), axis=-1).reshape(-1, 2)
  points = (cells[:, None] + offsets).reshape(-1, 2) / num_cells
  meetings = cells[np.all(cells > 0, axis=1)] / num_cells
  ys = networks.evaluate(
    params, np.concatenate([points, meetings]), _SUM_LAYERS
  )
  errors = np.abs(ys[: len(points)] - jax.vmap(_plane)(points))
  return np.max(errors), np.max(np.abs(ys[len(points) :]))
