"""Claims of the study of variance."""

import numpy as np

from experiments import measure, study
from experiments.claims import Claim, Source, conjecture, theory
from experiments.rtrl_vs_tbptt.variance import readings
from experiments.rtrl_vs_tbptt.variance import theory as closed

_CARRIED = theory(
  "P4", "norms add up where squares should: closed form on a ring", "mujika2018"
)
_DRAWN = theory("P2", "second moments of weights and of normal noise")
_CUT = theory("P2", "a way of k steps weighs (1 - c)^-k", "tallec2017b")
_KF = Source(
  "P4", "mujika2018", "abstract: noise asymptotically smaller than UORO's"
)
_NRES = Source("P2", "li2023", "abstract: least variance of a class with PES")
_TIGHT = conjecture(
  "P7", "a singular value, the largest, stands for all directions"
)
_BOUND = theory("P7", "b_t = |Phi_t| b_tm1 + d_t, as nnfun keeps it")
_TENTH = 0.1  # Of a variance: the next law, a factor n, r or T, is far off.
_QUOTIENT = "variance measured by that of the closed form"


def claims(results: study.Results) -> list[Claim]:
  """Compares variances with laws, and bounds with errors."""
  parts = (_carried, _drawn, _networks, _sketch)
  return [claim for part in parts for claim in part(results)]


def _carried(results):
  found = {}
  for row, (name, n, rank) in enumerate(
    zip(results.methods, results.units, results.ranks, strict=True)
  ):
    for i, decay in enumerate(results.decays):
      expected = readings.carried(results, row, decay)
      # The first steps are exact up to rank r, which has no quotient.
      noisy = expected > 1e-9
      quotients = results.carried[:, row, i, noisy] / expected[noisy]
      label = f"{name}, n = {n}, r = {rank}, a = {decay:g}"
      found[label] = measure.mean(quotients.mean(axis=1))
  yield _CARRIED.equivalent(
    "carried",
    "On a linear ring UORO's second moment is n times KF-RTRL's, r copies "
    "divide the variance by r, and OK loses its small singular values.",
    1.0,
    found,
    margin=_TENTH,
    quantity=f"{_QUOTIENT}, mean over steps",
    note="With a the decay of a step KF-RTRL has (sum a^k)^2 / sum a^2k - 1: "
    "stable over time for a < 1, as its authors say, else growing as T.",
  )


def _drawn(results):
  variances = readings.artbp(results)[..., -1]
  num_steps = results.artbp.shape[-1]
  found = {}
  for i, decay in enumerate(results.artbp_decays):
    expected = closed.artbp(decay, num_steps, readings.STOP)[-1]
    found[f"ARTBP, a = {decay:.3g}"] = measure.mean(variances[:, i] / expected)
  laws = readings.evolution(results)
  for i, name in enumerate(results.evolution_methods):
    label = (
      f"{name}, {results.draws[i]} draws, N = {results.pairs[i]}, "
      f"sigma = {results.sigmas[i]:g}"
    )
    found[label] = measure.mean(results.evolution[:, i] / laws[i])
  yield _DRAWN.equivalent(
    "drawn",
    "ARTBP has the variance of its cuts; PES and NRES that of P D + 1 over N, "
    "for D draws and any sigma.",
    1.0,
    found,
    margin=_TENTH,
    quantity=_QUOTIENT,
    note=f"The loss is quadratic, P = {results.num_parameters} parameters.",
  )
  yield _threshold(results)
  yield _pes_or_nres(results)


def _threshold(results):
  lags = np.arange(results.artbp.shape[-1])
  rates = np.log(results.artbp_decays**2 / (1 - readings.STOP))
  return _CUT.equivalent(
    "artbp-threshold",
    "ARTBP's variance explodes once a^2 > 1 - c: what a step k ago adds goes "
    "as (a^2 / (1 - c))^k.",
    0.0,
    {
      f"a = {decay:.3g}, log {rate:.3f}": measure.slope(
        lags, np.log(results.artbp[:, i]) - rate * lags
      )
      for i, (decay, rate) in enumerate(
        zip(results.artbp_decays, rates, strict=True)
      )
    },
    margin=0.02,  # Rates run from -0.34 over 0 to 0.11.
    quantity="slope by lag of the log second moment, less log a^2 / (1 - c)",
    note=f"c = {readings.STOP:g}; the middle a is the root of 1 - c.",
  )


def _pes_or_nres(results):
  methods = list(results.evolution_methods)
  rows = [methods.index(name) for name in (readings.PES, readings.NRES)]
  pes, nres = np.log(results.evolution[:, rows]).T
  draws = results.draws[rows[0]]
  return _NRES.at_least(
    "nres",
    "Noise kept for an episode (NRES) has the least variance: that of PES, "
    "drawn at every step, is larger.",
    0.0,
    measure.difference(pes, nres),
    strict=True,
    quantity="log of the variance of PES by that of NRES",
    note=f"One pair; P D + 1 makes it nearly log {draws} = "
    f"{np.log(draws):.2f} here, where steps have gradients at right angles.",
  )


def _networks(results):
  uoro, kf = np.moveaxis(np.log(results.networks[..., 2:]), 2, 0)
  n = results.network_units
  gaps = (uoro - kf).mean(axis=-1)
  exponents = (gaps[:, -1] - gaps[:, 0]) / np.log(n[-1] / n[0])
  yield _KF.at_least(
    "asymptotic",
    "The noise of KF-RTRL is asymptotically smaller than that of UORO: their "
    "quotient grows with the units.",
    0.0,
    measure.mean(exponents),
    strict=True,
    quantity="exponent of n in UORO's variance by KF-RTRL's",
    note=f"Tanh networks of {n[0]} to {n[-1]} units. On the ring it is 1.",
  )


def _sketch(results):
  # The first step has no error: nothing is left out of it.
  shares = results.sketch_errors[..., 1:] / results.sketch_bounds[..., 1:]
  last = shares.shape[-1] + 1
  names = [f"r = {rank}" for rank in results.sketch_ranks]
  tight = "; ".join(
    f"{name}: "
    + ", ".join(
      f"{np.median(1 / shares[:, i, t - 2]):.1f} after {t} steps"
      for t in (8, last)
    )
    for i, name in enumerate(names)
  )
  yield _BOUND.at_most(
    "sketch-bound",
    "SnAp-1 with a sketch keeps a bound that the true error of its influence "
    "never exceeds.",
    1.0,
    {name: float(shares[:, i].max()) for i, name in enumerate(names)},
    tolerance=1e-9,  # At the second step both are equal but for rounding.
    quantity="error by bound, largest of all networks and steps",
    note=f"Bound by error, median: {tight}.",
  )
  decades = -np.log10(shares[..., -1])
  yield _TIGHT.at_most(
    "sketch-tight",
    "Where networks forget, the bound that SnAp-1 with a sketch keeps is at "
    "most a hundred times its error.",
    2.0,
    {name: measure.mean(decades[:, i]) for i, name in enumerate(names)},
    quantity=f"log10 of bound by error after {last} steps",
  )
