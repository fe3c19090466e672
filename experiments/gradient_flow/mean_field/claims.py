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
# Integrated by hand, at the settings of `readings`.
_Q = (0.60705, 4.07912, 12.60415)
_C = (1.0, 0.1221, 0.02970)
_CHI_1 = (0.93981, 1.58523, 2.36726)
_XI_C = (7.83, 15.8, 74.9, 25.2, 11.8, 6.98)  # Layers.
_CRITICAL = 1.76095  # sigma_w^2, at sigma_b^2 = 0.05.


def claims(results: study.Results) -> list[Claim]:
  """Compares the library's integrals, networks and training with the theory."""
  return [
    _integrals(results),
    *_networks(results),
    _depth_scale(results),
    _critical(results),
    *_training(results),
  ]


def _named(settings, found):
  """Names what was measured by sigma_w^2 of the settings."""
  names = [f"sigma_w^2 = {readings.SETTINGS[i][0]:g}" for i in settings]
  return dict(zip(names, found, strict=True))


def _integrals(results):
  library, points = results.theory, readings.POINTS
  symbols = library.q, library.c, library.chi_1
  found = [symbol[points] for symbol in symbols]
  found += [library.xi_c[readings.SCALES], [results.critical_variance]]
  known = [*_Q, *_C, *_CHI_1, *_XI_C, _CRITICAL]
  return _SCALES.zero(
    "integrals",
    "The theory's integrals give the fixed points, growths, depth scales and "
    "critical variance of tanh networks that were found by hand.",
    np.max(np.abs(np.concatenate(found) / known - 1)),
    tolerance=2e-3,  # Three digits, as of 25.2.
    quantity="largest deviation of the library's integrals, relative",
    note="At sigma_b = 0.3, sigma_w = 1.3, 2.5, 4 they are q* = 0.60705, "
    "4.07912, 12.60415, c* = 1, 0.1221, 0.0297, chi_1 = 0.93981, 1.58523, "
    "2.36726. At sigma_b^2 = 0.05, sigma_w^2 = 1.3, 1.7, 4 xi_c is 7.83, 74.9, "
    "6.98 layers, and 1.76095 is critical.",
  )


def _networks(results):
  settled = results.q.shape[-1] // 2
  q = results.q[..., settled:].mean(axis=-1)
  c = 1 - results.distance[:, :, 1 + settled :].mean(axis=(2, 3))
  note = f"N = {results.width}; {len(q)} networks."

  def over(known, samples):
    ratios = samples[:, readings.POINTS] / known
    return _named(readings.POINTS, map(measure.mean, ratios.T))

  yield _MAPS.equivalent(
    "length",
    "The variance of pre-activations of random tanh networks settles at q*.",
    1.0,
    over(_Q, q),
    margin=0.05,  # Some ten times 1 / N, what the theory leaves out.
    quantity="mean square over q*",
    note=note,
  )
  yield _MAPS.equivalent(
    "correlation",
    "Different inputs of a chaotic tanh network, sigma_w = 2.5, settle at the "
    "correlation c* below 1.",
    1.0,
    # 0.03, at sigma_w = 4, does not stand out of the noise of finite width.
    measure.mean(c[:, 1] / _C[1]),
    margin=0.1,
    quantity="correlation over c*",
    note=note,
  )
  yield _MAPS.equivalent(
    "growth",
    "Squared gradients of random tanh networks change by chi_1 a layer, below "
    "1 for small and above 1 for large weights.",
    1.0,
    over(_CHI_1, readings.growth(results)),
    margin=0.02,  # A third of what 0.94 lacks to 1.
    quantity="growth of squared tangents a layer, over chi_1",
    note=note,
  )


def _depth_scale(results):
  ordered = readings.SCALES[:2]  # Far enough from the critical line.
  return _SCALES.equivalent(
    "depth-scale",
    "In the ordered phase inputs of random tanh networks become alike at the "
    "rate 1 / xi_c a layer.",
    1.0,
    _named(
      ordered,
      [
        readings.decay_rate(results, i, 1 / scale)
        for i, scale in zip(ordered, _XI_C, strict=False)
      ],
    ),
    margin=0.2,  # From one of these settings to the next it is a factor of 2.
    quantity="rate at which 1 - c falls a layer, times xi_c",
  )


def _critical(results):
  variances = results.theory.sigma_w[readings.SCALES] ** 2
  return _SCALES.equivalent(
    "critical",
    "Gradients of random tanh networks vanish below and explode above the "
    "critical sigma_w^2 of 1.76 at sigma_b^2 = 0.05.",
    _CRITICAL,
    measure.jackknife(
      lambda growth: np.interp(0, np.log(growth.mean(axis=0)), variances),
      readings.growth(results)[:, readings.SCALES],
    ),
    margin=0.1,  # The settings nearest to it are 1.7 and 2.
    quantity="sigma_w^2 at which gradients keep their size, interpolated",
  )


def _training(results):
  depths = results.train_depths[:, np.newaxis] / results.train_xi_c
  shallow, deep = depths <= 2, depths >= 6
  if np.any(shallow):
    yield _ABSTRACT.at_least(
      "trainable",
      "Networks up to 2 xi_c deep are trained: they learn more than half of "
      "the digits.",
      0.5,
      measure.mean(results.accuracy[:, shallow].min(axis=1)),
      quantity="accuracy of the worst of them, mean over seeds",
      note=f"{np.sum(shallow)} depths and sigma_w; 2 and one half are ours.",
    )
  if np.any(deep):
    yield _ABSTRACT.at_most(
      "untrainable",
      "Networks of 6 xi_c or deeper are not trained: they learn less than half "
      "of the digits.",
      0.5,
      measure.mean(results.accuracy[:, deep].max(axis=1)),
      quantity="accuracy of the best of them, mean over seeds",
      note=f"{np.sum(deep)} depths and sigma_w; chance is 0.1. 6 and one half "
      "are ours: ten times the steps (--full) train some of 6 and 7 xi_c too.",
    )
