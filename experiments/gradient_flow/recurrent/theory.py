"""Closed forms for the study of gradients by lag, in NumPy.

A row v = d loss / d h_T goes back through Jacobians J: g_k = norm(v J ... J)
with k factors. Networks are along axis 0.
"""

import numpy as np
from scipy import special


def rows(v: np.ndarray, matrix: np.ndarray, num_lags: int) -> np.ndarray:
  """Returns v M^k of v [S, N] and M [S, N, N]  [S, num_lags, N]."""
  found = [v]
  for _ in range(num_lags - 1):
    found.append(np.einsum("sn,snm->sm", found[-1], matrix))
  return np.stack(found, axis=1)


def at_rest(
  family: str, theta: dict | np.ndarray, v: np.ndarray, bias: float, lags: int
) -> np.ndarray:
  """Returns g_k [S, lags] without input, in the state 0.

  A step multiplies by W (vanilla), by 1/2 + U_n / 4 (GRU: all gates 1/2) or by
  abs(lambda) = exp(-exp(nu)) (LRU, whose v has the real parts first).
  """
  size = v.shape[-1]
  if family == "lstm":
    return _lstm_at_rest(v, theta[:, 2 * size : 3 * size, :size], bias, lags)
  if family == "lru":
    radius = np.exp(-np.exp(np.tile(theta["nu"], 2)))
    matrix = radius[:, np.newaxis] * np.eye(size)
  elif family == "gru":
    matrix = np.eye(size) / 2 + theta["recurrent"][:, 2 * size :, :size] / 4
  else:
    matrix = theta[:, :, :size]
  return np.linalg.norm(rows(v, matrix, lags), axis=-1)


def _lstm_at_rest(v, candidate, bias, lags):
  """Of an LSTM at rest: i = o = 1/2, f = sigmoid(b), c = 0.

  What reaches c_t, on its own and through h_t = o tanh(c_t), is p_k, and

    p_0 = v / 2,  p_{k+1} = p_k (f + U_g / 4)
    d loss / d (c, h)_{T-k} = p_{k-1} (f, U_g / 2)

  so that the rate is f without recurrent weights (the carousel) and, with
  orthogonal ones, between f and f + 1/4.
  """
  f = special.expit(bias)
  p = rows(v / 2, f * np.eye(v.shape[-1]) + candidate / 4, lags - 1)
  both = np.concatenate([f * p, p @ candidate / 2], axis=-1)
  norms = [np.linalg.norm(part, axis=-1) for part in (v, both)]
  return np.column_stack(norms)
