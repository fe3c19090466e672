"""One perceptron as a regression, and what it can separate.

All is meant to be called under float64.
"""

from typing import NamedTuple

import jax
import numpy as np
import optax
from jax import numpy as jnp
from scipy import optimize
from sklearn import linear_model

import nnfun as nf
from experiments import sweeps
from experiments.textbook.perceptrons import thresholds

_act = nf.activations


class Regressions(NamedTuple):
  """Largest difference of a weight or bias from an independent fit."""

  least_squares: np.ndarray  # g = identity, against NumPy's lstsq  [sets]
  logistic: np.ndarray  # g = sigmoid, against scikit-learn  [sets]


class Separability(NamedTuple):
  """Which Boolean functions one perceptron computes."""

  functions: np.ndarray  # Truth tables of two inputs  [16, 4]
  of_two: np.ndarray  # Which of them  [16]
  of_three: np.ndarray  # Which of those of three inputs  [256]


def regressions(seed: int, num_sets: int) -> Regressions:
  """Fits one perceptron to sets of 200 examples of 3 inputs."""
  rng = np.random.default_rng(seed)
  xs = rng.normal(size=(num_sets, 200, 3))
  scores = np.einsum("sni,si->sn", xs, rng.normal(size=(num_sets, 3))) + 0.5
  reals = scores + rng.normal(size=scores.shape)
  classes = (rng.random(scores.shape) < 1 / (1 + np.exp(-scores))) * 1.0
  gaps = []
  for params, ys, reference in zip(
    _descend(xs, reals, classes),
    (reals, classes),
    (_least_squares, _logistic),
    strict=True,
  ):
    expected = [reference(*data) for data in zip(xs, ys, strict=True)]
    gaps.append(np.max(np.abs(params - np.array(expected)), axis=1))
  return Regressions(*gaps)


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
  (layer,) = sweeps.sweep(
    lambda *kind: jax.vmap(one, (None, None, 0, 0))(*kind[:2], xs, kind[2]),
    np.array([0, 1]),
    np.array([0.5, 3.0]),
    np.stack([reals, classes]),
    quick=True,
  )
  return np.concatenate([layer["w"][..., 0, :], layer["b"]], axis=-1)


def _least_squares(xs, ys):
  return np.linalg.lstsq(_with_ones(xs), ys, rcond=None)[0]


def _logistic(xs, ys):
  model = linear_model.LogisticRegression(
    C=np.inf, tol=1e-12, solver="newton-cholesky"
  ).fit(xs, ys)
  return np.append(model.coef_, model.intercept_)


def separability() -> Separability:
  """Tries to compute every Boolean function of two and of three inputs."""
  return Separability(
    thresholds.binary_inputs(4),
    *(_computed(thresholds.binary_inputs(n)) for n in (2, 3)),
  )


def _computed(xs):
  """Tells which functions of the inputs a perceptron computes, [2^len(xs)]."""
  functions = thresholds.binary_inputs(len(xs))
  found = [separating(xs, ys) for ys in functions]
  layers = np.array(
    [np.zeros(xs.shape[1] + 1) if f is None else f for f in found]
  )

  inputs = jnp.asarray(xs)

  def outputs(layer):
    params = ({"w": layer[None, :-1], "b": layer[-1:]},)
    layers = [_act.threshold]
    return jax.vmap(lambda x: nf.mlp.apply(params, x, layers)[0])(inputs)

  outputs = sweeps.sweep(outputs, layers, quick=True)
  is_separable = np.array([f is not None for f in found])
  return is_separable & np.all(outputs == functions, axis=1)


def separating(xs: np.ndarray, ys: np.ndarray) -> np.ndarray | None:
  """Returns (w, b), w.x + b >= 1 where y = 1 and <= -1 elsewhere; or None.

  By linear programming, which also tells where there is none.
  """
  signed = (2 * np.asarray(ys) - 1)[:, None] * _with_ones(xs)
  result = optimize.linprog(
    np.zeros(signed.shape[1]),
    A_ub=-signed,
    b_ub=-np.ones(len(xs)),
    bounds=(None, None),
  )
  return result.x if result.status == 0 else None


def _with_ones(xs):
  return np.column_stack([xs, np.ones(len(xs))])
