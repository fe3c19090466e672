"""Steps, bumps and towers of sigmoids, measured."""

import functools
from typing import Any

import jax
import numpy as np
from jax import numpy as jnp

from experiments import progress
from experiments.textbook import approximation_networks as networks
from experiments.textbook import approximation_theory as theory
from experiments.textbook import constructions

STEP, BUMP = 0.4, (0.3, 0.7)  # s; s_1 and s_2
TOWER = np.array([[1.0, 2.0], [-2.0, 0.0], [0.0, 1.5], [-1.0, 1.0]])
# Where the bias stands between -(m - 1) h, at 0, and -m h, at 1.
BIAS_PLACES = np.array([-0.1, 0.1, 0.3, 0.5, 0.7, 0.9, 1.1])
_LEVELS = np.array([0.1, 0.5, 0.9])
_TOWER_LAYERS = (networks.SIGMOID, networks.SIGMOID)


def measure(config: Any) -> dict[str, np.ndarray]:
  """Evaluates the networks; to be called with 64-bit numbers.

  Args:
    config: of the study.

  Returns:
    Where each step of `weights` [W] reaches 0.1, 0.5 and 0.9, `step_levels`
    [W, 3], and so `bump_levels` [3] of a rising edge; `bump_xs` and `bump_ys`
    [5]; for each N of `num_bumps` the points and the network, `sum_xs_N`,
    `sum_ys_N` [N, Q], and `one_layer_ys_N`; outputs of towers in m dimensions,
    `tower_ys_m` [biases, P] at points which have `tower_counts_m` [P]
    coordinates inside, and `tower_biases_m`; `surface` [G, G]; for each count
    of `num_cells` the largest error off the edges `plane_errors` [C],
    `plane_margins` [C] cells away, and the largest output where cells meet,
    `plane_corners` [C].
  """
  sums = progress.track(config.num_bumps, "sums of bumps")
  return {
    "weights": np.array(config.weights),
    "weight": np.array(config.weight),
    "gain": np.array(config.gain),
    "tower_gain": np.array(config.tower_gain),
    "num_bumps": np.array(config.num_bumps),
    "num_cells": np.array(config.num_cells),
    **_measure_steps(config),
    **functools.reduce(dict.__or__, (_measure_sum(config, n) for n in sums)),
    **functools.reduce(
      dict.__or__, (_measure_tower(config, m) for m in range(1, 5))
    ),
    "surface": _surface(config),
    **_measure_plane(config),
  }


def _measure_steps(config):
  units = np.linspace(-4, 4, 4001)  # Of 1 / w.

  def levels(weight):
    xs = STEP + units / weight
    params = constructions.step(STEP, weight=weight)
    return np.interp(
      _LEVELS, networks.evaluate(params, xs, (networks.SIGMOID,)), xs
    )

  bump = constructions.bump(*BUMP, weight=config.weight, gain=config.gain)
  places = np.array([0.0, BUMP[0], np.mean(BUMP), BUMP[1], 1.0])
  edge = BUMP[0] + 16 * units / (config.weight * config.gain)
  ys = networks.evaluate(bump, np.concatenate([places, edge]), _TOWER_LAYERS)
  return {
    "step_levels": np.array([levels(weight) for weight in config.weights]),
    "bump_xs": places,
    "bump_ys": ys[: len(places)],
    "bump_levels": np.interp(_LEVELS, ys[len(places) :], edge),
  }


def _measure_sum(config, num_bumps):
  # Close to the edges of the parts, where the error is largest, but outside
  # the steps, which are many times steeper.
  inside = np.linspace(1e-3, 1 - 1e-3, 17)
  xs = (np.arange(num_bumps)[:, None] + inside) / num_bumps
  bumps = constructions.bump_sum(
    theory.target,
    num_bumps=num_bumps,
    weight=config.weight,
    gain=config.gain,
  )
  steps = constructions.step_sum(
    theory.target, num_parts=num_bumps, weight=config.weight
  )
  bump_ys = networks.evaluate(
    bumps, xs.ravel(), (*_TOWER_LAYERS, networks.IDENTITY)
  )
  step_ys = networks.evaluate(
    steps, xs.ravel(), (networks.SIGMOID, networks.IDENTITY)
  )
  return {
    f"sum_xs_{num_bumps}": xs,
    f"sum_ys_{num_bumps}": bump_ys.reshape(xs.shape),
    f"one_layer_ys_{num_bumps}": step_ys.reshape(xs.shape),
  }


