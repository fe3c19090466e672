"""What can be said of Nielsen's target without a network, in NumPy."""

import numpy as np
from numpy.typing import ArrayLike


def target(x: ArrayLike) -> np.ndarray:
  """Returns 0.2 + 0.4 x^2 + 0.3 x sin(15 x) + 0.05 cos(50 x) of any shape."""
  wave = 0.3 * x * np.sin(15 * x) + 0.05 * np.cos(50 * x)
  return 0.2 + 0.4 * np.square(x) + wave


def target_mean(low: np.ndarray, high: np.ndarray) -> np.ndarray:
  """Returns the mean of `target` over intervals, by its antiderivative."""

  def integral(x):
    wave = 0.3 * (np.sin(15 * x) / 225 - x * np.cos(15 * x) / 15)
    return 0.2 * x + 0.4 * x**3 / 3 + wave + 0.001 * np.sin(50 * x)

  return (integral(high) - integral(low)) / (high - low)


def target_slopes(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  """Returns the first and the second derivative of `target`."""
  sine, cosine = np.sin(15 * x), np.cos(15 * x)
  first = 0.8 * x + 0.3 * sine + 4.5 * x * cosine - 2.5 * np.sin(50 * x)
  second = 0.8 + 9 * cosine - 67.5 * x * sine - 125 * np.cos(50 * x)
  return first, second


def largest_slopes() -> tuple[float, float]:
  """Returns max|f'| and max|f''| of `target` on [0, 1]."""
  first, second = target_slopes(np.linspace(0, 1, 10**5 + 1))
  return float(np.max(np.abs(first))), float(np.max(np.abs(second)))


def is_prime(limit: int) -> np.ndarray:
  """Returns which of 0 ... limit are prime, by the sieve of Eratosthenes."""
  sieve = np.arange(limit + 1) > 1
  for n in range(2, int(limit**0.5) + 1):
    sieve[n * n :: n] &= ~sieve[n]
  return sieve
