"""Claims of the study of mean-field theory."""

import numpy as np

from experiments import measure, study
from experiments.claims import Claim, Source, theory
from experiments.gradient_flow.mean_field import readings

_MAPS = theory("P13", "the maps of length and correlation", "poole2016")
_SCALES = theory("P13", "depth scales and the critical line", "schoenholz2017")
_ABSTRACT = Source(
  "P13",
  "schoenholz2017",
  'abstract: "may be trained precisely when information can travel through"',
)
# sigma_w, at sigma_b = 0.3: q*, c* and chi_1, integrated by hand.
_FIXED_POINTS = {
  1.3: (0.60705, 1.0, 0.93981),
  2.5: (4.07912, 0.1221, 1.58523),
  4.0: (12.60415, 0.02970, 2.36726),
}
# sigma_w^2, at sigma_b^2 = 0.05: xi_c in layers.
_DEPTH_SCALES = {
  1.3: 7.83,
  1.5: 15.8,
  1.7: 74.9,
  2.0: 25.2,
  2.5: 11.8,
  4.0: 6.98,
}
_CRITICAL = 1.76095  # sigma_w^2, at sigma_b^2 = 0.05.
_DIGITS = (
  1e-3  # Relative; by the three digits that some of these have: 5e-3 / 7.
)


def claims(results: study.Results) -> list[Claim]:
  """Compares the library's integrals, networks and training with the theory."""
  return [
    *_integrals(results),
    *_networks(results),
    *_depth_scales(results),
    *_training(results),
  ]


def _pairs(results):
  """Yields the settings whose fixed points are known: index, name, values."""
  for i, (sigma_w, sigma_b) in enumerate(
    zip(results.sigma_w, results.sigma_b, strict=True)
  ):
    for known, values in _FIXED_POINTS.items():
      if np.isclose(sigma_w, known) and np.isclose(sigma_b, 0.3):
        yield i, f"sigma_w = {known:g}", values


def _sweep(results):
  """Yields the settings whose depth scale is known: index, name, layers."""
  for i, (sigma_w, sigma_b) in enumerate(
    zip(results.sigma_w, results.sigma_b, strict=True)
  ):
    for known, scale in _DEPTH_SCALES.items():
      if np.isclose(sigma_w**2, known) and np.isclose(sigma_b**2, 0.05):
        yield i, f"sigma_w^2 = {known:g}", scale


def _integrals(results):
  for key, statement, position, found in (
    (
      "length-integral",
      "Tanh networks with sigma_b = 0.3 and sigma_w = 1.3, 2.5, 4 settle at "
      "variances q* of 0.60705, 4.07912, 12.60415.",
      0,
      results.theory.q,
    ),
    (
      "correlation-integral",
      "Inputs of tanh networks with sigma_b = 0.3 and sigma_w = 1.3, 2.5, 4 "
      "settle at correlations c* of 1, 0.1221, 0.0297.",
      1,
      results.theory.c,
    ),
    (
      "growth-integral",
      "Squared gradients of tanh networks with sigma_b = 0.3, sigma_w = 1.3, "
      "2.5, 4 grow by chi_1 = 0.93981, 1.58523, 2.36726 a layer.",
      2,
      results.theory.chi_1,
    ),
  ):
    yield _MAPS.equal(
      key,
      statement,
      1.0,
      {name: found[i] / v[position] for i, name, v in _pairs(results)},
      tolerance=_DIGITS,
      quantity="the library's integral over this value",
    )
  scales = {
    name: results.theory.xi_c[i] / scale for i, name, scale in _sweep(results)
  }
  yield _SCALES.equal(
    "depth-scale-integral",
    "At sigma_b^2 = 0.05 the depth scale is 7.8 layers at sigma_w^2 = 1.3, 75 "
    "at 1.7, 7.0 at 4; the critical value is 1.76095.",
    1.0,
    scales | {"critical": float(results.critical_variance) / _CRITICAL},
    tolerance=2e-3,  # Three digits of 25.2.
    quantity="the library's integral over this value",
  )