def _measure_tower(config, num_axes):
  lows, highs = TOWER[:num_axes].T
  rng = np.random.default_rng([config.seed, num_axes])
  # Inside or outside of each interval, a tenth of its length from the ends.
  place = rng.uniform(0.1, 0.9, (config.num_points, num_axes))
  place += rng.integers(-1, 2, place.shape)
  place[:16] = rng.uniform(0.1, 0.9, (16, num_axes))  # All coordinates inside.
  place[16:32] = place[:16]
  place[16:32, 0] += 1  # One outside.
  points = lows + place * (highs - lows)
  gain = config.tower_gain
  biases = [constructions.tower_bias(num_axes, gain), -(2 * gain - 1) / 2]
  biases += list(-(num_axes - 1 + BIAS_PLACES) * gain)

  def outputs(bias):
    return constructions.tower(
      lows, highs, weight=config.weight, gain=gain, bias=bias
    )[1]

  first = constructions.tower(lows, highs, weight=config.weight, gain=gain)[0]
  layers = [outputs(bias) for bias in biases]
  # All biases at once: as many outputs of one network.
  second = jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *layers)
  return {
    f"tower_biases_{num_axes}": np.array(biases),
    f"tower_counts_{num_axes}": np.sum((place > 0) & (place < 1), axis=1),
    f"tower_ys_{num_axes}": networks.evaluate(
      (first, second), points, _TOWER_LAYERS
    ).T,
  }


def _surface(config):
  """Returns the tower of figure 4.7 on a grid around it [Y, X]."""
  xs, ys = surface_axes()
  lows, highs = TOWER[:2].T
  # A weight at which the edges can be seen.
  params = constructions.tower(lows, highs, weight=20.0, gain=config.tower_gain)
  grid = np.stack(np.meshgrid(xs, ys), axis=-1)
  ys = networks.evaluate(params, grid.reshape(-1, 2), _TOWER_LAYERS)
  return ys.reshape(grid.shape[:2])


def surface_axes() -> tuple[np.ndarray, np.ndarray]:
  """Returns the axes x and y of `surface`."""
  return np.linspace(0.5, 2.5, 61), np.linspace(-2.5, 0.5, 61)


@jax.jit
def _plane(x):
  """A map of the unit square to the plane."""
  return jnp.stack([jnp.sin(2 * x[0]) * jnp.cos(3 * x[1]), x[0] * x[1]])


def _measure_plane(config):
  errors, corners, margins = [], [], []
  for count in config.num_cells:
    params = constructions.tower_sum(
      _plane,
      np.zeros(2),
      np.ones(2),
      num_cells=count,
      weight=config.weight,
      gain=config.gain,
    )
    margin = 20 * count / config.weight  # In cells: the steps are over there.
    cells = np.indices((count, count)).reshape(2, -1).T
    inside = [[margin, 0.5, 1 - margin]] * 2
    offsets = np.stack(np.meshgrid(*inside), axis=-1).reshape(-1, 2)
    points = (cells[:, None] + offsets).reshape(-1, 2) / count
    meetings = cells[np.all(cells > 0, axis=1)] / count
    ys = networks.evaluate(
      params,
      np.concatenate([points, meetings]),
      (*_TOWER_LAYERS, networks.IDENTITY),
    )
    errors.append(np.max(np.abs(ys[: len(points)] - jax.vmap(_plane)(points))))
    corners.append(np.max(np.abs(ys[len(points) :])))
    margins.append(margin)
  return {
    "plane_errors": np.array(errors),
    "plane_corners": np.array(corners),
    "plane_margins": np.array(margins),
  }
