"""Closed forms for the study of gradients by lag, in NumPy.

A row v = d loss / d h_T goes back through Jacobians J: g_k = norm(v J ... J)
with k factors. `W` is the recurrent matrix of a simple network.
"""

import math

import numpy as np
from scipy import special

# Pascanu, Mikolov, Bengio 2013: updates to 1 % errors, temporal order, T = 20.
PUBLISHED_UPDATES = {"SGD": 21_000, "clipped": 11_000, "clipped, Omega": 2_000}


def copy_floor(length: int, delay: int) -> float:
  """Returns L ln(8) / (2 L + T) nats, the cost of guessing what was shown."""
  return length * math.log(8) / (2 * length + delay)


def powers(v: np.ndarray, matrix: np.ndarray, num_lags: int) -> np.ndarray:
  """Returns the norms of v M^k, k = 0 ... num_lags - 1.

  What a linear network does at any time, and a tanh network at rest (M = W).
  """
  norms = []
  for _ in range(num_lags):
    norms.append(np.linalg.norm(v))
    v = v @ matrix
  return np.array(norms)


def gru_at_rest(
  v: np.ndarray, candidate: np.ndarray, num_lags: int
) -> np.ndarray:
  """Returns g_k of a GRU without input: all gates 1/2, h = 0.

    dh_t/dh_tm1 = z + (1 - z) r U_n = 1/2 + U_n / 4,

  U_n [N, N] orthogonal at the start: eigenvalues on the circle of radius 1/4
  about 1/2.
  """
  return powers(v, np.eye(len(v)) / 2 + candidate / 4, num_lags)


def lstm_at_rest(
  v: np.ndarray, candidate: np.ndarray, forget_bias: float, num_lags: int
) -> np.ndarray:
  """Returns g_k of an LSTM without input: i = o = 1/2, f = sigmoid(b), c = 0.

  What reaches c_t, on its own and through h_t = o tanh(c_t), is p_k, and

    p_0 = v / 2,  p_{k+1} = p_k M,  M = f + U_g / 4
    d loss / d (c, h)_{T-k} = p_{k-1} (f, U_g / 2)

  so that the rate is f without recurrent weights (the carousel) and, with
  orthogonal ones, between f and f + 1/4.
  """
  f, p, norms = special.expit(forget_bias), v / 2, [np.linalg.norm(v)]
  for _ in range(num_lags - 1):
    norms.append(
      np.hypot(np.linalg.norm(f * p), np.linalg.norm(p @ candidate) / 2)
    )
    p = f * p + p @ candidate / 4
  return np.array(norms)


def lru_norms(v: np.ndarray, nu: np.ndarray, num_lags: int) -> np.ndarray:
  """Returns g_k^2 = sum_i abs(lambda_i)^2k abs(v_i)^2 of diagonal units.

  abs(lambda) = exp(-exp(nu)), nu [N]; v [2 N] has the real parts first.
  """
  radius = np.exp(-np.exp(nu))
  strength = np.sum(v.reshape(2, -1) ** 2, axis=0)
  lags = np.arange(num_lags)[:, None]
  return np.sqrt(np.sum(radius ** (2 * lags) * strength, axis=1))
