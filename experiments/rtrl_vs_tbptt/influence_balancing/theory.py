"""Closed forms for influence balancing, s_t = A s_tm1 + theta v.

A = (I + superdiagonal) / 2 has N units, v is +1 in the first p and -1 in the
rest, the loss is (s_1 - 1)^2 / 2. What theta at time t - j does to the first
unit at time t is c_j = e_1^T A^j v, and S_k = c_0 + ... + c_{k-1}.
"""

from typing import NamedTuple

import numpy as np
from scipy import stats


class Theory(NamedTuple):
  """What the closed forms say of one chain."""

  partial_sums: np.ndarray  # S_k for k = 1 ...  [M]
  means: np.ndarray  # (S_1 + ... + S_K) / K for K = 1 ...  [M]
  sensitivity: float  # d s_1 / d theta in the long run, 2 sum(v)
  optimum: float  # theta at which s_1 = 1 in the long run
  window: float  # first k with S_k < 0; NaN if there is none
  segment: float  # first K with a negative mean; NaN if there is none
  mean_lag: float  # sum_j j c_j / sum_j c_j in steps


def predict(num_units: int, num_positive: int, num_terms: int) -> Theory:
  """Returns sensitivity, optimum and the truncations at which signs turn.

  The powers of A have binomial weights, c_j = sum_i C(j, i) 2^-j v_{i+1}. In
  the stationary state every loss has the slope s_1 - 1, so a gradient is
  (s_1 - 1) times the influence it credits: S_k for BPTT(1, k), and the mean of
  S_1 ... S_K for BPTT(K, K), whose k-th loss reaches back k steps. With terms
  dropped that vanish as A^K, the mean is S_inf (1 - lag / K), where

    lag = sum_j j c_j / sum_j c_j = (N^2 - 2 p^2) / (N - 2 p),

  from sum_j j C(j, i) 2^-j = 2 (2 i + 1): the segment must exceed the mean lag.
  """
  units, lags = np.arange(num_units), np.arange(num_terms)
  weights = stats.binom.pmf(units, lags[:, None], 0.5)
  partial_sums = np.cumsum(weights @ np.where(units < num_positive, 1, -1))
  means = np.cumsum(partial_sums) / (lags + 1)
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
