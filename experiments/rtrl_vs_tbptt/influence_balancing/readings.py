"""What the claims and the figure both read off."""

import numpy as np

from experiments import study
from experiments.rtrl_vs_tbptt.influence_balancing import theory


def theory_of(results: study.Results) -> theory.Theory:
  """Returns what the closed forms say of the chain that was run."""
  return theory.predict(
    int(results.num_units),
    int(results.num_positive),
    len(results.credits.windows),
  )


def slopes(thetas: np.ndarray, results: study.Results) -> np.ndarray:
  """Returns the slope of log |theta - optimum| in the second half of a run.

  Time is the last axis. A run ends where it reaches rounding.
  """
  distance = np.abs(thetas - theory_of(results).optimum)
  arrived = np.append(distance < 1e-12, np.ones_like(distance[..., :1]), -1)
  end = np.argmax(arrived[..., 1:], -1, keepdims=True)
  first, last = (
    np.take_along_axis(distance, index, -1)[..., 0] for index in (end // 2, end)
  )
  updates = (end - end // 2)[..., 0] * int(results.stride)
  with np.errstate(all="ignore"):  # A run which left the floats has no slope.
    return np.log(last / first) / updates


def first_trained(trained: study.Results, results: study.Results) -> float:
  """Returns the truncation from which on every run nears the optimum."""
  nears = np.all(slopes(trained.theta, results) < 0, axis=(0, 2))
  fails = np.flatnonzero(~nears)
  index = fails[-1] + 1 if fails.size else 0
  truncations = trained.truncations
  return float(truncations[index]) if index < len(truncations) else np.inf
