"""Closed forms for the ring h_t = a P h_tm1 + W x_t, x_t the t-th unit vector.

P passes the state of each of n units on to the next. The influence of W on
h_t is J_t = sum_k a^k P^k (x) x_{t-k}, of T matrices that are orthogonal to
each other as long as T <= n: n sum_k a^{2 k} is its squared norm. All variances
are traces, over the squared norm of the mean.

An estimate whose norm N goes over to a N, and to which a product of norm m is
added at right angles by a random sign in balance, has the norm a N + m and not
the root of the sum of squares: the difference is noise.
"""

import numpy as np


def powers(decay: float, num_steps: int) -> np.ndarray:
  """Returns sum_{k < t} a^{2 k}, of each step t = 1 ... T  [T]."""
  return np.cumsum(float(decay) ** (2 * np.arange(num_steps)))


def _carried(decay, seconds):
  """Relative variance when what was carried, E N^2 / n, meets an exact step."""
  norms = powers(decay, len(seconds))
  before = np.concatenate([[0.0], seconds[:-1]])
  exact = np.concatenate([[0.0], norms[:-1]])
  return decay**2 * (before - exact) / norms


def uoro(num_units: int, decay: float, num_steps: int, rank: int) -> np.ndarray:
  """Returns the variance of the mean of r copies, of each step  [T].

  m = |nu| |nu^T I| = n, root n times the norm of I: the signs. The squared norm
  of s~ has a product of a P s~ and nu, whose cosine c has mean 0 and square
  1 / n,

    N' = (a N + m) sqrt(1 + 2 c sqrt(a N m) / (a N + m)),

  so that E N'^2 = E (a N + m)^2 and E N' is smaller by m a N / (2 n (a N + m)),
  up to terms of 1 / n^2.
  """
  first, second, seconds = 0.0, 0.0, []
  for _ in range(num_steps):
    moved = decay * first
    second = decay**2 * second + 2 * num_units * moved + num_units**2
    first = moved + num_units - moved / (2 * (moved + num_units))
    seconds.append(second / num_units)
  return _carried(decay, np.array(seconds)) / rank


def kronecker(decay: float, num_steps: int, rank: int) -> np.ndarray:
  """Returns the variance of OK, of KF-RTRL with rank 1, at each step  [T].

  All products are at right angles, so their norms are the singular values d.
  Those larger than their share are kept, the k places left are shared by the
  rest: k values of sum(rest) / k.
  """
  values, seconds = np.zeros(rank), []
  for _ in range(num_steps):
    values = np.sort(np.append(decay * values, 1.0))[::-1]
    kept = 0
    while kept < rank and values[kept] * (rank - kept) >= values[kept:].sum():
      kept += 1
    places = rank - kept
    shared = np.full(places, values[kept:].sum() / places if places else 0.0)
    values = np.concatenate([values[:kept], shared])
    seconds.append(np.sum(values**2))
  return _carried(decay, np.array(seconds))


def artbp(decay: float, num_steps: int, stop_probability: float) -> np.ndarray:
  """Returns the variance of the gradient through the last 1 ... T steps  [T].

  A way of k steps has the weight (1 - c)^-k with probability (1 - c)^k, hence
  the second moment a^{2 k} (1 - c)^-k: its sum diverges if a^2 >= 1 - c.
  """
  lags = np.arange(num_steps)
  seconds = np.cumsum((decay**2 / (1 - stop_probability)) ** lags)
  return seconds / powers(decay, num_steps) - 1


def evolution(num_parameters: int, num_draws: np.ndarray) -> np.ndarray:
  """Returns the variance with one pair and noise drawn so many times.

  For a loss that is quadratic in W a pair's difference is 2 q, q = sum_s eps_s
  g_s with g_s the gradient by the W of step s. Here these are orthogonal, and
  with xi = sum_s eps_s of D draws of P normal numbers each,

    E |xi|^2 q^2 = E |xi|^2 E q^2 + 2 |E xi q|^2 = (D P + 2) |g|^2 sigma^4.
  """
  return np.asarray(num_draws) * float(num_parameters) + 1
