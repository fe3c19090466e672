"""Claims of the study of language models.

The sheet asks a question; the answers are ours.
"""

from experiments import measure, study
from experiments.claims import Claim, conjecture, theory

_FLOOR = theory("S4-5.1", "question 5.1; entropy of the text", "S4")
_PRACTICE = conjecture(
  "S4-5.1", "question 5.1: can it learn longer dependencies in practice?", "S4"
)


def claims(results: study.Results) -> list[Claim]:
  """Compares with entropies, and methods with each other."""
  parts = (_ngram, _state, _exact)
  return [claim for part in parts for claim in part(results)]


def _ngram(results):
  yield _FLOOR.between(
    "ngram-floor",
    "A trained n-gram model ends at the entropy of a character given the n "
    "before it, and never below.",
    # A tenth of what cannot be known as long as the partner is out of sight.
    (0.0, (results.short_floors[0] - results.entropies[0]) / 10),
    {
      f"n = {n}": measure.mean(results.ngram[:, 1, i] - results.floors[0, i])
      for i, n in enumerate(results.windows)
    },
    quantity="held-out bits per character above the entropy",
    tolerance=0.005,  # Entropy of 20,000 characters that happen to be tested.
    note=_on_brackets(results, 0),
  )


def _state(results):
  gap, least = results.gaps[0], results.windows[0]
  spare = {
    f"English, n = {least}, by a trained n-gram model": measure.difference(
      results.ngram[:, 0, 0], results.segments[:, 0, 0]
    )
  }
  for i, n in enumerate(results.windows):
    if n < gap:
      spare[f"brackets over {gap}, n = {n}, by the entropy"] = measure.mean(
        results.floors[0, i] - results.segments[:, 1, i]
      )
  yield _FLOOR.at_least(
    "truncated-is-no-ngram",
    "An RNN trained with TBPTT(n) needs fewer bits than a model of n "
    "characters: its state carries what no gradient reaches.",
    0.0,
    spare,
    quantity="bits per character of n characters minus those of TBPTT(n)",
    strict=True,
    note="On English the n-gram model has plain SGD, as on the sheet, the RNN "
    "Adam; with Adam the n-gram model gains less than 0.03 bits.",
  )


def _exact(results):
  entropy, blind = results.entropies[0], results.short_floors[0]
  yield _FLOOR.at_most(
    "exact-learns",
    "With the exact online gradient (RTRL) an RNN learns to match brackets.",
    entropy + (blind - entropy) / 4,
    measure.mean(results.rtrl[:, 1]),
    quantity="held-out bits per character",
    note=f"The bound is a quarter of the way from the entropy, {entropy:.3f}, "
    "to the least of a model whose partner is out of sight. "
    + _on_brackets(results, 0),
  )
  lacks = {
    f"n = {n}": measure.difference(
      results.segments[:, -1, i], results.rtrl[:, -1]
    )
    for i, n in enumerate(results.windows)
    if 4 * n <= results.gaps[-1]
  }
  english = measure.difference(results.rolling[:, 0, -1], results.rtrl[:, 0])
  low, high = english.limits(0.99)
  if lacks:
    yield _PRACTICE.at_least(
      "truncation-costs",
      "On brackets that match over a long gap TBPTT(n), with n up to a quarter "
      "of it, needs more bits than RTRL.",
      0.0,
      lacks,
      quantity="bits per character of TBPTT(n) minus those of RTRL",
      strict=True,
      note=f"{_on_brackets(results, -1)} On English RTRL gains between "
      f"{low:.3f} and {high:.3f} bits, at 99 %, on the longest rolling window.",
    )


def _on_brackets(results, index):
  return f"Brackets that match over {results.gaps[index]} characters."
