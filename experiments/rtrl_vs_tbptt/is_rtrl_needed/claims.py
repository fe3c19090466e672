"""Claims of the study of whether the past of the gradient is needed."""

import numpy as np

from experiments import measure, study
from experiments.claims import Claim, Source, conjecture
from experiments.rtrl_vs_tbptt.is_rtrl_needed import readings

_SPARSE = "merin2026a"
_NONE = "merin2026b"
_DROPPED = conjecture(
  "P25", "abstract, on sine and Lorenz; network and streams are ours", _NONE
)
_FEW = conjecture(
  "P25", "abstract, k = 4 paths; network, streams and delays are ours", _SPARSE
)
_LIMIT = conjecture("P25", "the present input has no part in the answer")
_APART = conjecture(
  "P25", "abstract, g_RTRL = g_imm + g_past; when it matters is ours", _NONE
)
_QUANTITY = "recovery of what RTRL gains over no adaptation, %"


def claims(results: study.Results) -> list[Claim]:
  """Compares every method with RTRL, and the parts of its gradient."""
  return [
    *_dropped(results),
    _few(results),
    *_past(results),
    _hidden(results),
    *_not_run(),
  ]


def _recovery(results, method):
  recovery = readings.recovery(results, method)
  return {
    task: measure.mean(values)
    for task, values in readings.by_task(results, recovery).items()
  }


def _dropped(results):
  found = _recovery(results, readings.IMMEDIATE)
  yield _DROPPED.equivalent(
    "immediate-suffices",
    "On sine and Lorenz the immediate gradient recovers what RTRL does, within "
    "3 percentage points.",
    100.0,
    {task: found[task] for task in (readings.SINE, readings.LORENZ)},
    margin=readings.MARGIN,
    quantity=_QUANTITY,
    note="The margin is that of the source.",
  )
  longest = readings.longest(results)
  yield _LIMIT.at_most(
    "immediate-fails",
    f"With a {longest} steps the immediate gradient does not recover what "
    "RTRL does.",
    100.0 - readings.MARGIN,
    found[longest],
    strict=True,
    quantity=_QUANTITY,
    note="Answering nothing at all recovers 50.",
  )


def _few(results):
  num_paths = int(results.num_paths[-1])
  method = readings.paths(num_paths, int(results.num_units))
  return _FEW.equivalent(
    "paths-suffice",
    f"Through {num_paths} random paths into each unit RTRL recovers as much as "
    "through all, within 3 percentage points, delays included.",
    100.0,
    _recovery(results, method),
    margin=readings.MARGIN,
    quantity=_QUANTITY,
  )


def _past(results):
  share = readings.by_task(results, results.share[:, readings.SHIFT])
  rest = readings.by_task(results, results.share[:, readings.REST])
  longest = readings.longest(results)
  yield _APART.at_least(
    "share-misleads",
    "When the task changes, the past has a smaller share in the gradient with "
    "a delay, which needs it, than on sine and Lorenz.",
    0.0,
    {
      task: measure.difference(share[task], share[longest])
      for task in (readings.SINE, readings.LORENZ)
    },
    strict=True,
    quantity=f"norm of the past by that of the gradient, less with {longest}",
    note="At first all gradients say: unlearn the old answer, which depends on "
    "the present. A large share of the past does not mean that it is needed.",
  )
  yield _APART.at_least(
    "share-at-rest",
    "Where the immediate gradient alone has stalled, over 90 % of the exact "
    "one is past.",
    0.9,
    measure.mean(rest[longest]),
    quantity=f"norm of the past by that of the gradient, {longest}",
    note="The same share on sine and Lorenz, where nothing has stalled: "
    f"{np.mean(rest[readings.SINE]):.2f} and "
    f"{np.mean(rest[readings.LORENZ]):.2f}.",
  )


def _hidden(results):
  final, exact = (
    readings.by_task(results, np.log(readings.final(results, method)))
    for method in (readings.IMMEDIATE, readings.RTRL)
  )
  task = str(results.tasks[2])
  recovered = np.mean(readings.recovery(results, readings.IMMEDIATE)[:, 2])
  return _APART.at_least(
    "recovery-hides",
    f"Recovery is lenient: with a {task} steps the immediate gradient ends "
    "with over five times RTRL's loss.",
    np.log(5),
    measure.difference(final[task], exact[task]),
    quantity="logarithm of the ratio of last losses",
    note=f"Its recovery is {recovered:.1f} %.",
  )


def _not_run():
  yield Source("P25", _SPARSE, "abstract").not_run(
    "six-percent",
    "Propagating through a random 6 % of paths, k = 4 of n = 64, recovers 84 % "
    "of full RTRL's adaptation ability.",
    (78.0, 90.0),
    quantity="recovery, %, mean and spread of five seeds",
    note="The streams and the definition of recovery are not in the abstract, "
    "the part that was read. With its n and k, --full, our recovery is 97 to "
    "100 %, delays included.",
  )
  yield Source("P25", _NONE, "abstract, version 3").not_run(
    "recordings",
    "Dropping the propagation matches full RTRL within 3 percentage points on "
    "recordings from a cortex that drift from session to session.",
    (-3.0, 3.0),
    quantity="difference in recovery, percentage points, n = 20, Adam, float64",
    note="The recordings are not here.",
  )
