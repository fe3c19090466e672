"""How far a classifier's probabilities can be trusted, and their temperature.

Functions take a whole set of examples: calibration is a property of a set.
"""

from typing import NamedTuple

import jax
from jax import numpy as jnp

from nnfun import activations, base


class Reliability(NamedTuple):
  """What a classifier says and what is true, by bins of its confidence."""

  counts: base.Array  # [M], examples in each bin
  confidence: base.Array  # [M], their mean confidence; 0 in an empty bin
  accuracy: base.Array  # [M], the fraction that is right; 0 in an empty bin


def reliability(
  confidences: base.Array, is_correct: base.Array, *, num_bins: int = 15
) -> Reliability:
  """Sorts predictions into M bins ((m - 1) / M, m / M] by their confidence.

  Args:
    confidences: the largest probability of each example [N], in [0, 1].
    is_correct: whether the class that has it is the right one [N].
    num_bins: M.

  Returns:
    The diagram, leaves [M].

  Raises:
    ValueError: if the arrays are not two vectors [N], N >= 1, or M < 1.

  References:
    Guo, Pleiss, Sun, Weinberger, On calibration of modern neural networks,
    2017, https://arxiv.org/abs/1706.04599 (section 2)

  >>> print(reliability(jnp.array([0.6, 1.0]), jnp.array([0, 1]), num_bins=2))
  Reliability(counts=Array([0, 2], ...), confidence=Array([0. , 0.8], ...),
  accuracy=Array([0. , 0.5], ...))
  """
  confidences, is_correct = jnp.asarray(confidences), jnp.asarray(is_correct)
  if confidences.ndim != 1 or not confidences.size:
    raise ValueError(
      f"expected confidences [N], N >= 1, got {list(confidences.shape)}"
    )
  if is_correct.shape != confidences.shape:
    raise ValueError(
      f"expected is_correct of the shape {list(confidences.shape)} of the "
      f"confidences, got {list(is_correct.shape)}"
    )
  if num_bins < 1:
    raise ValueError(f"expected num_bins >= 1, got {num_bins}")
  edges = jnp.arange(1, num_bins, dtype=confidences.dtype) / num_bins
  bins = jnp.searchsorted(edges, confidences)
  counts = jnp.bincount(bins, length=num_bins)

  def mean(values):
    total = jnp.bincount(
      bins, values.astype(confidences.dtype), length=num_bins
    )
    return total / jnp.maximum(counts, 1)

  return Reliability(counts, mean(confidences), mean(is_correct))


def expected_calibration_error(
  confidences: base.Array, is_correct: base.Array, *, num_bins: int = 15
) -> base.Array:
  """Returns the mean distance of confidence and accuracy over the bins.

    ECE = sum_m |B_m| / N abs(accuracy(B_m) - confidence(B_m)).

  Chance makes it positive for perfect probabilities too, on average about
  sum_m sqrt(2 / pi |B_m| q_m (1 - q_m)) / N with q_m = confidence(B_m):
  compare values of one N only.

  Args:
    confidences: the largest probability of each example [N], in [0, 1].
    is_correct: whether the class that has it is the right one [N].
    num_bins: M.

  Returns:
    A scalar in [0, 1].

  Raises:
    ValueError: as `reliability` does.

  References:
    Guo, Pleiss, Sun, Weinberger, On calibration of modern neural networks,
    2017, https://arxiv.org/abs/1706.04599 (equation 3)
  """
  bins = reliability(confidences, is_correct, num_bins=num_bins)
  gaps = jnp.abs(bins.accuracy - bins.confidence)
  return jnp.sum(bins.counts * gaps) / jnp.sum(bins.counts)


def fit_inverse_temperature(
  logits: base.Array, labels: base.Array
) -> base.Array:
  """Returns the c that minimises the cross-entropy of softmax(c z).

    L(c) = mean_i [log sum_j exp(c z_ij) - c z_iy],
    L'(c) = mean_i [<p_i, z_i> - z_iy],  p_i = softmax(c z_i).

  L is convex, so L' has one zero at most; it is found by bisection of log c. At
  the zero the mean entropy of p_i is L itself, for they differ by c L'(c). No
  c > 0 changes which class is the most probable.

  Args:
    logits: z [N, C], finite, of examples the classifier was not trained on.
    labels: y, integers [N].

  Returns:
    c, the inverse temperature 1 / T, a scalar to the precision of the logits;
    infinite if every label has the largest logit, 0 if the labels' logits are
    no larger on average than the others.

  Raises:
    ValueError: if the shapes are not [N, C] and [N], N >= 1.

  References:
    Guo, Pleiss, Sun, Weinberger, On calibration of modern neural networks,
    2017, https://arxiv.org/abs/1706.04599 (section 4.2)

  >>> z = jnp.array([[3.0, 0.0]] * 4)  # 3 of 4 are right: sigma(3 c) = 3 / 4
  >>> c = fit_inverse_temperature(z, jnp.array([0, 0, 0, 1]))
  >>> print(f"{c:.4f} = log(3) / 3")
  0.3662 = log(3) / 3
  """
  logits, labels = jnp.asarray(logits), jnp.asarray(labels)
  if logits.ndim != 2 or not logits.size or labels.shape != logits.shape[:1]:
    raise ValueError(
      "expected logits [N, C] and labels [N], N >= 1, got "
      f"{list(logits.shape)} and {list(labels.shape)}"
    )
  relative = logits - jnp.take_along_axis(logits, labels[:, None], axis=1)
  softmax = jax.vmap(activations.softmax, (0, None))

  def slope(c):
    return jnp.mean(jnp.sum(softmax(relative, c) * relative, axis=1))

  def halve(_, ends):
    low, high = ends
    middle = (low + high) / 2
    is_below = slope(jnp.exp2(middle) / scale) < 0
    return jnp.where(is_below, middle, low), jnp.where(is_below, high, middle)

  # Of the exponent of c: from where p is uniform to where it is the maximum.
  scale = jnp.max(jnp.abs(relative))
  ends = jnp.full([], -40.0, scale.dtype), jnp.full([], 80.0, scale.dtype)
  num_halvings = jnp.finfo(scale.dtype).nmant + 7  # Of 120, to rounding.
  low, high = jax.lax.fori_loop(0, num_halvings, halve, ends)
  c = jnp.exp2((low + high) / 2) / scale
  c = jnp.where(slope(jnp.zeros_like(c)) < 0, c, 0)
  return jnp.where(slope(jnp.full_like(c, jnp.inf)) <= 0, jnp.inf, c)
