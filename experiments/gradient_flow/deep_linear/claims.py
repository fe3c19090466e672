"""Claims of the study of deep linear networks."""

import math

import numpy as np

from experiments import study
from experiments.claims import Claim, Source, theory
from experiments.gradient_flow.deep_linear import theory as closed_form

_SIKDAR = Source("S0-5.1", "S0", "section 5.1")
_CORRECTED = theory("S0-5.1", "section 5.1, corrected", "S0")
_RESIDUAL = theory("S0-5.1", "section 5.1, the part of y_hat - y by hand", "S0")
_FLOAT32 = theory("S0-5.1", "section 5.1 in logarithms; IEEE 754", "S0")
_EQUATION_15 = Source("P14", "saxe2014", "equation 15")
_LIMIT = theory("P14", "equation 15, integrated", "saxe2014")
# Two roundings a layer and, where y_hat - y cancels, some digits more.
_FORMULA_TOLERANCE = 1e-10
# A factor |w| rounded to float32 is off by 3e-8, a thousand times over; the
# logarithm of 1400 itself by 6e-5.
_LOG_TOLERANCE = 2e-4


def claims(results: study.Results) -> list[Claim]:
  """Compares gradients with the formula, and training with the equation."""
  return [
    *_formula(results),
    *_slopes(results),
    *_formats(results),
    _equation(results),
    _delay(results),
  ]


def _relative(actual, expected):
  return float(np.max(np.abs(actual - expected) / np.abs(expected)))


def _formula(results):
  gradients, spreads, outputs, misprint = {}, {}, {}, []
  for depth, (paths, output, gradient) in results.formula.items():
    name, x = f"{depth} layers", results.x
    expected = closed_form.first_layer_gradient(paths, x, results.y)
    gradients[name] = _relative(gradient[:, 0, 0], expected)
    products = paths[..., 0] * gradient[..., 0]
    spreads[name] = _relative(products, products[:, :1])
    outputs[name] = _relative(output, closed_form.output(paths, x))
    misprint.append(abs(closed_form.printed_output(paths, x) / output - 1))
  yield _SIKDAR.zero(
    "gradient-formula",
    "The gradient of the first weight is the error of the output times the "
    "product of all later weights and the input.",
    gradients,
    tolerance=_FORMULA_TOLERANCE,
    quantity="largest relative difference to automatic differentiation",
  )
  yield _SIKDAR.zero(
    "any-layer",
    "For vanishing and exploding the layer of the weight does not matter: "
    "w dL/dw is the same in every layer.",
    spreads,
    tolerance=_FORMULA_TOLERANCE,
    quantity="largest relative difference between layers",
  )
  yield _CORRECTED.zero(
    "output-erratum",
    "The output's second path has the weight w_22^(2), not w_11^(2) as printed "
    "in section 5.1.",
    outputs,
    tolerance=_FORMULA_TOLERANCE,
    quantity="largest relative error of the corrected output",
    note="Erratum. As printed the output of half of the networks is off by "
    f"more than {100 * np.median(misprint):.2g} %.",
  )


def _slopes(results):
  factors, depths = results.factors, results.depths
  deep = depths >= depths[-1] // 2
  for key, chosen, rate, statement in (
    (
      "vanishes",
      factors < 1,
      1,
      "Where all weights are below 1 in size, the first layer's gradient "
      "vanishes with depth by one factor |w| a layer.",
    ),
    (
      "explodes",
      factors > 1,
      2,
      "Where all weights are above 1 in size, the first layer's gradient "
      "explodes with depth by |w|^2 a layer, the error included.",
    ),
  ):
    if np.any(chosen):
      curves = results.log_gradient[chosen][:, deep].T.astype(np.float64)
      slopes = np.polyfit(depths[deep], curves, 1)[0]
      ratios = slopes / np.log(factors[chosen])
      names = (f"|w| = {factor:g}" for factor in factors[chosen])
      yield _RESIDUAL.equal(
        key,
        statement,
        rate,
        dict(zip(names, ratios, strict=True)),
        tolerance=1e-5,  # 1e-3 of rounding over log |w| times 500 layers.
        quantity="slope of log |dL/dw| by layer, over log |w|",
      )


