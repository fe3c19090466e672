"""Names, and what the run, the claims and the figure all read off."""

import numpy as np

from experiments import study

VANILLA, SPARSE, LSTM = "tanh", "sparse tanh", "LSTM"
LAYERS = "two IndRNN layers"
DELAYED, DELAYS = "delayed addition", (4, 6)  # t1, t2 in steps.

RTRL, LAZY, UORO, KF, RFLO = "RTRL", "lazy RTRL", "UORO", "KF-RTRL", "RFLO"
EPROP, RANDOM_EPROP = "e-prop", "e-prop, random feedback"
ARTBP, PES, NRES, TRUNCATED_ES = "ARTBP", "PES", "NRES", "truncated ES"
LAYERWISE, ADAPTIVE = "layerwise RTRL", "adaptive BPTT"
UORO_RANK = 4  # Of the UORO with several copies.
UORO_COPIES = f"UORO, rank {UORO_RANK}"
OK, OK_MORE, KTP = "OK, rank 1", "OK, rank 4", "KTP, rank 4"
SKETCH = "SnAp-1 + sketch"
ORDERS = (1, 2, 3)  # Of SnAp.
WINDOWS = (1, DELAYS[0], DELAYS[1] + 1, 16)  # Of rolling BPTT, steps.

EXACT = (RTRL, LAZY)
LOCAL = (EPROP, RFLO)
# Without bias, and so precise that 25 estimates place their mean to a tenth;
# KF-RTRL's, of twice OK's noise, do not.
PRECISE = (OK, OK_MORE, ARTBP)
UNBIASED = (*PRECISE, KF, UORO, UORO_COPIES, KTP, PES, NRES)


def snap(order: int) -> str:
  """Returns how SnAp of an order is called."""
  return f"SnAp-{order}"


def bptt(update_every: int, window: int) -> str:
  """Returns how a truncation is called."""
  return f"BPTT({update_every}, {window})"


def rows(
  results: study.Results, estimator: str, cell: str = VANILLA
) -> dict[str, int]:
  """Returns the rows of an estimator by the names of their tasks."""
  found = (results.estimator == estimator) & (results.cell == cell)
  return {str(results.task[row]): int(row) for row in np.flatnonzero(found)}


def has(results: study.Results, *estimators: str, cell: str = VANILLA) -> bool:
  """Returns whether all of some estimators were compared on a cell."""
  return all(rows(results, name, cell) for name in estimators)


def along(
  results: study.Results, quantity: str, estimator: str, cell: str = VANILLA
) -> dict[str, np.ndarray]:
  """Returns an error [S, C] of an estimator by the names of the tasks."""
  errors = np.asarray(getattr(results.errors, quantity), float)
  found = rows(results, estimator, cell)
  return {task: errors[:, row] for task, row in found.items()}


def average(
  results: study.Results, quantity: str, estimator: str, cell: str = VANILLA
) -> np.ndarray:
  """Returns the mean of an error over tasks and checkpoints [S]."""
  of_tasks = along(results, quantity, estimator, cell).values()
  return np.mean([e.mean(axis=1) for e in of_tasks], axis=0)


def own_bias(results: study.Results, row: int) -> np.ndarray:
  """Returns the squared bias [S, C] less what chance adds to it."""
  bias, error = results.errors.bias, results.errors.standard_error
  return bias[:, row].astype(float) ** 2 - error[:, row].astype(float) ** 2
