"""What came out of a sweep: runs, their settings, their curves."""

import pathlib
from typing import Any, NamedTuple

import numpy as np

from experiments import measure, records
from launch import plan as plan_lib
from launch import states, worker

CONFIDENCE = 0.95  # Of all intervals of a sweep.


class Table(NamedTuple):
  """N runs, in the order of the plan."""

  plan: plan_lib.Plan
  configs: list[Any]  # Settings of each run that is done.
  curves: dict[str, np.ndarray]  # By quantity  [N, B]
  num_missing: int  # Runs that are not done.
  num_earlier: int  # Runs of earlier code, which the sweep would run again.


class Row(NamedTuple):
  """One setting, over its seeds."""

  setting: tuple[Any, ...]  # The values of the plan's fields.
  finals: np.ndarray  # The end of the curve, of each seed  [S]
  curves: np.ndarray  # [S, B]
  seeds: list[int]  # [S]

  @property
  def value(self) -> float:
    """The mean over seeds."""
    return float(np.mean(self.finals))

  @property
  def num_diverged(self) -> int:
    """How many runs ended with something that is no number."""
    return int(np.sum(~np.isfinite(self.finals)))

  @property
  def limits(self) -> tuple[float, float] | None:
    """The interval of the mean; None if there is one seed, or any diverged."""
    if len(self.finals) < 2 or self.num_diverged:
      return None
    return measure.mean(self.finals).limits(CONFIDENCE)


def read(sweep: pathlib.Path) -> Table:
  """Reads what is done of a sweep.

  Args:
    sweep: The sweep's folder.

  Raises:
    ValueError: if it is not the folder of one, or nothing of it is done.
  """
  plan = plan_lib.read(sweep)
  found, num_earlier = [], 0
  for job in plan.jobs:
    word = states.state_of(sweep, plan, job).word
    num_earlier += len(job.configs) * (word is states.Word.EARLIER)
    if word in (states.Word.DONE, states.Word.EARLIER):
      folder = plan_lib.folder_of(sweep, job)
      found.append((job, records.load_arrays(folder, worker.Curves).values))
  if not found:
    raise ValueError(f"expected runs that are done in {sweep}, got none")
  configs = [config for job, _ in found for config in job.configs]
  curves = {}
  for quantity in found[0][1]:  # A claim of some settings alone is left out.
    if all(quantity in values for _, values in found):
      parts = [values[quantity] for _, values in found]
      lengths = {part.shape[1] for part in parts}
      if len(lengths) > 1:
        raise ValueError(
          f"expected curves of one length in {sweep}, got {sorted(lengths)}"
        )
      curves[quantity] = np.concatenate(parts)
  if not curves:
    raise ValueError(
      f"expected something that all runs in {sweep} have measured, got nothing"
    )
  num_missing = plan.num_runs - len(configs)
  return Table(plan, configs, curves, num_missing, num_earlier)


def finals(curves: np.ndarray) -> np.ndarray:
  """Returns the mean of the last tenth of each curve [N, B] -> [N]."""
  return np.mean(curves[:, -max(1, curves.shape[1] // 10) :], axis=1)


def ranked(table: Table, quantity: str, *, best: str) -> list[Row]:
  """Returns the settings, the best one first.

  Args:
    table: What was run.
    quantity: By which.
    best: "min" or "max".

  Returns:
    A row for each setting; those of which a run diverged come last.
  """
  groups: dict[tuple, list[int]] = {}
  for index, config in enumerate(table.configs):
    setting = tuple(getattr(config, name) for name in table.plan.fields)
    groups.setdefault(setting, []).append(index)
  curves = table.curves[quantity]
  rows = [
    Row(
      setting,
      finals(curves[members]),
      curves[members],
      [table.configs[i].seed for i in members],
    )
    for setting, members in groups.items()
  ]
  sign = {"min": 1, "max": -1}[best]
  return sorted(rows, key=lambda row: _worth(row, sign))


def _worth(row, sign):
  return (row.num_diverged, sign * np.nan_to_num(row.value))


def not_told_apart(rows: list[Row], *, best: str) -> list[Row]:
  """Returns the settings that may be better than the first one after all.

  Those whose difference from it, seed by seed, may be none: by Student's t at
  `CONFIDENCE` for all pairs of settings together (Bonferroni), since any of
  them could have been the first. Settings that diverged are left out.

  Args:
    rows: What `ranked` returns.
    best: "min" or "max", as there.
  """
  first, *others = rows
  sign = {"min": 1, "max": -1}[best]
  num_pairs = max(1, len(rows) * (len(rows) - 1) // 2)
  confidence = 1 - (1 - CONFIDENCE) / num_pairs
  alike = []
  for row in others:
    shared = sorted(set(first.seeds) & set(row.seeds))
    if row.num_diverged or first.num_diverged:
      continue
    if len(shared) < 2:
      alike.append(row)  # Nothing is known of the spread.
      continue
    pairs = [[r.finals[r.seeds.index(s)] for s in shared] for r in (row, first)]
    low, high = measure.difference(*map(np.array, pairs)).limits(confidence)
    if (low if sign > 0 else -high) <= 0:
      alike.append(row)
  return alike
