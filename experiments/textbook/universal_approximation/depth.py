"""What depth saves: networks that fold the interval, against wide ones."""

from typing import NamedTuple

import jax
import numpy as np
from jax import numpy as jnp

from experiments.textbook import constructions
from experiments.textbook.universal_approximation import config as config_lib
from experiments.textbook.universal_approximation import networks


class Depth(NamedTuple):
  """Deep networks; K numbers k (or m) of folds."""

  folds: np.ndarray  # [K]
  peaks: np.ndarray  # Of Telgarsky's f^k  [K]
  crossings: np.ndarray  # Of 1/2  [K]
  units: np.ndarray  # [K]
  bends: np.ndarray  # Of the one hidden layer that equals it, in (0, 1)  [K]
  shallow_errors: np.ndarray  # By how much that differs  [K]
  square_errors: np.ndarray  # Of Yarotsky's x^2, the largest  [K]
  square_shallow_errors: np.ndarray  # With 2^m ReLUs in one layer  [K]
  square_units: np.ndarray  # Of the deep network  [K]


def measure(config: config_lib.Config) -> Depth:
  """Evaluates deep networks; to be called with 64-bit numbers."""
  rows = [(*_sawtooth(k), *_square(k)) for k in config.folds]
  return Depth(np.array(config.folds), *map(np.array, zip(*rows, strict=True)))


def _grid(num_folds):
  """Multiples of a power of two: the networks compute with them exactly."""
  return np.arange(2 ** (num_folds + 4) + 1) / 2 ** (num_folds + 4)


def _sawtooth(num_folds):
  deep, xs = constructions.sawtooth(num_folds), _grid(num_folds)
  ys = networks.evaluate(deep, xs, (networks.RELU,) * len(deep))
  shallow = constructions.interpolate(xs[::16], ys[::16])
  slopes = constructions.pieces(shallow).slopes[1:]  # On the interval.
  above = ys[1::2] > 0.5  # Crossings are at even multiples.
  peaks = (ys[1:-1] > ys[:-2]) & (ys[1:-1] > ys[2:]) & (ys[1:-1] == 1)
  return (
    np.sum(peaks),
    np.sum(above[1:] != above[:-1]),
    _num_units(deep),
    np.sum(slopes[1:] != slopes[:-1]),
    np.max(np.abs(networks.evaluate_relu(shallow, xs) - ys)),
  )


def _square(num_folds):
  deep, xs = constructions.square(num_folds), _grid(num_folds)
  wide = constructions.interpolate_function(
    jax.jit(jnp.square), num_pieces=2**num_folds
  )
  return (
    np.max(np.abs(networks.evaluate_relu(deep, xs) - xs**2)),
    np.max(np.abs(networks.evaluate_relu(wide, xs) - xs**2)),
    _num_units(deep[:-1]),
  )


def _num_units(params):
  return sum(layer["b"].size for layer in params)
