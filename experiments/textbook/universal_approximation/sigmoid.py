"""Steps, bumps and towers of sigmoids, measured."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from experiments.textbook import constructions
from experiments.textbook.universal_approximation import networks, readings

_NUM_POINTS = 2000  # Random, where towers are compared.
_LINE, _WEIGHT, _GAIN = readings.LINE, readings.WEIGHT, readings.GAIN
_SIGMOIDS = networks.SIGMOID, networks.SIGMOID
_SUM = networks.SIGMOID, networks.IDENTITY


class Steps(NamedTuple):
  """W of `readings.WEIGHTS`, Q points of `readings.LINE`."""

  drawn: np.ndarray  # [W, Q]
  drawn_bumps: np.ndarray  # Of these w and h = 20  [W, Q]


class Sums(NamedTuple):
  """Functions of one variable; N numbers of bumps."""

  counts: np.ndarray  # [N]
  errors: np.ndarray  # The largest of the sum of bumps  [N]
  one_layer_errors: np.ndarray  # And of as many steps less one  [N]
  drawn: np.ndarray  # The sums along `readings.LINE`  [N, Q]


class Towers(NamedTuple):
  """Functions of m = 1 ... 4 variables."""

  # The worst with the constructor's bias, and at `BIAS_PLACES`  [4, 1 + 5]
  errors: np.ndarray
  printed_errors: np.ndarray  # With the bias -(2h - 1)/2  [4]
  surface: np.ndarray  # A tower over `readings.SURFACE`  [61, 61]
  plane_error: np.ndarray  # The largest, off the edges of the cells  []
  plane_corner: np.ndarray  # The largest output where cells meet  []


def measure_steps() -> Steps:
  """Evaluates steps and bumps."""
  starts, stops = np.array(readings.BUMP)[:, None]
  designs = [
    constructions.step(readings.STEP, weight=weight)
    for weight in readings.WEIGHTS
  ] + [
    constructions.tower(starts, stops, weight=weight, gain=readings.TOWER_GAIN)
    for weight in readings.WEIGHTS
  ]
  outputs = networks.evaluate([(p, _LINE) for p in designs], *_SIGMOIDS)
  return Steps(*np.split(np.array(outputs), 2))


def measure_sums(counts: Sequence[int]) -> Sums:
  """Evaluates sums of so many bumps, and of steps on as many parts."""
  # Close to the edges of the parts, where the error is largest, but outside
  # the steps, which are many times steeper.
  inside = np.linspace(1e-3, 1 - 1e-3, 17)
  designs = []
  for count in counts:
    parts = np.add.outer(np.arange(count), inside).ravel() / count
    bumps = constructions.tower_sum(
      readings.target, [0], [1], num_cells=count, weight=_WEIGHT, gain=_GAIN
    )
    steps = constructions.step_sum(
      readings.target, num_parts=count, weight=_WEIGHT
    )
    xs = np.concatenate([_LINE, parts])
    designs += [(bumps, xs), (steps, xs)]
  outputs = networks.evaluate(designs, *_SUM)
  errors = [
    np.max(np.abs(ys - readings.target(xs)))
    for ys, (_, xs) in zip(outputs, designs, strict=True)
  ]
  drawn = np.array([ys[: _LINE.size] for ys in outputs[::2]])
  return Sums(np.array(counts), *np.reshape(errors, (-1, 2)).T, drawn)


def measure_towers(seed: int) -> Towers:
  """Evaluates towers in up to four dimensions, and sums of them in two."""
  rng = np.random.default_rng(seed)
  towers, insides = zip(*(_tower(rng, m) for m in range(1, 5)), strict=True)
  gain = readings.TOWER_GAIN  # As a weight it lets the edges be seen.
  drawn = constructions.tower(*readings.TOWER[:2].T, weight=gain, gain=gain)
  grid = np.stack(np.meshgrid(*readings.SURFACE), axis=-1)
  *outputs, surface = networks.evaluate(
    [*towers, (drawn, grid.reshape(-1, 2))], *_SIGMOIDS
  )
  # All have as many points: [4, P, biases] and [4, P, 1].
  differences = np.array(outputs) - np.array(insides)[..., None]
  errors = np.max(np.abs(differences), axis=1)
  surface = surface.reshape(grid.shape[:2])
  return Towers(errors[:, 1:], errors[:, 0], surface, *_plane_errors())


def _tower(rng, num_axes):
  """Returns a tower of many biases with points, and which are inside."""
  lows, highs = readings.TOWER[:num_axes].T
  # Below, inside or above each interval, a tenth of its length from the ends.
  place = rng.uniform(0.1, 0.9, (_NUM_POINTS, num_axes))
  place += rng.integers(-1, 2, place.shape)
  gain = readings.TOWER_GAIN
  first, second = constructions.tower(lows, highs, weight=_WEIGHT, gain=gain)
  biases = -(num_axes - 1 + readings.BIAS_PLACES) * gain
  biases = np.concatenate([[-(2 * gain - 1) / 2], second["b"], biases])
  # All biases at once: as many outputs of one network.
  second = {"w": np.repeat(second["w"], biases.size, axis=0), "b": biases}
  points = lows + place * (highs - lows)
  return ((first, second), points), np.all(np.floor(place) == 0, axis=1)


def _plane(x):
  """A map of the unit square to the plane, [P, 2] to [P, 2]."""
  wave = np.sin(2 * x[:, 0]) * np.cos(3 * x[:, 1])
  return np.stack([wave, x[:, 0] * x[:, 1]], axis=1)


def _plane_errors():
  """Returns the largest error in cells, and the output at their corners."""
  num_cells = readings.NUM_CELLS
  params = constructions.tower_sum(
    _plane, [0, 0], [1, 1], num_cells=num_cells, weight=_WEIGHT, gain=_GAIN
  )
  margin = 20 * num_cells / _WEIGHT  # In cells: where a step is over.
  cells = np.indices((num_cells, num_cells)).reshape(2, -1).T
  inside = np.meshgrid(*[[margin, 0.5, 1 - margin]] * 2)
  offsets = np.stack(inside, axis=-1).reshape(-1, 2)
  points = (cells[:, None] + offsets).reshape(-1, 2) / num_cells
  corners = cells[np.all(cells > 0, axis=1)] / num_cells
  within, meeting = networks.evaluate(
    [(params, points), (params, corners)], *_SUM
  )
  return np.max(np.abs(within - _plane(points))), np.max(np.abs(meeting))
