"""Closed forms for the study of activations, and the reading of its curves."""

import math

import numpy as np


def total_growth(
  log_chi: np.ndarray, kurtosis: np.ndarray, width: int
) -> np.ndarray:
  """Returns E log norm(delta^1) / norm(delta^L) of networks of finite width.

  A layer multiplies the squared norm by a mean of N terms sigma_w^2 sigma'^2
  g^2 with g ~ N(0, 1): its mean is chi_1, its relative variance (3 k - 1) / N
  with k = E[sigma'^4] / E[sigma'^2]^2. Hence, to first order in 1 / N,

    E log (norm(delta^l) / norm(delta^{l+1})) = log(chi_1) / 2 - (3 k - 1) / 4 N

  Args:
    log_chi: log chi_1 of each layer [..., L].
    kurtosis: k of each layer [..., L].
    width: N.

  Returns:
    The sum over the layers but the last [...].
  """
  steps = log_chi / 2 - (3 * kurtosis - 1) / (4 * width)
  return np.sum(steps[..., :-1], axis=-1, dtype=np.float64)


def gain_at(level: float, gains: np.ndarray, totals: np.ndarray) -> np.ndarray:
  """Returns the gain at which a rising curve reaches a level.

  Args:
    level: of `totals`.
    gains: positive, ascending [gains].
    totals: any number of curves [..., gains].

  Returns:
    The logarithm of the gain, linearly interpolated in it, [...].
  """
  curves = np.maximum.accumulate(totals, axis=-1)
  flat = curves.reshape(-1, len(gains))
  found = [np.interp(level, curve, np.log(gains)) for curve in flat]
  return np.reshape(found, curves.shape[:-1])


def balanced_width(
  gains: np.ndarray, totals: np.ndarray, factor: float = 10.0
) -> np.ndarray:
  """Returns how far the gain may move before a gradient changes too much.

  Args:
    gains: ascending [gains].
    totals: log norm(delta^1) / norm(delta^L) by gain [..., gains].
    factor: the change that is allowed, up or down.

  Returns:
    log(highest gain / lowest gain), [...].
  """
  level = math.log(factor)
  return gain_at(level, gains, totals) - gain_at(-level, gains, totals)


def one_ray_dead(width: int, num_layers: np.ndarray) -> np.ndarray:
  """Returns the probability that a random ReLU network is 0 at a given input.

  A layer whose input is not 0 is silent if all its units are on the negative
  side, with probability 2^-N: 1 - (1 - 2^-N)^L. For f to be 0 everywhere this
  must happen at every input, so it is an upper bound for a network born dead.

  Args:
    width: N.
    num_layers: L, hidden layers without biases and with symmetric weights.

  Returns:
    The shape of `num_layers`.
  """
  return 1 - (1 - 2.0**-width) ** num_layers


def quarter_circle_mean(variance: float) -> float:
  """Returns the mean singular value of a large square random matrix.

    8 sqrt(v) / (3 pi)

  Args:
    variance: v, the variance of the entries times their number in a row.

  Returns:
    The mean of the quarter-circle law of radius 2 sqrt(v).
  """
  return 8 * math.sqrt(variance) / (3 * math.pi)
