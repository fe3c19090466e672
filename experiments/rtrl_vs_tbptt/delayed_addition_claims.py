"""Claims of the study of delayed addition, from its stored arrays.

The arrays are described at `delayed_addition.run`.
"""

from collections.abc import Callable

import numpy as np

from experiments import study
from experiments.rtrl_vs_tbptt import delayed_addition_theory as theory

FROZEN, RTRL = "frozen recurrence", "RTRL"
_PRINTED = (0.6616, 0.5192, 0.6277, 0.4545)

_MARSCHALL = (
  "Marschall, Cho, Savin, A unified framework of online learning algorithms "
  "for training recurrent neural networks, JMLR 21(135), 2020, section 4.2, "
  "in the setting of the authors' code"
)
_FLOORS = f"theory: conditional entropies of the target; task of {_MARSCHALL}"
_NGRAM = (
  "Problem Sheet 4, question 5.1 (author not given): does truncation to n "
  "steps make a recurrent network an n-gram model?"
)


def window(k: int) -> str:
  """Returns the name of BPTT(1, k)."""
  return f"window {k}"


def segment(k: int) -> str:
  """Returns the name of BPTT(K, K)."""
  return f"segment {k}"


def lengths(results: study.Results, name_of: Callable[[int], str]) -> list[int]:
  """Returns the windows, or the segments, that were run, ascending."""
  prefix = name_of(0).removesuffix("0")
  names = [str(name) for name in results["methods"]]
  return sorted(
    int(n.removeprefix(prefix)) for n in names if n.startswith(prefix)
  )


def of(results: study.Results, array: str, name: str) -> np.ndarray:
  """Returns one method's part of an array [M, ...]."""
  return results[array][list(results["methods"]).index(name)]


def all_claims(results: study.Results) -> list[study.Claim]:
  """Compares floors, losses and shares with what theory leaves room for."""
  claims = [*_floors(results)]
  for d in range(len(results["delays"])):
    claims += [*_full_credit(results, d), *_state(results, d)]
    claims += [*_truncation(results, d)]
  return claims


def _floors(results):
  names = (
    "neither input",
    "x_{t - t1} only",
    "x_{t - t2} only",
    "both inputs",
  )
  for name, expected, sampled in zip(
    names, _PRINTED, results["sampled_floors"].T, strict=True
  ):
    error = np.std(sampled, ddof=1) / np.sqrt(len(sampled))
    yield study.Claim(
      "P3",
      f"The best predictor which knows {name} has this cross-entropy, in nats "
      "per step (group means on the streams that were drawn).",
      _FLOORS,
      expected,
      float(sampled.mean()),
      5e-5 + 4 * float(error),  # Rounding to four digits, and sampling.
    )


def _middle(results, one, other):
  """Returns the loss half-way between two floors."""
  floors = dict(zip(theory.FLOOR_NAMES, results["floors"], strict=True))
  return float(floors[one] + floors[other]) / 2


def _setting(results, d, rate=-1):
  t1, t2 = results["delays"][d]
  return f"(t1, t2) = ({t1}, {t2}), learning rate " + format(
    results["learning_rates"][rate], "g"
  )


def _full_credit(results, d):
  """RTRL reaches the floor, or in a shorter training comes near it."""
  both, one = results["floors"][3], results["floors"][1]
  for i in range(len(results["learning_rates"])):
    loss = float(of(results, "losses", RTRL)[d, i].mean())
    setting = _setting(results, d, i)
    if i + 1 == len(results["learning_rates"]):
      yield study.Claim(
        "P3",
        f"With exact credit (RTRL) the loss ends at the floor of both inputs, "
        f"up to a tenth of what the second input is worth: {setting}.",
        _MARSCHALL,
        float(both),
        loss,
        0.1 * float(one - both),
      )
    else:
      yield study.Claim(
        "P3",
        "With exact credit (RTRL) the loss ends nearer to the floor of both "
        f"inputs than to that of x_{{t - t1}} alone: {setting}.",
        _MARSCHALL,
        (float(both), _middle(results, "knows both", "knows t1")),
        loss,
      )


