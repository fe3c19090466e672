"""Exact statistics of random networks of any width, linear or ReLU.

Weights and their negatives are equally likely, so the pattern of active ReLU
units is a fair coin for each unit, independent of the squares of what the
weights compute. Signals and gradients then are products of independent factors,
without a limit of infinite width. Weights have variance 1 / N for linear units
and 2 / N for ReLU, or are orthogonal times 1 or sqrt(2); biases are 0.

References:
  Hanin, Which neural net architectures give rise to exploding and vanishing
  gradients?, 2018, https://arxiv.org/abs/1801.03744
  Hanin, Nica, Products of many large random matrices and gradients in deep
  neural networks, 2018, https://arxiv.org/abs/1812.05994
"""

import math
from collections.abc import Sequence

import numpy as np
from scipy import special


def relative_variance(
  width: int, depth: int, *, relu: bool, orthogonal: bool
) -> float:
  """Returns the variance of the squared singular values over their mean^2.

    E[tr((J J^T)^2) / N] / E[tr(J J^T) / N]^2 - 1,  E[tr(J J^T) / N] = 1.

  A layer maps p = E[tr(A^2) / N] and t = E[(tr(A) / N)^2] linearly, by the
  second moments of Gaussian and of Haar-distributed matrices.

  Args:
    width: N, of the input too.
    depth: L.
    relu: whether the units are ReLU, or else linear.
    orthogonal: whether the weights are, or else Gaussian.

  Returns:
    The ratio, which `spectra.relative_variance` gives for N -> infinity.

  Raises:
    ValueError: if the width is not positive.
  """
  if width < 1:
    raise ValueError(f"expected a positive width, got {width}")
  n, p, t = width, 1.0, 1.0
  for _ in range(depth):
    if relu and orthogonal:
      row = (n * t + 2 * p) / (n + 2)  # N E[(w_i A w_i)^2] / sigma_w^4
      p, t = p + row, t + row / n
    elif relu:
      p, t = (1 + 3 / n) * p + 2 * t, (1 + 1 / n) * t + 4 * p / n**2
    elif not orthogonal:
      p, t = (1 + 1 / n) * p + t, t + 2 * p / n**2
  return p - 1


def relu_log_norm(widths: Sequence[int]) -> tuple[float, float]:
  """Returns mean and variance of the log squared norm behind ReLU layers.

    |J v|^2 / |v|^2 = n_L / n_0 prod_l (2 / n_l) chi^2_{k_l},
    k_l ~ Binomial(n_l, 1/2)

  for a fixed input and a fixed direction v; the same law holds for the signal
  itself. Given that it is alive, all k_l > 0, the logarithms of the factors add
  up: for wide layers the variance is 5 sum_l 1 / n_l, the mean half of that
  below 0.

  Args:
    widths: n_1 ... n_L of the ReLU layers; each with variance 2 / fan-in.

  Returns:
    The mean of log(|J v|^2 / n_L) - log(|v|^2 / n_0), and the variance.

  Raises:
    ValueError: if there is no layer, or a width is not positive.
  """
  _check(widths)
  factor = {n: _log_factor(n) for n in set(widths)}
  means, variances = zip(*(factor[n] for n in widths), strict=True)
  return math.fsum(means), math.fsum(variances)


def relu_fourth_moment(widths: Sequence[int]) -> float:
  """Returns E[|J v|^4] / E[|J v|^2]^2 behind ReLU layers.

    prod_l (1 + 5 / n_l), nearly exp(5 sum_l 1 / n_l).

  Entries of J, Gaussian given the layers below the last, have three times this
  ratio.

  Args:
    widths: n_1 ... n_L of the ReLU layers.

  Returns:
    The ratio.

  Raises:
    ValueError: if there is no layer, or a width is not positive.

  >>> print(f"{relu_fourth_moment([50] * 10):.3f}")
  2.594
  """
  _check(widths)
  return math.prod(1 + 5 / n for n in widths)


def _log_factor(width):
  """Returns mean and variance of log((2 / n) chi^2_k), k ~ Binomial, k > 0."""
  k = np.arange(1, width + 1)
  # The binomial law from its middle upwards, C(n, k) / C(n, k - 1) =
  # (n - k + 1) / k, where nothing overflows; below it is the mirror image.
  middle = width // 2
  ratios = (width + 1 - k[middle:]) / k[middle:]
  upper = np.append(1.0, np.cumprod(ratios))
  weights = np.append(upper[::-1][:middle], upper)[1:]
  weights = weights / np.sum(weights)
  # E[log chi^2_k] = digamma(k / 2) + log 2, Var = trigamma(k / 2).
  means = special.digamma(k / 2) + math.log(4 / width)
  mean = weights @ means
  variances = np.square(means - mean) + special.polygamma(1, k / 2)
  return float(mean), float(weights @ variances)


def _check(widths):
  if not widths or min(widths) < 1:
    raise ValueError(f"expected one or more positive widths, got {widths}")
