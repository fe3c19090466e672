"""Claims of the study of influence balancing."""

import numpy as np

from experiments import study
from experiments.claims import Claim, Source, theory
from experiments.rtrl_vs_tbptt.influence_balancing import readings
from experiments.rtrl_vs_tbptt.influence_balancing import theory as theory_lib

_VICOL = Source("P2", "vicol2021", "influence balancing, the authors' code")
_SUMS = theory(
  "P2", "S_k, the sum of e_1^T A^j v over lags j < k, turns negative"
)
_MAP = theory("P2", "spectral radius of an update's linear map of (s, theta)")


def claims(results: study.Results) -> list[Claim]:
  """Compares thresholds, fates and rates with the closed forms."""
  return [
    *_thresholds(results),
    *_fates(results),
    _rates(results),
    *_published(),
  ]


def _thresholds(results):
  expected, credits = readings.theory_of(results), results.credits
  yield _SUMS.equal(
    "window",
    "A gradient at every step through the last k, BPTT(1, k), points the right "
    f"way from k = {expected.window:.0f} on.",
    expected.window,
    {
      "stationary gradient": theory_lib.first_negative(credits.windows),
      "training": readings.first_trained(results.windows, results),
      "training with one loss": readings.first_trained(
        results.last_losses, results
      ),
    },
    tolerance=0.0,
    quantity="shortest truncation that is right, steps",
    note=f"The chain has {results.num_units} units: its length is not enough. "
    "One loss, at the end of a segment, reaches as far.",
  )
  yield _SUMS.equal(
    "segment",
    "BPTT(K, K), all K losses of a segment through that segment, points the "
    f"right way from K = {expected.segment:.0f} on.",
    expected.segment,
    {
      "stationary gradient": theory_lib.first_negative(credits.segments),
      "training": readings.first_trained(results.segments, results),
    },
    tolerance=0.0,
    quantity="shortest truncation that is right, steps",
    note="The next integer above the mean lag of the influence, "
    f"{expected.mean_lag:.2f} steps.",
  )


def _fates(results):
  expected = readings.theory_of(results)
  yield _VICOL.at_least(
    "short-diverges",
    "Truncated BPTT diverges at short truncation.",
    1.0,
    {
      f"{name}, {k} steps": np.abs(theta[0, 0, -1] - expected.optimum)
      / np.abs(theta[0, 0, 0] - expected.optimum)
      for name, trained in (
        ("BPTT(1, k)", results.windows),
        ("BPTT(K, K)", results.segments),
        ("BPTT(K, K), one loss", results.last_losses),
      )
      for k, theta in zip(
        trained.truncations, np.moveaxis(trained.theta, 1, 0), strict=True
      )
      if k <= expected.window / 2
    },
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
    float(results.credits.rtrl),
    tolerance=1e-9,  # Rounding; what older steps add is smaller still.
    quantity="d s_1 / d theta in the stationary state",
  )


def _predicted(results):
  """Returns the slopes theory gives, by method: names -> [L]."""
  sums, one = readings.theory_of(results).partial_sums, np.ones(1)
  sizes = {
    "num_units": int(results.num_units),
    "num_positive": int(results.num_positive),
  }
  runs = {"RTRL": ([readings.theory_of(results).sensitivity], one)}
  for k in results.windows.truncations:
    runs[f"BPTT(1, {k})"] = (sums[[k - 1]], one)
  for k in results.segments.truncations:
    every, last = theory_lib.loss_weights(int(k))
    runs[f"BPTT({k}, {k})"] = (sums[:k], every)
    runs[f"BPTT({k}, {k}), one loss"] = (sums[:k], last)
  return {
    name: np.array(
      [
        theory_lib.log_growth(*run, rate, **sizes)
        for rate in results.learning_rates
      ]
    )
    for name, run in runs.items()
  }


def _rates(results):
  thetas = {"RTRL": results.rtrl}
  for i, k in enumerate(results.windows.truncations):
    thetas[f"BPTT(1, {k})"] = results.windows.theta[:, i]
  for i, k in enumerate(results.segments.truncations):
    thetas[f"BPTT({k}, {k})"] = results.segments.theta[:, i]
    thetas[f"BPTT({k}, {k}), one loss"] = results.last_losses.theta[:, i]
  predicted = _predicted(results)
  flow = results.learning_rates * readings.theory_of(results).sensitivity ** 2
  ratios = ", ".join(f"{r:.2f}" for r in -predicted["RTRL"] / flow)
  return _MAP.zero(
    "rates",
    "By every method the distance from the optimum changes at the rate of the "
    "joint linear map of state and parameter.",
    {
      name: np.abs(readings.slopes(theta, results) / predicted[name] - 1).max()
      for name, theta in thetas.items()
    },
    tolerance=1e-3,  # What is left of the other modes in the second half.
    quantity="relative error of the slope of log |theta - optimum|, largest "
    "over learning rates and starts",
    note="RTRL, over d theta / d t = -lr d L / d theta, the flow that small "
    f"learning rates approach: {ratios}.",
  )


def _published():
  yield _VICOL.not_run(
    "uoro",
    "UORO converges too, at a learning rate of 1e-5.",
    -1 / 6,
    quantity="theta at the end",
    note="The estimator is not here.",
  )
  errors = Source("P6", "zucchet2026", "a figure of cosines, read off")
  yield errors.not_run(
    "forward-errors",
    "Errors propagated forward lose the gradient of 100 steps below r = 0.7: "
    "their cosine with BPTT is 0.86 at r = 0.68.",
    0.86,
    quantity="cosine with the gradient, one LRU layer of 32, float64",
    note="The method is not here. Published besides: 0 at r = 0.36, 1 from "
    "0.84; T = 1000: 0 up to 0.92, 1 from 0.98. What rounding leaves, "
    "r = eps^(1 / T), is 0.697 and 0.965.",
  )
