"""Closed forms, and what the claims and the figure both read off."""

import math
from typing import NamedTuple

import numpy as np
from scipy import special

from experiments import study

# Different networks; sigmoids of another slope are the first one, rescaled.
FAMILIES = ("sigmoid", "tanh", "ReLU", "LeakyReLU")
SHALLOW = ("sigmoid", "tanh", "ReLU")
LEAK = 0.1  # LeakyReLU's slope for negative inputs.
LEARNED = 0.5  # Of the variance of |x|: no line leaves so little.
LN_10 = math.log(10)  # Cross-entropy of knowing nothing, ten classes.
_SLOPES = {
  "sigmoid": 0.25,
  "sigmoid, slope 1/2": 0.5,
  "sigmoid, slope 4": 4.0,
  "sigmoid, slope 16": 16.0,
}


class Theory(NamedTuple):
  """What to expect of a layer, by gain."""

  growth: np.ndarray  # E log norm(delta^l) / norm(delta^{l+1})  [G, L - 1]
  correction: np.ndarray  # What the width takes from it  [G, L - 1]


def theory(results: study.Results, name: str) -> Theory:
  """Returns mean-field theory's growth, with its first correction in 1 / N.

  A layer multiplies the squared norm by a mean of N terms sigma_w^2 sigma'^2
  g^2 with g ~ N(0, 1): its mean is chi_1 = sigma_w^2 E[sigma'^2], its relative
  variance (3 k - 1) / N with k = E[sigma'^4] / E[sigma'^2]^2. So the logarithm
  is log(chi_1) / 2 - (3 k - 1) / 4 N.
  """
  gains = results.gradients[name].gains
  q, chi_1, kurtosis = gains**2, [], []  # The input has mean square 1.
  for _ in range(num_layers(results) - 1):
    square, second, fourth = _moments(name, q)
    chi_1.append(gains**2 * second)
    kurtosis.append(fourth / second**2)
    q = gains**2 * square
  correction = (3 * np.transpose(kurtosis) - 1) / (4 * float(results.width))
  return Theory(np.log(np.transpose(chi_1)) / 2 - correction, correction)


def _moments(name, q):
  """E[sigma^2], E[sigma'^2] and E[sigma'^4] over N(0, q)  [G] each."""
  if name in ("ReLU", "LeakyReLU"):  # The slope does not depend on q.
    leak = LEAK if name == "LeakyReLU" else 0.0
    return q, (1 + leak**2) / 2 + 0 * q, (1 + leak**4) / 2 + 0 * q
  u = np.linspace(-8, 8, 2001)
  masses = special.softmax(-(u**2) / 2)
  z = np.sqrt(q)[:, np.newaxis] * u
  if name == "tanh":
    value = np.tanh(z)
    slope = 1 - value**2
  else:
    value = special.expit(4 * _SLOPES[name] * z)
    slope = 4 * _SLOPES[name] * value * (1 - value)
  return value**2 @ masses, slope**2 @ masses, slope**4 @ masses


def growth(results: study.Results, name: str, depth: int) -> np.ndarray:
  """Returns log norm(dC / d b^1) / norm(dC / d b^depth)  [S, G]."""
  deltas = results.gradients[name].log_deltas.astype(np.float64)
  return deltas[..., 0] - deltas[..., depth - 1]


def num_layers(results: study.Results) -> int:
  """Returns L."""
  return results.gradients["tanh"].log_deltas.shape[-1]


def at_gain(results: study.Results, name: str, gain: float) -> int:
  """Returns which of an activation's gains is next to one."""
  return int(np.argmin(np.abs(np.log(results.gradients[name].gains / gain))))


def gain_at(level: float, gains: np.ndarray, curves: np.ndarray) -> np.ndarray:
  """Returns the log gain at which rising curves [N, G] reach a level  [N]."""
  rising = np.maximum.accumulate(curves, axis=-1)
  return np.array([np.interp(level, curve, np.log(gains)) for curve in rising])


def balanced_width(gains: np.ndarray, curves: np.ndarray) -> np.ndarray:
  """Returns log(highest / lowest gain) with a change below tenfold  [N]."""
  return gain_at(LN_10, gains, curves) - gain_at(-LN_10, gains, curves)


def dead_for_one_input(width: int, num_hidden: np.ndarray) -> np.ndarray:
  """Returns 1 - (1 - 2^-N)^L, how likely a ReLU network is 0 at an input."""
  # A layer is silent if all of its units are on the negative side.
  return 1 - (1 - 2.0**-width) ** num_hidden


def best_rate(results: study.Results, name: str) -> int:
  """Returns which rate ends lowest on the images to choose by."""
  final = results.shallow[name].validation[..., -1].mean(axis=0)
  return int(np.argmin(np.nan_to_num(final, nan=np.inf)))


def best_curves(results: study.Results, name: str) -> np.ndarray:
  """Returns the training loss by epoch at that rate  [S, E + 1]."""
  curves = results.shallow[name].train[:, best_rate(results, name)]
  return np.asarray(curves, float)


def leaky(results: study.Results) -> int:
  """Returns which of the slopes alpha is next to LeakyReLU's."""
  return int(np.argmin(np.abs(results.alphas - LEAK)))
