"""Closed forms for softmax(c z), in NumPy and independent of the library.

n is the number of classes, k of them share the maximum, and the gap is the
distance from the maximum to the largest of the others.
"""

import math

import numpy as np
from scipy import optimize, special


def error_bound(
  scaled_gap: np.ndarray, *, num_classes: int, num_maxima: int = 1
) -> np.ndarray:
  """Returns (n - k) / k exp(-c gap), a bound on the mass off the maxima.

  The mass is S / (k + S) with S = sum exp(-c (max - z_i)) over the others, of
  which there are n - k, each at least the gap below the maximum.

  Args:
    scaled_gap: c gap, any shape.
    num_classes: n.
    num_maxima: k.

  Returns:
    The bound, in the shape of `scaled_gap`.
  """
  return (num_classes - num_maxima) / num_maxima * np.exp(-scaled_gap)


def jacobian_norm(
  c: np.ndarray, gap: np.ndarray, *, num_classes: int
) -> np.ndarray:
  """Returns the spectral norm of d softmax(c z) / d z at z = (gap, 0, ..., 0).

  With probabilities (p, q, ..., q) the direction (n - 1, -1, ..., -1) has the
  eigenvalue c n p q, all others have c q or 0, and n p >= 1.

  Args:
    c: inverse temperatures, finite, any shape.
    gap: broadcasts with c.
    num_classes: n.

  Returns:
    c n p q.
  """
  p = special.expit(c * gap - np.log(num_classes - 1))
  q = special.expit(np.log(num_classes - 1) - c * gap) / (num_classes - 1)
  return c * num_classes * p * q


def jacobian_peak(num_classes: int) -> tuple[float, float]:
  """Returns where `jacobian_norm` is largest over c, and how large.

  Both scale with the gap alone: at c gap = x with x (2 p - 1) = 1, where the
  norm is x n p q / gap. For two classes x / 2 tanh(x / 2) = 1 / 2.

  Args:
    num_classes: n.

  Returns:
    x = c gap, and norm gap.
  """

  def slope(x):
    p = special.expit(x - math.log(num_classes - 1))
    return x * (2 * p - 1) - 1

  x = optimize.brentq(slope, 1e-3, 10 + 2 * math.log(num_classes))
  return x, float(jacobian_norm(x, 1.0, num_classes=num_classes))


def regret_bound(num_classes: int) -> float:
  """Returns the supremum of c (max z - <z>) with <z> = <softmax(c z), z>.

  In x_i = c (max - z_i) it is F = sum x_i exp(-x_i) / sum exp(-x_i), largest
  where all but the maximum have x_i = 1 + F, so that F exp(F) = (n - 1) / e:

    F = W((n - 1) / e) < ln n  (Lambert's W).

  Args:
    num_classes: n.

  Returns:
    F.
  """
  return float(special.lambertw((num_classes - 1) / math.e).real)


def maxima(z: np.ndarray) -> np.ndarray:
  """Returns which logits [..., n] are the maximum, in their shape."""
  return z == z.max(axis=-1, keepdims=True)


def gaps(z: np.ndarray) -> np.ndarray:
  """Returns how far below the maximum the next logit is, [...]."""
  return z.max(axis=-1) - np.where(maxima(z), -np.inf, z).max(axis=-1)


def mass_off_maxima(p: np.ndarray, z: np.ndarray) -> np.ndarray:
  """Returns the probability of the classes below the maximum of z, [...]."""
  return np.where(maxima(z), 0, p).sum(axis=-1)


def uniform_over_maxima(z: np.ndarray) -> np.ndarray:
  """Returns the limit c -> infinity, [..., n]."""
  return maxima(z) / maxima(z).sum(axis=-1, keepdims=True)


def farthest(values: np.ndarray, target: np.ndarray | float) -> float:
  """Returns the one of the values with the largest distance from the target."""
  values, target = np.broadcast_arrays(values, target)
  return float(values.flat[np.argmax(np.abs(values - target))])


def softmax(z: np.ndarray, c: np.ndarray) -> np.ndarray:
  """Returns probabilities in proportion to exp(c z), in float64.

  Args:
    z: logits [..., n]; -inf has probability 0.
    c: positive, in the shape of z without its last axis, or a scalar.

  Returns:
    [..., n].
  """
  z = np.asarray(z, np.float64)
  gaps = z - z.max(axis=-1, keepdims=True)
  with np.errstate(over="ignore"):  # c gap beyond the largest number.
    p = np.exp(np.asarray(c)[..., None] * gaps)
  return p / p.sum(axis=-1, keepdims=True)


def softmax_jacobian(z: np.ndarray, c: np.ndarray) -> np.ndarray:
  """Returns d softmax(c z)_i / d z_j = c a_i (delta_ij - a_j) in float64.

  The diagonal a_i (1 - a_i) is a sum over j != i of a_i a_j, which has no
  cancellation.

  Args:
    z: logits [..., n].
    c: positive, in the shape of z without its last axis, or a scalar.

  Returns:
    [..., n, n].
  """
  a = softmax(z, c)
  off = a[..., :, None] * a[..., None, :] * (1 - np.eye(a.shape[-1]))
  jacobian = np.eye(a.shape[-1]) * off.sum(-1, keepdims=True) - off
  return np.asarray(c)[..., None, None] * jacobian
