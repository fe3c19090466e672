"""Claims of the study of deep linear networks."""

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
  parts = (_formula, _slopes, _formats, _training)
  return [claim for part in parts for claim in part(results)]


def _relative(actual, expected):
  return float(np.max(np.abs(actual / expected - 1)))


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
  depths = results.depths
  deep = depths >= depths[-1] // 2
  curves = results.log_gradient[:, deep].T.astype(np.float64)
  slopes = np.polyfit(depths[deep], curves, 1)[0]
  yield _RESIDUAL.equal(
    "unstable",
    "The first layer's gradient vanishes by |w| a layer where all weights are "
    "below 1 in size, and explodes by |w|^2 above.",
    1.0,
    {
      f"|w| = {factor:g}": slope / np.log(factor) / (2 if factor > 1 else 1)
      for factor, slope in zip(results.factors, slopes, strict=True)
      if factor != 1
    },
    tolerance=1e-5,  # 1e-3 of rounding over log |w| times 500 layers.
    quantity="slope of log |dL/dw| by layer, over log |w| or 2 log |w|",
  )


def _formats(results):
  exact = closed_form.log_gradients(results)
  ends = [
    f"{name} from L = {results.depths[found][0]} on at |w| = {factor:g}"
    for factor, row in zip(results.factors, results.float32, strict=True)
    for name, found in (("0", row == 0), ("not finite", ~np.isfinite(row)))
    if np.any(found)
  ]
  yield _FLOAT32.zero(
    "exponent-apart",
    "Float32 with the exponent kept apart holds the gradients of all depths.",
    float(np.max(np.abs(results.log_gradient - exact))),
    tolerance=_LOG_TOLERANCE,
    quantity="largest error of log |dL/dw|",
    note=f"The logarithms go from {np.min(exact):.0f} to {np.max(exact):.0f}; "
    f"float32 ends at -103 and 89: it is {', '.join(ends)}.",
  )


def _training(results):
  errors = np.abs(results.modes - closed_form.mode_strengths(results))
  errors = np.max(errors / results.strengths, axis=(1, 2))
  names = [f"{size} matrices" for size in results.num_matrices]
  yield _EQUATION_15.zero(
    "mode-equation",
    "Deep linear nets trained from balanced, aligned starts follow Saxe's "
    "equation for the strength of each mode.",
    dict(zip(names, errors, strict=True)),
    # First order in the step, with the largest curvature s^2.
    tolerance=float(results.step * results.strengths[-1] ** 2),
    quantity="largest error of u / s",
    note="tau du/dt = D u^(2 - 2/D) (s - u) with D matrices.",
  )
  start, strength = float(results.start), results.strengths[0]
  limit = closed_form.limit_time(strength / 2, start, strength)
  times = [
    np.interp(strength / 2, curve, results.times)
    for curve in results.modes[:, :, 0]
  ]
  yield _LIMIT.at_most(
    "finite-delay",
    "From balanced starts, at a learning rate of 1 / D, nets of any depth "
    "learn within the finite time of infinitely many matrices.",
    1.0,
    dict(zip(names, times / limit, strict=True)),
    quantity="time to half strength of the weakest mode, over that limit",
    note=f"The limit is {limit / times[0]:.1f} times the time of "
    f"{results.num_matrices[0]} matrix at u_0 = {start:g}, and grows like "
    "1 / u_0.",
  )
