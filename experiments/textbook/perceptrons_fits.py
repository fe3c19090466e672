"""One perceptron as a regression, and what it can separate.

All is meant to be called under float64.
"""

import jax
import numpy as np
import optax
from scipy import optimize
from sklearn import linear_model

import nnfun as nf
from experiments.textbook import perceptrons_thresholds as thresholds

_act = nf.activations


def regressions(seed: int, num_sets: int) -> dict[str, np.ndarray]:
  """Fits one perceptron to regression and classification sets.

  Args:
    seed: of the data.
    num_sets: data sets of each kind, 200 examples of 3 inputs.

  Returns:
    Largest difference of a weight or bias from an independent fit:
    `least_squares_gap` with g = identity (NumPy's lstsq), `logistic_gap` with
    g = sigmoid (scikit-learn).
  """
  rng = np.random.default_rng(seed)
  xs = rng.normal(size=(num_sets, 200, 3))
  scores = np.einsum("sni,si->sn", xs, rng.normal(size=(num_sets, 3))) + 0.5
  reals = scores + rng.normal(size=scores.shape)
  classes = (rng.random(scores.shape) < 1 / (1 + np.exp(-scores))) * 1.0
  found = _descend(xs, reals, classes)
  gaps = {}
  for name, params, ys, reference in (
    ("least_squares_gap", found[0], reals, _least_squares),
    ("logistic_gap", found[1], classes, _logistic),
  ):
    expected = [reference(*data) for data in zip(xs, ys, strict=True)]
    gaps[name] = np.max(np.abs(params - np.array(expected)))
  return gaps


def _descend(xs, reals, classes):
  """Returns (w, b) of perceptrons after gradient descent, [2, S, 4]."""
  start = nf.mlp.init(jax.random.key(0), [3, 1])

  def one(is_logistic, learning_rate, xs, ys):
    def loss(params, x, y):
      z = nf.mlp.apply(params, x, [_act.identity])
      losses = nf.losses.quadratic, nf.losses.sigmoid_cross_entropy
      return jax.lax.switch(is_logistic, losses, z, y)

    return nf.minibatch.fit(
      loss,
      optax.sgd(learning_rate),
      start,
      jax.random.key(0),  # One batch holds all examples.
      xs,
      ys[:, None],
      batch_size=len(xs),
      num_epochs=800,
    ).params

  # Both losses in one program, which is compiled once.
  sets = jax.vmap(one, (None, None, 0, 0))
  both = thresholds.jit(jax.vmap(sets, (0, 0, None, 0)))
  (layer,) = both(
    np.array([0, 1]), np.array([0.5, 3.0]), xs, np.stack([reals, classes])
  )
  return np.concatenate([layer["w"][..., 0, :], layer["b"]], axis=-1)


def _least_squares(xs, ys):
  ones = np.column_stack([xs, np.ones(len(xs))])
  return np.linalg.lstsq(ones, ys, rcond=None)[0]


def _logistic(xs, ys):
  model = linear_model.LogisticRegression(
    C=np.inf, tol=1e-12, solver="newton-cholesky"
  ).fit(xs, ys)
  return np.append(model.coef_, model.intercept_)


def is_separable(xs: np.ndarray, ys: np.ndarray) -> bool:
  """Tells whether some w.x + b is positive where y = 1 and negative elsewhere.

  By linear programming: are there w, b with (2 y - 1) (w.x + b) >= 1?

  Args:
    xs: points [N, n].
    ys: classes 0 or 1 [N].

  Returns:
    Whether they are linearly separable.
  """
  ones = np.column_stack([xs, np.ones(len(xs))])
  signs = 2 * np.asarray(ys) - 1
  result = optimize.linprog(
    np.zeros(ones.shape[1]),
    A_ub=-signs[:, None] * ones,
    b_ub=-np.ones(len(xs)),
    bounds=(None, None),
  )
  return result.status == 0


def separability() -> dict[str, np.ndarray]:
  """Tries to separate every Boolean function of two and of three inputs.

  Returns:
    Truth tables `functions` [16, 4] of two inputs and whether they are
    `separable` [16]; `separable_of_three`, how many of 256 are;
    `farkas` [3], sum_i (2 y_i - 1) (x_i, 1) for XOR with weight 1 on each
    pattern, an exact certificate if 0: the sum of what should be positive is 0;
    `xor_least_squares` [3], the (w, b) nearest to XOR.
  """
  two, three = (thresholds.binary_inputs(n) for n in (2, 3))
  functions = thresholds.binary_inputs(4)
  xor = np.array([0.0, 1.0, 1.0, 0.0])
  ones = np.column_stack([two, np.ones(4)])
  return {
    "functions": functions,
    "separable": np.array([is_separable(two, ys) for ys in functions]),
    "separable_of_three": sum(
      is_separable(three, ys) for ys in thresholds.binary_inputs(8)
    ),
    "farkas": (2 * xor - 1) @ ones,
    "xor_least_squares": np.linalg.lstsq(ones, xor, rcond=None)[0],
  }
