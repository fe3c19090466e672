"""Claims of the study of deep linear networks, from its stored arrays.

The arrays are described at `deep_linear.run`.
"""

import functools
import math

import numpy as np

from experiments import study
from experiments.gradient_flow import deep_linear_theory as theory

_SIKDAR = (
  "Sikdar, Neural networks and deep learning: exercises, 2021, section 5.1"
)
_SAXE = (
  "Saxe, McClelland, Ganguli, Exact solutions to the nonlinear dynamics of "
  "learning in deep linear neural networks, 2014"
)
_FORMULA = "dL/dw_11^(1) = (y_hat - y) w_11^(L) w_11^(L-1) ... w_11^(2) x_1"
_claim = functools.partial(study.Claim, "S0-5.1")
_saxe_claim = functools.partial(study.Claim, "P14")
# Two roundings a layer and, where y_hat - y cancels, some digits more.
_FORMULA_TOLERANCE = 1e-10
# A factor |w| rounded to float32 is off by 3e-8, a thousand times over; the
# logarithm of 1400 itself by 6e-5.
_LOG_TOLERANCE = 2e-4


def all_claims(results: study.Results) -> list[study.Claim]:
  """Compares gradients with the formula, and training with the equation."""
  return [
    *_formula(results),
    *_misprint(results),
    *_slopes(results),
    *_formats(results),
    *_training(results),
  ]


def log_gradients(results: study.Results) -> np.ndarray:
  """Returns what log |dL/dw_11^(1)| should be, in float64.

  Args:
    results: what `deep_linear.run` returned.

  Returns:
    [factors, depths].
  """
  logs = np.log(results["factors"])[:, np.newaxis]
  return theory.log_gradient(
    logs, results["depths"], results["unit_output"], 1.0, 1.0
  )


def _relative(actual, expected):
  return float(np.max(np.abs(actual - expected) / np.abs(expected)))


def _formula(results):
  x, y = results["x"], results["y"]
  errors, spreads = [], []
  for depth in results["formula_depths"]:
    paths, gradient = results[f"paths_{depth}"], results[f"gradient_{depth}"]
    expected = theory.first_layer_gradient(paths, x, y)
    errors.append(_relative(gradient[:, 0, 0], expected))
    products = paths[..., 0] * gradient[..., 0]
    spreads.append(_relative(products, products[:, :1]))
  deepest = max(results["formula_depths"])
  yield _claim(
    f"{_FORMULA} equals automatic differentiation, L up to {deepest}: the "
    "largest relative error.",
    _SIKDAR,
    0.0,
    max(errors),
    _FORMULA_TOLERANCE,
  )
  yield _claim(
    "It does not matter which weight is used to differentiate the loss, for "
    "the product picks up the weights of all other layers: the largest "
    "relative spread of w_11^(l) dL/dw_11^(l) over the layers.",
    _SIKDAR,
    0.0,
    max(spreads),
    _FORMULA_TOLERANCE,
  )


def _misprint(results):
  printed, right = [], []
  for depth in results["formula_depths"]:
    paths, output = results[f"paths_{depth}"], results[f"output_{depth}"]
    for found, formula in (
      (printed, theory.printed_output),
      (right, theory.output),
    ):
      found.append(np.abs(formula(paths, results["x"]) / output - 1))
  yield _claim(
    "Erratum: y_hat as printed, with w_11^(2) in the path of x_2, is not the "
    "network: share of random networks for which both agree to 1e-6.",
    _SIKDAR,
    0.0,
    float(np.mean(np.array(printed) < 1e-6)),
  )
  yield _claim(
    "With w_22^(2) in its place y_hat is the network: the largest relative "
    "error.",
    f"{_SIKDAR}, corrected",
    0.0,
    float(np.max(right)),
    _FORMULA_TOLERANCE,
  )


