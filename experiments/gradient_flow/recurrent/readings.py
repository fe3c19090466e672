"""What the claims and the figure both read off."""

import numpy as np

from experiments import study
from experiments.gradient_flow.recurrent import theory

EXACT = ("linear, orthogonal", "LRU")  # Known with any input.


def pause(results: study.Results) -> tuple[int, int]:
  """Returns the first and last lag within the blanks of the copy task."""
  length, delay = int(results.copy_length), int(results.copy_delay)
  return length, length + delay - 1


def kept(results: study.Results, name: str, trained: bool) -> np.ndarray:
  """Returns log10 of g at the lag of what is to be copied over g_1, by seed.

  From lag 1: at lag 0 an LSTM's c has no part in the output yet.
  """
  net, needed = results.networks[name], pause(results)[1] + 1
  norms = net.trained.lags if trained else net.start
  return np.log10(norms[:, needed] / norms[:, 1])


def rates(norms: np.ndarray, first: int, last: int) -> np.ndarray:
  """Returns the factor per lag, fitted to log g_k [..., T] from lag to lag."""
  lags = np.arange(first, last + 1.0)
  lags -= lags.mean()
  logs = np.log(norms[..., first : last + 1])
  return np.exp(logs @ lags / np.sum(lags**2))


def tightness(results: study.Results, activation: str) -> np.ndarray:
  """Returns g_k over its bound (lambda_1 gamma)^k g_0  [G, M, I, S, T]."""
  lags = results.bounds.lags[activation]
  gains = results.bounds.gains[:, None, None, None, None]
  return lags / (lags[..., :1] * gains ** np.arange(lags.shape[-1]))


def relative(results: study.Results, losses: np.ndarray) -> np.ndarray:
  """Returns losses of copying [S, U] over that without memory."""
  length, delay = int(results.copy_length), int(results.copy_delay)
  return losses / theory.copy_floor(length, delay)


def recalled(results: study.Results, losses: np.ndarray) -> np.ndarray:
  """Returns which share of what can be recalled was, at the end, by seed."""
  num_late = max(1, losses.shape[1] // 10)
  return 1 - relative(results, losses)[:, -num_late:].mean(axis=1)


def updates(results: study.Results, method: str) -> np.ndarray:
  """Returns the updates until at most 1 % errors; infinite if never  [S]."""
  solved = results.order.errors[method] <= 0.01
  first = results.order.checks[np.argmax(solved, axis=1)]
  return np.where(solved.any(axis=1), first, np.inf)
