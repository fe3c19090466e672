"""What depth saves: networks that fold the interval, against wide ones."""

from collections.abc import Iterator
from typing import Any

import jax
import numpy as np
from jax import numpy as jnp

from experiments import study
from experiments.textbook import approximation_networks as networks
from experiments.textbook import constructions

_TELGARSKY = "Telgarsky, Benefits of depth in neural networks, 2016, "
_YAROTSKY = (
  "Yarotsky, Error bounds for approximations with deep ReLU networks, 2017, "
  "proposition 2 (second-hand)"
)


def measure(config: Any) -> dict[str, np.ndarray]:
  """Evaluates deep networks; to be called with 64-bit numbers.

  Args:
    config: of the study.

  Returns:
    For each number of `folds` [K] the `sawtooth_peaks`, `sawtooth_crossings`
    of 1/2 and `sawtooth_units`; the largest `sawtooth_shallow_error` of one
    hidden layer of as many ReLUs as there are pieces, and how many of these
    bend, `sawtooth_shallow_bends`; `square_errors`, `square_shallow_errors`
    with 2^k ReLUs, and `square_units`.
  """
  rows = [_measure_folds(k) for k in config.folds]
  return {
    "folds": np.array(config.folds),
    **{name: np.array([row[name] for row in rows]) for name in rows[0]},
  }


def _measure_folds(num_folds):
  deep = constructions.sawtooth(num_folds)
  square = constructions.square(num_folds)
  # Multiples of a power of two: the networks compute with them exactly.
  xs = np.arange(2 ** (num_folds + 4) + 1) / 2 ** (num_folds + 4)
  ys = networks.evaluate(deep, xs, (networks.RELU,) * len(deep))
  knots = xs[::16]
  shallow = constructions.interpolate(knots, ys[::16])
  slopes = constructions.pieces(shallow).slopes[1:]  # On the interval.
  above = ys[1::2] > 0.5  # Crossings are at even multiples.
  wide = constructions.interpolate_function(
    jax.jit(jnp.square), num_pieces=2**num_folds
  )
  return {
    "sawtooth_peaks": np.sum(
      (ys[1:-1] > ys[:-2]) & (ys[1:-1] > ys[2:]) & (ys[1:-1] == 1)
    ),
    "sawtooth_crossings": np.sum(above[1:] != above[:-1]),
    "sawtooth_units": _num_units(deep),
    "sawtooth_shallow_error": np.max(
      np.abs(networks.evaluate_relu(shallow, xs) - ys)
    ),
    "sawtooth_shallow_bends": np.sum(slopes[1:] != slopes[:-1]),
    "square_errors": np.max(np.abs(networks.evaluate_relu(square, xs) - xs**2)),
    "square_shallow_errors": np.max(
      np.abs(networks.evaluate_relu(wide, xs) - xs**2)
    ),
    "square_units": _num_units(square[:-1]),
  }


def _num_units(params):
  return sum(layer["b"].size for layer in params)


def claims(results: study.Results) -> Iterator[study.Claim]:
  """Compares deep networks with shallow ones.

  Args:
    results: with the arrays of `measure`.

  Yields:
    The claims of P23.
  """
  yield from _claims_sawtooth(results)
  yield from _claims_square(results)


def _claims_sawtooth(results):
  folds, units = results["folds"], results["sawtooth_units"]
  for what, name, expected, add in (
    ("2^(k-1) peaks", "peaks", 2 ** (folds - 1), 0),
    ("2^k + 1 pieces, counted as crossings of 1/2 (and one)", "crossings",
     2**folds + 1, 1),
  ):  # fmt: skip
    measured = results[f"sawtooth_{name}"] + add
    worst = np.argmax(np.abs(measured / expected - 1))
    yield study.Claim(
      "P23",
      f"f(z) = relu(2 relu(z) - 4 relu(z - 1/2)), applied k times, has {what}: "
      f"the number over this, at k = {folds[worst]}, of {len(folds)} the one "
      "that deviates most.",
      _TELGARSKY + "section 2",
      1.0,
      float(measured[worst] / expected[worst]),
    )
  yield study.Claim(
    "P23",
    f"Depth helps: f^k takes 3 k = {units[-1]} units at k = {folds[-1]}, one "
    "hidden layer at least 2^k - 1, one for each bend in (0, 1); bends of the "
    "network of one layer that equals it.",
    _TELGARSKY + "abstract and section 2",
    float(2 ** folds[-1] - 1),
    float(results["sawtooth_shallow_bends"][-1]),
  )
  yield study.Claim(
    "P23",
    "With 2^k ReLUs one layer does equal it: the largest difference on [0, 1].",
    "theory: interpolation of a piecewise linear function",
    0.0,
    float(np.max(results["sawtooth_shallow_error"])),
    1e-9,  # Rounding of sums of 2^k terms as large as 2^k.
  )


def _claims_square(results):
  folds, errors = results["folds"], results["square_errors"]
  ratios = errors * 4.0 ** (folds + 1)
  yield study.Claim(
    "P23",
    "x^2 is approximated by x - sum of g^s(x) / 4^s with 3 m units within "
    "2^(-2m-2) on [0, 1]: the largest error over this, at the m where it "
    "deviates most.",
    _YAROTSKY,
    1.0,
    float(ratios[np.argmax(np.abs(ratios - 1))]),
    1e-9,  # Rounding, 1e-16, against 2^(-2m-2).
  )
  ratios = results["square_shallow_errors"] / errors
  yield study.Claim(
    "P23",
    "For the same error one hidden layer takes 2^m ReLUs at equal steps: the "
    "ratio of the two errors, where it deviates most.",
    "theory: both interpolate x^2 at the multiples of 2^-m",
    1.0,
    float(ratios[np.argmax(np.abs(ratios - 1))]),
    1e-6,  # As above, with sums of 2^m terms.
  )
