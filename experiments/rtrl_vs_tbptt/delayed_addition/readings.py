"""What the claims and the figure both read off."""

import numpy as np

# Least cross-entropies of who knows neither coin, x_{t - t1}, x_{t - t2}, both;
# nats, from the entropies of the target given what is known.
FLOORS = {
  "knows nothing": 0.6616,
  "knows t1": 0.5192,
  "knows t2": 0.6277,
  "knows both": 0.4545,
}


def middle(one: str, other: str) -> float:
  """Returns the loss half-way between two floors."""
  return (FLOORS[one] + FLOORS[other]) / 2


def task_name(delays: np.ndarray) -> str:
  """Returns how a pair of delays is written."""
  return "t1 = {}, t2 = {}".format(*delays)