def _slopes(results):
  depths, factors = results["depths"], results["factors"]
  half = depths >= depths[-1] // 2
  layers = np.arange(results["log_deltas"].shape[1])
  for name, chosen, rate, why in (
    ("vanishes for |w| < 1", factors < 1, 1, "y_hat - y tends to -y"),
    ("explodes for |w| > 1", factors > 1, 2, "y_hat - y grows like |w|^L too"),
  ):
    if np.any(chosen):
      slopes = _fit(depths[half], results["log_gradient"][chosen][:, half])
      ratios = slopes / np.log(factors[chosen])
      yield _claim(
        f"dL/dw_11^(1) {name} exponentially with depth, by log |w| times "
        f"{rate} a layer since {why}: the slope over log |w|, worst |w|.",
        f"{_SIKDAR}; the residual's part by hand",
        float(rate),
        _worst(ratios, rate),
        1e-5,  # 1e-3 of rounding, see above, over log |w| times 500 layers.
      )
  moving = factors != 1
  ratios = _fit(layers, results["log_deltas"][moving]) / np.log(factors[moving])
  yield _claim(
    "From layer to layer of one deep network dL/dz^(l) changes by log |w|, "
    "vanishing or exploding towards the input: minus the slope over log |w|, "
    "worst |w|.",
    f"{_SIKDAR}: one weight more from each layer",
    1.0,
    _worst(-ratios, 1.0),
    1e-5,
  )
  balanced = results["log_deltas"][~moving]
  if len(balanced):
    yield _claim(
      "At |w| = 1 alone it does neither: the largest change of log |dL/dz|.",
      _SIKDAR,
      0.0,
      float(np.max(np.abs(balanced - balanced[:, :1]))),
      1e-6,
    )


def _fit(x, curves):
  return np.polyfit(x, curves.T.astype(np.float64), 1)[0]


def _worst(values, expected):
  return float(values[np.argmax(np.abs(values - expected))])


def _formats(results):
  expected = log_gradients(results)
  yield _claim(
    f"With the exponent kept apart, float32 holds log |dL/dw_11^(1)| at every "
    f"depth up to {results['depths'][-1]}: the largest error.",
    f"{_FORMULA} in logarithms and float64",
    0.0,
    float(np.max(np.abs(results["log_gradient"] - expected))),
    _LOG_TOLERANCE,
    f"The logarithms go from {np.min(expected):.0f} to {np.max(expected):.0f}; "
    "float32 ends at -87 and 89.",
  )
  for factor, plain, logs in zip(
    results["factors"], results["float32"], expected, strict=True
  ):
    bits = logs / math.log(2)
    low, high = (_first(results, bits < end) for end in (-126, -150))
    if np.isfinite(high):
      yield _claim(
        f"Without, the gradient of a net with |w| = {factor:g} is exactly 0 "
        "in float32 from this depth on.",
        "IEEE 754: below 2^-126 numbers are subnormal, which some processors "
        "take for 0, below 2^-150 they are 0",
        (low, high),
        _first(results, plain == 0),
        1.0,  # The formula's own rounding at the edge.
      )
    end = _first(results, bits >= 128)
    if np.isfinite(end):
      yield _claim(
        f"Without, the gradient of a net with |w| = {factor:g} is infinite "
        "in float32 from this depth on.",
        "IEEE 754: float32 ends at 2^128",
        end,
        _first(results, ~np.isfinite(plain)),
        1.0,
      )


def _first(results, reached):
  """Returns the depth from which on something holds, NaN if there is none."""
  fails = np.flatnonzero(~reached)
  index = fails[-1] + 1 if fails.size else 0
  depths = results["depths"]
  return float(depths[index]) if index < len(depths) else math.nan


def times_of(results: study.Results) -> tuple[np.ndarray, np.ndarray]:
  """Returns D t / tau of the records, at the whole step and at half of it.

  Args:
    results: what `deep_linear.run` returned.

  Returns:
    Two vectors [records].
  """
  records = np.arange(results["modes"].shape[-2])
  whole = records * results["stride"] * results["step"]
  return whole, whole / 2


