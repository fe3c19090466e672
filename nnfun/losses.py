"""Losses (prediction, target) -> scalar of one example, summed over outputs.

A "prediction" is the output itself; "logits" are what a sigmoid or a softmax
would still be applied to. The derivative of a loss is `jax.grad` of it. All is
computed in float32 at least, and rounded once to the dtype of the first
argument.
"""

import jax
import optax
from jax import numpy as jnp

from nnfun import base, numerics


def quadratic(prediction: base.Array, target: base.Array) -> base.Array:
  """Returns half the squared distance.

    C = 1/2 sum_i (a_i - y_i)^2,  dC / d a_i = a_i - y_i.

  Args:
    prediction: a, any shape.
    target: y, the same shape.

  Returns:
    A scalar.

  Raises:
    ValueError: if the shapes differ or the prediction is not floating.

  >>> float(quadratic(jnp.array([1.0, 2.0]), jnp.array([0.0, 4.0])))
  2.5
  """
  a, y, total = _pair("prediction", prediction, target)
  return total(optax.losses.l2_loss(a, y))


def binary_cross_entropy(
  prediction: base.Array, target: base.Array
) -> base.Array:
  """Returns the cross-entropy of independent yes-no outputs.

    C = -sum_i [y_i log a_i + (1 - y_i) log(1 - a_i)],
    dC / d a_i = (a_i - y_i) / (a_i (1 - a_i)).

  For a = sigmoid(z) the factor a (1 - a) cancels. Where a rounds to 0 or 1 it
  cannot: train on `sigmoid_cross_entropy`, which has the cancellation done.

  Args:
    prediction: a, probabilities of any shape.
    target: y in [0, 1], the same shape.

  Returns:
    A scalar; infinite if a certain prediction is wrong, 0 if it is right.

  Raises:
    ValueError: if the shapes differ or the prediction is not floating.

  References:
    Nielsen, Neural networks and deep learning, 2015, chapter 3,
    http://neuralnetworksanddeeplearning.com/chap3.html
  """
  a, y, total = _pair("prediction", prediction, target)
  return -total(numerics.xlogy(y, a) + numerics.xlog1py(1 - y, -a))


def sigmoid_cross_entropy(logits: base.Array, target: base.Array) -> base.Array:
  """Returns `binary_cross_entropy` of sigmoid(logits).

    C = -sum_i [y_i log sigma(z_i) + (1 - y_i) log sigma(-z_i)],
    dC / d z_i = sigma(z_i) - y_i.

  `optax.sigmoid_binary_cross_entropy` is the same, but NaN at infinite logits.

  Args:
    logits: z, any shape.
    target: y in [0, 1], the same shape.

  Returns:
    A scalar.

  Raises:
    ValueError: if the shapes differ or the logits are not floating.
  """
  z, y, total = _pair("logits", logits, target)
  log_a, log_not_a = jax.nn.log_sigmoid(z), jax.nn.log_sigmoid(-z)
  return -total(_weighted(y, log_a) + _weighted(1 - y, log_not_a))


def cross_entropy(prediction: base.Array, target: base.Array) -> base.Array:
  """Returns the cross-entropy of a distribution over classes.

    C = -sum_i y_i log a_i,  dC / d a_i = -y_i / a_i.

  Where a comes out of a softmax, train on `softmax_cross_entropy`: at a
  probability that has underflowed to 0 this derivative is infinite.

  Args:
    prediction: a, the predicted distribution [N].
    target: y, a distribution [N]; one-hot for a label.

  Returns:
    A scalar.

  Raises:
    ValueError: if the shapes differ or the prediction is not floating.
  """
  a, y, total = _pair("prediction", prediction, target)
  return -total(numerics.xlogy(y, a))


def softmax_cross_entropy(logits: base.Array, target: base.Array) -> base.Array:
  """Returns `cross_entropy` of softmax(logits).

    C = -sum_i y_i log softmax(z)_i,  dC / d z_i = a_i sum_j y_j - y_i.

  A logit of -inf with target 0 counts nothing, in the value and in all
  derivatives; forward ones of `optax.safe_softmax_cross_entropy` are NaN.

  Args:
    logits: z [N].
    target: y, a distribution [N]; one-hot for a label.

  Returns:
    A scalar; infinite if a class of logit -inf has a positive target.

  Raises:
    ValueError: if the shapes differ, are not [N], or the logits not floating.
  """
  z, y, total = _pair("logits", logits, target)
  _check_logits(z)
  return -total(_weighted(y, jax.nn.log_softmax(z)))


def softmax_cross_entropy_with_integer_labels(
  logits: base.Array, label: base.Array
) -> base.Array:
  """Returns `softmax_cross_entropy` for the one-hot distribution of a label.

    C = -log softmax(z)_y,  dC / d z_i = a_i - (1 if i = y else 0).

  The maximum is subtracted before z_y is, so that large logits keep their
  differences; optax.losses has the function of the same name in another order.

  Args:
    logits: z [N].
    label: y, an integer scalar.

  Returns:
    A scalar, NaN for a label outside 0 ... N - 1.

  Raises:
    ValueError: if the logits are not floating [N], or the label is not an
      integer scalar.
  """
  z, y = jnp.asarray(logits), jnp.asarray(label)
  _check_logits(z)
  if y.shape or not jnp.issubdtype(y.dtype, jnp.integer):
    raise ValueError(
      "expected one integer label, got shape "
      f"{list(y.shape)} and dtype {y.dtype}"
    )
  y = y.astype(int)  # N may be beyond the dtype of the label
  is_class = (0 <= y) & (y < z.size)
  log_p = jax.nn.log_softmax(numerics.widen(z))[jnp.where(is_class, y, 0)]
  return jnp.where(is_class, -log_p, jnp.nan).astype(z.dtype)


def _weighted(weight, log_p):
  """Returns weight * log_p with 0 * (-inf) = 0 and both derivatives 0 there."""
  is_null = (weight == 0) & jnp.isneginf(log_p)
  return weight * jnp.where(is_null, 0, log_p)


def _pair(name, prediction, target):
  """Returns both, wide, and the sum in the dtype of the prediction."""
  prediction, target = jnp.asarray(prediction), jnp.asarray(target)
  if prediction.shape != target.shape:
    raise ValueError(
      f"expected {name} and target of one shape (one example, `jax.vmap` adds "
      f"the batch), got {list(prediction.shape)} and {list(target.shape)}"
    )
  _check_floating(name, prediction)
  a, dtype = numerics.widen(prediction), prediction.dtype
  return a, target.astype(a.dtype), lambda x: jnp.sum(x).astype(dtype)


def _check_logits(z):
  _check_floating("logits", z)
  if z.ndim != 1 or not z.size:
    raise ValueError(
      "expected logits [N], N >= 1 (one example, `jax.vmap` adds the batch), "
      f"got shape {list(z.shape)}"
    )


def _check_floating(name, x):
  if not jnp.issubdtype(x.dtype, jnp.floating):
    raise ValueError(f"expected {name} of a floating dtype, got {x.dtype}")