def _state(results, d):
  """What is known without any credit for the past."""
  nothing, one, _, both = map(float, results["floors"])
  frozen = of(results, "losses", FROZEN)[d, -1]
  yield study.Claim(
    "P3",
    "A network whose recurrent weights stay random, only its readout trained, "
    "is better than one without memory: the state carries the inputs: "
    f"{_setting(results, d)}.",
    _FLOORS,
    (both, nothing),
    float(frozen.mean()),
  )
  if d == 0 and 1 in lengths(results, window):
    yield study.Claim(
      "S4-5.1",
      "Trained with the immediate gradient (window 1) the network is better "
      "than any predictor of one past input, so it uses both, though it has "
      f"credit for neither: {_setting(results, d)}.",
      _NGRAM,
      (both, one),
      float(of(results, "losses", window(1))[d, -1].mean()),
    )


def _truncation(results, d):
  """One threshold, at t1; below it, unlearning."""
  t1, t2 = map(int, results["delays"][d])
  run, setting = lengths(results, window), _setting(results, d)
  both = float(results["floors"][3])
  near_both = both, _middle(results, "knows both", "knows t1")
  if t1 - 1 in run:
    yield from _too_short(results, d, setting)
  if t1 + 1 in run and t1 + 1 <= t2:
    yield study.Claim(
      "S4-5.1",
      f"A window of t1 + 1 = {t1 + 1} steps does not hold x_{{t - t2}}, so the "
      "best n-gram model of that length stays at 0.5192 or above; the network "
      f"learns both inputs and ends nearer to their floor: {setting}.",
      _NGRAM,
      near_both,
      float(of(results, "losses", window(t1 + 1))[d, -1].mean()),
    )
  if t1 + 1 in lengths(results, segment):
    yield study.Claim(
      "P3",
      f"BPTT(K, K) with segments of K = t1 + 1 = {t1 + 1} steps credits one "
      "loss in K that far back, and ends nearer to the floor of both inputs "
      f"than to that of one: {setting}.",
      _MARSCHALL,
      near_both,
      float(of(results, "losses", segment(t1 + 1))[d, -1].mean()),
    )


def _too_short(results, d, setting):
  t1 = int(results["delays"][d, 0])
  name = window(t1 - 1)
  losses = of(results, "losses", name)[d, -1]
  yield study.Claim(
    "P3",
    f"With a window of t1 - 1 = {t1 - 1} steps the network ends nearer to the "
    f"floor of knowing nothing than to that of x_{{t - t1}}: {setting}.",
    f"theory: no input in the window is related to the target; {_MARSCHALL}",
    (_middle(results, "knows nothing", "knows t1"), np.inf),
    float(losses.mean()),
  )
  yield study.Claim(
    "P3",
    f"Training the recurrence with a window of {t1 - 1} steps is worse than "
    f"not training it (difference, less two standard errors): {setting}.",
    f"theory: no input in the window is related to the target; {_MARSCHALL}",
    study.POSITIVE,
    _less_two_errors(losses - of(results, "losses", FROZEN)[d, -1]),
  )
  # A tenth of the training against the best block: no minimum of noise rises
  # by this much.
  worth = float(results["floors"][1] - results["floors"][3])
  curves = of(results, "curves", name)[d, -1]
  lowest = np.argmin(curves.mean(axis=0))
  late = curves[:, -(curves.shape[1] // 10) :].mean(axis=1)
  yield study.Claim(
    "P3",
    f"With a window of {t1 - 1} steps the network unlearns: from its minimum "
    "to the last tenth of the training the loss rises by more than knowing "
    f"x_{{t - t2}} is worth (rise, less two standard errors): {setting}.",
    f"theory: no input in the window is related to the target; {_MARSCHALL}",
    (worth, np.inf),
    _less_two_errors(late - curves[:, lowest]),
  )


def _less_two_errors(differences):
  """Returns the mean over seeds less two standard errors."""
  if len(differences) < 2:
    return float("nan")
  error = np.std(differences, ddof=1) / np.sqrt(len(differences))
  return float(np.mean(differences) - 2 * error)
