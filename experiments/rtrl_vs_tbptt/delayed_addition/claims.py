"""Claims of the study of delayed addition."""

from experiments import measure, study
from experiments.claims import Claim, theory
from experiments.rtrl_vs_tbptt.delayed_addition import readings

_TASK = "marschall2020"
_CREDIT = theory("P3", "section 4.2; exact credit holds both inputs", _TASK)
_STATE = theory("P3", "section 4.2; a random recurrence has memory", _TASK)
_BLIND = theory(
  "P3", "section 4.2; no input in the window has to do with the target", _TASK
)
_NGRAM = theory(
  "S4-5.1", "question 5.1: is it an n-gram model? By the floors it is not", "S4"
)
_LOSS = "loss of the last tenth of the stream, nats"


def claims(results: study.Results) -> list[Claim]:
  """Compares losses with what theory leaves room for."""
  return [
    _exact_credit(results),
    *_state(results),
    *_too_short(results),
    *_beyond(results),
  ]


def _by_task(results, samples):
  """The means over seeds of [S, D], by the name of the task."""
  return {
    readings.task_name(delays): measure.mean(samples[:, d])
    for d, delays in enumerate(results.delays)
  }


def _exact_credit(results):
  floor = readings.FLOORS["knows both"]
  return _CREDIT.equivalent(
    "exact-credit",
    "With exact credit (RTRL) the loss ends at the floor of a predictor that "
    "knows both inputs.",
    floor,
    _by_task(results, readings.final(results, readings.RTRL)),
    quantity=_LOSS,
    margin=(readings.FLOORS["knows t1"] - floor) / 10,
    note="The margin is a tenth of what the second input is worth.",
  )


def _state(results):
  yield _STATE.at_most(
    "state-carries",
    "A network of which only the readout is trained beats every predictor "
    "without memory: its random state carries the inputs.",
    readings.FLOORS["knows nothing"],
    _by_task(results, readings.final(results, readings.FROZEN)),
    quantity=_LOSS,
    strict=True,
  )
  immediate = readings.bptt(1, 1)
  if immediate in results.curves:
    yield _NGRAM.at_most(
      "immediate",
      "Trained with the immediate gradient, which credits neither input, a "
      "network beats every predictor of one past input.",
      readings.FLOORS["knows t1"],
      measure.mean(readings.final(results, immediate)[:, 0]),
      quantity=_LOSS,
      strict=True,
      note=f"With {readings.task_name(results.delays[0])}.",
    )


def _too_short(results):
  """A window that ends just short of t1."""
  found = {}
  for d, (t1, _) in enumerate(results.delays):
    method = readings.bptt(1, t1 - 1)
    if method in results.curves:
      name = f"{method}, {readings.task_name(results.delays[d])}"
      late, untrained = (
        readings.final(results, m)[:, d] for m in (method, readings.FROZEN)
      )
      # A tenth of the training against the best block: no minimum of noise
      # rises by as much.
      curves = results.curves[method][:, d]
      best = curves[:, curves.mean(axis=0).argmin()]
      found[f"{name}, rise"] = measure.difference(late, best)
      found[f"{name}, above"] = measure.difference(late, untrained)
  if found:
    yield _BLIND.at_least(
      "unlearns",
      "With a window of t1 - 1 steps a network unlearns: its loss rises again, "
      "and ends above that of a frozen recurrence.",
      0.0,
      found,
      quantity="rise from the best block, or loss above the untrained, nats",
      strict=True,
    )


def _beyond(results):
  """Truncations that hold t1, but not t2."""
  found = {}
  for d, (t1, t2) in enumerate(results.delays):
    k = t1 + 1
    for method in (readings.bptt(1, k), readings.bptt(k, k)):
      if method in results.curves and k <= t2:
        name = f"{method}, {readings.task_name(results.delays[d])}"
        found[name] = measure.mean(readings.final(results, method)[:, d])
  if found:
    floor, one = readings.FLOORS["knows both"], readings.FLOORS["knows t1"]
    yield _NGRAM.at_most(
      "beyond-the-window",
      "Truncation to t1 + 1 steps lets a network learn the input t2 steps ago, "
      "which no n-gram model of that length sees.",
      floor + (one - floor) / 10,
      found,
      quantity=_LOSS,
      note="The bound leaves a tenth of what the second input is worth to an "
      f"n-gram model of that length, which ends at {one:.4f}.",
    )