def predicted(results: study.Results, times: np.ndarray) -> np.ndarray:
  """Returns the equation's mode strengths.

  Args:
    results: what `deep_linear.run` returned.
    times: D t / tau, [records].

  Returns:
    [D, records, s].
  """
  curves = [
    [
      theory.mode_strength(times, float(results["start"]), strength, size)
      for strength in results["strengths"]
    ]
    for size in results["num_matrices"]
  ]
  return np.moveaxis(np.array(curves), 1, 2)


def half_times(results: study.Results) -> np.ndarray:
  """Returns when the trained nets have a mode at half its strength.

  Args:
    results: what `deep_linear.run` returned.

  Returns:
    D t / tau by linear interpolation at the finer step, [D, seeds, s].
  """
  _, times = times_of(results)
  curves = np.moveaxis(results["modes"][:, 1], 2, 0)
  reached = curves >= results["strengths"] / 2
  after = np.argmax(reached, axis=0)
  high, low = (
    np.take_along_axis(curves, index[np.newaxis], axis=0)[0]
    for index in (after, after - 1)
  )
  part = (results["strengths"] / 2 - low) / (high - low)
  return times[after - 1] + part * np.diff(times)[0]


def _training(results):
  modes, strengths = results["modes"], results["strengths"]
  whole, half = times_of(results)
  # The half step reaches half as far: every second record of it and the first
  # half of the whole step are at the same times.
  num = (len(whole) + 1) // 2
  coarse, fine = modes[:, 0, :, :num], modes[:, 1, :, ::2][:, :, :num]
  expected = predicted(results, whole[:num])[:, np.newaxis]
  step = float(results["step"])
  biggest = float(np.max(strengths))
  sizes = ", ".join(str(size) for size in results["num_matrices"])
  errors = [
    np.max(np.abs(found - expected) / strengths) for found in (coarse, fine)
  ]
  yield _saxe_claim(
    "Deep linear nets trained by gradient descent follow tau du/dt = (N_l - 1)"
    f" u^(2 - 2 / (N_l - 1)) (s - u), N_l - 1 = {sizes}: the largest error of "
    "u / s, extrapolated to learning rate 0 from two.",
    f"{_SAXE}, equation 15",
    0.0,
    float(np.max(np.abs(2 * fine - coarse - expected) / strengths)),
    # Second order in the step: squared, with the largest curvature s^2.
    (step * biggest**2) ** 2,
  )
  yield _saxe_claim(
    "At a finite learning rate descent departs from this flow in first order: "
    "error over that at half the learning rate.",
    "Euler's method",
    2.0,
    float(errors[0] / errors[1]),
    2 * step * biggest**2,  # The next order.
  )
  yield from _delays(results)


def _delays(results):
  sizes, strengths = results["num_matrices"], results["strengths"]
  start = float(results["start"])
  measured = np.mean(half_times(results), axis=1)
  ends = strengths / 2
  times = [
    [
      theory.learning_time(end, start, strength, size)
      for end, strength in zip(ends, strengths, strict=True)
    ]
    for size in (*sizes, np.inf)
  ]
  expected, limit = np.array(times[:-1]), np.array(times[-1])
  step = float(results["step"])
  yield _saxe_claim(
    "Time to half strength, in units of tau / (N_l - 1): the largest relative "
    "error over depths and modes.",
    f"{_SAXE}, equation 15 integrated",
    0.0,
    float(np.max(np.abs(measured / expected - 1))),
    step * float(np.max(strengths)) ** 2,  # First order in the step.
  )
  deepest, shallowest = np.argmax(sizes), np.argmin(sizes)
  yield _saxe_claim(
    "From balanced starts great depth costs a finite, depth-independent "
    f"delay: time of {sizes[deepest]} matrices over the limit of infinitely "
    "many, the slowest mode.",
    f"{_SAXE}, abstract; its equation 15 at infinite depth",
    (float(expected[deepest, 0] / limit[0]), 1.0),
    float(measured[deepest, 0] / limit[0]),
    step,
    f"The delay is a factor {limit[0] / expected[shallowest, 0]:.1f} over "
    f"{sizes[shallowest]} matrix at u_0 = {start:g}, and grows like 1 / u_0.",
  )
