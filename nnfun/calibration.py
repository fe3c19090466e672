"""How far a classifier's probabilities can be trusted, and their temperature.

Functions take a whole set of examples: calibration is a property of a set.
"""

from typing import NamedTuple

import jax
import numpy as np
from jax import numpy as jnp

from nnfun import activations, base, numerics


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
    The diagram, leaves [M], counts as integers, means in float32 or wider.

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
  base.check_count("num_bins", num_bins)
  dtype = jnp.promote_types(confidences.dtype, jnp.float32)
  # By NumPy, for XLA multiplies by 1 / M, and m / M is no longer the nearest
  # number, which a confidence on the edge is.
  edges = (np.arange(1, num_bins) / num_bins).astype(dtype)
  bins = jnp.searchsorted(edges, confidences.astype(dtype))
  counts = jnp.bincount(bins, length=num_bins)
  num_parts = -(-bins.size // num_bins)
  parts = num_bins * (jnp.arange(bins.size) // num_bins)

  def mean(values):
    is_floating = jnp.issubdtype(values.dtype, jnp.floating)
    wide = jnp.promote_types(values.dtype, dtype if is_floating else jnp.int32)
    # Added one by one to a large total, an example would be rounded away. So M
    # at a time have a total of their own (the room they take is N), and the sum
    # of those is a tree.
    totals = jnp.bincount(
      bins + parts, values.astype(wide), length=num_parts * num_bins
    )
    total = jnp.sum(totals.reshape(num_parts, num_bins), axis=0)
    return total.astype(dtype) / jnp.maximum(counts, 1)

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
    logits: z [N, C], of examples the classifier was not trained on. A class of
      logit -inf, or one as low as -1e30, is as good as removed.
    labels: y, integers [N]. An example whose label is none of 0 ... C - 1, as
      -100, does not count.

  Returns:
    c, the inverse temperature 1 / T, a scalar in float32 or wider, to the
    precision of the logits; infinite if every label has the largest logit, 0 if
    the labels' logits are no larger on average than the others. NaN if no
    example counts, or one that does has a loss that is infinite at every c (its
    label has the logit -inf) or undefined.

  Raises:
    ValueError: if the shapes are not [N, C] and [N], N >= 1, or the labels not
      integers.

  References:
    Guo, Pleiss, Sun, Weinberger, On calibration of modern neural networks,
    2017, https://arxiv.org/abs/1706.04599 (section 4.2)

  >>> z = jnp.array([[3.0, 0.0]] * 4)  # 3 of 4 are right: sigma(3 c) = 3 / 4
  >>> c = fit_inverse_temperature(z, jnp.array([0, 0, 0, 1]))
  >>> print(f"{c:.4f} = log(3) / 3")
  0.3662 = log(3) / 3
  """
  logits, labels = jnp.asarray(logits), jnp.asarray(labels)
  is_integer = jnp.issubdtype(labels.dtype, jnp.integer)
  is_pair = logits.ndim == 2 and labels.shape == logits.shape[:1]
  if not (is_pair and logits.size and is_integer):
    raise ValueError(
      "expected logits [N, C] and labels [N], integers, N >= 1, got "
      f"{list(logits.shape)} and {list(labels.shape)} {labels.dtype}"
    )
  logits = numerics.widen(logits)
  is_label = labels[:, None] == jnp.arange(logits.shape[1])[None]
  of_label = jnp.sum(logits, axis=1, keepdims=True, where=is_label)
  counts = jnp.any(is_label, axis=1, keepdims=True)
  relative = jnp.where(counts, logits - of_label, 0)
  softmax = jax.vmap(activations.softmax, (0, None))

  def slope(c):
    p = softmax(relative, c)
    return jnp.sum(jnp.where(p > 0, p * relative, 0))  # not 0 times infinity

  def halve(_, ends):
    low, high = ends
    middle = (low + high) / 2
    is_below = slope(jnp.exp2(middle)) < 0
    return jnp.where(is_below, middle, low), jnp.where(is_below, high, middle)

  # Of the exponent of c: from where all p are uniform, or c is the least of the
  # dtype, to where all are the maximum. A mask sets these far apart.
  size, info = jnp.abs(relative), jnp.finfo(relative.dtype)
  low = jnp.maximum(info.minexp, -40 - jnp.log2(jnp.max(size)))
  high = 8 - jnp.log2(jnp.min(size, where=size > 0, initial=jnp.inf))
  num_halvings = info.nexp + info.nmant  # Of all exponents, to rounding.
  low, high = jax.lax.fori_loop(0, num_halvings, halve, (low, high))
  c = jnp.exp2((low + high) / 2)
  c = jnp.where(slope(jnp.zeros_like(c)) < 0, c, 0)
  c = jnp.where(jnp.max(relative) <= 0, jnp.inf, c)
  # Where a label has the logit -inf, others are infinitely better.
  is_defined = jnp.any(counts) & jnp.all(relative < jnp.inf)
  return jnp.where(is_defined, c, jnp.nan)
