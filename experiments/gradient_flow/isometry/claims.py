"""Claims of the study of isometry."""

import numpy as np

from experiments import measure, study
from experiments.claims import Claim, Source, theory
from experiments.gradient_flow.isometry import readings
from experiments.gradient_flow.isometry import theory as predictions

_TABLE = Source("P12", "pennington2018", "table 1")
_CRITICAL = theory("P12", "criticality: chi_1 = 1", "pennington2018")
_SPECTRUM = theory("P12", "the free product of the layers", "pennington2018")
_HAAR = theory("P12", "QR with corrected signs", "mezzadri2007")
_LAW = theory(
  "P18", "squared norms as products of 2/n chi^2_k, k binomial", "hanin2018"
)
# By how much a reader would still call two spreads the same; one unit of
# table 1 makes a difference of 25 % at four layers.
_SAME = 0.1


def claims(results: study.Results) -> list[Claim]:
  """Compares spectra and norms with the theory."""
  return [
    *_table(results),
    _mean(results),
    _distribution(results),
    _haar(results),
    _log_variance(results.norms),
    _second_moment(results),
  ]


def _table(results):
  half, whole = (
    readings.relative_variances(spectra)[:, -1]
    for spectra in (results.half, results.whole)
  )
  depth = results.whole.mean.shape[1]
  for j, weights in enumerate(predictions.WEIGHTS):
    ratios, expected = {}, []
    for i, unit in enumerate(predictions.UNITS):
      entry = predictions.table(unit, j == 1, depth, float(results.q))
      if entry:
        # What varies like 1 / N is gone from this.
        ratios[unit] = measure.contrast(
          2 * whole[:, i, j] / entry, half[:, i, j] / entry
        )
        expected.append(f"{entry:.3g} for {unit}")
    yield _TABLE.equivalent(
      f"spread-{weights.lower()}",
      f"With {weights} weights the squared singular values spread as table 1 "
      "says of infinitely wide critical networks.",
      1.0,
      ratios,
      margin=_SAME,
      quantity="variance / mean^2 of squared singular values, extrapolated in "
      "1 / N, over the table's",
      note=f"At {depth} layers the table has {', '.join(expected)}.",
    )
  yield _TABLE.zero(
    "linear-orthogonal",
    "Orthogonal linear networks stretch all directions alike: their squared "
    "singular values do not spread.",
    float(np.max(np.abs(whole[:, predictions.UNITS.index("linear"), 1]))),
    tolerance=1e-5,  # 100 units in the last place of float32.
    quantity="variance / mean^2 of squared singular values, largest",
  )


def _mean(results):
  means = results.half.mean[:, -1]
  return _CRITICAL.equivalent(
    "mean-one",
    "On the critical line the mean squared singular value is 1 at any depth.",
    1.0,
    {
      f"{unit}, {weights}": measure.mean(means[:, i, j])
      for i, unit in enumerate(predictions.UNITS)
      for j, weights in enumerate(predictions.WEIGHTS)
    },
    # chi_1 off by 2.5 % at four layers, or a term in 1 / N as large as 5 / N.
    margin=0.1,
    quantity="mean squared singular value",
    note=f"At N = {results.half.width}; exact at any width for linear units "
    "and ReLU.",
  )


def _distribution(results):
  distances = {}
  for panel, (unit, j) in enumerate(predictions.PANELS):
    squares = results.squares[:, predictions.UNITS.index(unit), j].ravel()
    x, expected = predictions.distribution(results, panel)
    found = np.searchsorted(np.sort(squares), x) / squares.size
    name = f"{unit}, {predictions.WEIGHTS[j]}"
    distances[name] = float(np.max(np.abs(found - expected)))
  return _SPECTRUM.at_most(
    "distribution",
    "Squared singular values are distributed as a free product of independent "
    "layers has it.",
    0.05,  # One singular value of twenty, where histograms look alike.
    distances,
    quantity="largest distance of cumulative distributions",
    note=f"Networks of N = {results.whole.width}, theory of infinite width.",
  )


def _haar(results):
  traces = results.half.traces.mean(axis=1)
  raw = measure.mean(traces[:, 1])
  return _HAAR.equivalent(
    "haar",
    "Orthogonal matrices from a QR factorisation with the signs put right are "
    "uniformly distributed: their mean trace is 0.",
    0.0,
    measure.mean(traces[:, 0]),
    margin=0.2,  # A fifth of the standard deviation of such a trace, 1.
    quantity="mean trace",
    note="With the signs as LAPACK leaves them it is "
    f"{raw.value:.2f} ± {raw.error:.2f}.",
  )


def _log_variance(norms):
  sums = readings.sums(norms)
  ratios = {}
  for i in range(len(sums)):
    for j, vector in enumerate(("signal", "gradient")):
      widths = norms.shapes[i][norms.shapes[i] > 0]
      name = f"{len(widths)} layers of {min(widths)} to {max(widths)} units"
      ratios[f"{vector}, {name}"] = readings.log_variance(
        norms.log_norms[:, j, i], norms.log_variance[i]
      )
  most = np.argmax(sums)
  fourth = np.sort(np.exp(2 * norms.log_norms[:, 1, most].astype(np.float64)))
  rare = fourth[-max(1, len(fourth) // 100) :].sum() / fourth.sum()
  factors = norms.log_variance / sums
  return _LAW.equivalent(
    "log-variance",
    "Whatever the shape of a ReLU network, the log squared norms of signal and "
    "gradient vary by about 5 sum(1 / width).",
    1.0,
    ratios,
    # Without the luck of which units are active it would be 4 for 5.
    margin=0.15,
    quantity="variance of the log squared norm, over the shape's exact law",
    note=f"The law is {min(factors):.3g} to {max(factors):.3g} times the sum, "
    f"5 for wide layers. At a sum of {sums[most]:.3g} one network in a hundred "
    f"carries {100 * rare:.0f} % of the norm's second moment: take logarithms.",
  )


def _second_moment(results):
  norms = results.narrow
  ratios = {}
  for i, exact in enumerate(norms.second_moment):
    widths = norms.shapes[i][norms.shapes[i] > 0]
    name = f"layers of {', '.join(str(n) for n in widths)} units"
    ratios[name] = readings.log_second_moment(
      norms.log_norms[:, 1, i], np.log(exact)
    )
  return _LAW.equivalent(
    "second-moment",
    "The second moment of a gradient's squared norm is the product of "
    "1 + 5 / width over layers, nearly exponential in sum(1 / width).",
    1.0,
    ratios,
    margin=0.1,  # Half of what 4 or 6 for 5 would be.
    quantity="log of second moment / mean^2, over that of the product",
  )
