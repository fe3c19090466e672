"""Claims of the study of isometry, from its stored arrays.

The arrays are described at `isometry.run`. Standard errors are over seeds; the
tolerance of a mean is four of them.
"""

import functools

import numpy as np

from experiments import study
from experiments.gradient_flow import isometry_networks, isometry_theory
from experiments.gradient_flow import isometry_statistics as statistics

_spectrum = functools.partial(study.Claim, "P12")
_norm = functools.partial(study.Claim, "P18")
_PENNINGTON = (
  "Pennington, Schoenholz, Ganguli, The emergence of spectral universality in "
  "deep networks, 2018, table 1"
)
_HANIN = (
  "Hanin, Which neural net architectures give rise to exploding and vanishing "
  "gradients?, 2018, abstract"
)
_LAW = (
  "theory: squared norms are products of 2 / n chi^2_k, k binomial, after "
  "Hanin, Nica, Products of many large random matrices and gradients in deep "
  "neural networks, 2018"
)
_WIDTH_N = "theory: second moments of Gaussian and Haar matrices at width N"
_HAAR = (
  "Mezzadri, How to generate random matrices from the classical compact "
  "groups, 2007"
)
_NUM_ERRORS = 4  # Tolerated in a mean; normally distributed: 6e-5.
_MOST_ERRORS = 5  # In the worst of many means.


def all_claims(results: study.Results) -> list[study.Claim]:
  """Compares spectra and norms with the theory."""
  return [
    *_table(results),
    *_exact(results),
    *_spectra(results),
    *_haar(results),
    *_log_norms(results),
    *_moments(results),
  ]


def _distance(difference, error):
  with np.errstate(all="ignore"):  # A constant has no error.
    return f"{np.divide(difference, error):+.1f} standard errors."


def _table(results):
  (half, half_error), (full, full_error) = (
    statistics.relative_variances(results, i) for i in (0, 1)
  )
  # What varies like 1 / N is gone from this.
  extrapolated = 2 * full[-1] - half[-1]
  errors = np.sqrt(4 * full_error[-1] ** 2 + half_error[-1] ** 2)
  depth = len(full)
  widths = results["widths"]
  for i, unit in enumerate(isometry_networks.UNITS):
    for j, weights in enumerate(isometry_networks.WEIGHTS):
      expected = isometry_theory.table(unit, j == 1, depth, results["q"])
      residual = isometry_theory.residual(unit, j == 1, depth, widths)
      away = extrapolated[i, j] - expected
      note = (
        f"{away / errors[i, j]:+.1f} standard errors, "
        f"{100 * away / expected:+.1f} %; at N = {widths[1]} "
        f"{full[-1, i, j]:.3g}."
        if expected
        else ""
      )
      yield _spectrum(
        f"{unit}, {weights} weights: the variance of the squared singular "
        f"values over their mean^2 at depth {depth}, extrapolated in 1 / N.",
        _PENNINGTON,
        float(expected),
        float(extrapolated[i, j]),
        # Orthogonal linear networks: the rounding of float64.
        float(_NUM_ERRORS * errors[i, j] + residual + 1e-10),
        note,
      )


def _exact(results):
  worst, mean_worst = 0.0, 0.0
  for index, width in enumerate(results["widths"]):
    measured, error = statistics.relative_variances(results, index)
    mean = results[f"mean_{index}"]
    mean_error = np.std(mean, 0, ddof=1) / len(mean) ** 0.5
    for i, j in ((0, 0), (1, 0), (1, 1)):  # Orthogonal linear: nothing varies.
      exact = isometry_theory.exact(int(width), len(measured), i == 1, j == 1)
      away = np.abs(measured[:, i, j] - exact) / error[:, i, j]
      worst = max(worst, *away)
      away = np.abs(mean.mean(0) - 1)[-1, i, j] / mean_error[-1, i, j]
      mean_worst = max(mean_worst, away)
  yield _spectrum(
    "Linear units and ReLU have the exact relative variance of their width: "
    "the largest distance over layers and widths, in standard errors.",
    _WIDTH_N,
    (0.0, _MOST_ERRORS),
    float(worst),
  )
  yield _spectrum(
    "On the critical line the mean squared singular value is 1: the largest "
    "distance for linear units and ReLU, in standard errors.",
    _PENNINGTON + "; exact at every width",
    (0.0, _MOST_ERRORS),
    float(mean_worst),
  )


def _spectra(results):
  names = list(isometry_networks.UNITS)
  width = int(results["widths"][1])
  for panel, (unit, j) in enumerate(isometry_theory.PANELS):
    squares = results["squares"][:, names.index(unit), j]
    x, cdf = isometry_theory.distribution(results, panel)
    empirical = np.searchsorted(np.sort(squares.ravel()), x) / squares.size
    yield _spectrum(
      f"{unit}, {isometry_networks.WEIGHTS[j]} weights: squared singular "
      "values are distributed as the S-transforms multiply: the largest "
      "distance of the cumulative distributions.",
      "Pennington, Schoenholz, Ganguli, 2018, the free product of the layers",
      0.0,
      float(np.max(np.abs(empirical - cdf))),
      4 / width,  # A few singular values of a network.
    )
  i = names.index("hard tanh")
  squares = results["squares"][:, i, 1]
  depth = results["mean_1"].shape[1]
  largest = results["variance_w"][i] ** depth
  fraction = np.mean(squares > largest * (1 - 1e-6), -1)
  error = np.std(fraction, ddof=1) / len(fraction) ** 0.5
  expected = max(0.0, 1 - depth * isometry_theory.saturated(results["q"]))
  yield _spectrum(
    "hard tanh, orthogonal weights: directions that no layer saturates are "
    "stretched alike, by sigma_w^L: their fraction, 1 - L P(saturated).",
    "theory: free projections that overlap as little as they can",
    expected,
    float(np.mean(fraction)),
    float(_NUM_ERRORS * error),
    _distance(np.mean(fraction) - expected, error),
  )


