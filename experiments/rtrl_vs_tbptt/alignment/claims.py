"""Claims of the study of alignment."""

import math

import numpy as np

from experiments import measure, study
from experiments.claims import Claim, Source, conjecture, theory
from experiments.rtrl_vs_tbptt.alignment import readings

_UORO, _SNAP = "tallec2017", "menick2020"
_EXACT = theory("S4-5.2", "the recursion is the chain rule", "williams1989")
_UNBIASED = theory("P2", "and KF, OK, ARTBP, PES: noise of mean 0 or 1", _UORO)
_LIVE = theory("S4-5.2", "with a loss at every step, no term is left out")
_ORDER = conjecture("P7", "a large n is RTRL; does every order help?", _SNAP)
_BETTER = conjecture("P7", "abstract: SnAp-1 outperforms UORO", _SNAP)
_SKETCH = conjecture("P7", "what SnAp-1 leaves out, in a low rank", _SNAP)
_KF = Source(
  "P4", "mujika2018", "abstract: asymptotically less noise than UORO"
)
_OK = Source("P4", "benzing2019", "abstract: optimal in a class with KF")
_WINDOW = conjecture("P3", "section 4: what a window sees", "marschall2020")
_LOCAL = conjecture("P5", "they approximate; no angle is stated", "bellec2020")
_ROUNDING = math.sqrt(np.finfo(np.float32).eps)  # Half of the digits.
_LOG = "log of the quotient of rms distances of one estimate"


def claims(results: study.Results) -> list[Claim]:
  """Compares errors of estimators with theory, and with one another."""
  parts = (_exact, _unbiased, _snap, _variance, _windows, _local)
  return [claim for part in parts for claim in part(results)]


def _largest(results, estimator):
  biases = readings.along(results, "bias", estimator).values()
  return max(float(np.max(bias)) for bias in biases)


def _exact(results):
  found = {
    name: _largest(results, name)
    for name in readings.EXACT
    if readings.has(results, name)
  }
  if found:
    yield _EXACT.zero(
      "exact",
      "RTRL with a gradient at every step adds up to that of back-propagation "
      "through the whole episode.",
      found,
      quantity="largest relative distance of all networks, tasks and times",
      tolerance=_ROUNDING,
      note="Half of the digits of float32 are left to rounding.",
    )
  dead = {
    f"{name}, {cell}": float(results.errors.dead[:, row].max())
    for name in dict.fromkeys(results.estimator)
    for cell in dict.fromkeys(results.cell)
    for task, row in readings.rows(results, name, cell).items()
    if task == readings.DELAYED
  }
  if dead:
    yield _LIVE.zero(
      "live",
      "On delayed addition no estimator leaves a parameter that has a gradient "
      "without one.",
      dead,
      quantity="share of these parameters whose estimates are all 0, largest",
      tolerance=0.0,
    )


def _unbiased(results):
  shares, lengths = {}, {}
  for name in readings.UNBIASED:
    if readings.has(results, name):
      samples = [
        readings.own_bias(results, row) / results.errors.deviation[:, row] ** 2
        for row in readings.rows(results, name).values()
      ]
      shares[name] = measure.mean(np.mean(samples, axis=(0, 2)))
      # At the start, where the variance is least.
      start = readings.along(results, "projection", name).values()
      start = np.mean([projection[:, 0] for projection in start], axis=0)
      if name in readings.PRECISE:
        lengths[name] = measure.mean(start)
  if shares:
    yield _UNBIASED.at_most(
      "unbiased",
      "UORO, KF, OK and KTP, ARTBP on whole episodes, PES and NRES have a mean "
      "that misses the exact gradient by chance alone.",
      0.05,
      shares,
      quantity="squared bias, less chance, by the squared distance of one",
      note="Up to a twentieth, even a mean of 20 estimates errs more by chance "
      "than by bias. A method without randomness has 1.",
    )
  if lengths:
    yield _UNBIASED.equivalent(
      "full-length",
      "At the start of training OK and ARTBP on whole episodes have, on "
      "average, the exact gradient's length along it.",
      1.0,
      lengths,
      margin=0.1,
      quantity="projection of the mean on the exact gradient, by its norm",
      note="A tenth is a change of the learning rate that nobody would notice.",
    )


