"""Claims of the study of language models.

The sheet asks a question; the answers are ours.
"""

from experiments import measure, study
from experiments.claims import Claim, Source, conjecture, theory

_FLOOR = theory("S4-5.1", "question 5.1; entropy of the text", "S4")
_PRACTICE = conjecture(
  "S4-5.1", "question 5.1: can it learn longer dependencies in practice?", "S4"
)
_SNAP = Source("P7", "menick2020", "abstract: SnAp-1 outperforms UORO")
_BETWEEN = conjecture(
  "P7", "they leave out what a long gap needs", "menick2020"
)
_DIAGONAL = conjecture(
  "P8", "exact RTRL at the cost of its parameters", "irie2024"
)


def claims(results: study.Results) -> list[Claim]:
  """Compares with entropies, and methods with each other."""
  parts = (_ngram, _state, _exact, _approximate)
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


def _approximate(results):
  online, rtrl = results.online, results.rtrl[:, -1]
  english, brackets = (
    measure.difference(online["UORO"][:, text], online["SnAp-1"][:, text])
    for text in (0, 1)
  )
  low, high = brackets.limits(0.99)
  yield _SNAP.at_least(
    "snap-or-uoro",
    "On English an RNN needs fewer bits if it learns by SnAp-1 than if it "
    "learns by UORO.",
    0.0,
    english,
    strict=True,
    quantity="bits per character of UORO minus those of SnAp-1",
    note=f"On brackets between {low:.3f} and {high:.3f}, at 99 %.",
  )
  names = "SnAp-1", "UORO", "e-prop"
  yield _BETWEEN.at_least(
    "approximations-cost",
    "On brackets that match over a long gap SnAp-1, UORO and e-prop need more "
    "bits than RTRL.",
    0.0,
    {name: measure.difference(online[name][:, 1], rtrl) for name in names},
    strict=True,
    quantity="bits per character of an approximation minus those of RTRL",
    note=_on_brackets(results, -1),
  )
  entropy, blind = results.entropies[-1], results.short_floors[-1]
  yield _DIAGONAL.at_most(
    "diagonal",
    "With the exact gradient at the cost of their parameters eLSTM and LRU "
    "learn to match brackets over a long gap.",
    entropy + (blind - entropy) / 4,
    {name: measure.mean(online[name][:, 1]) for name in ("eLSTM", "LRU")},
    quantity="held-out bits per character",
    note="The bound is a quarter of the way from the entropy to one who misses "
    f"the partner; the tanh RNN with RTRL ends at {rtrl.mean():.3f}.",
  )


def _on_brackets(results, index):
  return f"Brackets that match over {results.gaps[index]} characters."
