"""Claims of the study of mean-field theory, from its stored arrays.

The arrays are described at `mean_field.run`. Standard errors are over seeds;
the tolerance of a mean is four of them.
"""

import functools

import numpy as np

from experiments import study
from experiments.gradient_flow import mean_field_statistics as statistics

_claim = functools.partial(study.Claim, "P13")
_POOLE = (
  "Poole, Lahiri, Raghu, Sohl-Dickstein, Ganguli, Exponential expressivity in "
  "deep neural networks through transient chaos, 2016"
)
_SCHOENHOLZ = (
  "Schoenholz, Gilmer, Ganguli, Sohl-Dickstein, Deep information propagation, "
  "2017"
)
_MAPS = _POOLE + ", the maps of length and correlation, integrated here"
_SCALES = _SCHOENHOLZ + ", depth scales, integrated here"
_NUM_ERRORS = 4  # Tolerated in a mean; Student's t with 23 seeds: 6e-4.
_MOST_ERRORS = 5  # In the worst of hundreds of dependent means.


def all_claims(results: study.Results) -> list[study.Claim]:
  """Compares networks with the theory, and training with both."""
  return [
    *_maps(results),
    *_fixed_points(results),
    *_phases(results),
    *_depth_scales(results),
    *_precision(results),
    *_training(results),
  ]


def _within(statement, source, expected, measured, error, note=""):
  with np.errstate(all="ignore"):  # A constant has no error.
    away = np.divide(measured - expected, error)
  per_cent = f", {100 * (measured / expected - 1):+.2f} %" if expected else ""
  return _claim(
    statement,
    source,
    float(expected),
    float(measured),
    float(_NUM_ERRORS * error),
    f"{away:+.1f} standard errors{per_cent}. {note}".strip(),
  )


def _worst(samples, theory):
  mean, error = statistics.mean_and_error(samples)
  with np.errstate(all="ignore"):
    away = np.abs(mean - theory) / error
  # The start has no error; a mean that is not a number must not be passed over.
  return float(np.max(np.where((error == 0) & (mean == theory), 0, away)))


def _maps(results):
  for what, name in (("variance", "q"), ("correlation", "c")):
    yield _claim(
      f"One random layer maps the {what} as the integral says: the largest "
      f"distance over points and sigma_w, in standard errors.",
      _MAPS,
      (0.0, _MOST_ERRORS),
      _worst(results[f"mapped_{name}"], results[f"mapped_{name}_theory"]),
    )
  for what, name in (("relaxing_q", "Variances"), ("distance", "Correlations")):
    start = results[what][0, 0], results[f"{what}_theory"][0]
    if not np.allclose(*start, rtol=1e-12):
      raise ValueError(f"expected {what} to start as in theory, got {start}")
    yield _claim(
      f"{name} follow the iterated map through all layers: the largest "
      "distance over layers, settings and starts, in standard errors.",
      _MAPS,
      (0.0, _MOST_ERRORS),
      _worst(results[what][:, 1:], results[f"{what}_theory"][1:]),
    )


