"""Names, and what the run, the claims and the figure all read off."""

import numpy as np

from experiments import study

FROZEN, READOUT = "not adapted", "readout alone"
IMMEDIATE, RTRL, SNAP = "immediate gradient", "RTRL", "SnAp-1"
SINE, LORENZ = "sine", "Lorenz"
MARGIN = 3.0  # Percentage points of recovery; that of Merin's test.
SHIFT, REST = 0, 1  # Where the gradient is taken apart.


def delay(num_steps: int) -> str:
  """Returns how a task with a delay is called."""
  return f"delay of {num_steps}"


def paths(num_paths: int, num_units: int) -> str:
  """Returns how k paths for each of n units are called."""
  return f"{num_paths} of {num_units} paths"


def final(results: study.Results, method: str) -> np.ndarray:
  """Returns the mean loss of the last fifth of the adaptation [S, D]."""
  curves = results.curves[method]
  return curves[..., -(curves.shape[-1] // 5) :].mean(axis=-1)


def recovery(results: study.Results, method: str) -> np.ndarray:
  """Returns how much of what RTRL gains a method gains too, % [S, D]."""
  start = final(results, FROZEN)
  gain = start - final(results, RTRL)
  return 100 * (start - final(results, method)) / gain


def by_task(results: study.Results, values: np.ndarray) -> dict:
  """Returns values of the seeds [S] by task, from [S, D]."""
  return dict(zip(map(str, results.tasks), values.T, strict=True))


def longest(results: study.Results) -> str:
  """Returns the task with the longest delay."""
  return str(results.tasks[-1])
