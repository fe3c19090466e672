"""Measured numbers and how well they are known; seeds are always axis 0.

Everything a claim says about chance is decided here: what the standard error of
a number is, and between which limits its true value lies.
"""

import math
from collections.abc import Callable
from typing import NamedTuple, Protocol

import numpy as np
from scipy import special  # Not scipy.stats, most of a command's start.


class Measurement(Protocol):
  """A number and its error."""

  @property
  def value(self) -> float:
    """The number, in its own unit."""

  @property
  def error(self) -> float:
    """Its standard error, in the same unit; 0 if nothing is left to chance."""

  def limits(self, confidence: float) -> tuple[float, float]:
    """Returns between which values the true one lies.

    Args:
      confidence: how often that is so.

    Returns:
      The lower and the upper limit.
    """


class Measured(NamedTuple):
  """A number whose error is normal, its size estimated from the same seeds."""

  value: float
  error: float = 0.0
  num_free: float = math.inf  # Degrees of freedom of the error.

  def limits(self, confidence: float) -> tuple[float, float]:
    """Returns value -+ t error, t the quantile of Student's distribution."""
    if not self.error:
      return self.value, self.value
    width = self.error * special.stdtrit(self.num_free, (1 + confidence) / 2)
    return self.value - width, self.value + width


class Share(NamedTuple):
  """How many of a number of trials had a property."""

  num_hits: int
  num_trials: int

  @property
  def value(self) -> float:
    """The share among these trials."""
    return self.num_hits / self.num_trials

  @property
  def error(self) -> float:
    """Standard error by Agresti and Coull, which is not 0 if all agree."""
    p = (self.num_hits + 2) / (self.num_trials + 4)
    return math.sqrt(p * (1 - p) / (self.num_trials + 4))

  def limits(self, confidence: float) -> tuple[float, float]:
    """Returns the exact limits of Clopper and Pearson."""
    hits, misses = self.num_hits, self.num_trials - self.num_hits
    tail = (1 - confidence) / 2
    low = special.betaincinv(hits, misses + 1, tail) if hits else 0
    high = special.betainccinv(hits + 1, misses, tail) if misses else 1
    return float(low), float(high)


def mean(samples: np.ndarray) -> Measured:
  """Returns the mean over seeds.

  Args:
    samples: one number for each seed [S].

  Returns:
    The mean and its standard error, S - 1 degrees of freedom.

  Raises:
    ValueError: if there are fewer than two seeds.
  """
  samples = _of_seeds(samples)
  error = samples.std(ddof=1) / math.sqrt(len(samples))
  return Measured(float(samples.mean()), float(error), len(samples) - 1)


def difference(samples: np.ndarray, others: np.ndarray) -> Measured:
  """Returns the mean difference of pairs that share a seed.

  Args:
    samples: one number for each seed [S].
    others: what is subtracted [S], from the same seeds.

  Returns:
    The mean of `samples - others`.

  Raises:
    ValueError: if there are fewer than two seeds, or not as many of each.
  """
  samples, others = np.asarray(samples, float), np.asarray(others, float)
  if samples.shape != others.shape:
    raise ValueError(
      "expected pairs, one of each for every seed, got shapes "
      f"{samples.shape} and {others.shape}"
    )
  return mean(samples - others)


def share(hits: np.ndarray) -> Share:
  """Returns the share of seeds, or trials, that have a property.

  Args:
    hits: whether each has it [S].

  Returns:
    The share.

  Raises:
    ValueError: if there is none.
  """
  hits = np.asarray(hits, bool)
  if hits.ndim != 1 or not hits.size:
    raise ValueError(f"expected one flag for each trial, got {hits.shape}")
  return Share(int(hits.sum()), hits.size)


def slope(x: np.ndarray, y: np.ndarray) -> Measured:
  """Returns the slope of a line through points, by least squares.

  Args:
    x: where the points are [N].
    y: how high they are [N]; or for each seed [S, N].

  Returns:
    With seeds the mean of their slopes. Without, the error is estimated from
    the distances to the line, N - 2 degrees of freedom.

  Raises:
    ValueError: if there are fewer than three points, or than two seeds, or all
      points are at the same x.
  """
  x, y = np.asarray(x, float), np.asarray(y, float)
  if x.ndim != 1 or y.shape[-1:] != x.shape or len(x) < 3:
    raise ValueError(
      f"expected at least 3 points, got shapes {x.shape} and {y.shape}"
    )
  x = x - x.mean()
  if not x.any():
    raise ValueError("expected points at several x, got equal ones")
  if y.ndim == 2:
    return mean(np.polyfit(x, y.T, 1)[0])
  coefficients, covariance = np.polyfit(x, y, 1, cov=True)
  error = math.sqrt(covariance[0, 0])
  return Measured(float(coefficients[0]), error, len(x) - 2)


def jackknife(
  statistic: Callable[[np.ndarray], float], samples: np.ndarray
) -> Measured:
  """Returns a statistic of all seeds, its error by leaving out one at a time.

  Args:
    statistic: samples [S, ...] -> a number, smooth in each seed.
    samples: anything, seeds first [S, ...].

  Returns:
    The statistic of all, S - 1 degrees of freedom.

  Raises:
    ValueError: if there are fewer than two seeds.

  References:
    Efron, Stein, The jackknife estimate of variance, 1981,
    https://doi.org/10.1214/aos/1176345462
  """
  samples = np.asarray(samples)
  num_seeds = len(samples)
  if num_seeds < 2:
    raise ValueError(f"expected at least two seeds, got {num_seeds}")
  without = [statistic(np.delete(samples, i, 0)) for i in range(num_seeds)]
  error = math.sqrt((num_seeds - 1) * np.var(without))
  return Measured(float(statistic(samples)), error, num_seeds - 1)


def _of_seeds(samples):
  samples = np.asarray(samples, float)
  if samples.ndim != 1 or len(samples) < 2:
    raise ValueError(
      "expected one number for each of at least two seeds, got shape "
      f"{samples.shape}"
    )
  return samples
