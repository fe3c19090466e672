"""Claims of the study of language models, from its stored arrays.

The arrays are described at `language_model.run`; row 0 of the losses is
English, row 1 + i the brackets with the i-th gap.
"""

import math

import numpy as np

import nnfun as nf
from experiments import study

# What is subtracted from a mean difference before it counts: with 4 seeds and
# no difference one such claim in 35 would hold by chance.
_NUM_ERRORS = 3.0

_SHEET = (
  "Problem Sheet 4, question 5.1 (author not given): is a recurrent network "
  "trained with truncated BPTT an n-gram model?"
)
_THEORY = "theory: conditional entropy of the text in closed form; " + _SHEET


def entropy(results: study.Results, gap: int, window: int | None) -> float:
  """Returns the least bits per character of a window on the brackets.

  Args:
    results: the stored arrays.
    gap: L.
    window: n, or None for the entropy of the text.

  Returns:
    Bits.
  """
  return nf.tasks.brackets_entropy(
    window,
    gap=gap,
    num_kinds=int(results["num_kinds"]),
    num_letters=int(results["num_letters"]),
  )


def all_claims(results: study.Results) -> list[study.Claim]:
  """Returns the claims; the first gap is the one they are mostly about."""
  return [
    *_ngram_claims(results),
    *_state_claims(results),
    *_exact_claims(results),
    *_text_claims(results),
  ]


def _ngram_claims(results):
  gap = int(results["gaps"][0])
  rate = entropy(results, gap, None)
  claims = []
  for i, n in enumerate(results["windows"]):
    floor = entropy(results, gap, int(n))
    # So close to what it can know that it is not mistaken for a worse model;
    # where n reaches over the gap, a tenth of what n = L - 1 cannot know.
    margin = (max(floor, entropy(results, gap, max(gap - 1, 1))) - rate) / 10
    for method, optimizer in (("ngram_sgd", "SGD"), ("ngram", "Adam")):
      mean, error = _mean(results[method][1, i])
      claims.append(
        study.Claim(
          "S4-5.1",
          f"Brackets that match over {gap} characters: an n-gram model with "
          f"n = {n} cannot get below the entropy of a character given the "
          f"{_characters(n)} before it, and with {optimizer} learns to get "
          "there (to a tenth of what it cannot know), in bits per character.",
          _THEORY,
          expected=(floor, floor + margin),
          measured=mean,
          tolerance=_NUM_ERRORS * error,  # Of the sample of held-out text.
        )
      )
  return claims


def _state_claims(results):
  gap = int(results["gaps"][0])
  claims = []
  for i, n in enumerate(results["windows"]):
    if n >= gap:
      continue
    mean, error = _mean(results["segments"][1, i])
    claims.append(
      study.Claim(
        "S4-5.1",
        f"Truncation does not make an n-gram model: on brackets that match "
        f"over {gap} characters an RNN trained with TBPTT({n}) needs fewer "
        f"bits per character than any model that sees {_characters(n)}, for "
        f"its state carries what no gradient reaches (mean plus "
        f"{_NUM_ERRORS:g} standard errors).",
        _THEORY,
        expected=(entropy(results, gap, None), entropy(results, gap, int(n))),
        measured=mean + _NUM_ERRORS * error,
      )
    )
  return claims


