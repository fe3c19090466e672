"""Closed forms for softmax(c z), in NumPy and independent of the library.

n is the number of classes, k of them share the maximum, and the gap is the
distance from the maximum to the largest of the others.
"""

import numpy as np
from scipy import special

# Two classes at (gap, 0): the Jacobian has the norm 2 c p (1 - p), with x = c
# gap (x / 2) / cosh(x / 2)^2 / gap, largest where (x / 2) tanh(x / 2) = 1 / 2.
PEAK_AT, PEAK = 1.543405, 0.447743  # x, and norm times gap.


def maxima(z: np.ndarray) -> np.ndarray:
  """Returns which logits [..., n] are the maximum, in their shape."""
  return z == z.max(axis=-1, keepdims=True)


def gaps(z: np.ndarray) -> np.ndarray:
  """Returns how far below the maximum the next logit is, [...]."""
  return z.max(axis=-1) - np.where(maxima(z), -np.inf, z).max(axis=-1)


def mass_off_maxima(p: np.ndarray, z: np.ndarray) -> np.ndarray:
  """Returns the probability of the classes below the maximum of z, [...]."""
  return np.where(maxima(z), 0, p).sum(axis=-1)


def softmax(z: np.ndarray, c: np.ndarray) -> np.ndarray:
  """Returns probabilities in proportion to exp(c z), z [..., n] and c [...]."""
  # c z alone would have lost the digits in which near-ties differ.
  return special.softmax(c[..., None] * (z - z.max(-1, keepdims=True)), axis=-1)


def softmax_jacobian(z: np.ndarray, c: np.ndarray) -> np.ndarray:
  """Returns c a_i (delta_ij - a_j) [..., n, n], z [..., n] and c [...]."""
  a = softmax(z, c)
  # a_i (1 - a_i) would cancel; it is the sum of a_i a_j over j != i.
  off = a[..., :, None] * a[..., None, :] * (1 - np.eye(a.shape[-1]))
  jacobian = np.eye(a.shape[-1]) * off.sum(-1, keepdims=True) - off
  return c[..., None, None] * jacobian
