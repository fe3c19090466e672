"""One hidden layer of ReLUs, measured: ramps, certificates, tails, primes."""

from typing import NamedTuple

import jax
import numpy as np
from numpy.typing import ArrayLike

import nnfun as nf
from experiments import progress
from experiments.textbook import constructions
from experiments.textbook.universal_approximation import config as config_lib
from experiments.textbook.universal_approximation import (
  networks,
  readings,
  theory,
)

_PRIME_LIMIT = 100  # Up to which a network detects primes ...
_LAST_NUMBER = 10**4  # ... and up to which it is asked.
_NUM_POINTS, _NUM_RAMPS, _NUM_NETWORKS = 2000, 100, 50  # All random.


class Sheet(NamedTuple):
  """Questions 4.1 to 4.3 of the sheet: formulas against networks."""

  forward_error: np.ndarray  # Of y written out, the largest  []
  ys: np.ndarray  # With the printed weights, at `readings.SHEET`  [P]
  ramp_error: np.ndarray  # Of many ramps, the largest  []


class Certificates(NamedTuple):
  """Networks within eps; F functions, E errors allowed."""

  eps: np.ndarray  # [E]
  names: np.ndarray  # Of the functions  [F]
  bounds: np.ndarray  # Certified  [F, E]
  errors: np.ndarray  # The largest found at points of their own  [F, E]
  units: np.ndarray  # ReLUs  [F, E]


class Pieces(NamedTuple):
  """Interpolation with N ReLUs."""

  counts: np.ndarray  # [N]
  target_errors: np.ndarray  # The largest  [N]
  # And of the target with as many ReLUs as are trained  [W]
  designed_errors: np.ndarray


class Tails(NamedTuple):
  """Random networks of W widths, and one that detects primes."""

  widths: np.ndarray  # [W]
  # Relative deviations from a line beyond the last kink, the largest  [W]
  residuals: np.ndarray
  sign_changes: np.ndarray  # The largest number  [W]
  prime_changes: np.ndarray  # Of the detector up to 100  []
  prime_errors: np.ndarray  # Its wrong answers up to 100  []
  prime_misses: np.ndarray  # Primes missed from 100 to 10,000  []


def network(
  w: ArrayLike, b: ArrayLike, v: ArrayLike, c: ArrayLike
) -> nf.base.Params:
  """Returns h(x) = c + sum_i v_i relu(w_i x + b_i) as two layers."""
  w, b, v, c = (np.asarray(a, float) for a in (w, b, v, c))
  return ({"w": w[:, None], "b": b}, {"w": v[None], "b": c[None]})


def measure_sheet(config: config_lib.Config) -> Sheet:
  """Evaluates the sheet's networks; to be called with 64-bit numbers."""
  rng = np.random.default_rng(config.seed)
  w, b, v = rng.standard_normal((3, 2))
  c, xs = rng.standard_normal(), readings.SHEET
  y = v[0] * np.maximum(w[0] * xs + b[0], 0)
  y += v[1] * np.maximum(w[1] * xs + b[1], 0) + c
  printed = network([1, 1], [-3, -4], [1, -1], 0)
  errors = []
  for start, length in rng.uniform([-5, 0.1], [5, 5], (_NUM_RAMPS, 2)):
    ramp = networks.evaluate_relu(constructions.ramp(start, start + length), xs)
    rising = xs / length - start / length
    expected = np.where(xs < start, 0, np.where(xs > start + length, 1, rising))
    errors.append(np.max(np.abs(ramp - expected)))
  forward = networks.evaluate_relu(network(w, b, v, c), xs)
  return Sheet(
    np.max(np.abs(forward - y)),
    networks.evaluate_relu(printed, xs),
    np.max(errors),
  )


def measure_certificates(config: config_lib.Config) -> Certificates:
  """Builds certified networks; to be called with 64-bit numbers."""
  xs = np.random.default_rng(config.seed).uniform(0, 1, _NUM_POINTS)
  rows = []
  certified = networks.CERTIFIED.values()
  for f, modulus in progress.track(certified, "certificates"):
    for eps in config.eps:
      params, bound = constructions.approximate(f, eps, modulus=modulus)
      error = np.abs(networks.evaluate_relu(params, xs) - jax.vmap(f)(xs))
      rows.append((bound, np.max(error), params[0]["b"].size))
  table = np.reshape(rows, (len(certified), len(config.eps), 3))
  names = np.array(list(networks.CERTIFIED))
  return Certificates(np.array(config.eps), names, *np.moveaxis(table, 2, 0))


def measure_pieces(config: config_lib.Config) -> Pieces:
  """Interpolates with so many ReLUs; to be called with 64-bit numbers."""
  return Pieces(
    np.array(config.num_pieces),
    np.array([_error(count) for count in config.num_pieces]),
    np.array([_error(count) for count in config.trained_widths]),
  )


def _error(num_pieces):
  """Returns the largest error for the target at 16 points of each piece."""
  params = constructions.interpolate_function(
    networks.target, num_pieces=num_pieces
  )
  xs = np.arange(16 * num_pieces + 1) / (16 * num_pieces)
  return np.max(np.abs(networks.evaluate_relu(params, xs) - theory.target(xs)))


def measure_tails(config: config_lib.Config) -> Tails:
  """Asks what no network can do; to be called with 64-bit numbers."""
  rng = np.random.default_rng(config.seed)
  rows = [
    [_tail(rng, width) for _ in range(_NUM_NETWORKS)] for width in config.widths
  ]
  residuals, changes = np.moveaxis(np.array(rows), 2, 0)
  return Tails(
    np.array(config.widths),
    residuals.max(axis=1),
    changes.max(axis=1),
    *_primes(),
  )


def _tail(rng, num_units):
  """Returns how far from a line it is beyond its kinks, and sign changes."""
  params = network(*rng.standard_normal((3, num_units)), rng.standard_normal())
  w, v = params[0]["w"][:, 0], params[1]["w"][0]
  kinks = -params[0]["b"] / w
  xs = np.max(kinks) + np.array([1.0, 10.0, 1e3, 1e6])
  near = np.linspace(-2, 2, 201)
  ys = networks.evaluate_relu(params, np.concatenate([xs, near]))
  # The line: every unit that rises is on, every other off.
  rises = w > 0
  slope = v[rises] @ w[rises]
  offset = v[rises] @ params[0]["b"][rises] + params[1]["b"][0]
  scale = np.abs(v) @ (np.abs(w)[:, None] * np.abs(xs) + 1)
  residual = np.abs(ys[: xs.size] - slope * xs - offset) / scale
  # Around its own median, so that it changes sign at all.
  params[1]["b"][0] -= np.median(ys[xs.size :])
  changes = constructions.num_sign_changes(constructions.pieces(params))
  return np.max(residual), changes


def _primes():
  """Asks a network which is right on all numbers up to the limit."""
  numbers = np.arange(_LAST_NUMBER + 1)
  is_prime = theory.is_prime(_LAST_NUMBER)
  known = slice(_PRIME_LIMIT + 1)
  params = constructions.interpolate(numbers[known], is_prime[known])
  says_prime = networks.evaluate_relu(params, numbers.astype(float)) > 0
  changes = constructions.num_sign_changes(constructions.pieces(params))
  wrong = np.sum((says_prime != is_prime)[known])
  missed = np.sum((is_prime & ~says_prime)[known.stop :])
  return np.array(changes), wrong, missed