def _snap(results):
  orders = [readings.snap(n) for n in readings.ORDERS]
  if readings.has(results, *orders, cell=readings.SPARSE):
    biases = [
      readings.average(results, "bias", name, readings.SPARSE)
      for name in orders
    ]
    yield _ORDER.at_least(
      "order",
      "In a sparse network SnAp comes nearer to the exact gradient with every "
      "order from 1 to 3.",
      0.0,
      {
        f"to {orders[i]}": measure.difference(biases[i - 1], biases[i])
        for i in range(1, len(orders))
      },
      quantity="fall of the relative bias",
      strict=True,
    )
  gaps = _gaps(results, "cosine_of_one", orders[0], readings.UORO)
  if gaps:
    yield _BETTER.at_least(
      "snap-or-uoro",
      "One estimate of SnAp-1 points closer to the exact gradient than one of "
      "UORO with rank 1.",
      0.0,
      gaps,
      quantity="cosine of SnAp-1 minus that of UORO, one estimate",
      strict=True,
    )
  gaps = _gaps(results, "bias", orders[0], readings.SKETCH)
  if gaps:
    yield _SKETCH.at_least(
      "sketch",
      "A sketch of rank 4 of what SnAp-1 leaves out brings it nearer to the "
      "exact gradient.",
      0.0,
      gaps,
      quantity="fall of the relative bias",
      strict=True,
    )


def _gaps(results, quantity, name, other, scale=np.asarray):
  """Returns differences of two estimators, mean over the times, by task."""
  found = [
    {
      task: scale(errors).mean(axis=1)
      for task, errors in readings.along(results, quantity, estimator).items()
    }
    for estimator in (name, other)
  ]
  both = [task for task in found[0] if task in found[1]]
  return {t: measure.difference(*(errors[t] for errors in found)) for t in both}


def _noise(results, name, other):
  """Returns how many times noisier one is than another, log, over all tasks."""
  return measure.difference(
    *(
      np.mean(
        [
          np.log(deviation).mean(axis=1)
          for deviation in readings.along(results, "deviation", e).values()
        ],
        axis=0,
      )
      for e in (name, other)
    )
  )


def _variance(results):
  gaps = _gaps(results, "deviation", readings.UORO, readings.KF, np.log)
  if gaps:
    yield _KF.at_least(
      "kf",
      "A Kronecker product (KF-RTRL) estimates the gradient with less noise "
      "than UORO of rank 1.",
      0.0,
      gaps,
      quantity=f"{_LOG}, UORO by KF",
      strict=True,
    )
  if readings.has(results, readings.KF, readings.OK):
    yield _OK.at_least(
      "ok",
      "The optimal Kronecker product (OK, rank 1) has no more noise than that "
      "of KF-RTRL.",
      0.0,
      _noise(results, readings.KF, readings.OK),
      quantity=f"{_LOG}, KF by OK",
      note="Mean over tasks and times.",
    )


def _windows(results):
  names = [readings.bptt(1, k) for k in readings.WINDOWS]
  if not readings.has(results, *names):
    return
  cosines = [readings.average(results, "cosine", name) for name in names]
  yield _WINDOW.at_least(
    "window",
    "A longer truncation window points closer to the exact gradient.",
    0.0,
    {
      f"to {names[i]}": measure.difference(cosines[i], cosines[i - 1])
      for i in range(1, len(names))
    },
    quantity="rise of the cosine, mean over tasks and times",
    strict=True,
  )
  # From a window that misses both inputs to one that holds both.
  short, enough = (readings.along(results, "cosine", n) for n in names[1:3])
  rises = {task: (enough[task] - short[task])[:, -1] for task in short}
  own = rises.pop(readings.DELAYED, None)
  if own is not None and rises:
    yield _WINDOW.at_least(
      "delay",
      "After training a window of t2 + 1 instead of t1 steps gains more "
      "cosine on delayed addition than on other tasks.",
      0.0,
      {task: measure.difference(own, rise) for task, rise in rises.items()},
      quantity="rise of the cosine minus that on another task",
      strict=True,
      note="All have had as many updates; only delayed addition is learned.",
    )


def _local(results):
  found = {
    f"{name}, {cell}, {task}": measure.mean(cosine.mean(axis=1))
    for name in readings.LOCAL
    for cell in (readings.VANILLA, readings.LSTM)
    for task, cosine in readings.along(results, "cosine", name, cell).items()
  }
  if found:
    yield _LOCAL.at_least(
      "local",
      "On average e-prop and RFLO with symmetric feedback lie within 90 "
      "degrees of the exact gradient.",
      0.0,
      found,
      quantity="cosine, mean over the times along training",
      strict=True,
    )