def _formats(results):
  exact = closed_form.log_gradients(results)
  yield _FLOAT32.zero(
    "exponent-apart",
    "Float32 with the exponent kept apart holds the gradients of all depths.",
    float(np.max(np.abs(results.log_gradient - exact))),
    tolerance=_LOG_TOLERANCE,
    quantity="largest error of log |dL/dw|",
    note=f"The logarithms go from {np.min(exact):.0f} to {np.max(exact):.0f}; "
    "float32 ends at -87 and 89.",
  )
  plain, bits = np.abs(results.float32.astype(np.float64)), exact / math.log(2)
  slack = _LOG_TOLERANCE / math.log(2)
  with np.errstate(all="ignore"):
    is_right = np.abs(np.log(plain) - exact) < _LOG_TOLERANCE
  # Between 2^-150 and 2^-126 some processors take a number for 0.
  as_expected = np.select(
    [bits > 128 + slack, bits < -150 - slack, np.abs(bits) < 126 - slack],
    [~np.isfinite(plain), plain == 0, is_right],
    True,
  )
  names = (f"|w| = {factor:g}" for factor in results.factors)
  ends = [
    f"{name} from L = {results.depths[found][0]} on at |w| = {factor:g}"
    for factor, row in zip(results.factors, plain, strict=True)
    for name, found in (("0", row == 0), ("not finite", ~np.isfinite(row)))
    if np.any(found)
  ]
  yield _FLOAT32.zero(
    "plain-float32",
    "Plain float32 gives 0 for gradients below 2^-150, no finite number from "
    "2^128 on, and the formula's value in between.",
    dict(zip(names, np.sum(~as_expected, axis=1), strict=True)),
    tolerance=0,
    quantity="depths at which the gradient is something else",
    note=f"The gradient is {', '.join(ends)}.",
  )


def _equation(results):
  # The half step reaches half as far: every second record of it and the first
  # half of the whole step are at the same times.
  num = (results.modes.shape[-2] + 1) // 2
  whole = results.modes[:, 0, :, :num]
  half = results.modes[:, 1, :, ::2][:, :, :num]
  times = results.times[0, :num]
  expected = closed_form.predicted(results, times)[:, np.newaxis]
  errors = np.abs(2 * half - whole - expected) / results.strengths
  return _EQUATION_15.zero(
    "mode-equation",
    "Deep linear nets trained from balanced, aligned starts follow Saxe's "
    "equation for the strength of each mode.",
    {
      f"{size} matrices": np.max(error)
      for size, error in zip(results.num_matrices, errors, strict=True)
    },
    # Second order in the step: squared, with the largest curvature s^2.
    tolerance=float(results.step * np.max(results.strengths) ** 2) ** 2,
    quantity="largest error of u / s, extrapolated to learning rate 0",
    note="tau du/dt = D u^(2 - 2/D) (s - u) with D matrices.",
  )


def _delay(results):
  start, strength = float(results.start), float(np.min(results.strengths))
  weakest = int(np.argmin(results.strengths))
  limit = closed_form.learning_time(strength / 2, start, strength, math.inf)
  curves = np.mean(results.modes[:, 1, :, :, weakest], axis=1)
  times = [np.interp(strength / 2, curve, results.times[1]) for curve in curves]
  return _LIMIT.at_most(
    "finite-delay",
    "From balanced starts, at a learning rate of 1 / D, nets of any depth "
    "learn within the finite time of infinitely many matrices.",
    1.0,
    {
      f"{size} matrices": time / limit
      for size, time in zip(results.num_matrices, times, strict=True)
    },
    quantity="time to half strength of the weakest mode, over that limit",
    note=f"The limit is {limit / times[0]:.1f} times the time of "
    f"{results.num_matrices[0]} matrix at u_0 = {start:g}, and grows like "
    "1 / u_0.",
  )
