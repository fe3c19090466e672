"""What the claims and the figure both read off."""

import math

import numpy as np

from experiments import study

OVER_PAUSE, AT_ONCE = 0, 1  # The tasks of those that are trained.
SGD, CLIPPED, OMEGA = "SGD", "SGD with clipping", "SGD with clipping and Omega"
# Pascanu, Mikolov, Bengio 2013: updates to 1 % errors, temporal order, T = 20.
PUBLISHED_UPDATES = {SGD: 21_000, CLIPPED: 11_000, OMEGA: 2_000}
SOLVED = 0.01  # Errors of a network that has learned.


def needed(results: study.Results) -> int:
  """Returns the lag of what is to be copied."""
  return int(results.copy_length + results.copy_delay)


def kept(results: study.Results, norms: np.ndarray) -> np.ndarray:
  """Returns log10 of g [S, T] at the lag of what is to be copied over g_1.

  From lag 1: at lag 0 an LSTM's c has no part in the output yet.
  """
  return np.log10(norms[:, needed(results)] / norms[:, 1])


def tightness(results: study.Results, name: str) -> np.ndarray:
  """Returns g_k over its bound (lambda_1 gamma)^k g_0  [2 R, T]."""
  net = results.networks[name]
  norms = np.concatenate([net.start, net.rest])
  gains = np.tile(results.gains[name], 2)[:, np.newaxis]
  return norms / (norms[:, :1] * gains ** np.arange(norms.shape[1]))


def relative(results: study.Results, name: str, task: int) -> np.ndarray:
  """Returns a network's losses of copying over that without memory  [S, U]."""
  length, delay = int(results.copy_length), int(results.copy_delay)
  floor = length * math.log(8) / (2 * length + delay)  # Of guessing among 8.
  return results.trained[name].losses[task] / floor


def recalled(results: study.Results, name: str, task: int) -> np.ndarray:
  """Returns which share of what can be recalled was, at the end, by seed."""
  losses = relative(results, name, task)
  num_late = max(1, losses.shape[1] // 10)
  return 1 - losses[:, -num_late:].mean(axis=1)


def updates(results: study.Results, method: str) -> np.ndarray:
  """Returns the updates until at most 1 % errors; infinite if never  [S]."""
  solved = results.order.errors[method] <= SOLVED
  first = results.order.checks[np.argmax(solved, axis=1)]
  return np.where(solved.any(axis=1), first, np.inf)
