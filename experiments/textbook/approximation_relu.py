"""One hidden layer of ReLUs, measured: ramps, certificates, tails, primes."""

import functools
from typing import Any

import jax
import numpy as np
from jax import numpy as jnp

import nnfun as nf
from experiments import progress
from experiments.textbook import approximation_networks as networks
from experiments.textbook import approximation_theory as theory
from experiments.textbook import constructions

# name -> the function and a modulus of continuity.
FUNCTIONS = {
  "target": (theory.target, lambda width: theory.TARGET_LIPSCHITZ * width),
  "root": (theory.root, np.sqrt),
  "weierstrass": (theory.weierstrass, theory.weierstrass_modulus),
}
PRIME_LIMIT = 100  # Up to which a network detects primes ...
LAST_NUMBER = 10**4  # ... and up to which it is asked.
# Three units, four pieces, each of which passes through 0.
_ZIGZAG = ([1.0, 1.0, -1.0], [0.0, -1.0, 5.0], [-3.0, 2.5, -1.0], 6.0)


def measure(config: Any) -> dict[str, np.ndarray]:
  """Evaluates the networks; to be called with 64-bit numbers.

  Args:
    config: of the study.

  Returns:
    `forward_error` [] of y written out; `sheet_xs`, `sheet_ys` [P] of the
    network with the printed weights; `ramp_error` [] of many ramps; for each
    function of `FUNCTIONS` and each eps the `certificate_bounds`,
    `certificate_errors`, found at points of their own, and `certificate_units`
    [F, E]; the largest errors `fixed_errors` and `parabola_errors` with
    `num_pieces` [N] ReLUs; for networks of `widths` [W] the largest relative
    `tail_residuals` and, left of all kinks, the least `left_residuals`; the
    largest number of `sign_changes` [W], that of the zigzag, `zigzag_changes`
    [], and of the detector of primes, `prime_changes` []; and `prime_errors`,
    `prime_misses` [2], the wrong answers and the primes missed up to and beyond
    the limit.
  """
  return {
    "eps": np.array(config.eps),
    "widths": np.array(config.widths),
    "num_pieces": np.array(config.num_pieces),
    **_measure_sheet(config),
    **_measure_certificates(config),
    **_measure_pieces(config),
    **_measure_tails(config),
    **_measure_primes(),
  }


def network(
  w: np.ndarray, b: np.ndarray, v: np.ndarray, c: float
) -> nf.base.Params:
  """Returns h(x) = c + sum_i v_i relu(w_i x + b_i) as two layers.

  Args:
    w: weights of the input [N].
    b: biases of the hidden layer [N].
    v: weights of the output [N].
    c: bias of the output.

  Returns:
    Layers [N, 1] and [1, N].
  """
  w, b, v, c = (np.asarray(a, float) for a in (w, b, v, c))
  return ({"w": w[:, None], "b": b}, {"w": v[None], "b": c[None]})


def _random_network(rng, num_units):
  return network(*rng.standard_normal((3, num_units)), rng.standard_normal())


def _measure_sheet(config):
  """Exercises 4.1 to 4.3 of the sheet: formulas against networks."""
  rng = np.random.default_rng(config.seed)
  w, b, v = rng.standard_normal((3, 2))
  c = rng.standard_normal()
  xs = np.linspace(-10, 10, 2001)
  y = v[0] * np.maximum(w[0] * xs + b[0], 0)
  y += v[1] * np.maximum(w[1] * xs + b[1], 0) + c
  sheet = network([1, 1], [-3, -4], [1, -1], 0)
  errors = []
  for start, length in rng.uniform([-5, 0.1], [5, 5], (config.num_ramps, 2)):
    ramp = networks.evaluate_relu(constructions.ramp(start, start + length), xs)
    expected = xs / length - start / length
    expected = np.where(
      xs < start, 0, np.where(xs > start + length, 1, expected)
    )
    errors.append(np.max(np.abs(ramp - expected)))
  return {
    "forward_error": np.max(
      np.abs(networks.evaluate_relu(network(w, b, v, c), xs) - y)
    ),
    "sheet_xs": xs,
    "sheet_ys": networks.evaluate_relu(sheet, xs),
    "ramp_error": np.max(errors),
  }


