"""Networks of ReLUs, measured: what the problem sheet asks, and depth."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from experiments.textbook import constructions
from experiments.textbook.universal_approximation import networks, readings

_BEYOND = np.array([1.0, 10.0, 1e3, 1e6])  # A network's last kink.
_NUM_POINTS, _NUM_RAMPS, _NUM_NETWORKS = 2000, 20, 50  # All random.


class Sheet(NamedTuple):
  """Formulas against networks; W of `readings.WIDTHS`."""

  # Relative deviations of random networks from y written out, the largest  [W]
  forward_errors: np.ndarray
  residuals: np.ndarray  # And from a line beyond the last kink  [W]
  ys: np.ndarray  # With the printed weights, at `readings.SHEET`  [P]
  ramp_error: np.ndarray  # Of many ramps, the largest  []
  sign_changes: np.ndarray  # Of random networks, the largest number  [W]


class Approximations(NamedTuple):
  """Networks near F functions; E errors allowed."""

  eps: np.ndarray  # [E]
  bounds: np.ndarray  # Certified  [F, E]
  errors: np.ndarray  # The largest found at points of their own  [F, E]
  units: np.ndarray  # ReLUs  [F, E]
  # The largest with as many ReLUs at equal steps as are trained  []
  designed_error: np.ndarray


class Depth(NamedTuple):
  """Deep networks; K numbers k (or m) of `readings.FOLDS`."""

  peaks: np.ndarray  # Of Telgarsky's f^k  [K]
  bends: np.ndarray  # The same in (0, 1)  [K]
  deep_errors: np.ndarray  # Of Yarotsky's x^2, the largest  [K]
  wide_errors: np.ndarray  # With 2^m ReLUs in one layer  [K]


def measure_sheet(seed: int) -> Sheet:
  """Evaluates the sheet's networks and random ones."""
  rng, xs = np.random.default_rng(seed), readings.SHEET
  starts, lengths = rng.uniform([[-5], [0.1]], [[5], [5]], (2, _NUM_RAMPS))
  ends = zip(starts, starts + lengths, strict=True)
  ramps = [(constructions.ramp(*pair), xs) for pair in ends]
  expected = np.clip((xs - starts[:, None]) / lengths[:, None], 0, 1)
  drawn = [_random_network(rng, width) for width in readings.WIDTHS]
  lined = [_with_line(params) for params in drawn]
  printed, *outputs = networks.evaluate(
    [
      (_network(np.ones(2), [-3, -4], [1, -1], 0), xs),
      *ramps,
      *((params, line[0]) for params, line in zip(drawn, lined, strict=True)),
    ]
  )
  errors = []
  for ys, (_, lines, scale) in zip(outputs[_NUM_RAMPS:], lined, strict=True):
    relative = np.abs(ys - lines) / scale
    errors.append((np.max(relative[0]), np.max(relative[1, : _BEYOND.size])))
  changes = [
    max(_sign_changes(rng, width) for _ in range(_NUM_NETWORKS))
    for width in readings.WIDTHS
  ]
  return Sheet(
    *np.array(errors).T,
    printed,
    np.max(np.abs(outputs[:_NUM_RAMPS] - expected)),
    np.array(changes),
  )


def _network(w, b, v, c):
  """h(x) = c + sum_i v_i relu(w_i x + b_i) as two layers."""
  first = {"w": np.reshape(w, (-1, 1)), "b": np.array(b, float)}
  return first, {"w": np.array([v], float), "b": np.array([c], float)}


def _random_network(rng, num_units):
  weights = rng.standard_normal((3, num_units))
  return _network(*weights, rng.standard_normal())


def _with_line(params):
  """Returns points, y written out and the last line there, size of terms."""
  w, b, v = params[0]["w"], params[0]["b"][:, None], params[1]["w"]
  xs = np.concatenate([np.max(-b / w) + _BEYOND, np.linspace(-10, 10, 21)])
  z, c = w * xs + b, params[1]["b"]
  # On the line every unit that rises is on, every other off.
  units = np.stack([np.maximum(z, 0), np.where(w > 0, z, 0)])
  return xs, (v @ units)[:, 0] + c, (np.abs(v) @ (np.abs(w * xs) + 1))[0]


def _sign_changes(rng, num_units):
  """Counts them around the median, so that there are any at all."""
  pieces = constructions.pieces(_random_network(rng, num_units))
  median = np.median(pieces(np.linspace(-2, 2, 201)))
  centred = pieces._replace(intercepts=pieces.intercepts - median)
  return constructions.num_sign_changes(centred)


def measure_approximations(
  eps: Sequence[float], num_designed: int, seed: int
) -> Approximations:
  """Builds networks of certified errors, and one of so many ReLUs."""
  xs = np.random.default_rng(seed).uniform(0, 1, _NUM_POINTS)
  certified = [
    constructions.approximate(f, allowed, modulus=modulus)
    for f, modulus in readings.CERTIFIED.values()
    for allowed in eps
  ]
  knots = np.linspace(0, 1, num_designed + 1)
  fine = np.linspace(0, 1, 16 * num_designed + 1)
  designed = constructions.interpolate(knots, readings.target(knots))
  *outputs, ys = networks.evaluate(
    [*((network.params, xs) for network in certified), (designed, fine)]
  )
  shape = (len(readings.CERTIFIED), len(eps))
  exact = np.array([f(xs) for f, _ in readings.CERTIFIED.values()])
  errors = np.reshape(outputs, (*shape, -1)) - exact[:, None]
  return Approximations(
    np.array(eps),
    np.reshape([network.error for network in certified], shape),
    np.max(np.abs(errors), axis=-1),
    np.reshape([network.params[0]["b"].size for network in certified], shape),
    np.max(np.abs(ys - readings.target(fine))),
  )


def measure_depth() -> Depth:
  """Evaluates deep networks and those of one hidden layer."""
  # Multiples of a power of two: the networks compute with them exactly.
  xs = np.linspace(0, 1, 2 ** (max(readings.FOLDS) + 4) + 1)
  sawtooths = [constructions.sawtooth(k) for k in readings.FOLDS]
  deep = [constructions.square(m) for m in readings.FOLDS]
  knots = [np.linspace(0, 1, 2**m + 1) for m in readings.FOLDS]
  wide = [constructions.interpolate(x, x**2) for x in knots]
  # A sawtooth is not negative, so its last ReLU may be left out.
  outputs = networks.evaluate([(p, xs) for p in sawtooths + deep + wide])
  teeth, *squares = np.split(np.array(outputs), 3)
  return Depth(
    np.sum(teeth == 1, axis=1),
    np.sum(np.diff(teeth, 2) != 0, axis=1),
    *(np.max(np.abs(ys - xs**2), axis=1) for ys in squares),
  )