def _exact_claims(results):
  near, far = int(results["gaps"][0]), int(results["gaps"][-1])
  mean, error = _mean(results["rtrl"][1])
  rate = entropy(results, near, None)
  least = entropy(results, near, max(near - 1, 1))
  claims = [
    study.Claim(
      "S4-5.1",
      f"With the exact online gradient (RTRL) an RNN learns brackets that "
      f"match over {near} characters: in bits per character it is nearer to "
      "the entropy of the text than to the least of any model that sees fewer "
      f"than {near} characters (mean plus {_NUM_ERRORS:g} standard errors).",
      _THEORY,
      expected=(rate, (rate + least) / 2),
      measured=mean + _NUM_ERRORS * error,
    )
  ]
  short = [i for i, n in enumerate(results["windows"]) if 2 * n <= far]
  lacks = [results["segments"][-1, i] - results["rtrl"][-1] for i in short]
  if short:
    claims.append(
      study.Claim(
        "S4-5.1",
        f"In practice truncation still costs: on brackets that match over "
        f"{far} characters TBPTT(n), for each n up to half of that, needs "
        f"more bits per character than RTRL (least difference over n, less "
        f"{_NUM_ERRORS:g} standard errors).",
        _SHEET,
        expected=study.POSITIVE,
        measured=min(_at_least(lack) for lack in lacks),
      )
    )
  n = int(results["windows"][0])
  if n < near < far:
    shares = [share(results, row)[0] for row in (0, len(results["gaps"]) - 1)]
    claims.append(
      study.Claim(
        "S4-5.1",
        "What the state keeps that no gradient asked for is a chance memory, "
        f"and fades: of what {_characters(n)} cannot tell, TBPTT({n}) finds a "
        f"smaller share with brackets that match over {far} than over {near} "
        "characters (difference of the shares less "
        f"{_NUM_ERRORS:g} standard errors).",
        _SHEET,
        expected=(0.0, 1.0),
        measured=_at_least(shares[0] - shares[1]),
      )
    )
  return claims


def share(results: study.Results, gap_index: int) -> np.ndarray:
  """Returns how much TBPTT(n) finds of what n characters do not tell.

    (floor of n - bits) / (floor of n - entropy of the text)

  An n-gram model has 0 at best, the best model 1.

  Args:
    results: the stored arrays.
    gap_index: which gap.

  Returns:
    By window and seed [W, S]; NaN where n reaches over the gap.
  """
  gap = int(results["gaps"][gap_index])
  rate = entropy(results, gap, None)
  floors = np.asarray(
    [entropy(results, gap, int(n)) for n in results["windows"]]
  )[:, None]
  unknown = np.where(floors > rate, floors - rate, np.nan)
  return (floors - results["segments"][1 + gap_index]) / unknown


def _text_claims(results):
  windows = [int(n) for n in results["windows"]]
  claims = []
  if windows[0] == 1:
    spare = results["text_floors"][0] - results["segments"][0, 0]
    claims.append(
      study.Claim(
        "S4-5.1",
        "English: an RNN trained with TBPTT(1) needs fewer bits per character "
        "than any function of one character, even one fitted to the held-out "
        f"text itself (difference less {_NUM_ERRORS:g} standard errors).",
        "theory: entropy of a held-out character given the one before it; "
        + _SHEET,
        expected=study.POSITIVE,
        measured=_at_least(spare),
      )
    )
  for i, n in enumerate(windows):
    if n <= 2:
      ngram = results["ngram_sgd"][0, i], results["ngram"][0, i]
      claims.append(
        study.Claim(
          "S4-5.1",
          f"English: an RNN trained with BPTT(1, {n}) needs fewer bits per "
          f"character than an n-gram model with n = {n} and as many hidden "
          "units, trained with SGD or with Adam, whichever is better for the "
          f"seed (difference less {_NUM_ERRORS:g} standard errors).",
          _SHEET,
          expected=study.POSITIVE,
          measured=_at_least(np.minimum(*ngram) - results["rolling"][0, i]),
        )
      )
  gain = results["rolling"][0, -1] - results["rtrl"][0]
  claims.append(
    study.Claim(
      "S4-5.1",
      f"English: an RNN trained with RTRL needs no more bits per character "
      f"than one trained with BPTT(1, {windows[-1]}) (the gain).",
      _SHEET,
      expected=(0.0, math.inf),
      measured=_mean(gain)[0],
      tolerance=_NUM_ERRORS * _mean(gain)[1],  # No gain is no loss.
    )
  )
  return claims


def _characters(n):
  return "one character" if n == 1 else f"{n} characters"


def _mean(values):
  values = np.asarray(values, np.float64)
  error = np.std(values, ddof=1) / math.sqrt(values.size)
  return float(np.mean(values)), float(error)


def _at_least(values):
  mean, error = _mean(values)
  return mean - _NUM_ERRORS * error
