"""Softmax regression on real digits, beside scikit-learn's."""

import jax
import numpy as np
import optax
from jax import numpy as jnp
from sklearn import linear_model

import nnfun as nf
from experiments.textbook import backpropagation_exact as exact
from experiments.textbook import backpropagation_training as training


def train(
  digits: training.Digits,
  inverse_penalty: float,
  num_steps: int,
  key: jax.Array,
) -> dict[str, np.ndarray]:
  """Trains softmax regression, and compares it with scikit-learn's.

    C sum_i l(W, b; x_i, y_i) + norm(W)^2 / 2

  has one minimum (b up to a constant), so both must find it.

  Args:
    digits: examples.
    inverse_penalty: C.
    num_steps: of Nesterov's method on all examples.
    key: of the shuffles, which change nothing but the rounding.

  Returns:
    `regression_error` [] of W, relative, and `regression_agreement` [] the
    share of held-out digits given the same label; `regression_accuracy` [2] of
    both.
  """
  penalty = 1 / (inverse_penalty * len(digits.xs))

  def loss_fn(params, x, y):
    z = params["w"] @ x + params["b"]
    loss = nf.losses.softmax_cross_entropy_with_integer_labels(z, y)
    return loss + penalty / 2 * jnp.sum(params["w"] ** 2)

  @exact.jit
  def fit(key):
    return nf.minibatch.fit(
      loss_fn,
      optax.sgd(0.15, momentum=0.97, nesterov=True),
      {
        "w": jnp.zeros((training.NUM_CLASSES, 64)),
        "b": jnp.zeros(training.NUM_CLASSES),
      },
      key,
      digits.xs,
      digits.ys,
      batch_size=len(digits.xs),
      num_epochs=num_steps,
    ).params

  train_xs, train_ys, xs, ys = map(np.asarray, digits)
  other = linear_model.LogisticRegression(
    C=inverse_penalty, tol=1e-8, max_iter=1000, solver="newton-cg"
  ).fit(train_xs.astype(np.float64), train_ys)
  params = jax.tree.map(np.asarray, fit(key))
  ours = np.argmax(xs @ params["w"].T + params["b"], axis=1)
  theirs = other.predict(xs.astype(np.float64))
  distance = np.linalg.norm(params["w"] - other.coef_)
  return {
    "regression_error": distance / np.linalg.norm(other.coef_),
    "regression_agreement": np.mean(ours == theirs),
    "regression_accuracy": np.array(
      [np.mean(ours == ys), np.mean(theirs == ys)]
    ),
  }
