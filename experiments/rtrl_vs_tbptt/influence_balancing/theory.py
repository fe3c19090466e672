"""Closed forms for influence balancing, s_t = A s_tm1 + theta v.

A = (I + superdiagonal) / 2 has N units, v is +1 in the first p and -1 in the
rest, the loss is (s_1 - 1)^2 / 2. What theta at time t - j does to the first
unit at time t is c_j = e_1^T A^j v, and S_k = c_0 + ... + c_{k-1}.
"""

import math
from typing import NamedTuple

import numpy as np


class Theory(NamedTuple):
  """What the closed forms say of one chain."""

  partial_sums: np.ndarray  # S_k for k = 1 ...  [M]
  means: np.ndarray  # (S_1 + ... + S_K) / K for K = 1 ...  [M]
  sensitivity: float  # d s_1 / d theta in the long run, 2 sum(v)
  optimum: float  # theta at which s_1 = 1 in the long run
  window: float  # first k with S_k < 0; NaN if there is none
  segment: float  # first K with a negative mean; NaN if there is none
  mean_lag: float  # sum_j j c_j / sum_j c_j in steps


def influence_terms(
  num_terms: int, *, num_units: int, num_positive: int
) -> np.ndarray:
  """Returns c_j = sum_i C(j, i) 2^-j v_{i+1}: A^j in binomial weights."""
  signs = [1] * num_positive + [-1] * (num_units - num_positive)

  def term(j):
    return sum(math.comb(j, i) * sign for i, sign in enumerate(signs)) / 2**j

  return np.array([term(j) for j in range(num_terms)])


def predict(num_units: int, num_positive: int, num_terms: int) -> Theory:
  """Returns sensitivity, optimum and the truncations at which signs turn.

  In the stationary state every loss has the slope s_1 - 1, so a gradient is
  (s_1 - 1) times the influence it credits: S_k for BPTT(1, k), and the mean of
  S_1 ... S_K for BPTT(K, K), whose k-th loss reaches back k steps. With terms
  dropped that vanish as A^K, the mean is S_inf (1 - lag / K), where

    lag = sum_j j c_j / sum_j c_j = (N^2 - 2 p^2) / (N - 2 p),

  from sum_j j C(j, i) 2^-j = 2 (2 i + 1): the segment must exceed the mean lag.
  """
  terms = influence_terms(
    num_terms, num_units=num_units, num_positive=num_positive
  )
  partial_sums = np.cumsum(terms)
  means = np.cumsum(partial_sums) / np.arange(1, num_terms + 1)
  sensitivity = 2.0 * (2 * num_positive - num_units)
  lag = (num_units**2 - 2 * num_positive**2) / (num_units - 2 * num_positive)
  return Theory(
    partial_sums,
    means,
    sensitivity,
    1 / sensitivity,
    first_negative(partial_sums),
    first_negative(means),
    lag,
  )


def first_negative(credit: np.ndarray) -> float:
  """Returns the first k, counted from 1, with credit[k - 1] < 0, or NaN."""
  below = np.flatnonzero(np.asarray(credit) < 0)
  return float(below[0] + 1) if below.size else float("nan")


def loss_weights(segment: int) -> np.ndarray:
  """Returns weights [2, K]: of every loss 1; of the last K, of others 0."""
  last = segment * (np.arange(segment) == segment - 1.0)
  return np.stack([np.ones(segment), last])


def log_growth(
  credit: np.ndarray,
  weights: np.ndarray,
  learning_rate: float,
  *,
  num_units: int,
  num_positive: int,
) -> float:
  """Returns the slope of log |theta - optimum| per update of SGD.

  An update runs the chain for K steps and moves theta by

    -learning_rate / K sum_k weights_k credit_k (s_1 - 1 after step k),

  a linear map of (s, theta) about the fixed point. Its spectral radius is the
  factor per update, from the time on when the largest mode is the only one
  left. At 1 the map has a fixed direction, which needs a stationary gradient of
  zero: whatever the learning rate, growth begins where the sign is wrong.
  """
  step = np.eye(num_units + 1)
  step[:-1, :-1] = 0.5 * (np.eye(num_units) + np.eye(num_units, k=1))
  step[:-1, -1] = np.where(np.arange(num_units) < num_positive, 1.0, -1.0)
  update, gradient = np.eye(num_units + 1), np.zeros(num_units + 1)
  for credit_k, weight_k in zip(credit, weights, strict=True):
    update = step @ update
    gradient += weight_k * credit_k / len(credit) * update[0]
  update[-1] -= learning_rate * gradient
  return float(np.log(np.max(np.abs(np.linalg.eigvals(update)))))
