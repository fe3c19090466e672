"""What the claims and the figure both read off."""

import math

import numpy as np

from experiments import study

FAMILIES = ("sigmoid", "tanh", "ReLU", "LeakyReLU")
SHALLOW = ("sigmoid", "tanh", "ReLU")  # Of the networks that learn digits.
# A sigmoid of slope s is the standard one with weights 4 s times larger.
SLOPES = {
  "sigmoid": 0.25,
  "sigmoid, slope 1/2": 0.5,
  "sigmoid, slope 4": 4.0,
  "sigmoid, slope 16": 16.0,
}
NAMES = (*SLOPES, *FAMILIES[1:])
LEAK = 0.1  # LeakyReLU's slope for negative inputs.
ALPHAS = (0.0, 0.001, 0.01, LEAK, 0.4, 1.0)  # Those of networks that learn |x|.
WIDTHS = (2, 3, 5, 10)  # Of networks that may be born dead.
LN_10 = math.log(10)  # Cross-entropy of knowing nothing, ten classes.


def at_gain(
  results: study.Results, name: str, gain: float = 1.0
) -> tuple[int, int]:
  """Returns which network [K, G] has an activation and the gain next to one."""
  family = FAMILIES.index(name.partition(",")[0])
  gain = gain * 4 * SLOPES.get(name, 0.25)
  distance = np.abs(np.log(results.gradients.gains[family] / gain))
  return family, int(np.argmin(distance))


def growth(results: study.Results, depth: int) -> np.ndarray:
  """Returns log norm(dC / d b^1) / norm(dC / d b^depth)  [S, K, G]."""
  deltas = results.gradients.log_deltas
  return deltas[..., 0] - deltas[..., depth - 1]


def gains_of_tenfold(gains: np.ndarray, curves: np.ndarray) -> np.ndarray:
  """Returns where curves [S, G] rise to -log 10 and log 10, or NaN  [2, S]."""
  rising = np.maximum.accumulate(curves, axis=1)
  ends, beyond = (-LN_10, LN_10), {"left": np.nan, "right": np.nan}
  logs = [np.interp(ends, c, np.log(gains), **beyond) for c in rising]
  return np.exp(np.transpose(logs))


def best(results: study.Results) -> dict[str, tuple[float, np.ndarray]]:
  """Returns the rate whose loss is lowest in the end, and its losses [S, E]."""
  found = {}
  for name, losses in zip(SHALLOW, results.shallow.losses, strict=True):
    final = losses[..., -1].mean(axis=0)
    rate = np.argmin(np.nan_to_num(final, nan=np.inf))
    found[name] = results.rates[rate], losses[:, rate]
  return found
