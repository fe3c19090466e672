"""Claims of the study of isometry."""

import numpy as np

from experiments import measure, study
from experiments.claims import Claim, Source, theory
from experiments.gradient_flow.isometry import readings
from experiments.gradient_flow.isometry import theory as predictions

_TABLE = Source("P12", "pennington2018", "table 1")
_SPECTRUM = theory("P12", "the free product of the layers", "pennington2018")
_HAAR = theory("P12", "QR with corrected signs", "mezzadri2007")
_LAW = theory(
  "P18", "squared norms as products of 2/n chi^2_k, k binomial", "hanin2018"
)


def claims(results: study.Results) -> list[Claim]:
  """Compares spectra and norms with the theory."""
  return [
    _table(results),
    _distribution(results),
    _haar(results),
    _log_variance(results),
    _second_moment(results),
  ]


def _table(results):
  depth, away = results.spread.shape[1], {}
  for i, unit in enumerate(predictions.UNITS):
    for j, weights in enumerate(predictions.WEIGHTS):
      entry = predictions.table(unit, j == 1, depth)
      off = (results.spread[:, -1, i, j] - entry) / (entry or depth)
      away[f"{unit}, {weights}"] = measure.mean(off)
  linear = results.spread[:, :, predictions.UNITS.index("linear"), 1]
  return _TABLE.equivalent(
    "spread",
    "The squared singular values of critical networks spread as table 1 says "
    "of infinite width, with Gaussian and with orthogonal weights.",
    0.0,
    away,
    margin=0.1,  # One unit of the table is 25 % at four layers.
    quantity="variance / mean^2 of squared singular values, less the table's, "
    "over it",
    note=f"At N = {results.squares.shape[2]}. Linear units with orthogonal "
    f"weights, at 0 in the table, spread by {np.max(linear):.0e} at most.",
  )


def _distribution(results):
  distances = {}
  for panel, (unit, j) in enumerate(predictions.PANELS):
    squares = np.sort(results.squares[:, panel], axis=None)
    found = np.searchsorted(squares, predictions.X) / squares.size
    expected = predictions.distribution(results, panel)
    name = f"{unit}, {predictions.WEIGHTS[j]}"
    distances[name] = float(np.max(np.abs(found - expected)))
  return _SPECTRUM.at_most(
    "distribution",
    "Squared singular values are distributed as a free product of independent "
    "layers has it.",
    0.05,  # One singular value of twenty, where histograms look alike.
    distances,
    quantity="largest distance of cumulative distributions",
  )


def _haar(results):
  corrected, raw = map(measure.mean, results.traces.T)
  return _HAAR.equivalent(
    "haar",
    "Orthogonal matrices from a QR factorisation with the signs put right are "
    "uniformly distributed: their mean trace is 0.",
    0.0,
    corrected,
    margin=0.2,  # A fifth of the standard deviation of such a trace, 1.
    quantity="mean trace",
    note="With the signs as LAPACK leaves them it is "
    f"{raw.value:.2f} ± {raw.error:.2f}.",
  )


def _by_sum(shapes, read, norms, units):
  """Reads a number off the norms of each shape, over its unit."""
  return {
    f"sum(1 / width) = {total:.3g}": read(samples, unit)
    for total, samples, unit in zip(
      predictions.sums(shapes), norms.T, units, strict=True
    )
  }


def _log_variance(results):
  exact, shapes = results.log_variance, predictions.SHAPES
  factors = exact / predictions.sums(shapes)
  return _LAW.equivalent(
    "log-variance",
    "Whatever the shape of a ReLU network, its gradient's log squared norm has "
    "the variance that for wide layers is 5 sum(1 / width).",
    1.0,
    _by_sum(shapes, readings.log_variance, results.log_norms, exact),
    # Without the luck of which units are active it would be 4 for 5.
    margin=0.15,
    quantity="variance of the log squared norm, over the shape's exact law",
    note=f"Here it is {min(factors):.3g} to {max(factors):.3g} times the sum.",
  )


def _second_moment(results):
  exact, shapes = np.log(results.second_moment), predictions.NARROW_SHAPES
  return _LAW.equivalent(
    "second-moment",
    "The second moment of a gradient's squared norm is the product of "
    "1 + 5 / width over layers, nearly exponential in sum(1 / width).",
    1.0,
    _by_sum(shapes, readings.log_second_moment, results.narrow, exact),
    margin=0.1,  # Half of what 4 or 6 for 5 would be.
    quantity="log of second moment / mean^2, over that of the product",
  )
