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
  found = []
  for job in plan.jobs:
    if states.state_of(sweep, plan, job).word is states.Word.DONE:
      folder = plan_lib.folder_of(sweep, job)
      found.append((job, records.load_arrays(folder, worker.Curves).values))
  if not found:
    raise ValueError(f"expected runs that are done in {sweep}, got none")
  configs = [config for job, _ in found for config in job.configs]
  curves = {}
  for quantity in found[0][1]:  # A claim of some settings alone is left out.
    if all(quantity in values for _, values in found):
      parts = [values[quantity] for _, values in found]
      num_points = min(part.shape[1] for part in parts)
      curves[quantity] = np.concatenate([p[:, :num_points] for p in parts])
  return Table(plan, configs, curves, plan.num_runs - len(configs))


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
  `CONFIDENCE` for all comparisons together (Bonferroni). The first one was
  chosen for being first, so that its lead is rather too large.

  Args:
    rows: What `ranked` returns.
    best: "min" or "max", as there.
  """
  first, *others = rows
  sign = {"min": 1, "max": -1}[best]
  confidence = 1 - (1 - CONFIDENCE) / max(1, len(others))
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
