"""Claims of the study of influence balancing."""

import numpy as np

from experiments import measure, study
from experiments.claims import Claim, Source, theory
from experiments.rtrl_vs_tbptt.influence_balancing import theory as closed

_VICOL = Source("P2", "vicol2021", "influence balancing, the authors' code")
_SUMS = theory(
  "P2", "S_k, the sum of e_1^T A^j v over lags j < k, turns negative"
)


def claims(results: study.Results) -> list[Claim]:
  """Compares thresholds and fates with the closed forms."""
  num_terms = len(results.windows.credits)
  expected = closed.predict(*results.chain, num_terms)
  parts = (
    _thresholds(results, expected),
    _fates(results, expected),
    _uoro(results, expected),
  )
  return [claim for part in parts for claim in part]


def _thresholds(results, expected):
  exact = {"quantity": "shortest right truncation, steps", "tolerance": 0.0}

  def measured(truncated):
    return {
      "stationary gradient": closed.first_negative(truncated.credits),
      "training": first_trained(truncated, expected.optimum),
    }

  yield _SUMS.equal(
    "window",
    "A gradient at every step through the last k, BPTT(1, k), points the right "
    f"way from k = {expected.window:.0f} on.",
    expected.window,
    measured(results.windows),
    **exact,
    note=f"The chain has {results.chain[0]} units: its length is not enough.",
  )
  yield _SUMS.equal(
    "segment",
    "BPTT(K, K), all K losses of a segment through that segment, points the "
    f"right way from K = {expected.segment:.0f} on.",
    expected.segment,
    measured(results.segments),
    **exact,
    note="The next integer above the mean lag of the influence, "
    f"{expected.mean_lag:.2f} steps.",
  )


def first_trained(truncated: study.Results, optimum: float) -> float:
  """Returns the truncation from which on every run nears the optimum."""
  distance = np.abs(truncated.theta - optimum)
  middle, end = distance[..., distance.shape[-1] // 2], distance[..., -1]
  # Below 1e-12 only rounding is left; what has left the floats is not near.
  nears = np.all((end < middle) | (end < 1e-12), axis=(0, 2))
  fails = np.flatnonzero(~nears)
  right = truncated.truncations[fails[-1] + 1 :] if fails.size else [np.nan]
  return float(right[0]) if len(right) else np.inf


def _fates(results, expected):
  ratios = {}
  for name, truncated in (
    ("BPTT(1, {})", results.windows),
    ("BPTT({0}, {0})", results.segments),
  ):
    distance = np.abs(truncated.theta[0, :, 0] - expected.optimum)
    for k, d in zip(truncated.truncations, distance, strict=True):
      if k <= expected.window / 2:
        # What has left the floats is as far as can be.
        ratios[name.format(k)] = np.nan_to_num(d[-1] / d[0], nan=np.inf)
  if ratios:
    yield _VICOL.at_least(
      "short-diverges",
      "Truncated BPTT diverges at short truncation.",
      1.0,
      ratios,
      strict=True,
      quantity="distance from the optimum at the end over that at the start",
      note="At the published learning rate, up to half the threshold.",
    )
  yield _VICOL.equivalent(
    "rtrl-converges",
    "RTRL, textbook or lazy, converges to the optimum.",
    expected.optimum,
    {"RTRL": results.rtrl[0, 0, -1], "lazy RTRL": results.lazy[0, 0, -1]},
    margin=1e-6,  # Theory leaves 1e-9 of the distance after 3,000 updates.
    quantity="theta at the end, at the published learning rate",
  )
  yield _SUMS.equal(
    "rtrl-influence",
    "RTRL carries the long-run influence of theta on the first unit, twice the "
    "sum of v.",
    expected.sensitivity,
    float(results.rtrl_credit),
    tolerance=1e-9,  # Rounding; what older steps add is smaller still.
    quantity="d s_1 / d theta in the stationary state",
  )


def _uoro(results, expected):
  rate, num_updates = results.uoro_training
  distance = np.abs(results.uoro - expected.optimum)
  yield _VICOL.at_most(
    "uoro",
    f"UORO converges too, at a learning rate of {rate:g}.",
    -2.0,
    # A logarithm: what is late by much must not outweigh all others.
    measure.mean(np.log10(distance[:, -1] / distance[:, 0])),
    quantity="log10 of the distance from the optimum, end by start",
    note=f"After {num_updates:.0f} updates; the published 3000 bring RTRL at "
    "that rate from theta = 0.5 to 0.05. On the way single runs stray: up to "
    f"{distance.max() / distance[0, 0]:.1f} times the distance of the start.",
  )