def _networks(results):
  settled = slice(results.q.shape[1] // 2, None)
  q = results.q[:, settled].mean(axis=1)
  c = 1 - results.distance[:, 1:][:, settled].mean(axis=(1, 3))
  growth = readings.growth(results)
  pairs = list(_pairs(results))
  # A correlation of 0.03 does not stand out of the noise of finite width.
  chaotic = [pair for pair in pairs if 0.1 < pair[2][1] < 1]
  note = f"N = {results.width}; {len(q)} networks."
  yield _MAPS.equivalent(
    "length",
    "The variance of pre-activations of random tanh networks settles at q*.",
    1.0,
    {name: measure.mean(q[:, i] / v[0]) for i, name, v in pairs},
    margin=0.05,  # Some ten times 1 / N, what the theory leaves out.
    quantity="mean square over q*",
    note=note,
  )
  yield _MAPS.equivalent(
    "growth",
    "Squared gradients of random tanh networks change by chi_1 a layer, below "
    "1 for small and above 1 for large weights.",
    1.0,
    {name: measure.mean(growth[:, i] / v[2]) for i, name, v in pairs},
    margin=0.02,  # A third of what 0.94 lacks to 1.
    quantity="growth of squared tangents a layer, over chi_1",
    note=note,
  )
  yield _MAPS.equivalent(
    "correlation",
    "Different inputs of chaotic tanh networks settle at the correlation c* "
    "below 1.",
    1.0,
    {name: measure.mean(c[:, i] / v[1]) for i, name, v in chaotic},
    margin=0.1,
    quantity="correlation over c*",
    note=note,
  )


def _depth_scales(results):
  yield _SCALES.equivalent(
    "depth-scale",
    "In the ordered phase inputs of random tanh networks become alike at the "
    "rate 1 / xi_c a layer.",
    1.0,
    {
      name: readings.decay_rate(results, i, 1 / scale)
      for i, name, scale in _sweep(results)
      if results.theory.c[i] == 1 and scale < 40
    },
    margin=0.2,  # From one of these settings to the next it is a factor of 2.
    quantity="rate at which 1 - c falls a layer, times xi_c",
    note="Nearer to the critical line no run of these sizes could tell the "
    "rate from 0.",
  )
  sweep = [i for i, _, _ in _sweep(results)]
  variances = results.sigma_w[sweep] ** 2
  yield _SCALES.equivalent(
    "critical",
    "Gradients of random tanh networks vanish below and explode above the "
    "critical sigma_w^2 of 1.76 at sigma_b^2 = 0.05.",
    _CRITICAL,
    measure.jackknife(
      lambda growth: _crossing(variances, np.log(growth.mean(axis=0))),
      readings.growth(results)[:, sweep],
    ),
    margin=0.1,  # The settings nearest to it are 1.7 and 2.
    quantity="sigma_w^2 at which gradients keep their size, interpolated",
  )


def _crossing(x, y):
  """Returns where a cubic through the points nearest to y = 0 crosses 0."""
  nearest = np.argsort(np.abs(y))[:4]
  fit = np.polynomial.Polynomial.fit(y[nearest], x[nearest], len(nearest) - 1)
  return float(fit(0.0))


def _training(results):
  depths = results.train_depths[:, np.newaxis] / results.train_xi_c
  shallow, deep = depths <= 2, depths >= 6
  chaotic = results.train_variances > results.critical_variance
  yield _ABSTRACT.at_least(
    "trainable",
    "Networks up to 2 xi_c deep are trained: they learn more than half of the "
    "digits.",
    0.5,
    measure.mean(results.accuracy[:, shallow].min(axis=1)),
    quantity="accuracy of the worst of them, mean over seeds",
    note=f"{np.sum(shallow)} depths and sigma_w; 2 and one half are ours.",
  )
  yield _ABSTRACT.at_most(
    "untrainable",
    "Networks of 6 xi_c or deeper are not trained: they learn less than half "
    "of the digits.",
    0.5,
    measure.mean(results.accuracy[:, deep].max(axis=1)),
    quantity="accuracy of the best of them, mean over seeds",
    note=f"{np.sum(deep)} depths and sigma_w, {np.sum(deep & chaotic)} of them "
    "in the chaotic phase; chance is 0.1. 6 and one half are ours: ten times "
    "the steps (--full) train some networks of 6 and 7 xi_c as well.",
  )
