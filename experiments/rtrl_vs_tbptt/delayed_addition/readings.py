"""What the run, the claims and the figure all read off."""

import numpy as np

from experiments import study

# Least cross-entropies of who knows neither coin, x_{t - t1}, x_{t - t2}, both;
# nats, from the entropies of the target given what is known.
FLOORS = {
  "knows nothing": 0.6616,
  "knows t1": 0.5192,
  "knows t2": 0.6277,
  "knows both": 0.4545,
}
FROZEN, RTRL = "recurrence frozen", "RTRL"


def bptt(update_every: int, window: int) -> str:
  """Returns how a truncation is called."""
  return f"BPTT({update_every}, {window})"


def final(results: study.Results, method: str) -> np.ndarray:
  """Returns the mean loss of the last tenth of the training [S, D]."""
  curves = results.curves[method]
  return curves[..., -(curves.shape[-1] // 10) :].mean(axis=-1)


def task_name(delays: np.ndarray) -> str:
  """Returns how a pair of delays is written."""
  return "t1 = {}, t2 = {}".format(*delays)