def _fixed_points(results):
  settled = slice(results["measured_q"].shape[1] // 2, None)
  q, q_error = statistics.mean_and_error(
    results["measured_q"][:, settled].mean(1)
  )
  distance = results["distance"][:, 1:][:, settled, :, 0].mean(1)
  c, c_error = statistics.mean_and_error(1 - distance)
  end, end_error = statistics.mean_and_error(results["distance"][:, -1, :, 1])
  for i in range(int(results["num_pairs"])):
    where = f"sigma_w = {results['sigma_w'][i]:.3g}, sigma_b = "
    where += f"{results['sigma_b'][i]:.3g}"
    yield _within(
      f"The variance settles at q* ({where}).",
      _MAPS,
      results["q"][i],
      q[i],
      q_error[i],
    )
    if results["c"][i] < 1:
      yield _within(
        f"Different inputs settle at the correlation c* < 1 ({where}).",
        _MAPS,
        results["c"][i],
        c[i],
        c_error[i],
      )
    else:
      yield _within(
        f"All inputs become alike, c* = 1 ({where}): 1 - c at the last layer.",
        _MAPS,
        results["distance_theory"][-1, i, 1],
        end[i],
        end_error[i],
      )
    growth, error = statistics.growth_of(results, i)
    yield _within(
      "Squared gradients change by chi_1 = sigma_w^2 E[phi'^2] per layer "
      f"({where}).",
      _POOLE + "; " + _SCHOENHOLZ,
      results["chi_1"][i],
      growth,
      error,
    )


def _phases(results):
  sweep = slice(int(results["num_pairs"]), None)
  variances = np.square(results["sigma_w"][sweep])
  critical = float(results["critical_variance"])
  settled = slice(results["growth"].shape[1] // 4, None)
  samples = results["growth"][:, settled, sweep].mean(1)
  grows = np.mean(samples, 0) > 1
  yield _claim(
    "Gradients vanish in the ordered and explode in the chaotic phase: "
    "settings on the wrong side of the critical line.",
    _SCHOENHOLZ + ', abstract: "the ordered and chaotic phases correspond to '
    'regions of vanishing and exploding gradient respectively"',
    0,
    float(np.sum(grows != (variances > critical))),
  )

  def crossing(growth):
    return _crossing(variances, np.log(growth))

  measured, error = statistics.jackknife(crossing, samples)
  # What the interpolation itself is wrong by, known from the theory.
  interpolation = abs(crossing(results["chi_1"][sweep]) - critical)
  yield _claim(
    "Between them gradients keep their size, at a critical sigma_w^2 "
    f"(sigma_b^2 = {results['sigma_b'][-1] ** 2:.3g}).",
    _SCALES,
    critical,
    measured,
    float(_NUM_ERRORS * error + interpolation),
    f"{(measured - critical) / error:+.1f} standard errors; interpolated "
    "between settings.",
  )


def _crossing(x, y):
  """Returns where a cubic through the points nearest to y = 0 crosses 0."""
  nearest = np.argsort(np.abs(y))[:4]
  fit = np.polynomial.Polynomial.fit(y[nearest], x[nearest], len(nearest) - 1)
  return float(fit(0.0))


def _depth_scales(results):
  num_pairs = int(results["num_pairs"])
  for name, settings, what in (
    ("q", range(num_pairs), "variances"),
    ("c", range(num_pairs, len(results["sigma_w"])), "correlations"),
  ):
    for i in settings:
      rate, error, expected = statistics.relaxation(results, name, i)
      variance_w, variance_b = (
        results[f"sigma_{which}"][i] ** 2 for which in "wb"
      )
      scale = 1 / rate if rate else np.inf
      yield _within(
        f"Differences of {what} decay over a depth xi_{name}: the rate per "
        f"layer, near 1 / xi_{name} (sigma_w^2 = {variance_w:.3g}, sigma_b^2 = "
        f"{variance_b:.2g}).",
        _SCALES,
        expected,
        rate,
        error,
        f"So xi_{name} = {scale:.3g}; from the slope at the fixed point "
        f"{results[f'xi_{name}'][i]:.3g} layers.",
      )


def _precision(results):
  by_product, by_distance = results["by_product"], results["by_distance"]
  setting = int(results["num_pairs"])
  depth = len(by_distance)
  first = depth // 4 - 1
  log = np.log10(by_distance)
  expected = -1 / (results["xi_c"][setting] * np.log(10))
  yield _claim(
    "In float64, as |x - y|^2 / 2, the distance of two signals falls by the "
    f"predicted decades per layer down to the last, {depth}.",
    _SCALES,
    float(expected),
    float((log[-1] - log[first]) / (depth - 1 - first)),
    # One network: a layer's factor varies by some sqrt(3 / N).
    float(
      _NUM_ERRORS
      * (3 / (results["width"] * (depth - 1 - first))) ** 0.5
      / np.log(10)
    ),
  )
  last = max(float(by_product[-1]), np.finfo(np.float32).tiny)
  yield _claim(
    "Float32 is not enough for 1 - x^T y: at the last layer it is wrong by "
    "more than a factor of 100.",
    "theory: digits left of 1 - c at float32's rounding of 6e-8",
    (2.0, np.inf),
    float(abs(np.log10(last) - log[-1])),
    note="In decades.",
  )


def _training(results):
  depths = results["train_depths"][:, np.newaxis] / results["train_xi_c"]
  accuracy, _ = statistics.mean_and_error(results["accuracy"])
  source = _SCHOENHOLZ + (
    ', abstract: "random networks may be trained precisely when information '
    'can travel through them"'
  )
  yield _claim(
    "Networks up to 2 xi_c deep learn more than half of the digits: the worst "
    "mean accuracy among them.",
    source,
    (0.5, 1.0),
    float(np.min(accuracy[depths <= 2])),
  )
  yield _claim(
    "Networks 6 xi_c deep or deeper, in either phase, learn less than half of "
    "the digits: the best mean accuracy among them.",
    source + "; 6 is the multiple usually drawn",
    (0.0, 0.5),
    float(np.max(accuracy[depths >= 6])),
    note="Chance is 0.1.",
  )
  deepest = results["accuracy"][:, -1]
  nearest = np.argmin(
    np.abs(results["train_variances"] - results["critical_variance"])
  )
  others = np.delete(deepest, nearest, 1)
  gap, error = statistics.mean_and_error(deepest[:, [nearest]] - others)
  yield _claim(
    "The deepest networks learn best next to the critical line: the smallest "
    "lead in accuracy over another sigma_w, in standard errors.",
    _SCHOENHOLZ + ", abstract: deep networks may be trained only "
    '"sufficiently close to criticality"',
    (2.0, np.inf),
    # Where all networks learn nothing the gap has next to no error.
    float(np.min(gap / np.maximum(error, 1e-3))),
  )