def _measure_certificates(config):
  xs = np.random.default_rng(config.seed).uniform(0, 1, config.num_points)
  columns = {name: [] for name in ("bounds", "errors", "units")}
  for f, modulus in progress.track(FUNCTIONS.values(), "certificates"):
    for eps in config.eps:
      params, bound = constructions.approximate(f, eps, modulus=modulus)
      error = np.abs(networks.evaluate_relu(params, xs) - jax.vmap(f)(xs))
      for name, value in (
        ("bounds", bound),
        ("errors", np.max(error)),
        ("units", params[0]["b"].size),
      ):
        columns[name].append(value)
  return {
    f"certificate_{name}": np.reshape(values, (len(FUNCTIONS), -1))
    for name, values in columns.items()
  }


def _measure_pieces(config):
  """Errors with a given number of pieces, at 16 points of each."""

  def error(f, num_pieces):
    params = constructions.interpolate_function(f, num_pieces=num_pieces)
    xs = np.arange(16 * num_pieces + 1) / (16 * num_pieces)
    return np.max(np.abs(networks.evaluate_relu(params, xs) - f(xs)))

  return {
    "fixed_errors": np.array(
      [error(theory.target, n) for n in config.num_pieces]
    ),
    "parabola_errors": np.array(
      [error(jax.jit(jnp.square), n) for n in config.num_pieces]
    ),
  }


def _measure_tails(config):
  """How linear networks are beyond their last kink, and their sign changes."""
  rng = np.random.default_rng(config.seed)
  measure_width = functools.partial(_tail, config, rng)
  tails, lefts, changes = zip(*map(measure_width, config.widths), strict=True)
  return {
    "tail_residuals": np.array(tails),
    "left_residuals": np.array(lefts),
    "sign_changes": np.array(changes),
    "zigzag_changes": np.array(
      constructions.num_sign_changes(constructions.pieces(network(*_ZIGZAG)))
    ),
  }


def _tail(config, rng, num_units):
  tails, lefts, changes = [], [], []
  for _ in range(config.num_networks):
    params = _random_network(rng, num_units)
    w, v = params[0]["w"][:, 0], params[1]["w"][0]
    kinks = -params[0]["b"] / w
    xs = np.max(kinks) + np.array([0.0, 1.0, 10.0, 1e3, 1e6])
    xs[0] = np.min(kinks) - 1
    near = np.linspace(-2, 2, 201)
    ys = networks.evaluate_relu(params, np.concatenate([xs, near]))
    # The line: every unit that rises is on, every other off.
    rises = w > 0
    slope = v[rises] @ w[rises]
    offset = v[rises] @ params[0]["b"][rises] + params[1]["b"][0]
    scale = np.abs(v) @ (np.abs(w)[:, None] * np.abs(xs) + 1)
    residual = np.abs(ys[: xs.size] - slope * xs - offset) / scale
    tails.append(np.max(residual[1:]))
    lefts.append(residual[0])
    # Around its own median, so that it changes sign at all.
    params[1]["b"][0] -= np.median(ys[xs.size :])
    pieces = constructions.pieces(params)
    changes.append(constructions.num_sign_changes(pieces))
  return np.max(tails), np.min(lefts), np.max(changes)


def _measure_primes():
  """A network which is right on all numbers up to the limit."""
  numbers = np.arange(LAST_NUMBER + 1)
  is_prime = theory.is_prime(LAST_NUMBER)
  params = constructions.interpolate(
    numbers[: PRIME_LIMIT + 1], is_prime[: PRIME_LIMIT + 1]
  )
  says_prime = networks.evaluate_relu(params, numbers.astype(float)) > 0
  beyond = numbers > PRIME_LIMIT
  wrong, missed = says_prime != is_prime, is_prime & ~says_prime
  return {
    "prime_changes": np.array(
      constructions.num_sign_changes(constructions.pieces(params))
    ),
    "prime_errors": np.array([np.sum(wrong & ~beyond), np.sum(wrong & beyond)]),
    "prime_misses": np.array(
      [np.sum(missed & ~beyond), np.sum(missed & beyond)]
    ),
  }