def _haar(results):
  traces = results["traces_1"].reshape(-1, 2)
  num = len(traces)
  corrected, raw = traces.T
  error = np.std(corrected, ddof=1) / num**0.5
  yield _spectrum(
    "The trace of Haar-distributed orthogonal matrices has mean 0.",
    _HAAR,
    0.0,
    float(np.mean(corrected)),
    float(_NUM_ERRORS * error),
    _distance(np.mean(corrected), error),
  )
  squares = corrected**2
  error = np.std(squares, ddof=1) / num**0.5
  yield _spectrum(
    "The trace of Haar-distributed orthogonal matrices has variance 1.",
    _HAAR,
    1.0,
    float(np.mean(squares)),
    float(_NUM_ERRORS * error),
    _distance(np.mean(squares) - 1, error),
  )
  yield _spectrum(
    "QR alone, its signs as LAPACK leaves them, is not Haar: the mean trace is "
    "not 0, in standard errors.",
    _HAAR,
    (10.0, np.inf),
    float(abs(np.mean(raw)) / (np.std(raw, ddof=1) / num**0.5)),
  )


def _log_norms(results):
  means, laws, sums = isometry_theory.log_norm_laws(results["shapes"])
  measured, errors = statistics.variances(results)
  log_norms = results["log_norms"]
  alive = np.where(np.isfinite(log_norms), log_norms, np.nan)
  mean_error = np.nanstd(alive, 0) / np.sum(np.isfinite(alive), 0) ** 0.5
  yield _norm(
    "The variance of log |J v|^2 and of the log squared signal follow the "
    "exact law of ReLU networks: the largest distance over shapes, in standard "
    "errors.",
    _LAW,
    (0.0, _MOST_ERRORS),
    float(np.max(np.abs(measured - laws) / errors)),
  )
  yield _norm(
    "So do their means, which are negative: a typical network shrinks what the "
    "mean network preserves. The largest distance, in standard errors.",
    _LAW,
    (0.0, _MOST_ERRORS),
    float(np.max(np.abs(np.nanmean(alive, 0) - means) / mean_error)),
  )

  def slope(v):
    return np.sum(v * sums) / np.sum(sums**2)

  yield _norm(
    "The variance of log |J v|^2 is proportional to the sum of 1 / width: the "
    "factor, 5 and somewhat more for narrow layers.",
    _LAW,
    float(slope(laws)),
    float(slope(measured[1])),
    # Shapes share their draws: errors are added, not their squares.
    float(_NUM_ERRORS * slope(errors[1])),
    _distance(slope(measured[1]) - slope(laws), slope(errors[1])),
  )
  line = slope(measured[1]) * sums
  unexplained = np.sum((measured[1] - line) ** 2) / np.var(measured[1])
  yield _norm(
    "A line through the origin explains how this variance differs between "
    "shapes: its share, R^2.",
    _HANIN + '; "a simple architecture-dependent constant beta, given by the '
    'sum of the reciprocals of the hidden layer widths"',
    (0.95, 1.0),
    float(1 - unexplained / len(sums)),
  )
  yield from _same_sum(measured[1], errors[1], laws, sums)


def _same_sum(measured, errors, laws, sums):
  """Compares shapes which have the sum of the second shape."""
  same = np.flatnonzero(np.abs(sums - sums[1]) < 1e-9)
  high, low = (same[f(measured[same])] for f in (np.argmax, np.argmin))
  law = np.max(laws[same]) - np.min(laws[same])
  yield _norm(
    f"{len(same)} shapes of unlike depths and widths with the same sum, "
    f"{sums[1]:.3g}, have the same variance: the largest difference.",
    _HANIN,
    0.0,
    float(measured[high] - measured[low]),
    float(law + _NUM_ERRORS * np.hypot(errors[high], errors[low])),
    f"By the exact law {law:.2g}.",
  )


def _moments(results):
  _, _, sums = isometry_theory.log_norm_laws(results["shapes"])
  exact = isometry_theory.fourth_moments(results["shapes"])
  # Means of exp(log), with dead networks as zeros.
  squares = np.exp(results["log_norms"][:, 1].astype(np.float64))
  fourth = squares**2
  least, most = int(np.argmin(sums)), int(np.argmax(sums))
  error = np.std(fourth, 0, ddof=1) / len(fourth) ** 0.5
  yield _norm(
    "The second moment of |J v|^2 is prod(1 + 5 / n), exponential in the sum "
    f"of 1 / width (shape with the least sum, {sums[least]:.3g}).",
    _HANIN + '; "exponential in a simple architecture-dependent constant"',
    float(exact[least]),
    float(np.mean(fourth[:, least])),
    float(_NUM_ERRORS * error[least]),
    _distance(np.mean(fourth[:, least]) - exact[least], error[least]),
  )
  largest = np.sort(fourth[:, most])[-max(1, len(fourth) // 100) :]
  yield _norm(
    f"At the largest sum, {sums[most]:.3g}, such a moment is a matter of luck: "
    "the share of it that one network in a hundred carries.",
    _LAW + "; a log-normal of variance s^2 has its second moment 2 s above the "
    "mean of the logarithm",
    (0.5, 1.0),
    float(np.sum(largest) / np.sum(fourth[:, most])),
    note="That is why logarithms are compared.",
  )
