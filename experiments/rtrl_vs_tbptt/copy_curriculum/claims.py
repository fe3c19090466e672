"""Claims of the study of the copy curriculum."""

import math

import numpy as np

from experiments import measure, study
from experiments.claims import Claim, Source, conjecture
from experiments.rtrl_vs_tbptt.copy_curriculum import readings

_LOGS = Source("P4", "benzing2019", "the authors' logs, five seeds")
_ONLINE = conjecture(
  "P4", "abstract: OK outperforms TBPTT in string memorization", "benzing2019"
)
_NEGLIGIBLE = conjecture(
  "P4", "abstract: empirically negligible noise", "benzing2019"
)
_NOISE = conjecture("P4", "UORO's noise is n times larger", "mujika2018")
_SPARSE = conjecture(
  "P7", "abstract: SnAp-2 can outperform BPTT, updates online", "menick2020"
)
_ORDER = conjecture("P7", "SnAp-2 keeps more of the influence", "menick2020")
_SAME = math.log(1.25)  # More steps than this one would not call as fast.
_PUBLISHED = 128, 16, 0.999  # Units, batch size, memory of the running loss.
_RANK, _NUM_STEPS = 16, 10_000
_LEARNS_ONLINE = (
  "OK, which learns at every step, reaches a given length in fewer steps than "
  "truncated BPTT."
)
_IS_NOISIER = (
  "UORO, unbiased as OK is but with more noise, takes more steps to a given "
  "length."
)
_LEARNS_SPARSE = (
  "In a sparse network SnAp-2, which learns at every step, reaches a given "
  "length in fewer steps than BPTT, which learns after a segment."
)
_ORDERED = (
  "In a sparse network SnAp-2 reaches a given length in fewer steps than "
  "SnAp-1."
)


def claims(results: study.Results) -> list[Claim]:
  """Compares steps to the longest length that RTRL, or OK, always reaches."""
  parts = _compared, _sparse, _table
  return [claim for part in parts for claim in part(results)]


def _compared(results):
  num_steps, rank = int(results.num_steps), int(results.ranks.max())
  best, goal = readings.goal(results.lengths, rank)
  ok = readings.ok(rank)
  # What is not reached counts as all of training: at least that long.
  steps, reached = {}, {}
  for name, lengths in results.lengths.items():
    steps[name], flags = readings.steps_to(goal, lengths, num_steps)
    reached[name] = f"{name} by {flags.sum()} of {flags.size}"
  truncated = [readings.bptt(window) for window in results.windows]
  for source, key, statement, names in (
    (_ONLINE, "online", _LEARNS_ONLINE, truncated),
    (_NOISE, "uoro", _IS_NOISIER, [readings.UORO]),
  ):
    said = ", ".join(reached[name] for name in (ok, *names))
    yield _slower(
      source,
      (key, statement),
      goal,
      {name: steps[name] for name in (ok, *names)},
      note=f"All learn at one rate. By {best} length {goal} is always reached. "
      f"In {num_steps:,} steps did {said}.",
    )
  exact = steps.get(readings.RTRL)
  yield _noise(
    goal, rank, None if exact is None else _log_ratio(steps[ok], exact)
  )


def _sparse(results):
  goal = readings.sparse_goal(results.sparse)
  num_steps, rates = int(results.sparse_steps), results.sparse_rates
  steps, found = {}, {}
  for name, lengths in results.sparse.items():
    at, steps[name], flags = readings.at_best(goal, lengths, num_steps)
    found[name] = f"{name} at {rates[at]:g} by {flags.sum()} of {flags.size}"
  one, two = readings.snap(1), readings.snap(2)
  truncated = [name for name in steps if name not in (one, two)]
  share = (
    f"{results.kept[1]:.0%} of the influence, SnAp-1 {results.kept[0]:.0%}"
  )
  for source, key, statement, names in (
    (_SPARSE, "snap-2", _LEARNS_SPARSE, truncated),
    (_ORDER, "snap-1", _ORDERED, [one]),
  ):
    said = ", ".join(found[name] for name in (two, *names))
    yield _slower(
      source,
      (key, statement),
      goal,
      {name: steps[name] for name in (two, *names)},
      note=f"Each at its best rate of {len(rates)}; in {num_steps:,} steps did "
      f"{said}. SnAp-2 keeps {share}.",
    )


def _slower(source, row, goal, steps, note):
  """Claims that the first method takes fewer steps than each of the others."""
  (first, fewest), *others = steps.items()
  return source.at_least(
    *row,
    0.0,
    {name: _log_ratio(found, fewest) for name, found in others},
    strict=True,
    quantity=f"log of the steps to length {goal}, by those of {first}",
    note=note,
  )


def _log_ratio(steps, others):
  return measure.difference(np.log(steps), np.log(others))


def _noise(goal, rank, found):
  # Until then sequences had goal - 1 symbols, each shown and said again.
  num_products = 2 * (goal - 1)
  row = (
    "noise",
    "OK's noise is negligible: it reaches a given length in as many steps as "
    "exact RTRL.",
    0.0,
  )
  details = {
    "quantity": f"log of the steps to length {goal}, OK of rank {rank} by RTRL",
    "note": f"Up to length {goal} an influence has up to {num_products} "
    f"products; {rank} can be kept.",
  }
  if found is None or num_products <= rank:  # The latter has no noise.
    return _NEGLIGIBLE.not_run(*row, **details)
  return _NEGLIGIBLE.equivalent(*row, found, margin=_SAME, **details)


def _table(results):
  row = (
    "published",
    "OK of rank 16 reaches copies of length 4.0 after 10,000 steps of 128 "
    "units and batches of 16.",
    4.0,
  )
  details = {
    "quantity": "length T of the curriculum, mean over networks",
    "note": "A memory of 0.999 takes 2,600 steps from a guess to 0.15 bits: "
    "no length above 4 is possible.",
  }
  is_published = tuple(results.sizes) == _PUBLISHED and _RANK in results.ranks
  if is_published and results.num_steps >= _NUM_STEPS:
    lengths = results.lengths[readings.ok(_RANK)][:, _NUM_STEPS - 1]
    mean = measure.mean(lengths)
    yield _LOGS.equivalent(*row, mean, margin=0.5, **details)
  else:
    yield _LOGS.not_run(*row, **details)
  details["note"] = (
    "In no setting: 50,000 steps of a network take 35 minutes. KTP, as "
    "published: 3.0 after 10,000 steps, 10.8 after 200,000, 17.0 at the end."
  )
  yield _LOGS.not_run(
    "two-million",
    "After two million steps OK, of rank 16, has reached copies of length "
    "41.8; after 200,000 of 20.4.",
    41.8,
    **details,
  )
